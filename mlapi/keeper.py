"""The pool beside gunicorn's workers: one of its dirty workers, which the master starts again when it dies.

Nothing is asked of it by gunicorn's own protocol, whose calls cannot be ended, take what memory they like,
and queue without a bound (27.0.1); who asks comes through `mlapi.pool.client`, or leaves a job.
"""

import errno
import logging
import os
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType

from gunicorn.dirty.app import DirtyApp

from mlapi.changes import changes_of, open_changes
from mlapi.errors import Conflict, ModelNotFound, ModelUnavailable, UnknownVersion
from mlapi.jobs import JOB, Job, Jobs
from mlapi.manifest import PROMOTION, Manifest
from mlapi.names import PRODUCTION
from mlapi.pool.child import Tell, prepare
from mlapi.pool.jobs import Published, Runner
from mlapi.pool.messages import Message
from mlapi.pool.server import Bounds, Pool, Queue
from mlapi.registry import Registry
from mlapi.settings import Settings, TableLimits, process_settings
from mlapi.snapshot import ModelRecord

logger = logging.getLogger(__name__)

_IMPORTED = ("mlapi.tasks", "mlapi.training.jobs", "matplotlib.figure", "matplotlib.backends.backend_svg")
"""What children run, and what that imports late: imported by the process that they are forked from, and by no
other of the server."""

_ERRANDS = 16
"""So many requests wait to be read, or for a description, at most."""

_LONGEST_LOOK_S = 5.0
"""No job waits longer for the workers to see its version."""

_LOOK_S = 1.0
"""How often this process looks whether its parent is there."""

_IN_VAIN = (ModelNotFound, UnknownVersion, Conflict)
"""What tells that a version will not be promoted, however often it is tried."""

_AGAIN_S = 5.0
"""A disk that was full may have room by then."""


class Keeper(DirtyApp):  # type: ignore[misc]
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
    published = partial(_published, registry, settings.state_dir)
    visible_s = min(2 * settings.models_poll_s, _LONGEST_LOOK_S)
    Runner(Jobs(settings.state_dir), partial(_train, settings), bounds, published, visible_s).start()


# What children do, each of which has imported it already.


def _fit(limits: TableLimits, message: Message, tell: Tell) -> Message:
    from mlapi import tasks  # noqa: PLC0415

    return tasks.fit(limits, message, tell)


def _warm_up() -> None:
    from mlapi import tasks  # noqa: PLC0415

    tasks.warm_up()


def _errand(limits: TableLimits, message: Message, tell: Tell) -> Message:
    from mlapi import tasks  # noqa: PLC0415

    return tasks.errand(limits, message, tell)


def _train(settings: Settings, message: Message, tell: Tell) -> Message:
    from mlapi.training.jobs import perform  # noqa: PLC0415

    return perform(settings, message, tell)


def _published(registry: Registry, state_dir: Path, job: Job) -> Published | None:
    """What a job has published, promoted if it was judged so: its process may have ended in between.

    Raises:
        OSError: The models cannot be seen, or not be changed.
    """
    try:
        return _settled(registry, state_dir, job)
    except ModelUnavailable as error:
        raise OSError(errno.EAGAIN, str(error)) from error


def _settled(registry: Registry, state_dir: Path, job: Job) -> Published | None:
    manifest = _made_by(registry, job)
    if manifest is None:
        return None
    verdict = manifest.data[PROMOTION]
    production = registry.snapshot.record(job.model).aliases.get(PRODUCTION)
    if verdict["promotes"] and (production and production.version) == verdict["over"]:
        with suppress(*_IN_VAIN):  # somebody else was quicker, or the disk spoils what it keeps
            changes_of(registry, state_dir, f"http {job.caller}").promote(job.model, manifest.version)
    told = f"published and {'' if verdict['promotes'] else 'not '}promoted: {verdict['reason']}."
    return Published(manifest.version, " ".join([told, *manifest.data.get("notes", ())]))


def _is_unsure(record: ModelRecord | None) -> bool:
    return record is not None and bool(record.problem or record.aliases_problem)


def _made_by(registry: Registry, job: Job) -> Manifest | None:
    registry.refresh()
    snapshot = registry.snapshot
    record = snapshot.models.get(job.model)
    if (snapshot.problem and registry.store.folder.exists()) or _is_unsure(record):
        raise OSError(errno.EIO, "the models cannot be read")
    for number in reversed(record.numbers) if record else ():
        manifest = registry.version(job.model, number).manifest
        if manifest and manifest.data.get(JOB) == job.id:
            return manifest
    return None
