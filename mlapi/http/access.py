"""Access to what requests share and change: who may change it, how long a change waits, and what a client is
told where the disk fails.

A change waits for whoever changes the same: another request, `mlapi promote`, a process that is suspended.
Meanwhile it occupies a thread of the worker, so that few of them wait for seconds, and the others for a
moment.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import request

from mlapi.errors import NotWritable, WritesNotAllowed
from mlapi.settings import Settings
from mlapi.wording import quoted

LONG_S = 3.0
"""The longest that a patient change waits for others, in seconds."""

MOMENT_S = 0.2
"""The longest that any other change waits, in seconds."""

PATIENT = 2
"""How many changes of one process may be patient at a time. A worker has four threads at least."""

MODELS_AND_LOG = "the models, or the log of changes,"
"""What a change of a model touches, in the message of a 503."""

JOBS = "the jobs"
"""What a request for jobs touches, in the message of a 503."""

_places = threading.BoundedSemaphore(PATIENT)


@contextmanager
def shared_access(what: str) -> Iterator[float]:
    """Read or change what others change too; gives the seconds that it may wait for them.

    Args:
        what: The words for it in the message to the client: `MODELS_AND_LOG` or `JOBS`.

    Raises:
        NotWritable: Somebody else held it for so long, or the disk refused (any `OSError` inside).
    """
    is_patient = _places.acquire(blocking=False)
    try:
        yield LONG_S if is_patient else MOMENT_S
    except OSError as error:
        raise NotWritable(f"{what} cannot be read or written now: {error.strerror}") from error
    finally:
        if is_patient:
            _places.release()


def check_writes(settings: Settings) -> None:
    """Refuse a request that changes something where that is not allowed.

    Raises:
        WritesNotAllowed: The setting `allow_writes` is off, or a page of another site asks, as its `Origin`
            header says.
    """
    if not settings.allow_writes:
        raise WritesNotAllowed("models can be changed here once the setting allow_writes is on")
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2].lower() != request.host.lower():
        raise WritesNotAllowed(f"a page from {quoted(origin)} may not change models here")
