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
import weakref
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mlapi.artifacts import mapped_copies
from mlapi.artifacts.folder import check_files, read_file, read_manifest
from mlapi.artifacts.manifest import Manifest
from mlapi.artifacts.names import is_model_name
from mlapi.artifacts.trust import Trust
from mlapi.errors import BrokenArtifact, ModelUnavailable, passes
from mlapi.inference.loading import load_model
from mlapi.inference.model import Model
from mlapi.registry.backends.store import Store
from mlapi.registry.inspection import broken, look
from mlapi.registry.ledger import DELETED, Ledger, Seen
from mlapi.registry.on_demand import Recent
from mlapi.registry.snapshot import Key, ModelRecord, Snapshot, VersionRecord
from mlapi.storage.locks import USUAL_S
from mlapi.wording import reason

logger = logging.getLogger(__name__)

_CHECK_S = 0.2
"""How long each look may compare digests of what nobody has asked for."""

_FIRST_S = 5.0
"""How long the first request of a process waits for other processes; then what is known answers."""

_LOAD_S = 30.0
"""How long a request waits for another one that loads the same version."""


class Registry:
    """The models in a folder. Safe to use from many threads.

    A process may make one, refresh it and then fork (gunicorn's preload); once it was asked for its
    `snapshot` a thread runs, and then it may not.
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
        """With `eager` off nothing is loaded before it is asked for, and nothing noted in the ledger: for a
        look from the command line."""
        self.store = store
        self.trust = trust
        self.ledger = ledger
        self.copies = copies
        self._poll_s = poll_s
        self._eager = eager
        self._snapshot = Snapshot()
        self._refreshing = threading.Lock()
        self._loading: dict[Key, threading.Lock] = {}
        self._watching = threading.Lock()
        self._on_demand = Recent(on_demand_bytes)
        self._failed: dict[Key, str] = {}
        self._watched_by: int | None = None

    @property
    def snapshot(self) -> Snapshot:
        """The newest state; the first call in a process looks at the disk and begins to watch it."""
        if self._watched_by != os.getpid():
            self._watch()
        return self._snapshot

    def get(self, name: str, ref: str | None = None) -> Model:
        """The loaded version that a request means.

        Raises:
            ModelNotFound, VersionNotFound: There is no such thing.
            ModelUnavailable: It is broken, or nobody can tell.
        """
        snapshot = self.snapshot
        record = snapshot.record(name)
        number = record.resolve(ref)
        model = snapshot.loaded.get((name, number))
        try:
            return model or self._load_on_demand(name, record.versions[number])
        except ModelUnavailable:
            if self._eager or self._still_means(name, ref, number):
                raise
        return self.get(name, ref)

    def version(self, name: str, number: int) -> VersionRecord:
        """One version that the snapshot lists, its manifest read.

        Raises:
            ModelUnavailable: It cannot be read now.
        """
        version = self._read(name, self.snapshot.record(name).versions[number])
        if version.manifest is None and version.may_pass:
            raise _unavailable(name, version)
        return version

    def verify(self, name: str, number: int) -> None:
        """Compare every file of a version with its manifest, and load it, its estimator too.

        Raises:
            ModelUnavailable: It is broken, or cannot be read now.
        """
        version = self.version(name, number)
        try:
            if version.note:
                raise BrokenArtifact(version.note)
            if version.manifest and not version.reason:
                self.fetch(name, number)
                check_files(self.folder(name, number), version.manifest)
            self.get(name, str(number)).fitted()
        except BrokenArtifact as error:
            raise _unavailable(name, version, error) from error

    def loaded(self, name: str, number: int) -> Model | None:
        """A version, if it is loaded; loads nothing."""
        return self.snapshot.loaded.get((name, number)) or self._on_demand.get((name, number))

    def folder(self, name: str, number: int) -> Path:
        """Of a version that the snapshot lists."""
        return self._home(name) / str(number)

    def fetch(self, name: str, number: int, *files: str) -> None:
        """Bring files of a version into its folder, all of them if none is named.

        Raises:
            BrokenArtifact: They cannot be brought, or are not what the manifest describes.
        """
        try:
            self.store.fetch(name, number, *files)
        except OSError as error:
            raise BrokenArtifact(f"it cannot be fetched: {reason(error)}") from error

    def read(self, name: str, number: int, file: str) -> bytes | None:
        """Read one file of a version that the snapshot lists, fetched if need be, its digest checked.

        Return None where its manifest names no such file, or is broken.

        Raises:
            ModelUnavailable: The manifest cannot be read now.
            BrokenArtifact: The file cannot be fetched or read, or was altered.
        """
        manifest = self.version(name, number).manifest
        if manifest is None or file not in manifest.files:
            return None
        self.fetch(name, number, file)
        return read_file(self.folder(name, number), manifest, file)

    def refresh(self, *, patience_s: float = USUAL_S) -> None:
        """Bring the snapshot up to date with the disk. What fails is in it.

        Args:
            patience_s: How long to wait for others that are at it.

        Raises:
            TimeoutError: Another thread of this process is at it for so long.
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
        _log_changes(old, new)

    @contextmanager
    def _alone(self, patience_s: float) -> Iterator[None]:
        if not self._refreshing.acquire(timeout=-1 if patience_s == math.inf else patience_s):
            raise TimeoutError(errno.ETIMEDOUT, f"a look at the models takes longer than {patience_s:g} s")
        try:
            yield
        finally:
            self._refreshing.release()

    def check(self, seconds: float = _CHECK_S) -> None:
        """Read, for so long, versions that nobody has asked for, and compare their digests."""
        checked = list(self._check_some(seconds))
        with self._refreshing:  # only now: who changes an alias must not wait for the digests of large files
            old = self._snapshot
            models = dict(old.models)
            for name, before, after in checked:
                if name in models and models[name].versions.get(before.number) is before:
                    models[name] = models[name].with_version(after)
            new = self._snapshot = replace(old, models=self._compared(models))
        _log_changes(old, new)

    def _compared(self, models: Mapping[str, ModelRecord]) -> Mapping[str, ModelRecord]:
        """With what the ledger says of each version; what it does not know yet is noted there."""
        if self.ledger is None:
            return models
        known, new = self.ledger.known(), dict[Key, str]()
        compared = dict(models)
        for name, record in models.items():
            new |= {(name, number): DELETED for number in record.deleted}
            for number, version in record.versions.items():
                if version.manifest:
                    new[name, number] = version.manifest.digest
                replaced = _replaced(name, version, known)
                if replaced != version.replaced:
                    compared[name] = compared[name].with_version(replace(version, replaced=replaced))
        if self._eager:
            self.ledger.note(new)
        return compared

    def replaced(self, name: str, number: int) -> str | None:
        """That another version stood under this number before, in words; None if none is known to."""
        if self.ledger is None:
            return None
        return _replaced(name, self.version(name, number), self.ledger.known())

    def _check_some(self, seconds: float) -> Iterator[tuple[str, VersionRecord, VersionRecord]]:
        deadline = time.monotonic() + seconds
        for name, version in self._unchecked(self._snapshot):
            yield name, version, self._checked(name, version)
            if time.monotonic() > deadline:
                return

    def _still_means(self, name: str, ref: str | None, number: int) -> bool:
        """Whether a reference means this version also now that one more is known as broken."""
        self.refresh()
        return self._snapshot.record(name).resolve(ref) == number

    def _unchecked(self, snapshot: Snapshot) -> Iterator[tuple[str, VersionRecord]]:
        for name, record in snapshot.models.items():
            for number, version in record.versions.items():
                if not version.is_checked and not version.reason and (name, number) not in snapshot.loaded:
                    yield name, version

    def _checked(self, name: str, version: VersionRecord) -> VersionRecord:
        version = self._read(name, version)
        try:
            if version.manifest and not self.store.is_partial:  # what is fetched is compared on its way
                check_files(self.folder(name, version.number), version.manifest)
        except BrokenArtifact as error:
            return broken(self.folder(name, version.number), version, error)
        return replace(version, is_checked=True)

    def _read(self, name: str, version: VersionRecord) -> VersionRecord:
        if version.is_read and (version.manifest or not version.may_pass):
            return version
        try:
            return replace(version, manifest=self._manifest(name, version), reason=None, may_pass=False)
        except BrokenArtifact as error:
            return broken(self.folder(name, version.number), version, error)

    def _manifest(self, name: str, version: VersionRecord) -> Manifest:
        folder = self.folder(name, version.number)
        return version.manifest or read_manifest(folder, self.trust, partial=self.store.is_partial)

    def _home(self, name: str) -> Path:
        return self.store.folder / name

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
            try:
                record = self._look(name, old, in_memory.get(name, ()))
                if record is not None:
                    record = self._load(record, old, loaded) if self._eager else self._read_wanted(record)
            except OSError as error:
                record = _kept(name, old, loaded, f"the folder cannot be read: {error.strerror}")
            except Exception:  # a defect of ours that one model meets must not hold back the others
                logger.exception("model not understood", extra={"model": name})
                record = _kept(name, old, loaded, "a defect of the server; its log has the reason")
            if record is not None:
                models[name] = record
        return Snapshot(models, loaded)

    def _numbers_in_memory(self, old: Snapshot) -> Mapping[str, set[int]]:
        """By model, the versions that serve whatever becomes of their files."""
        numbers: defaultdict[str, set[int]] = defaultdict(set)
        for name, number in (*old.loaded, *self._on_demand.keys()):
            if name in old.models and number in old.models[name].versions:
                numbers[name].add(number)
        return numbers

    def _look(self, name: str, old: Snapshot, loaded: Collection[int]) -> ModelRecord | None:
        failed = {key[1]: self._failed.pop(key) for key in list(self._failed) if key[0] == name}
        return look(self.store, self.trust, name, old.models.get(name), loaded, failed)

    def _load(self, record: ModelRecord, old: Snapshot, loaded: dict[Key, Model]) -> ModelRecord:
        """Load what the aliases and `latest` name; a version that fails is broken from here on."""
        while missing := [number for number in record.wanted if (record.name, number) not in loaded]:
            for number in missing:
                key = (record.name, number)
                version = record.versions[number]
                try:
                    model = loaded[key] = self._load_version(record.name, version, old.loaded.get(key))
                    if version.manifest is None:
                        record = record.with_version(replace(version, manifest=model.manifest))
                except BrokenArtifact as error:
                    folder = self.folder(record.name, number)
                    record = record.with_version(broken(folder, version, error))
        return record

    def _read_wanted(self, record: ModelRecord) -> ModelRecord:
        while unread := [number for number in record.wanted if not record.versions[number].is_read]:
            for number in unread:
                record = record.with_version(self._read(record.name, record.versions[number]))
        return record

    def _load_version(self, name: str, version: VersionRecord, old: Model | None) -> Model:
        """The model that is loaded already, if it is this very version, else from disk.

        Raises:
            BrokenArtifact: It cannot be loaded.
        """
        in_memory = [model for model in (old, self._on_demand.get((name, version.number))) if model]
        if in_memory and (version.note or version.reason):  # its files are gone, or damaged
            return in_memory[0]
        if version.reason:
            raise BrokenArtifact(version.reason)
        manifest = self._manifest(name, version)
        for model in in_memory:
            if model.manifest == manifest:
                return model
        self.fetch(name, version.number)
        model = load_model(self.folder(name, version.number), manifest, self.trust, self.copies)
        for note in model.notes:
            logger.warning("other libraries", extra={"model": name, "version": version.number, "note": note})
        return model

    def _load_on_demand(self, name: str, version: VersionRecord) -> Model:
        key = (name, version.number)
        loading = self._loading.setdefault(key, threading.Lock())
        if not loading.acquire(timeout=_LOAD_S):  # whoever waits finds it loaded
            detail = f"version {version.number} of model {name!r} is being loaded for {_LOAD_S:g} s and more"
            raise ModelUnavailable(detail, passes=True)
        try:
            if key in self._failed or (version.reason and not self._on_demand.get(key)):
                raise _unavailable(name, version, self._failed.get(key))
            model = self._load_version(name, version, None)
            self._on_demand.put(key, model)
            return model
        except BrokenArtifact as error:
            if not isinstance(error.origin, OSError | MemoryError):
                self._failed[key] = str(error)  # it will not get better by itself
            raise _unavailable(name, version, error) from error
        finally:
            loading.release()

    def _watch(self) -> None:
        with self._watching:  # nobody is answered from what was known before the fork
            if self._watched_by == os.getpid():
                return
            self.refresh(patience_s=_FIRST_S)
            threading.Thread(
                target=_poll, args=(weakref.ref(self), self._poll_s), name="registry", daemon=True
            ).start()
            self._watched_by = os.getpid()


