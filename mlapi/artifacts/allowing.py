"""What somebody allows in the settings: as lines of a TOML file, whose comments stay.

Knows two settings by name, and no other: `mlapi.settings` reads them.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mlapi.artifacts.pickles.named_sets import SETS, set_of
from mlapi.storage import disk

CLASSES = "allowed_classes"
"""The setting that lists classes."""

SETTINGS = (CLASSES, "allowed_sets")
"""The settings that say what a pickle may name."""

_MOST_BYTES = 2**20


def with_names(names: Iterable[str], allowed: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the settings that allow these names as well, each by its set if it is in one.

    Args:
        allowed: What is allowed already, sets as all of their classes.
    """
    known = frozenset(allowed)
    sets = {name for name, entry in SETS.items() if entry.names <= known}
    sets |= {name for name in map(set_of, names) if name is not None}
    of_sets = frozenset[str]().union(*(SETS[name].names for name in sets))
    classes = (known | frozenset(names)) - of_sets
    lists = {CLASSES: tuple(sorted(classes)), "allowed_sets": tuple(sorted(sets))}
    return {setting: values for setting, values in lists.items() if values}


def as_lines(lists: Mapping[str, Iterable[str]]) -> str:
    """Return these settings as TOML, one after the other."""
    return "; ".join(_line(setting, values) for setting, values in lists.items())


def write(file: Path, lists: Mapping[str, tuple[str, ...]]) -> None:
    """Add what these lists have to a file of settings; make the file where there is none.

    Raises:
        ValueError: The file cannot be changed without changing more.
        OSError: It cannot be read or written.
    """
    text = disk.read(file, _MOST_BYTES).decode() if file.exists() else ""
    for setting, values in lists.items():
        text = _with_list(text, setting, values)
    disk.make_folder(file.parent)
    disk.replace(file, text.encode(), 0o644)


def _line(setting: str, values: Iterable[str]) -> str:
    return f"{setting} = [{', '.join(map(json.dumps, values))}]"


def _with_list(text: str, setting: str, values: tuple[str, ...]) -> str:
    """Return the text with the values in a list that may be there already, in one line or in many."""
    before = tomllib.loads(text)
    present = before.get(setting, [])
    added = [value for value in values if value not in present]
    if not added:
        return text
    expected = {**before, setting: [*present, *added]}
    for changed in _candidates(text, setting, expected[setting], added):
        try:
            if tomllib.loads(changed) == expected:
                return changed
        except tomllib.TOMLDecodeError:
            continue
    raise ValueError(f"{setting} stands there in a form that cannot be added to")


def _candidates(text: str, setting: str, together: list[str], added: list[str]) -> Iterator[str]:
    """Yield texts of which one is right: with the values at the end of the list, with the list as one line,
    or with a new line before the first table."""
    end = "\r\n" if "\r\n" in text else "\n"
    words = ", ".join(map(json.dumps, added))
    start = re.search(rf"^[ \t]*{setting}[ \t]*=", text, re.MULTILINE)
    if start:
        for bracket in re.finditer(r"\]", text[start.end() :]):
            place = start.end() + bracket.start()
            for separator in (", ", ""):
                yield text[:place].rstrip(" \t") + separator + words + text[place:]
        line = re.compile(rf"^[ \t]*{setting}[ \t]*=[^\r\n]*", re.MULTILINE)
        yield line.sub(lambda _: _line(setting, together), text, count=1)
        return
    table = re.search(r"^[ \t]*\[", text, re.MULTILINE)
    place = table.start() if table else len(text)
    head = text[:place]
    gap = "" if not head or head.endswith("\n") else end
    yield head + gap + _line(setting, together) + end + text[place:]
