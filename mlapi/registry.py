"""Which models, versions and aliases exist, and the loaded ones: the server's view of models_dir.

A snapshot is immutable and swapped whole, so that a request sees one state from its first step to its
last. A thread in each process looks at the folders every `poll_s` seconds and makes the next snapshot
aside; what aliases and `latest` name is loaded before it is shown, other versions when they are first
asked for. A version that cannot be trusted or loaded is kept with its reason, and holds nothing back.
"""

import logging
import os
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from mlapi.aliases import read_aliases
from mlapi.artifact import MANIFEST, Manifest, check_files, read_manifest, versions
from mlapi.errors import BrokenArtifact, ModelNotFound, ModelUnavailable, NotReady, VersionNotFound, listed
from mlapi.model import Model, load_model
from mlapi.names import LATEST, PRODUCTION, is_model_name, parse_version

logger = logging.getLogger(__name__)

Stamp: TypeAlias = Mapping[str, tuple[int, int]]
"""Inode and time of change by file; another stamp means that something changed."""

_SETTLED_NS = 2_000_000_000
"""A folder changed more recently than this may change again within its clock's tick: look twice."""


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A version on disk as it was found; with a `reason` it is broken and never served."""

    number: int
    manifest: Manifest | None
    reason: str | None
    stamp: Stamp

    def still_holds(self, stamp: Stamp) -> bool:
        """Whether a look at the files would find the same.

        A good version is one as long as its manifest is the same file (a folder deleted by hand may be
        trained again under its number); a broken one is looked at again when any of its files changed.
        """
        if self.reason:
            return self.stamp == stamp
        return self.stamp.get(MANIFEST) == stamp.get(MANIFEST)


@dataclass(frozen=True)
class ModelRecord:
    """A model on disk. `stamp` tells whether its folder changed since, None that it may have."""

    name: str
    versions: Mapping[int, VersionRecord]
    aliases: Mapping[str, int]
    problem: str | None = None
    stamp: Stamp | None = None

    @property
    def numbers(self) -> list[int]:
        return list(self.versions)

    @property
    def latest(self) -> int | None:
        """The highest version that is not broken."""
        good = (number for number, record in self.versions.items() if record.reason is None)
        return max(good, default=None)

    @property
    def wanted(self) -> set[int]:
        """The versions that must be loaded before a request asks: those of aliases, and the latest."""
        named = {*self.aliases.values(), self.latest}
        return {number for number, version in self.versions.items() if number in named and not version.reason}

    @property
    def algorithm(self) -> str | None:
        manifest = self._manifest
        return None if manifest is None else manifest.algorithm

    @property
    def task(self) -> str | None:
        manifest = self._manifest
        return None if manifest is None else manifest.task

    @property
    def _manifest(self) -> Manifest | None:
        """Of the version that a request without a version gets, else of the newest that has one."""
        preferred = [self.aliases.get(PRODUCTION, 0), self.latest or 0, *sorted(self.versions, reverse=True)]
        found = (self.versions[number] for number in preferred if number in self.versions)
        return next((version.manifest for version in found if version.manifest), None)

    def resolve(self, ref: str | None) -> int:
        """The version that a number, an alias, `latest` or nothing means.

        Raises:
            VersionNotFound: No version or alias of this model is called so.
            ModelUnavailable: There is none that serves.
        """
        if ref is None:
            if self.problem and not self.aliases:
                raise ModelUnavailable(f"model {self.name!r}: {self.problem}")
            ref = PRODUCTION if PRODUCTION in self.aliases else LATEST
        if ref == LATEST:
            if self.latest is None:
                raise ModelUnavailable(f"model {self.name!r} has no version that serves")
            return self.latest
        if ref in self.aliases and self.aliases[ref] not in self.versions:
            raise ModelUnavailable(
                f"alias {ref!r} of model {self.name!r} names version {self.aliases[ref]}, which is gone"
            )
        number = self.aliases.get(ref) or parse_version(ref)
        if number is None or number not in self.versions:
            raise VersionNotFound(
                f"model {self.name!r} has no version {ref[:64]!r}; versions: "
                f"{listed(self.numbers)}; aliases: {listed(self.aliases)}"
            )
        return number


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is known at one moment; `loaded` are the versions that aliases and `latest` name."""

    models: Mapping[str, ModelRecord] = field(default_factory=dict)
    loaded: Mapping[tuple[str, int], Model] = field(default_factory=dict)
    problem: str | None = None

    @property
    def serving(self) -> list[str]:
        """The models that answer a request without a version."""
        return [name for name, record in self.models.items() if self._serves(record)]

    @property
    def broken(self) -> Iterator[tuple[str, int | None, str]]:
        """Model, version and reason of all that does not serve; no version: the model itself."""
        for name, record in self.models.items():
            if record.problem:
                yield name, None, record.problem
            for version in record.versions.values():
                if version.reason:
                    yield name, version.number, version.reason

    def _serves(self, record: ModelRecord) -> bool:
        try:
            return (record.name, record.resolve(None)) in self.loaded
        except (ModelUnavailable, VersionNotFound):
            return False

    def record(self, name: str) -> ModelRecord:
        """One model.

        Raises:
            ModelNotFound: There is none of this name.
            NotReady: Nobody can tell: the models folder cannot be read.
        """
        if name not in self.models:
            if self.problem:
                raise NotReady(self.problem)
            raise ModelNotFound(f"no model {name[:64]!r}; models: {listed(self.models)}")
        return self.models[name]


