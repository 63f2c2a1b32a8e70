"""A model's aliases: one small file beside its versions, replaced whole and never edited.

An alias remembers which versions it named before, newest first: one of them is named again by a rollback, and
answers where the version that the alias names does not serve.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from mlapi.artifacts.names import is_alias, parse_version
from mlapi.errors import BrokenArtifact
from mlapi.storage import disk, locks

FORMAT = 1

FILE = "aliases.json"
LOCK = ".aliases.lock"

REMEMBERED = 10
"""How many versions back an alias remembers."""

_MOST_BYTES = 1 << 20
"""A file of aliases that is larger is not read."""


@dataclass(frozen=True, slots=True)
class Alias:
    """Which version an alias names, and which it named before, newest first."""

    version: int
    previous: tuple[int, ...] = ()

    def moved_to(self, version: int) -> "Alias":
        """Return the alias with another version; the same alias if it names that one already."""
        if version == self.version:
            return self
        return Alias(version, (self.version, *self.previous)[:REMEMBERED])

    def moved_back_to(self, version: int) -> "Alias":
        """Return the alias with one of its previous versions; those that it named after that are
        forgotten."""
        return Alias(version, self.previous[self.previous.index(version) + 1 :])


Aliases: TypeAlias = Mapping[str, Alias]
"""A model's aliases by name."""

Edit: TypeAlias = Callable[[Aliases], Aliases]
"""The aliases as they are -> as they shall be. If it raises, nothing is written. It may be called again,
where another process has changed the aliases meanwhile."""


def read_aliases(home: Path) -> Aliases:
    """Read the aliases in a model's folder; return none where there is no file.

    Raises:
        BrokenArtifact: The file cannot be read, or is not one of aliases.
    """
    try:
        return from_bytes(disk.read(home / FILE, _MOST_BYTES))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BrokenArtifact(f"{FILE} cannot be read: {error.strerror}") from error


def change_aliases(home: Path, edit: Edit, *, patience_s: float = locks.USUAL_S) -> tuple[Aliases, Aliases]:
    """Change the aliases in a model's folder, and return those before and after.

    Changes by several processes at once are made one after the other; none is lost.

    Raises:
        BrokenArtifact: The present file is not one of aliases; it is left as it is.
        OSError: The folder cannot be written, or another process has held the lock for `patience_s`.
    """
    with locks.locked(home / LOCK, patience_s=patience_s):
        before = read_aliases(home)
        after = edit(before)
        if after != before:
            disk.replace(home / FILE, to_bytes(after))
    return before, after


def pointing(alias: str, version: int) -> Edit:
    """Return the edit that lets an alias name a version."""

    def edit(aliases: Aliases) -> Aliases:
        known = aliases.get(alias)
        return {**aliases, alias: known.moved_to(version) if known else Alias(version)}

    return edit


def to_bytes(aliases: Aliases) -> bytes:
    """Return the content of a file of aliases."""
    entries = {
        name: {"version": alias.version, "previous": list(alias.previous)}
        for name, alias in sorted(aliases.items())
    }
    return orjson.dumps({"format": FORMAT, "aliases": entries}, option=orjson.OPT_INDENT_2) + b"\n"


def from_bytes(content: bytes) -> Aliases:
    """Read what `to_bytes` wrote.

    Raises:
        BrokenArtifact: It is something else.
    """
    try:
        document = orjson.loads(content)
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r:.20}")
        return {name: _alias(name, entry) for name, entry in document["aliases"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BrokenArtifact(f"{FILE} is not a file of aliases of format {FORMAT}") from error


def _alias(name: str, entry: Mapping[str, Any]) -> Alias:
    version, previous = entry["version"], entry.get("previous", [])
    if not is_alias(name) or not all(map(_is_version, (version, *previous))):
        raise ValueError(name)
    return Alias(version, tuple(previous))


def _is_version(value: object) -> bool:
    return type(value) is int and parse_version(str(value)) is not None
