"""One look at a model's folder: what is there, as a record. Reads aliases; manifests only of what is loaded.

What has not changed costs a few `stat`s. What is loaded stays, until another version stands under its number
or a tombstone says that it was deleted; files that vanish or are damaged do not say so.
"""

import os
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mlapi.artifacts.folder import deleted_numbers, read_manifest, taken_numbers, version_numbers
from mlapi.artifacts.trust import Trust
from mlapi.errors import BrokenArtifact
from mlapi.registry import aliases
from mlapi.registry.aliases import Aliases
from mlapi.registry.backends.store import Store
from mlapi.registry.snapshot import ModelRecord, Stamp, VersionRecord

_SETTLED_NS = 2_000_000_000
"""A folder changed more recently than this may change again within its clock's tick: look twice."""

_FROM_MEMORY = "it serves from memory until this process ends"


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model as it is known before a look at its folder."""

    record: ModelRecord | None
    """The record that the last look made; None if there was no look."""
    loaded: Collection[int]
    """The versions that are in memory."""
    failed: Mapping[int, str]
    """Why versions could not be loaded since the last look, by number."""

    @property
    def versions(self) -> Mapping[int, VersionRecord]:
        """The versions of the record, by number."""
        return self.record.versions if self.record else {}


def look(store: Store, trust: Trust, name: str, known: KnownModel) -> ModelRecord | None:
    """Return the model as it stands; the old record where nothing has changed, None if it is not there.

    Raises:
        OSError: Its folder cannot be read.
    """
    home, old = store.folder / name, known.record
    try:
        stamp = _settled_stamp(home, old)
        if old is not None and old.stamp == stamp is not None and not known.failed:
            return old
        numbers, taken, deleted = version_numbers(home), taken_numbers(home), deleted_numbers(home)
    except (FileNotFoundError, NotADirectoryError):
        return _from_memory(known)
    versions = _versions_on_disk(store, trust, home, numbers, known)
    versions |= {
        number: _in_memory(known.versions[number], versions.get(number))
        for number in _lost(known.loaded, taken, versions)
    }
    if not versions:
        return None
    if any(version.stamp is None for version in versions.values()):
        stamp = None
    aliases_now, problem = _aliases(home, old)
    return ModelRecord(
        name,
        dict(sorted(versions.items())),
        aliases_now,
        aliases_problem=problem,
        stamp=stamp,
        served_before=old.serving_versions if old else {},
        deleted=deleted,
    )


def _versions_on_disk(
    store: Store, trust: Trust, home: Path, numbers: Iterable[int], known: KnownModel
) -> dict[int, VersionRecord]:
    """The versions of these numbers. Of those in memory the manifest is read again if it may have changed;
    those that could not be loaded are broken."""
    versions = {number: _version(home / str(number), known.versions.get(number)) for number in numbers}
    for number in versions.keys() & set(known.loaded):
        versions[number] = _still_good(store, trust, home, versions[number])
    for number in versions.keys() & known.failed.keys():
        versions[number] = replace(versions[number], reason=known.failed[number], reason_is_temporary=False)
    return versions


def _version(folder: Path, known: VersionRecord | None) -> VersionRecord:
    stamp = _folder_stamp(folder)
    if known is not None and known.is_current(stamp):
        return known
    return VersionRecord(int(folder.name), None, None, stamp)


def _still_good(store: Store, trust: Trust, home: Path, version: VersionRecord) -> VersionRecord:
    """Return the record of a loaded version, its manifest read again if its files may have changed."""
    if version.is_read:
        return version
    try:
        manifest = read_manifest(home / str(version.number), trust, partial=store.is_partial)
    except BrokenArtifact as error:
        return broken(home / str(version.number), version, error)
    return replace(version, manifest=manifest)


def broken(folder: Path, version: VersionRecord, error: BrokenArtifact) -> VersionRecord:
    """Return a version as broken, whose files could not be read just now.

    If they have changed meanwhile, the next look reads them again: a folder may be moved away and back while
    it is read.
    """
    broken_version = version.broken_by(error)
    is_unchanged = version.stamp == _folder_stamp(folder)
    return broken_version if is_unchanged else replace(broken_version, stamp=None)


def _lost(
    loaded: Collection[int], taken: Collection[int], versions: Mapping[int, VersionRecord]
) -> list[int]:
    """The loaded versions whose files are gone or damaged, though nobody has deleted or replaced them."""
    return [
        number for number in loaded if number not in taken or (number in versions and versions[number].reason)
    ]


def _in_memory(known: VersionRecord, on_disk: VersionRecord | None) -> VersionRecord:
    """Return a version as one that serves from memory; it is looked at again once its folder has changed."""
    if on_disk is None:
        return replace(
            known,
            reason=None,
            reason_is_temporary=False,
            note=f"its folder is gone; {_FROM_MEMORY}",
            stamp={},
        )
    state = "cannot be read now" if on_disk.reason_is_temporary else "are damaged"
    note = f"its files {state} ({on_disk.reason}); {_FROM_MEMORY}"
    return replace(known, reason=None, reason_is_temporary=False, note=note, stamp=on_disk.stamp)


def _from_memory(known: KnownModel) -> ModelRecord | None:
    """Return the model without its folder, with the versions that are loaded; None if none is."""
    old = known.record
    if old is None or not known.loaded:
        return None
    versions = {number: _in_memory(old.versions[number], None) for number in sorted(known.loaded)}
    problem = "its folder is gone; what is loaded serves on"
    return replace(
        old, versions=versions, folder_problem=problem, stamp=None, served_before=old.serving_versions
    )


def _aliases(home: Path, old: ModelRecord | None) -> tuple[Aliases, str | None]:
    """Return the aliases, and what is wrong with their file: the last aliases stay if it cannot be read."""
    known = old.aliases if old else {}
    try:
        aliases_now = aliases.read_aliases(home)
    except BrokenArtifact as error:
        return known, str(error)
    if known and not aliases_now and not (home / aliases.FILE).exists():
        return known, f"{aliases.FILE} is gone; the aliases stay as they were"
    return aliases_now, None


def _settled_stamp(home: Path, known: ModelRecord | None) -> Stamp | None:
    """Return the stamp of a model's folder, of its alias file, and of its broken versions.

    None while the folder's newest change may not be the last one within a tick of the disk's clock.

    Raises:
        OSError: The folder is gone or cannot be read.
    """
    stamp = {"": _identity(home.stat()), **_stat(home / aliases.FILE)}
    if any(abs(time.time_ns() - changed) < _SETTLED_NS for _, changed in stamp.values()):
        return None
    for version in known.versions.values() if known else ():
        if version.reason or version.note:
            files = _folder_stamp(home / str(version.number))
            stamp |= {f"{version.number}/{name}": identity for name, identity in files.items()}
    return stamp


def _folder_stamp(folder: Path) -> Stamp:
    try:
        with os.scandir(folder) as entries:
            return {entry.name: _identity(entry.stat(follow_symlinks=False)) for entry in entries}
    except OSError:
        return {}


def _stat(file: Path) -> Stamp:
    try:
        return {file.name: _identity(file.stat())}
    except OSError:
        return {}


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_ino, status.st_mtime_ns