class Registry:
    """The models in a folder. Safe to use from many threads, and across a fork."""

    def __init__(self, models_dir: Path, *, poll_s: float, loaded_versions: int) -> None:
        self._models_dir = models_dir
        self._poll_s = poll_s
        self._snapshot = Snapshot()
        self._refreshing = threading.Lock()
        self._on_demand = _Recent(loaded_versions)
        self._failed: dict[tuple[str, int], str] = {}
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
            ModelUnavailable: It is broken.
        """
        snapshot = self.snapshot
        record = snapshot.record(name)
        number = record.resolve(ref)
        model = snapshot.loaded.get((name, number))
        return model or self._load_on_demand(name, record.versions[number])

    def home(self, name: str) -> Path:
        """The folder of a model that the snapshot lists."""
        return self._models_dir / name

    def refresh(self) -> None:
        """Bring the snapshot up to date with the disk. Raises nothing: what fails is in it."""
        with self._refreshing:
            try:
                self._snapshot = self._next(self._snapshot)
            except OSError as error:
                # An unmounted or unreadable folder takes nothing away that is already loaded.
                problem = f"the models folder cannot be read: {error.strerror}"
                if problem != self._snapshot.problem:
                    logger.warning("models folder unreadable", extra={"reason": error.strerror})
                self._snapshot = replace(self._snapshot, problem=problem)

    def _next(self, old: Snapshot) -> Snapshot:
        models = {}
        loaded: dict[tuple[str, int], Model] = {}
        with os.scandir(self._models_dir) as entries:
            names = sorted(entry.name for entry in entries if is_model_name(entry.name))
        for name in names:
            record = self._look(name, old.models.get(name))
            if record is not None:
                models[name] = self._load(record, old, loaded)
        return Snapshot(models, loaded)

    def _look(self, name: str, old: ModelRecord | None) -> ModelRecord | None:
        """The model as it stands on disk; the old record where nothing changed."""
        home = self.home(name)
        try:
            stamp = _settled_stamp(home, old)
            if old is not None and old.stamp == stamp is not None and not self._has_failed(old):
                return old
            numbers = versions(home)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            return ModelRecord(name, {}, {}, f"the folder cannot be read: {error.strerror}")
        if not numbers:
            return None
        known = old.versions if old else {}
        records = {number: self._version(name, number, known.get(number)) for number in numbers}
        try:
            return ModelRecord(name, records, read_aliases(home), None, stamp)
        except BrokenArtifact as error:
            # What an alias held is not guessed; the last known state stays.
            aliases = old.aliases if old else {}
            return ModelRecord(name, records, aliases, str(error), stamp)

    def _version(self, name: str, number: int, known: VersionRecord | None) -> VersionRecord:
        home = self.home(name)
        stamp = _folder_stamp(home / str(number))
        failure = self._failed.pop((name, number), None)
        if known is not None and known.still_holds(stamp):
            return replace(known, reason=failure, stamp=stamp) if failure else known
        manifest = None
        try:
            manifest = read_manifest(home, number)
            check_files(home, manifest)
        except BrokenArtifact as error:
            _log_broken(name, number, error)
            return VersionRecord(number, manifest, str(error), stamp)
        return VersionRecord(number, manifest, None, stamp)

    def _load(self, record: ModelRecord, old: Snapshot, loaded: dict[tuple[str, int], Model]) -> ModelRecord:
        """Load what the aliases and `latest` name; a version that fails is broken from here on."""
        while True:
            missing = [number for number in record.wanted if (record.name, number) not in loaded]
            if not missing:
                return record
            for number in missing:
                version = record.versions[number]
                key = (record.name, number)
                try:
                    loaded[key] = self._load_version(record.name, version, old.loaded.get(key))
                except BrokenArtifact as error:
                    _log_broken(record.name, number, error)
                    broken = replace(version, reason=str(error))
                    record = replace(record, versions={**record.versions, number: broken})

    def _load_version(self, name: str, version: VersionRecord, old: Model | None) -> Model:
        """The model that is loaded already, if it is this very version, else from disk.

        Raises:
            BrokenArtifact: It cannot be loaded.
        """
        if version.manifest is None:
            raise BrokenArtifact(version.reason or "no manifest")
        for model in (old, self._on_demand.get((name, version.number))):
            if model is not None and model.manifest == version.manifest:
                return model
        return load_model(self.home(name), version.manifest)

    def _load_on_demand(self, name: str, version: VersionRecord) -> Model:
        key = (name, version.number)
        reason = version.reason or self._failed.get(key)
        if reason is None:
            try:
                model = self._load_version(name, version, None)
            except BrokenArtifact as error:
                _log_broken(name, version.number, error)
                reason = self._failed[key] = str(error)
            else:
                self._on_demand.put(key, model)
                return model
        raise ModelUnavailable(f"version {version.number} of model {name!r} is broken: {reason}")

    def _has_failed(self, record: ModelRecord) -> bool:
        return any((record.name, number) in self._failed for number in record.versions)

    def _watch(self) -> None:
        with self._refreshing:
            if self._watched_by == os.getpid():
                return
            self._watched_by = os.getpid()
        self.refresh()
        threading.Thread(
            target=_poll, args=(weakref.ref(self), self._poll_s), name="registry", daemon=True
        ).start()


class _Recent:
    """The versions asked for most recently, at most so many."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._models: OrderedDict[tuple[str, int], Model] = OrderedDict()

    def get(self, key: tuple[str, int]) -> Model | None:
        with self._lock:
            if key in self._models:
                self._models.move_to_end(key)
            return self._models.get(key)

    def put(self, key: tuple[str, int], model: Model) -> None:
        with self._lock:
            self._models[key] = model
            while len(self._models) > self._size:
                self._models.popitem(last=False)


