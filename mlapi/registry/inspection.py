"""One look at a model's folder: what is there, as a record. Reads aliases; manifests only of what is loaded.

What has not changed costs a few `stat`s. What is loaded stays, until another version stands under its number
or a tombstone says that it was deleted: that files vanish or are damaged is no such word.
"""

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
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


def look(  # noqa: PLR0913, PLR0917 - where, whom to trust, and what was known
    store: Store,
    trust: Trust,
    name: str,
    old: ModelRecord | None,
    loaded: Collection[int],
    failed: Mapping[int, str],
) -> ModelRecord | None:
    """The model as it stands; the old record where nothing changed, None if it is not there.

    Args:
        loaded: The versions that serve now.
        failed: Why versions could not be loaded since the last look.

    Raises:
        OSError: Its folder cannot be read.
    """
    home = store.folder / name
    try:
        stamp = _settled_stamp(home, old)
        if old is not None and old.stamp == stamp is not None and not failed:
            return old
        numbers, taken, deleted = version_numbers(home), taken_numbers(home), deleted_numbers(home)
    except (FileNotFoundError, NotADirectoryError):
        return _from_memory(old, loaded)
    known = old.versions if old else {}
    found = {number: _version(home / str(number), known.get(number)) for number in numbers}
    found |= {number: _still_good(store, trust, home, found[number]) for number in loaded if number in found}
    found |= {
        number: replace(found[number], reason=failed[number], may_pass=False)
        for number in failed
        if number in found
    }
    found |= {number: _kept(known[number], found.get(number)) for number in _unsaid(loaded, taken, found)}
    if not found:
        return None
    if any(version.stamp is None for version in found.values()):
        stamp = None
    named, problem = _aliases(home, old)
    answered = old.answering_now if old else {}
    versions = dict(sorted(found.items()))
    return ModelRecord(
        name,
        versions,
        named,
        aliases_problem=problem,
        stamp=stamp,
        answered=answered,
        deleted=deleted,
    )


def _version(folder: Path, known: VersionRecord | None) -> VersionRecord:
    stamp = _folder_stamp(folder)
    if known is not None and known.still_holds(stamp):
        return known
    return VersionRecord(int(folder.name), None, None, stamp)


def _still_good(store: Store, trust: Trust, home: Path, found: VersionRecord) -> VersionRecord:
    """A version that is loaded, and whose files may have changed."""
    if found.is_read:
        return found
    try:
        manifest = read_manifest(home / str(found.number), trust, partial=store.is_partial)
    except BrokenArtifact as error:
        return broken(home / str(found.number), found, error)
    return replace(found, manifest=manifest)


def broken(folder: Path, version: VersionRecord, error: BrokenArtifact) -> VersionRecord:
    """A version whose files were just read in vain; to be looked at again if they have changed meanwhile.

    A folder that is moved away and back while it is read is afterwards the one that it was before.
    """
    found = version.broken_by(error)
    return found if version.stamp == _folder_stamp(folder) else replace(found, stamp=None)


def _unsaid(loaded: Collection[int], taken: Collection[int], found: Mapping[int, VersionRecord]) -> list[int]:
    """The loaded versions whose files are gone or damaged, though nobody has deleted or replaced them."""
    return [number for number in loaded if number not in taken or (number in found and found[number].reason)]


def _kept(known: VersionRecord, found: VersionRecord | None) -> VersionRecord:
    """A version that is in memory; looked at again once its folder is another one than it is now."""
    if found is None:
        return replace(
            known, reason=None, may_pass=False, note=f"its folder is gone; {_FROM_MEMORY}", stamp={}
        )
    state = "cannot be read now" if found.may_pass else "are damaged"
    note = f"its files {state} ({found.reason}); {_FROM_MEMORY}"
    return replace(known, reason=None, may_pass=False, note=note, stamp=found.stamp)


def _from_memory(old: ModelRecord | None, loaded: Collection[int]) -> ModelRecord | None:
    if old is None or not loaded:
        return None
    versions = {number: _kept(old.versions[number], None) for number in sorted(loaded)}
    problem = "its folder is gone; what is loaded serves on"
    return replace(old, versions=versions, problem=problem, stamp=None, answered=old.answering_now)


def _aliases(home: Path, old: ModelRecord | None) -> tuple[Aliases, str | None]:
    """The aliases, and what is wrong with them. What one held is not guessed: the last known state stays."""
    known = old.aliases if old else {}
    try:
        found = aliases.read_aliases(home)
    except BrokenArtifact as error:
        return known, str(error)
    if known and not found and not (home / aliases.FILE).exists():
        return known, f"{aliases.FILE} is gone; the aliases stay as they were"
    return found, None


def _settled_stamp(home: Path, known: ModelRecord | None) -> Stamp | None:
    """The stamp of a model's folder, its alias file, and of what is broken in it.

    None while its newest change may not be the last one within a tick of the disk's clock.

    Raises:
        OSError: The folder is gone or cannot be read.
    """
    stamp = {"": _identity(home.stat()), **_stat(home / aliases.FILE)}
    if any(abs(time.time_ns() - changed) < _SETTLED_NS for _, changed in stamp.values()):
        return None
    for version in known.versions.values() if known else ():
        if version.reason or version.note:
            found = _folder_stamp(home / str(version.number))
            stamp |= {f"{version.number}/{name}": identity for name, identity in found.items()}
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
