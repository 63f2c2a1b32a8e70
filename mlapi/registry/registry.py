"""The server's view of the models folder: what exists, what is loaded, what is broken and why.

A snapshot is immutable and swapped whole, so that a request sees one state from its first step to its
last. A thread in each process looks at the folders every `poll_s` seconds and makes the next snapshot
aside; what aliases and `latest` name is loaded before it is shown, other versions when they are first
asked for. A version that cannot be trusted or loaded is kept with its reason, and holds nothing back: where
an alias names it, the version that the alias held before answers.
"""

import errno
import logging
import math
import os
import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mlapi.artifacts import mapped_copies
from mlapi.artifacts.folder import check_files, read_file
from mlapi.artifacts.names import is_model_name
from mlapi.artifacts.trust import Trust
from mlapi.errors import BrokenArtifact, ModelUnavailable
from mlapi.inference.model import Model
from mlapi.registry.backends.store import Store
from mlapi.registry.inspection import KnownModel, broken, look
from mlapi.registry.ledger import Ledger, digests, replacement
from mlapi.registry.snapshot import Key, ModelRecord, Snapshot, VersionRecord
from mlapi.registry.version_loader import VersionLoader, unavailable
from mlapi.registry.watcher import Watcher
from mlapi.storage.locks import USUAL_S
from mlapi.wording import reason

logger = logging.getLogger(__name__)

_CHECK_S = 0.2
"""How long each look may compare digests of versions that nobody has asked for."""