def _poll(registry: "weakref.ref[Registry]", poll_s: float) -> None:
    """Refresh for as long as somebody holds the registry."""
    while True:
        time.sleep(poll_s)
        present = registry()
        if present is None:
            return
        try:
            present.refresh()
        except Exception:  # the thread must outlive a defect of ours, and the log must have it
            logger.exception("refresh failed")
        del present


def _settled_stamp(home: Path, known: ModelRecord | None) -> Stamp | None:
    """The stamp of a model's folder and of what is broken in it.

    None while its newest change may not be the last one within a tick of the disk's clock.

    Raises:
        OSError: The folder is gone or cannot be read.
    """
    status = home.stat()
    if abs(time.time_ns() - status.st_mtime_ns) < _SETTLED_NS:
        return None
    stamp = {"": (status.st_ino, status.st_mtime_ns)}
    for version in known.versions.values() if known else ():
        if version.reason:
            found = _folder_stamp(home / str(version.number))
            stamp |= {f"{version.number}/{name}": value for name, value in found.items()}
    return stamp


def _folder_stamp(folder: Path) -> Stamp:
    try:
        with os.scandir(folder) as entries:
            status = {entry.name: entry.stat() for entry in entries}
    except OSError:
        return {}
    return {name: (entry.st_ino, entry.st_mtime_ns) for name, entry in status.items()}


def _log_broken(name: str, number: int, error: BrokenArtifact) -> None:
    logger.warning("version broken", extra={"model": name, "version": number, "reason": str(error)})
