"""What a client is told where the pool or the queue of jobs has failed it: that its fit, or its job, has.

The pool knows nothing of fits; who asks it for one does.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from mlapi.errors import FitsBusy, MlapiError, NoPool, Unfittable
from mlapi.jobs.pool.errors import (
    PoolError,
    PoolUnavailable,
    QueueFull,
    TaskOutOfMemory,
    TaskProcessEnded,
    TaskTimedOut,
)

_NO_POOL = "the process that fits is not there, or ended; it is started again at once"

_MADE_BY: Mapping[type[PoolError], Callable[[PoolError], MlapiError]] = {
    **dict.fromkeys((TaskTimedOut, TaskOutOfMemory, TaskProcessEnded), lambda error: Unfittable(str(error))),
    QueueFull: lambda error: FitsBusy(str(error)),
    PoolUnavailable: lambda _: NoPool(_NO_POOL),
}


def client_error(error: MlapiError) -> MlapiError:
    """Return what a client is told for an error of the pool's; any other error as it is."""
    return _MADE_BY[type(error)](error) if isinstance(error, PoolError) else error


@contextmanager
def raised_for_clients() -> Iterator[None]:
    """Raise what a client is told in place of the pool's own errors, for as long as the block runs.

    Raises:
        Unfittable: The task took too long or too much memory, or its process ended.
        FitsBusy: Too many wait already.
        NoPool: The pool is not there, or ended meanwhile.
    """
    try:
        yield
    except PoolError as error:
        raise client_error(error) from error