def _replaced(name: str, version: VersionRecord, known: Seen) -> str | None:
    before = known.get((name, version.number))
    if version.manifest is None or before in (None, version.manifest.digest):
        return None
    was = "was deleted before" if before == DELETED else f"was another version before ({before:.12})"
    now = f"{version.manifest.digest:.12} of {version.manifest.created_at} stands there now, and serves"
    return f"it {was}; {now}; if that is right: mlapi verify {name} --accept"


def _unavailable(
    name: str, version: VersionRecord, why: BrokenArtifact | str | None = None
) -> ModelUnavailable:
    """For whoever asks for a version; why, if that is not what its record says."""
    is_over_soon = passes(why) if isinstance(why, BrokenArtifact) else why is None and version.may_pass
    state = "cannot be read now" if is_over_soon else "is broken"
    detail = f"version {version.number} of model {name!r} {state}: {why or version.reason}"
    return ModelUnavailable(detail, passes=is_over_soon)


def _poll(registry: "weakref.ref[Registry]", poll_s: float) -> None:
    """Follow the folder for as long as somebody holds the registry."""
    while True:
        time.sleep(poll_s)
        present = registry()
        if present is None:
            return
        try:
            _follow(present)
        except Exception:  # else the thread ends, and this process never follows again
            logger.exception("models not followed")
        del present


def _follow(registry: Registry) -> None:
    registry.refresh(patience_s=math.inf)
    registry.check()
    if registry.copies:
        mapped_copies.sweep(registry.copies)


def _kept(name: str, old: Snapshot, loaded: dict[Key, Model], problem: str) -> ModelRecord:
    """A model that cannot be looked at: what was known of it, and loaded, stays."""
    loaded |= {key: model for key, model in old.loaded.items() if key[0] == name}
    known = old.models.get(name) or ModelRecord(name, {}, {})
    return replace(known, problem=problem, stamp=None, answered=known.answering_now)


def _log_changes(old: Snapshot, new: Snapshot) -> None:
    """What became broken, once: the folders are looked at again and again."""
    if new.problem and new.problem != old.problem:
        logger.warning("models folder unreadable", extra={"reason": new.problem})
    known = set(old.broken)
    for name, version, why in new.broken:
        if (name, version, why) not in known:
            logger.warning("broken", extra={"model": name, "version": version, "reason": why})
