"""What the routes that change something share: how long they wait, and what a failing disk is to a client.

A change waits for whoever changes the same: another request, `mlapi promote`, a process that is suspended.
Meanwhile it keeps a thread of the worker, so that few of them wait for seconds, and the others for a moment.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import request

from mlapi.errors import (
    NotWritable,
    WritesNotAllowed,
)
from mlapi.settings import Settings
from mlapi.wording import quoted

LONG_S, MOMENT_S = 3.0, 0.2
"""How long a change waits at most: one of the first, and another one."""

PATIENT = 2
"""So many changes of a process may wait long. The least that a worker has are four threads."""

_places = threading.BoundedSemaphore(PATIENT)


@contextmanager
def writing(what: str = "the models, or the log of changes,") -> Iterator[float]:
    """How many seconds the change may wait for others.

    Raises:
        NotWritable: It has waited so long, or the disk does not let it.
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
    """
    Raises:
        WritesNotAllowed: The settings do not allow them, or a page of another site asks for them.
    """
    if not settings.allow_writes:
        raise WritesNotAllowed("models can be changed here once the setting allow_writes is on")
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2].lower() != request.host.lower():
        raise WritesNotAllowed(f"a page from {quoted(origin)} may not change models here")