class Registry:
    """The models in a folder. Safe to use from many threads.

    Making a registry reads nothing. The first look at the disk is that of `refresh`, or of
    `current_snapshot`, which also starts the thread that looks again and again. `get` and most other methods
    call `current_snapshot`. A process may make a registry, refresh it and then fork (gunicorn's preload);
    once the thread runs it may not fork.

    Args:
        poll_s: How often the thread looks at the disk.
        on_demand_bytes: How much memory versions may take that no alias names, and that somebody asked for.
        eager: Whether each look loads what aliases and `latest` name before it shows them, and notes new
            versions in the ledger, as a server needs it. The first look can take seconds then. Without it a
            look loads nothing and notes nothing, and a version is loaded when somebody asks for it.
        ledger: What was published under each number before; None compares nothing.
        copies: As for `mlapi.artifacts.folder.load_estimator`.
    """

    def __init__(  # noqa: PLR0913 - what it follows, whom it believes, and how much it may do
        self,
        store: Store,
        trust: Trust,
        *,
        poll_s: float,
        on_demand_bytes: int,
        eager: bool = True,
        ledger: Ledger | None = None,
        copies: Path | None = None,
    ) -> None:
        self.store = store
        self.trust = trust
        self.ledger = ledger
        self._copies = copies
        self._eager = eager
        self._snapshot = Snapshot()
        self._refreshing = threading.Lock()
        self._watcher = Watcher(poll_s)
        self._loader = VersionLoader(store, trust, copies, on_demand_bytes)

    def current_snapshot(self) -> Snapshot:
        """Return the newest state. The first call in a process looks at the disk, and starts the thread."""
        if not self._watcher.runs_here:
            self._watcher.start(self)
        return self._snapshot

    def get(self, name: str, ref: str | None = None) -> Model:
        """Return the loaded version that a request means; load it if need be, which can take seconds.

        The first call in a process looks at the disk first (`current_snapshot`).

        Args:
            ref: A number, an alias, `latest`, or None for what answers by itself.

        Raises:
            ModelNotFound, VersionNotFound: There is no such thing.
            ModelUnavailable: It is broken, or nobody can tell.
        """
        snapshot = self.current_snapshot()
        record = snapshot.record(name)
        number = record.resolve(ref)
        model = snapshot.loaded.get((name, number))
        try:
            return model or self._loader.load_on_demand(name, record.versions[number])
        except ModelUnavailable:
            if self._eager or self._still_means(name, ref, number):
                raise
        # It was found broken just now, and a look has noted that: the reference means another version now.
        return self.get(name, ref)

    def version(self, name: str, number: int) -> VersionRecord:
        """Return a version that the snapshot lists, its manifest read.

        Raises:
            ModelUnavailable: It cannot be read now.
        """
        version = self._loader.with_manifest(name, self.current_snapshot().record(name).versions[number])
        if version.manifest is None and version.reason_is_temporary:
            raise unavailable(name, version)
        return version

    def verify(self, name: str, number: int) -> None:
        """Compare every file of a version with its manifest, and load it, its estimator too: takes seconds.

        Raises:
            ModelUnavailable: It is broken, or cannot be read now.
        """
        version = self.version(name, number)
        try:
            if version.note:
                raise BrokenArtifact(version.note)
            if version.manifest and not version.reason:
                self._loader.fetch(name, number)
                check_files(self._loader.folder(name, number), version.manifest)
            self.get(name, str(number)).fitted()
        except BrokenArtifact as error:
            raise unavailable(name, version, error) from error

    def loaded(self, name: str, number: int) -> Model | None:
        """Return a version if it is loaded; load nothing."""
        return self.current_snapshot().loaded.get((name, number)) or self._loader.recent((name, number))

    def read_file(self, name: str, number: int, file: str) -> bytes | None:
        """Read one file of a version that the snapshot lists, fetched if need be, its digest checked.

        Return None where its manifest names no such file, or is broken.

        Raises:
            ModelUnavailable: The manifest cannot be read now.
            BrokenArtifact: The file cannot be fetched or read, or was altered.
        """
        manifest = self.version(name, number).manifest
        if manifest is None or file not in manifest.files:
            return None
        self._loader.fetch(name, number, file)
        return read_file(self._loader.folder(name, number), manifest, file)

    def refresh(self, *, patience_s: float = USUAL_S) -> None:
        """Bring the snapshot up to date with the disk. What cannot be read is in it as a problem.

        Args:
            patience_s: How long to wait for others that do the same.

        Raises:
            TimeoutError: Another thread of this process has done so for longer than that.
        """
        with self._alone(patience_s):
            old = self._snapshot
            problem = self._refresh_store(patience_s)
            try:
                new = replace(self._next(old), problem=problem)
                new = replace(new, models=self._compared(new.models))
            except OSError as error:
                # An unmounted or unreadable folder takes nothing away that is already loaded.
                new = replace(old, problem=f"the models folder cannot be read: {error.strerror}")
            self._snapshot = new
        _log_changes(old, new, of_server=self._eager)

    def follow(self) -> None:
        """Refresh, check some versions, and remove copies that no process maps any more."""
        self.refresh(patience_s=math.inf)
        self.check()
        if self._copies:
            mapped_copies.sweep(self._copies)

    @contextmanager
    def _alone(self, patience_s: float) -> Iterator[None]:
        if not self._refreshing.acquire(timeout=-1 if patience_s == math.inf else patience_s):
            raise TimeoutError(errno.ETIMEDOUT, f"a look at the models takes longer than {patience_s:g} s")
        try:
            yield
        finally:
            self._refreshing.release()

    def check(self, seconds: float = _CHECK_S) -> None:
        """Compare the digests of versions that nobody has asked for; begin with no other after `seconds`."""
        checked = list(self._check_some(seconds))
        with self._refreshing:  # only now: who changes an alias must not wait for the digests of large files
            old = self._snapshot
            models = dict(old.models)
            for name, before, after in checked:
                if name in models and models[name].versions.get(before.number) is before:
                    models[name] = models[name].with_version(after)
            new = self._snapshot = replace(old, models=self._compared(models))
        _log_changes(old, new, of_server=self._eager)

    def _compared(self, models: Mapping[str, ModelRecord]) -> Mapping[str, ModelRecord]:
        """The models with what the ledger says of each version; what it does not know yet is noted there."""
        if self.ledger is None:
            return models
        known, compared = self.ledger.first_digests(), dict(models)
        for name, record in models.items():
            for version in record.versions.values():
                replaced = replacement(name, version, known)
                if replaced != version.replaced:
                    compared[name] = compared[name].with_version(replace(version, replaced=replaced))
        if self._eager:
            self.ledger.note(digests(models.values()))
        return compared

    def replaced(self, name: str, number: int) -> str | None:
        """Say that another version stood under this number before; None if none did, as far as is known."""
        if self.ledger is None:
            return None
        return replacement(name, self.version(name, number), self.ledger.first_digests())

    def _check_some(self, seconds: float) -> Iterator[tuple[str, VersionRecord, VersionRecord]]:
        deadline = time.monotonic() + seconds
        for name, version in self._unchecked(self._snapshot):
            yield name, version, self._loader.check(name, version)
            if time.monotonic() > deadline:
                return

    def _still_means(self, name: str, ref: str | None, number: int) -> bool:
        """Return whether a reference means this version even after another look, which knows why the version
        could not be loaded. An alias, or `latest`, may mean another one then."""
        self.refresh()
        return self._snapshot.record(name).resolve(ref) == number

    def _unchecked(self, snapshot: Snapshot) -> Iterator[tuple[str, VersionRecord]]:
        for name, record in snapshot.models.items():
            for number, version in record.versions.items():
                if not version.is_checked and not version.reason and (name, number) not in snapshot.loaded:
                    yield name, version

    def _refresh_store(self, patience_s: float) -> str | None:
        try:
            self.store.refresh(patience_s=min(patience_s, USUAL_S))
        except OSError as error:
            return f"the models cannot be reached: {reason(error)}"
        return None

    def _next(self, old: Snapshot) -> Snapshot:
        models: dict[str, ModelRecord] = {}
        loaded: dict[Key, Model] = {}
        with os.scandir(self.store.folder) as entries:
            names = {entry.name for entry in entries if is_model_name(entry.name)}
        in_memory = self._numbers_in_memory(old)
        for name in sorted(names | in_memory.keys()):
            record, its_loaded = self._next_of(name, old, in_memory.get(name, ()))
            if record is not None:
                models[name] = record
                loaded |= its_loaded
        return Snapshot(models, loaded)

    def _next_of(
        self, name: str, old: Snapshot, in_memory: Collection[int]
    ) -> tuple[ModelRecord | None, Mapping[Key, Model]]:
        """Return the record of one model, None if it is gone, and its loaded versions.

        If the look fails both are those of the last snapshot, and the record says why.
        """
        try:
            record = self._look(name, old, in_memory)
            if record is None:
                return None, {}
            return self._load(record, old) if self._eager else (self._read_wanted(record), {})
        except OSError as error:
            problem = f"the folder cannot be read: {error.strerror}"
        except Exception:  # a defect of ours that one model meets must not hold back the others
            logger.exception("model not understood", extra={"model": name})
            problem = "a defect of the server; its log has the reason"
        loaded = {key: model for key, model in old.loaded.items() if key[0] == name}
        return _unchanged(name, old, problem), loaded

    def _numbers_in_memory(self, old: Snapshot) -> Mapping[str, set[int]]:
        """Return for each model the versions that serve whatever becomes of their files."""
        numbers: defaultdict[str, set[int]] = defaultdict(set)
        for name, number in (*old.loaded, *self._loader.recent_keys()):
            if name in old.models and number in old.models[name].versions:
                numbers[name].add(number)
        return numbers

    def _look(self, name: str, old: Snapshot, loaded: Collection[int]) -> ModelRecord | None:
        known = KnownModel(old.models.get(name), loaded, self._loader.take_failures(name))
        return look(self.store, self.trust, name, known)

    def _load(self, record: ModelRecord, old: Snapshot) -> tuple[ModelRecord, Mapping[Key, Model]]:
        """Load what the aliases and `latest` name; the record, in which a version that fails is broken."""
        loaded: dict[Key, Model] = {}
        while missing := [number for number in record.wanted if (record.name, number) not in loaded]:
            for number in missing:
                key = (record.name, number)
                version = record.versions[number]
                try:
                    model = loaded[key] = self._loader.load(record.name, version, old.loaded.get(key))
                    if version.manifest is None:
                        record = record.with_version(replace(version, manifest=model.manifest))
                except BrokenArtifact as error:
                    folder = self._loader.folder(record.name, number)
                    record = record.with_version(broken(folder, version, error))
        return record, loaded

    def _read_wanted(self, record: ModelRecord) -> ModelRecord:
        while unread := [number for number in record.wanted if not record.versions[number].is_read]:
            for number in unread:
                record = record.with_version(self._loader.with_manifest(record.name, record.versions[number]))
        return record


def _unchanged(name: str, old: Snapshot, problem: str) -> ModelRecord:
    """Return the last record of a model that cannot be looked at, with the problem in it."""
    known = old.models.get(name) or ModelRecord(name, {}, {})
    return replace(known, folder_problem=problem, stamp=None, served_before=known.serving_versions)


def _log_changes(old: Snapshot, new: Snapshot, *, of_server: bool) -> None:
    """Log what became broken, once: the folders are looked at again and again.

    Whoever is about to publish a first version has no folder yet, and nothing is wrong with that.
    """
    if of_server and new.problem and new.problem != old.problem:
        logger.warning("models folder unreadable", extra={"reason": new.problem})
    known = set(old.broken)
    for name, version, why in new.broken:
        if (name, version, why) not in known:
            logger.warning("broken", extra={"model": name, "version": version, "reason": why})
