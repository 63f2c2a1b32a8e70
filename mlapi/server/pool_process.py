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

_ERRANDS = 16
"""So many requests wait to be read, or for a description, at most."""

_LONGEST_LOOK_S = 5.0
"""No job waits longer for the workers to see its version."""

_LOOK_S = 1.0
"""How often this process looks whether its parent is there."""


_AGAIN_S = 5.0
"""A disk that was full may have room by then."""


class PoolProcess(DirtyApp):  # type: ignore[misc]
    settings: Settings | None = None
    """Those of the server, set before its first fork; else those of the process."""

    def init(self) -> None:
        # Else each child would run the program's own module anew: what children do is imported by its name.
        sys.modules["__main__"] = ModuleType("__main__")
        settings = self.settings or process_settings()
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
        threading.Thread(target=_keep, args=(settings,), daemon=True).start()


def _end_with(parent: int) -> None:
    """gunicorn's own dirty worker outlives a parent that is killed (27.0.1)."""
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os._exit(1)


def _keep(settings: Settings) -> None:
    """Until something goes wrong; then this process ends, and another takes its place."""
    try:
        pool_of(settings).serve()
    except Exception:
        logger.exception("the pool cannot be kept")
        time.sleep(_AGAIN_S)
    os._exit(1)


def pool_of(settings: Settings) -> Pool:
    """The pool that the settings describe."""
    fit = Bounds(settings.fit_workers, settings.fits_waiting, settings.fit_seconds, settings.fit_megabytes)
    errand = Bounds(1, _ERRANDS, settings.fit_seconds, settings.fit_megabytes, nice=0)
    queues = dict.fromkeys(("describe", "order"), Queue(partial(_errand, settings.job_limits), errand))
    if settings.fit_workers:
        queues["fit"] = Queue(partial(_fit, settings.fit_limits), fit, _warm_up)
    return Pool(settings.state_dir, queues, partial(_begin, settings))


def _begin(settings: Settings) -> None:
    prepare(_IMPORTED)
    if settings.job_workers == 0:
        return
    bounds = Bounds(settings.job_workers, 0, settings.job_seconds, settings.job_megabytes)
    registry = open_changes(settings, "a job").registry
    found = partial(published_version, registry, settings.state_dir)
    visible_s = min(2 * settings.models_poll_s, _LONGEST_LOOK_S)
    Runner(Jobs(settings.state_dir), partial(_train, settings), bounds, found, visible_s).start()


# What children do, each of which has imported it already.


def _fit(limits: TableLimits, message: Message, report: ReportProgress) -> Message:
    from mlapi.jobs import tasks  # noqa: PLC0415

    return tasks.fit(limits, message, report)


def _warm_up() -> None:
    from mlapi.jobs import tasks  # noqa: PLC0415

    tasks.warm_up()


def _errand(limits: TableLimits, message: Message, report: ReportProgress) -> Message:
    from mlapi.jobs import tasks  # noqa: PLC0415

    return tasks.short_task(limits, message, report)


def _train(settings: Settings, message: Message, report: ReportProgress) -> Message:
    from mlapi.training.workflows.job import perform  # noqa: PLC0415

    return perform(settings, message, report)
