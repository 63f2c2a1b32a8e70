"""The copy on this machine of models that lie elsewhere, laid out as a folder of models.

It follows what a listing says. Where there is no listing, because the place cannot be reached, or files
vanished from it without a tombstone, nothing changes here. Manifests, signatures and aliases come at once, a
version's other files when they are fetched, and only as the manifest describes them. All processes of a
machine share one copy.
"""

import errno
import hashlib
import re
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

import orjson

from mlapi.artifacts import manifest
from mlapi.artifacts.folder import DELETED, GONE, MAX_MANIFEST_BYTES, SIGNATURE_FILE, STAGING, describe_file
from mlapi.artifacts.manifest import MANIFEST, FileDigest
from mlapi.artifacts.names import is_model_name, parse_version
from mlapi.errors import BrokenArtifact
from mlapi.registry import aliases
from mlapi.storage import disk
from mlapi.storage.locks import USUAL_S, locked
from mlapi.storage.remote import Remote, RemoteFile

_LOCK = ".lock"
_INDEX = ".index.json"
"""{part: fingerprint} of what was copied, as it was listed and as it lies here. A part with another
fingerprint is read again."""

_DOWNLOAD_S = 600.0
"""How long to wait for another process that downloads files of the same model."""

_REVISION = re.compile(r"aliases/([0-9]{10})\.json")


@dataclass(frozen=True, slots=True)
class Listed:
    """What a listing says of one model."""

    versions: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The keys of the files of each version, by its number."""
    revisions: dict[int, str] = field(default_factory=dict)
    """The key of the file of aliases, by its revision; 0 is the file without a number."""
    deleted: set[int] = field(default_factory=set)
    """The numbers of deleted versions."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """Keeps a folder as the models elsewhere are. All processes of a machine share it."""

    folder: Path
    remote: Remote

    def refresh(self, patience_s: float = USUAL_S) -> None:
        """Bring manifests, signatures and aliases up to date; other files come by `fetch`.

        If several processes do so at once, one does the work; the others wait and take its result.

        Raises:
            OSError: The place cannot be reached, or the copy not written; or another process has been doing
                so for `patience_s`.
        """
        asked = time.time()
        disk.make_folder(self.folder, mode=0o700)
        with locked(self.folder / _LOCK, patience_s=patience_s) as note:
            if _was_done_since(note, asked):  # by the process that held the lock
                return
            began, problem = time.time(), None
            try:
                self._follow(self.remote.entries())
            except Exception as error:  # a defect of ours as well: who waited must not take it for a success
                problem = getattr(error, "strerror", None) or type(error).__name__
                raise
            finally:
                note.truncate(0)
                note.write(orjson.dumps([began, problem]))

    def fetch(self, name: str, number: int, files: Iterable[str]) -> None:
        """Download files of a version, all of them if none is named, except those that are here and
        undamaged.

        Raises:
            BrokenArtifact: What is there is not what the manifest describes.
            OSError: The place cannot be reached, or the copy not written.
        """
        folder = self.folder / name / str(number)
        known = manifest.from_bytes(disk.read(folder / MANIFEST, MAX_MANIFEST_BYTES), None).files
        wanted = {file: known[file] for file in tuple(files) or known}
        if all(_is(folder / file, entry) for file, entry in wanted.items()):
            return
        with locked(folder.with_name(_LOCK), patience_s=_DOWNLOAD_S):
            for file, entry in wanted.items():
                if not _is(folder / file, entry):
                    self._download(folder / file, entry)

    def adopt(self, staging: Path, name: str, number: int) -> None:
        """Move a version into the copy that was published from here, so that it need not be downloaded."""
        with locked(self.folder / _LOCK):
            _swap(staging, self.folder / name / str(number))

    def _follow(self, entries: Mapping[str, RemoteFile]) -> None:
        """Bring the copy up to date; a model that fails holds back no other."""
        old, new = _read_index(self.folder), dict[str, str]()
        problem = None
        for name, listed in by_model(entries).items():
            try:
                new |= self._follow_model(self.folder / name, listed, entries, old)
            except OSError as error:
                problem = problem or error
        if new != old:
            disk.replace(self.folder / _INDEX, orjson.dumps(new))
        if problem:
            raise problem

    def _follow_model(
        self, home: Path, listed: Listed, entries: Mapping[str, RemoteFile], old: Mapping[str, str]
    ) -> dict[str, str]:
        disk.make_folder(home)
        parts = list(_parts(home, listed))
        stale = [part for part in parts if old.get(part.name) != part.fingerprint(entries)]
        keys = [key for part in stale for key in part.files.values()]
        contents = self.remote.read({key: min(entries[key].size, MAX_MANIFEST_BYTES) for key in keys})
        for part in stale:
            if contents.keys() >= set(part.files.values()):  # else it was removed after the listing
                part.write({file: contents[key] for file, key in part.files.items()})
        for number in listed.deleted:
            _mark_deleted(home, number)
        return {part.name: part.fingerprint(entries) for part in parts}

    def _download(self, file: Path, entry: FileDigest) -> None:
        key = file.relative_to(self.folder).as_posix()
        staging = _staging(file.parent)
        disk.make_folder(staging)
        try:
            size = self.remote.size(key)
            if size != entry.bytes:
                raise BrokenArtifact(f"{file.name} was altered: {size} bytes instead of {entry.bytes}")
            self.remote.get(key, staging / file.name)
            if not _is(staging / file.name, entry):
                raise BrokenArtifact(f"{file.name} was altered: its sha256 is not the manifest's")
            disk.rename(staging / file.name, file)
        finally:
            disk.remove(staging)


def by_model(entries: Iterable[str]) -> Mapping[str, Listed]:
    """Sort the keys of a listing by model; keys that cannot be a model's are passed over."""
    models: dict[str, Listed] = defaultdict(Listed)
    for key in entries:
        name, _, rest = key.partition("/")
        if is_model_name(name):
            _add(models[name], rest, key)
    return models


