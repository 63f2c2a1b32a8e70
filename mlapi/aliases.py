"""A model's aliases: one small file beside its versions, replaced whole and never edited."""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlapi import disk
from mlapi.errors import BrokenArtifact
from mlapi.names import is_alias, parse_version

FORMAT = 1

FILE = "aliases.json"
LOCK = ".aliases.lock"


def read_aliases(home: Path) -> dict[str, int]:
    """The version that each alias names; none where there is no file.

    Raises:
        BrokenArtifact: The file cannot be read, or is not one of aliases.
    """
    return {alias: entry["version"] for alias, entry in _read(home).items()}


def set_alias(home: Path, alias: str, version: int) -> None:
    """Let the alias name this version. Changes at the same time follow one another; none is lost.

    Raises:
        BrokenArtifact: The present file is not one of aliases; it is left as it is.
        OSError: The folder cannot be written.
    """
    with _locked(home):
        aliases = _read(home)
        if aliases.get(alias, {}).get("version") == version:
            return
        aliases[alias] = {"version": version}
        document = {"format": FORMAT, "aliases": dict(sorted(aliases.items()))}
        disk.replace(home / FILE, json.dumps(document, indent=2).encode() + b"\n")


def _read(home: Path) -> dict[str, dict[str, Any]]:
    try:
        document = json.loads((home / FILE).read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise BrokenArtifact(f"{FILE} cannot be read: {type(error).__name__}") from error
    aliases = document.get("aliases") if isinstance(document, dict) else None
    if not isinstance(aliases, dict) or document.get("format") != FORMAT:
        raise BrokenArtifact(f"{FILE} is not a file of aliases of format {FORMAT}")
    if not all(is_alias(alias) and _is_entry(entry) for alias, entry in aliases.items()):
        raise BrokenArtifact(f"{FILE} holds an alias that names no version")
    return aliases


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, Mapping) or type(entry.get("version")) is not int:
        return False
    return parse_version(str(entry["version"])) is not None


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Held by one process at a time; the kernel lets go of it when its holder dies."""
    with (home / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
