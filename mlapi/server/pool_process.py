"""The pool beside gunicorn's workers: one of its dirty workers, which the master starts again when it dies.

Nothing is asked of it by gunicorn's own protocol, whose calls cannot be ended, take what memory they like,
and queue without a bound (27.0.1); who asks comes through `mlapi.jobs.pool.client`, or leaves a job.
"""

import logging
import os
import sys
import threading
import time
from functools import partial
from types import ModuleType

from gunicorn.dirty.app import DirtyApp

from mlapi.data.limits import TableLimits
from mlapi.jobs.jobs import Jobs
from mlapi.jobs.pool.child import ReportProgress, prepare
from mlapi.jobs.pool.messages import Message
from mlapi.jobs.pool.server import Bounds, Pool, Queue
from mlapi.jobs.publications import published_version
from mlapi.jobs.runner import Runner
from mlapi.registry.opening import open_changes
from mlapi.settings import Settings, process_settings

logger = logging.getLogger(__name__)

_IMPORTED = (
    "mlapi.jobs.tasks",
    "mlapi.training.workflows.job",
    "matplotlib.figure",
    "matplotlib.backends.backend_svg",
)
"""What children run, and what that imports late: imported by the process that they are forked from, and by no
other of the server."""

_SHORT_TASKS_WAITING = 16
"""So many requests wait at most to be read, or for a description."""

_LONGEST_VISIBLE_S = 5.0
"""How long a job waits at most for the workers to see its version."""

_PARENT_CHECK_S = 1.0
"""How often this process looks whether its parent is there."""

_RESTART_PAUSE_S = 5.0
"""How long a process whose pool has failed waits before it ends: a full disk may have room by then."""


class PoolProcess(DirtyApp):  # type: ignore[misc]
    """What gunicorn runs in its dirty worker: the pool, until it fails or the parent process is gone."""

    settings: Settings | None = None
    """The settings of the server, set before its first fork; None for those of the process."""

    def init(self) -> None:
        """Start the pool in a thread of its own, and return; gunicorn calls it once in the dirty worker."""
        # Else each child would run the program's own module anew: what children do is imported by its name.
        sys.modules["__main__"] = ModuleType("__main__")
        settings = self.settings or process_settings()
        threading.Thread(target=_end_after, args=(os.getppid(),), daemon=True).start()
        threading.Thread(target=_run_pool, args=(settings,), daemon=True).start()


def _end_after(parent: int) -> None:
    """End this process once its parent is gone: gunicorn's own outlives one that is killed (27.0.1)."""
    while os.getppid() == parent:
        time.sleep(_PARENT_CHECK_S)
    os._exit(1)


def _run_pool(settings: Settings) -> None:
    """Serve until something goes wrong; then this process ends, and another takes its place."""
    try:
        pool_of(settings).serve()
    except Exception:
        logger.exception("the pool cannot be kept")
        time.sleep(_RESTART_PAUSE_S)
    os._exit(1)


def pool_of(settings: Settings) -> Pool:
    """Return the pool that the settings describe, not yet serving.

    It takes short tasks (`describe`, and `order`, which reads a submission), fits on request if there are
    any, and runs jobs.
    """
    fit = Bounds(settings.fit_workers, settings.fits_waiting, settings.fit_seconds, settings.fit_megabytes)
    short = Bounds(1, _SHORT_TASKS_WAITING, settings.fit_seconds, settings.fit_megabytes, nice=0)
    queues = dict.fromkeys(("describe", "order"), Queue(partial(_short_task, settings.job_limits), short))
    if settings.fit_workers:
        queues["fit"] = Queue(partial(_fit, settings.fit_limits), fit, _warm_up)
    return Pool(settings.state_dir, queues, partial(_begin, settings))


def _begin(settings: Settings) -> None:
    prepare(_IMPORTED)
    if settings.job_workers == 0:
        return
    bounds = Bounds(settings.job_workers, 0, settings.job_seconds, settings.job_megabytes)
    registry = open_changes(settings, "a job").registry
    find_publication = partial(published_version, registry, settings.state_dir)
    visible_s = min(2 * settings.models_poll_s, _LONGEST_VISIBLE_S)
    Runner(Jobs(settings.state_dir), partial(_train, settings), bounds, find_publication, visible_s).start()


# What children do, each of which has imported it already.


def _fit(limits: TableLimits, message: Message, report: ReportProgress) -> Message:
    from mlapi.jobs import tasks  # noqa: PLC0415

    return tasks.fit(limits, message, report)


def _warm_up() -> None:
    from mlapi.jobs import tasks  # noqa: PLC0415

    tasks.warm_up()


def _short_task(limits: TableLimits, message: Message, report: ReportProgress) -> Message:
    from mlapi.jobs import tasks  # noqa: PLC0415

    return tasks.short_task(limits, message, report)


def _train(settings: Settings, message: Message, report: ReportProgress) -> Message:
    from mlapi.training.workflows.job import perform  # noqa: PLC0415

    return perform(settings, message, report)
