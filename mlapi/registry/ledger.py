"""Which manifest first stood under each number, remembered in the state folder.

The audit log (`mlapi.registry.audit`) has what was done through mlapi, and by whom; the ledger has what a
server found on the disk, whoever put it there.

A signature says who made a version, not that it is the one that stood there before: whoever can write to the
models may put an older one, signed by the same key, in a newer one's place. A server that sees another
manifest under a number serves it, and says so until somebody accepts it (`mlapi verify NAME --accept`).

    state/seen/<place>.json   {"format": 1, "versions": {name: {number: sha256 of the manifest}}}

There is one such file for each place where models are. A version that it does not know yet is taken as right.
"""

import errno
import hashlib
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeAlias

import orjson

from mlapi.artifacts.names import is_model_name, parse_version
from mlapi.registry.snapshot import Key, ModelRecord, VersionRecord
from mlapi.storage import disk
from mlapi.storage.locks import USUAL_S, locked
from mlapi.wording import reason

logger = logging.getLogger(__name__)

FOLDER = "seen"
FORMAT = 1

DELETED = "deleted"
"""In a digest's place: whatever stands under this number came after its deletion."""

_LOCK = ".lock"
_MOST_BYTES = 64 << 20

Digests: TypeAlias = Mapping[Key, str]
"""The sha256 of a manifest, or `DELETED`, for each model and number."""


class Ledger:
    """The ledger of one place with models. For one thread at a time; other processes write the same file.

    Args:
        path_or_url: Where the models are; each place has a file of its own.
    """

    def __init__(self, state_dir: Path, path_or_url: str) -> None:
        self._path = state_dir / FOLDER / f"{hashlib.sha256(path_or_url.encode()).hexdigest()[:16]}.json"
        self._stamp: object = None
        self._on_disk: dict[Key, str] = {}
        self._unwritten: dict[Key, str] = {}
        self._problem: str | None = None

    def first_digests(self) -> Digests:
        """Return the digest of the manifest that stood under each number first, whichever process noted it.

        Reads the file if it has changed. What could not be written so far is known to this process alone.
        """
        try:
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._on_disk, self._stamp = _read(self._path), stamp
        except (OSError, ValueError) as error:
            self._warn(error)
        return {**self._unwritten, **self._on_disk}

    def note(self, new: Digests) -> None:
        """Remember versions that nobody has noted before, and which were deleted; others stay as they are.

        Raises nothing, and waits for no other process: what cannot be written now is written by a later call.
        """
        known = self.first_digests()
        self._unwritten |= {key: digest for key, digest in new.items() if _is_news(digest, known.get(key))}
        if not self._unwritten:
            return
        try:
            self._write(self._unwritten, patience_s=0)
            self._unwritten = {}
        except BlockingIOError:  # another process writes; the next look does it
            pass
        except (OSError, ValueError) as error:
            self._warn(error)

    def accept(self, key: Key, digest: str) -> str | None:
        """Replace what stood first under a number, and return it; None if nothing did.

        Raises:
            OSError: The file cannot be written, or is no ledger.
        """
        before = self.first_digests().get(key)
        try:
            self._write({key: digest}, patience_s=USUAL_S, replace=True)
        except ValueError as error:
            raise OSError(errno.EINVAL, str(error), str(self._path)) from error
        return before

    def _write(self, new: Digests, *, patience_s: float, replace: bool = False) -> None:
        disk.make_folder(self._path.parent, mode=0o700)
        with locked(self._path.with_name(_LOCK), patience_s=patience_s):
            before = _read(self._path)
            after = before | {
                key: digest for key, digest in new.items() if replace or _is_news(digest, before.get(key))
            }
            if after != before:
                disk.replace(self._path, _to_bytes(after), 0o600)
        self._on_disk = after

    def _warn(self, error: Exception) -> None:
        """Log a problem once: the models are looked at again and again."""
        if reason(error) != self._problem:
            self._problem = reason(error)
            logger.warning("versions seen are not remembered", extra={"reason": self._problem})


def digests(records: Collection[ModelRecord]) -> Digests:
    """Return what stands under each number of these models now, as far as manifests were read."""
    deleted = {(record.name, number): DELETED for record in records for number in record.deleted}
    return deleted | {
        (record.name, number): version.manifest.digest
        for record in records
        for number, version in record.versions.items()
        if version.manifest
    }


def replacement(name: str, version: VersionRecord, known: Digests) -> str | None:
    """Say that another version stood under a number before; None if none did, or its manifest was not
    read."""
    before = known.get((name, version.number))
    if version.manifest is None or before in (None, version.manifest.digest):
        return None
    was = "was deleted before" if before == DELETED else f"was another version before ({before:.12})"
    now = f"{version.manifest.digest:.12} of {version.manifest.created_at} stands there now, and serves"
    return f"it {was}; {now}; if that is right: mlapi verify {name} --accept"


def _is_news(digest: str, known: str | None) -> bool:
    return known is None or (digest == DELETED and known != DELETED)


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _read(path: Path) -> dict[Key, str]:
    """Return the digests in a ledger's file; none where there is no file.

    Raises:
        ValueError: It is no ledger.
    """
    try:
        document = orjson.loads(disk.read(path, _MOST_BYTES))
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r:.20}")
        return {
            (name, int(number)): str(digest)
            for name, numbers in document["versions"].items()
            for number, digest in numbers.items()
            if is_model_name(name) and parse_version(number)
        }
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name} is no file of versions seen of format {FORMAT}: remove it") from error


def _to_bytes(digests: Digests) -> bytes:
    versions: dict[str, dict[str, str]] = {}
    for (name, number), digest in sorted(digests.items()):
        versions.setdefault(name, {})[str(number)] = digest
    return orjson.dumps({"format": FORMAT, "versions": versions}, option=orjson.OPT_INDENT_2) + b"\n"