def _add(listed: Listed, rest: str, key: str) -> None:
    """Add one key to what is listed of its model; `rest` is the key without the model's name."""
    head, _, file = rest.partition("/")
    number = parse_version(head.removesuffix(DELETED))
    if revision := _REVISION.fullmatch(rest):
        listed.revisions[int(revision[1])] = key
    elif rest == aliases.FILE:
        listed.revisions[0] = key
    elif number is not None and head.endswith(DELETED):
        listed.deleted.add(number)
    elif number is not None and file:
        listed.versions[number].append(key)


@dataclass(frozen=True, slots=True)
class _Part:
    """What is copied in one step: a version's manifest and signature, or a model's aliases."""

    name: str
    """In the index."""
    folder: Path
    files: Mapping[str, str]
    """The key of each file, by its name in the copy."""
    keys: Iterable[str]
    """The keys whose change means that the part is read again: those of all files of a version."""

    def fingerprint(self, entries: Mapping[str, RemoteFile]) -> str:
        """Return a text that changes when a file does that this part depends on, there or here."""
        listed = [(key, entries[key].fingerprint) for key in sorted(self.keys)]
        here = [_identity(self.folder / file) for file in self.files]
        return hashlib.sha256(repr((listed, here)).encode()).hexdigest()[:16]

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Write the files of this part, by their names in the copy."""
        is_here = all(_content(self.folder / file) == content for file, content in contents.items())
        if MANIFEST not in contents:
            if not is_here:
                disk.replace(self.folder / aliases.FILE, contents[aliases.FILE])
        elif is_here:
            # Another of its files changed: by the manifest's new stamp a registry sees to look again.
            disk.replace(self.folder / MANIFEST, contents[MANIFEST])
        else:
            staging = _staging(self.folder)
            disk.make_folder(staging)
            for file, content in contents.items():
                disk.write(staging / file, content)
            _swap(staging, self.folder)


def _parts(home: Path, listed: Listed) -> Iterator[_Part]:
    """Return the parts of a model, versions first: an alias must not name a version that is not here yet."""
    for number, keys in listed.versions.items():
        by_name = {key.rpartition("/")[2]: key for key in keys if key.count("/") == 2}
        if MANIFEST in by_name and number not in listed.deleted:
            small = {file: by_name[file] for file in (MANIFEST, SIGNATURE_FILE) if file in by_name}
            yield _Part(f"{home.name}/{number}", home / str(number), small, keys)
    if listed.revisions:
        newest = listed.revisions[max(listed.revisions)]
        yield _Part(home.name, home, {aliases.FILE: newest}, [newest])


def _swap(staging: Path, folder: Path) -> None:
    """Put a staged version in place of what is there."""
    _remove_at_once(folder)
    disk.remove_file(folder.with_name(folder.name + DELETED))
    disk.flush_folder(staging)
    disk.rename(staging, folder)
    disk.flush_folder(folder.parent)


def _mark_deleted(home: Path, number: int) -> None:
    tombstone = home / f"{number}{DELETED}"
    if not tombstone.exists():
        disk.write(tombstone, b"")
        disk.flush_folder(home)
    _remove_at_once(home / str(number))


def _remove_at_once(folder: Path) -> None:
    """Rename a folder out of the way, so that no reader finds half of it, then remove it."""
    gone = folder.with_name(f"{GONE}{secrets.token_hex(8)}")
    if folder.exists():
        disk.rename(folder, gone)
        disk.remove(gone)


def _staging(folder: Path) -> Path:
    return folder.with_name(f"{STAGING}{secrets.token_hex(8)}")


def _is(file: Path, entry: FileDigest) -> bool:
    try:
        return describe_file(file) == entry
    except OSError:
        return False


def _content(file: Path) -> bytes | None:
    try:
        return disk.read(file, MAX_MANIFEST_BYTES)
    except OSError:
        return None


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _read_index(folder: Path) -> Mapping[str, str]:
    try:
        index = orjson.loads((folder / _INDEX).read_bytes())
    except (OSError, ValueError):
        return {}  # then all is read and compared once more
    return index if isinstance(index, dict) else {}


def _was_done_since(note: FileIO, asked: float) -> bool:
    """Return whether another process has refreshed the copy since this one asked for it.

    Args:
        asked: When this process asked, in seconds since 1970.

    Raises:
        OSError: It tried, and could not.
    """
    note.seek(0)
    try:
        began, problem = orjson.loads(note.read())
        if not asked <= began <= time.time():  # the clock may have been set back
            return False
    except (ValueError, TypeError):  # torn, or of another mlapi
        return False
    if problem:
        raise OSError(errno.EIO, problem)
    return True
