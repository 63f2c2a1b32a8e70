"""What a training job has published: looked for after it ended, for its process may have ended in between."""

import errno
from contextlib import suppress
from pathlib import Path

from mlapi.artifacts.manifest import Manifest
from mlapi.artifacts.names import PRODUCTION
from mlapi.artifacts.provenance import Promotion
from mlapi.errors import Conflict, ModelNotFound, ModelUnavailable, UnknownVersion
from mlapi.jobs.jobs import Job
from mlapi.jobs.runner import Published
from mlapi.registry.changes import changes_of
from mlapi.registry.registry import Registry
from mlapi.registry.snapshot import ModelRecord

_IN_VAIN = (ModelNotFound, UnknownVersion, Conflict)
"""What tells that a version will not be promoted, however often it is tried."""

_UNDECIDED = Promotion(promotes=False, reason="its manifest has no decision", over=None)
"""Of a manifest that no job of this mlapi has written."""


def published(registry: Registry, state_dir: Path, job: Job) -> Published | None:
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
    provenance = manifest.provenance
    verdict = provenance.promotion or _UNDECIDED
    production = registry.snapshot.record(job.model).aliases.get(PRODUCTION)
    if verdict.promotes and (production and production.version) == verdict.over:
        with suppress(*_IN_VAIN):  # somebody else was quicker, or the disk spoils what it keeps
            changes_of(registry, state_dir, f"http {job.caller}").promote(job.model, manifest.version)
    sentence = f"published and {'' if verdict.promotes else 'not '}promoted: {verdict.reason}."
    return Published(manifest.version, " ".join([sentence, *provenance.notes]))


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
        if manifest and manifest.provenance.job == job.id:
            return manifest
    return None
