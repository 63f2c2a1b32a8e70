"""Which manifest was first seen under each number, remembered in the state folder.

A signature says who made a version, not that it is the one that stood there before: whoever can write to the
models may put an older one, signed by the same key, in a newer one's place. A server that sees another
manifest under a number serves it, and says so until somebody accepts it (`mlapi verify NAME --accept`).

    state/seen/<place>.json   {"format": 1, "versions": {name: {number: sha256 of the manifest}}}

There is one such file for each place where models are. What it does not know of is taken as it is found.
"""

import errno
import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import orjson

from mlapi.artifacts.names import is_model_name, parse_version
from mlapi.registry.snapshot import Key
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

Seen: TypeAlias = Mapping[Key, str]


class Ledger:
    """Of one place. For one thread at a time; other processes write the same file."""

    def __init__(self, state_dir: Path, place: str) -> None:
        self._path = state_dir / FOLDER / f"{hashlib.sha256(place.encode()).hexdigest()[:16]}.json"
        self._stamp: object = None
        self._there: dict[Key, str] = {}
        self._unwritten: dict[Key, str] = {}
        self._problem: str | None = None

    def known(self) -> Seen:
        """What was seen first, by whichever process; what cannot be written is known to this one alone."""
        try:
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._there, self._stamp = _read(self._path), stamp
        except (OSError, ValueError) as error:
            self._warn(error)
        return {**self._unwritten, **self._there}

    def note(self, new: Seen) -> None:
        """Remember what nobody has seen before, and what was deleted; raises nothing, waits for nobody."""
        known = self.known()
        self._unwritten |= {key: what for key, what in new.items() if _is_news(what, known.get(key))}
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
        """From now on this is what stands under the number; what did before.

        Raises:
            OSError: It cannot be written, or the file is none of these.
        """
        before = self.known().get(key)
        try:
            self._write({key: digest}, patience_s=USUAL_S, anyway=True)
        except ValueError as error:
            raise OSError(errno.EINVAL, str(error), str(self._path)) from error
        return before

    def _write(self, new: Seen, *, patience_s: float, anyway: bool = False) -> None:
        disk.make_folder(self._path.parent, mode=0o700)
        with locked(self._path.with_name(_LOCK), patience_s=patience_s):
            there = _read(self._path)
            after = there | {
                key: what for key, what in new.items() if anyway or _is_news(what, there.get(key))
            }
            if after != there:
                disk.replace(self._path, _to_bytes(after), 0o600)
        self._there = after

    def _warn(self, error: Exception) -> None:
        """Once: the models are looked at again and again."""
        if reason(error) != self._problem:
            self._problem = reason(error)
            logger.warning("versions seen are not remembered", extra={"reason": self._problem})


def _is_news(what: str, known: str | None) -> bool:
    return known is None or (what == DELETED and known != DELETED)


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _read(path: Path) -> dict[Key, str]:
    """
    Raises:
        ValueError: It is something else.
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


def _to_bytes(seen: Seen) -> bytes:
    versions: dict[str, dict[str, str]] = {}
    for (name, number), digest in sorted(seen.items()):
        versions.setdefault(name, {})[str(number)] = digest
    return orjson.dumps({"format": FORMAT, "versions": versions}, option=orjson.OPT_INDENT_2) + b"\n"
