"""The pool's own errors, and how any error of ours goes as JSON from a child to whoever asked, where it is
raised again.

The class is found again by its slug; `mlapi.errors.error.MlapiError.members` says what else it needs.
"""

from collections.abc import Mapping
from typing import Any

from mlapi.errors import MlapiError
from mlapi.wording import shortened

LONGEST_DETAIL = 1000
"""Characters: a message may repeat a client's own names, which may have any length."""


class PoolError(MlapiError):
    """What kept the pool from doing a task, or a job from being queued; no client gets it as it is.

    `mlapi.jobs.client_errors` makes the error that the client gets. The slugs are for messages between
    processes alone.
    """


class TaskTimedOut(PoolError):
    """A task took longer than it may; its process was ended."""

    slug = "task-timed-out"


class TaskOutOfMemory(PoolError):
    """A task took more memory than it may."""

    slug = "task-out-of-memory"


class TaskProcessEnded(PoolError):
    """The process of a task ended before the task did: it crashed, or somebody killed it."""

    slug = "task-process-ended"


class QueueFull(PoolError):
    """So many tasks or jobs wait as may, or a task's turn did not come in time."""

    slug = "queue-full"


class PoolUnavailable(PoolError):
    """Nobody answers at the pool's socket, or the answer broke off."""

    slug = "pool-unavailable"


def document_of(error: MlapiError) -> dict[str, Any]:
    """Return an error as JSON; its message is shortened to `LONGEST_DETAIL`."""
    return {
        "slug": error.slug,
        "title": error.title,
        "status": error.status,
        "detail": shortened(str(error), LONGEST_DETAIL),
        "headers": dict(error.headers),
        **error.members(),
    }


def error_of(document: Mapping[str, Any]) -> MlapiError:
    """Make the error again that `document_of` was asked for: of the same class, with the same message."""
    return class_of(document["slug"]).restored(document)


def class_of(slug: str) -> type[MlapiError]:
    """Return the class that has this slug of its own; `MlapiError` if none has, as for "internal-error"."""
    classes = [MlapiError]
    for each in classes:  # which grows meanwhile, by all that are below
        if vars(each).get("slug") == slug:
            return each
        classes += each.__subclasses__()
    return MlapiError
