"""One version at a time: its manifest read, its files compared, its model loaded, at once or when asked for.

Knows no snapshot. What was loaded because somebody asked for it is remembered here, and so is what cannot be
loaded.
"""

import logging
import threading
from dataclasses import replace
from pathlib import Path

from mlapi.artifacts.folder import check_files, read_manifest
from mlapi.artifacts.manifest import Manifest
from mlapi.artifacts.trust import Trust
from mlapi.errors import BrokenArtifact, ModelUnavailable, is_temporary
from mlapi.inference.loading import load_model
from mlapi.inference.model import Model
from mlapi.registry.backends.store import Store
from mlapi.registry.inspection import broken
from mlapi.registry.on_demand import Recent
from mlapi.registry.snapshot import Key, VersionRecord
from mlapi.wording import reason

logger = logging.getLogger(__name__)

_LOAD_S = 30.0
"""How long a request waits for another one that loads the same version."""


class VersionLoader:
    """Loads versions from a store. Safe to use from many threads.

    Args:
        copies: As for `mlapi.artifacts.folder.load_estimator`.
        on_demand_bytes: How much memory versions may take that were loaded because somebody asked for them.
    """

    def __init__(self, store: Store, trust: Trust, copies: Path | None, on_demand_bytes: int) -> None:
        self._store, self._trust, self._copies = store, trust, copies
        self._recent = Recent(on_demand_bytes)
        self._loading: dict[Key, threading.Lock] = {}
        self._failures: dict[Key, str] = {}

    def folder(self, name: str, number: int) -> Path:
        """Return where a version's files lie; some may be missing until they are fetched."""
        return self._store.folder / name / str(number)

    def fetch(self, name: str, number: int, *files: str) -> None:
        """Bring files of a version into its folder, all of them if none is named.

        Raises:
            BrokenArtifact: They cannot be brought, or are not what the manifest describes.
        """
        try:
            self._store.fetch(name, number, *files)
        except OSError as error:
            raise BrokenArtifact(f"it cannot be fetched: {reason(error)}") from error

    def with_manifest(self, name: str, version: VersionRecord) -> VersionRecord:
        """Return the version with its manifest read, or broken for the reason why it cannot be."""
        if version.is_read and (version.manifest or not version.reason_is_temporary):
            return version
        try:
            return replace(
                version, manifest=self._manifest(name, version), reason=None, reason_is_temporary=False
            )
        except BrokenArtifact as error:
            return broken(self.folder(name, version.number), version, error)

    def check(self, name: str, version: VersionRecord) -> VersionRecord:
        """Return the version with the digest of every file compared, or broken. Reads whole files."""
        version = self.with_manifest(name, version)
        try:
            if version.manifest and not self._store.is_partial:  # what is fetched is compared on its way
                check_files(self.folder(name, version.number), version.manifest)
        except BrokenArtifact as error:
            return broken(self.folder(name, version.number), version, error)
        return replace(version, is_checked=True)

    def load(self, name: str, version: VersionRecord, loaded: Model | None = None) -> Model:
        """Return the model that is loaded already, if it is this very version; else load it from disk.

        Raises:
            BrokenArtifact: It cannot be loaded.
        """
        in_memory = [model for model in (loaded, self.recent((name, version.number))) if model]
        if in_memory and (version.note or version.reason):  # its files are gone, or damaged
            return in_memory[0]
        if version.reason:
            raise BrokenArtifact(version.reason)
        manifest = self._manifest(name, version)
        for model in in_memory:
            if model.manifest == manifest:
                return model
        self.fetch(name, version.number)
        model = load_model(self.folder(name, version.number), manifest, self._trust, self._copies)
        for note in model.notes:
            logger.warning("other libraries", extra={"model": name, "version": version.number, "note": note})
        return model

    def load_on_demand(self, name: str, version: VersionRecord) -> Model:
        """Return a version that is loaded from now on, as long as there is memory for it.

        Requests that come at once for one version wait for the first of them.

        Raises:
            ModelUnavailable: It cannot be loaded; or another request has been loading it for half a minute.
        """
        key = (name, version.number)
        loading = self._loading.setdefault(key, threading.Lock())
        if not loading.acquire(timeout=_LOAD_S):  # whoever waits finds it loaded
            detail = f"version {version.number} of model {name!r} is being loaded for {_LOAD_S:g} s and more"
            raise ModelUnavailable(detail, is_temporary=True)
        try:
            if key in self._failures or (version.reason and not self.recent(key)):
                raise unavailable(name, version, self._failures.get(key))
            model = self.load(name, version)
            self._recent.put(key, model)
            return model
        except BrokenArtifact as error:
            if not isinstance(error.origin, OSError | MemoryError):
                self._failures[key] = str(error)  # it will not get better by itself
            raise unavailable(name, version, error) from error
        finally:
            loading.release()

    def recent(self, key: Key) -> Model | None:
        """Return a version that was loaded on demand and is still in memory."""
        return self._recent.get(key)

    def recent_keys(self) -> list[Key]:
        """Return which versions were loaded on demand and are still in memory."""
        return self._recent.keys()

    def take_failures(self, name: str) -> dict[int, str]:
        """Return by number why versions of a model could not be loaded on demand, and forget it: the next
        look at the files decides again."""
        return {key[1]: self._failures.pop(key) for key in list(self._failures) if key[0] == name}

    def _manifest(self, name: str, version: VersionRecord) -> Manifest:
        folder = self.folder(name, version.number)
        return version.manifest or read_manifest(folder, self._trust, partial=self._store.is_partial)


def unavailable(
    name: str, version: VersionRecord, why: BrokenArtifact | str | None = None
) -> ModelUnavailable:
    """Return the error for whoever asks for a version that cannot serve.

    Args:
        why: The reason, if it is not what the record says.
    """
    is_over_soon = (
        is_temporary(why) if isinstance(why, BrokenArtifact) else why is None and version.reason_is_temporary
    )
    state = "cannot be read now" if is_over_soon else "is broken"
    detail = f"version {version.number} of model {name!r} {state}: {why or version.reason}"
    return ModelUnavailable(detail, is_temporary=is_over_soon)
