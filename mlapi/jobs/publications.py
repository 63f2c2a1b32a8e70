"""The version that a training job has published: found by its manifest, since the job's process may have
ended before it could say so."""

import errno
from contextlib import suppress
from pathlib import Path

from mlapi.artifacts.manifest import Manifest
from mlapi.artifacts.names import PRODUCTION
from mlapi.artifacts.provenance import Promotion
from mlapi.errors import Conflict, ModelNotFound, ModelUnavailable, UnknownVersion
from mlapi.jobs.jobs import Job
from mlapi.jobs.runner import PublishedVersion
from mlapi.registry.changes import changes_to
from mlapi.registry.registry import Registry
from mlapi.registry.snapshot import ModelRecord

_FINAL = (ModelNotFound, UnknownVersion, Conflict)
"""Errors after which it is useless to try the promotion again."""

_UNDECIDED = Promotion(promotes=False, reason="its manifest has no decision", over=None)
"""Of a manifest that no job of this mlapi has written."""


def published_version(registry: Registry, state_dir: Path, job: Job) -> PublishedVersion | None:
    """Return what a job has published, None if nothing; promote it where its manifest says so.

    The job's process may have ended between publishing and promoting.

    Raises:
        OSError: The models cannot be seen, or not be changed.
    """
    try:
        return _settled(registry, state_dir, job)
    except ModelUnavailable as error:
        raise OSError(errno.EAGAIN, str(error)) from error


def _settled(registry: Registry, state_dir: Path, job: Job) -> PublishedVersion | None:
    manifest = _made_by(registry, job)
    if manifest is None:
        return None
    provenance = manifest.provenance
    verdict = provenance.promotion or _UNDECIDED
    production = registry.current_snapshot().record(job.model).aliases.get(PRODUCTION)
    if verdict.promotes and (production and production.version) == verdict.over:
        with suppress(*_FINAL):  # somebody else was faster, or the disk has damaged it
            changes_to(registry, state_dir, f"http {job.caller}").promote(job.model, manifest.version)
    sentence = f"published and {'' if verdict.promotes else 'not '}promoted: {verdict.reason}."
    return PublishedVersion(manifest.version, " ".join([sentence, *provenance.notes]))


def _is_uncertain(record: ModelRecord | None) -> bool:
    """Return whether the disk may hold other versions or aliases of a model than its record does."""
    return record is not None and bool(record.folder_problem or record.aliases_problem)


def _made_by(registry: Registry, job: Job) -> Manifest | None:
    """Return the manifest of the newest version that names this job; None if none does."""
    registry.refresh()
    snapshot = registry.current_snapshot()
    record = snapshot.models.get(job.model)
    if (snapshot.problem and registry.store.folder.exists()) or _is_uncertain(record):
        raise OSError(errno.EIO, "the models cannot be read")
    for number in reversed(record.numbers) if record else ():
        manifest = registry.version(job.model, number).manifest
        if manifest and manifest.provenance.job == job.id:
            return manifest
    return None
