"""What a request needs to change models or jobs: the permission, and its turn.

`check_writes` says whether a request may change models at all. `shared_access` says how long the change may
wait for others, and makes a 503 of a disk that fails.

A change waits for whoever changes the same: another request, `mlapi promote`, a process that is suspended.
Meanwhile it occupies a thread of the worker. So few changes of one process wait for seconds, and the others
for a moment.
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
"""How many changes of one process may wait for `LONG_S` at a time. A worker has four threads at least."""

MODELS_AND_LOG = "the models, or the log of changes,"
"""The words of a 503 for what a change of a model reads and writes."""

JOBS = "the jobs"
"""The words of a 503 for what a request for jobs reads and writes."""

_patient_changes = threading.BoundedSemaphore(PATIENT)


@contextmanager
def shared_access(what: str) -> Iterator[float]:
    """Yield for how many seconds the code inside may wait for others who change the same.

    It locks nothing: the code inside hands the seconds on to what does.

    Args:
        what: The words for what is read or changed, in the message to the client: `MODELS_AND_LOG` or `JOBS`.

    Raises:
        NotWritable: The code inside raised an `OSError`: somebody else held a lock for too long, or the disk
            refused.
    """
    is_patient = _patient_changes.acquire(blocking=False)
    try:
        yield LONG_S if is_patient else MOMENT_S
    except OSError as error:
        raise NotWritable(f"{what} cannot be read or written now: {error.strerror}") from error
    finally:
        if is_patient:
            _patient_changes.release()


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
