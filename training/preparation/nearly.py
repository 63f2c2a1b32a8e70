"""Columns that are nearly one thing, and words that are nearly one word: what is said of them.

A column of a hundred numbers with one "<1.0" among them is a column of words to a program. A person has to
hear of it: which cell, where it stands, and the way out.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.data.tables.cells import CellOptions
from mlapi.data.tables.datetimes import ParsedDatetimes, most_frequent_format, parse_datetimes
from mlapi.data.tables.durations import ParsedDurations, parse_durations
from mlapi.data.tables.numbers import (
    ParsedNumbers,
    most_frequent_style,
    parse_numbers,
    written_in_several_ways,
)
from mlapi.training.preparation.views import ColumnView
from mlapi.wording import counted, listed, quoted

_MOST_ODD = 0.1
"""The share of cells that may be something else in a column that is nearly one thing."""

_MOST_REPEATED = 0.5
"""The share of cells that may be something else where these are the same few words again and again, or
numbers with a sign beside them."""

_FEW_WORDS = 3
"""Distinct words that people write for none, or for too much, in one column."""

_MANY = 10
"""Distinct numbers or dates from which on a column is hardly one of names."""

_BOUND = re.compile(r"(?:[<>≤≥~≈±]=?|ca\.|>>|<<) ?[-+−]?[0-9][0-9.,]*|[0-9][0-9.,]* ?[*+†]+")
"""A number with a sign that says that it is none: <5, >100, ~50, 12*."""

_SAMPLE = 10_000
"""Distinct texts that are looked at before all are."""

_SHOWN = 3
"""Odd cells that a message shows."""

MEND = "mend what is wrong, or leave it blank"
"""What to do with odd cells, one or several."""


@dataclass(frozen=True, slots=True)
class CellReader:
    """How texts are read as one kind, all of them or most."""

    noun: str
    read: Callable[[Sequence[str], CellOptions], ParsedNumbers | ParsedDurations | ParsedDatetimes | None]
    """Reads texts that are all of this kind."""
    most: Callable[[Sequence[str], NDArray[np.intp]], NDArray[np.bool_]]
    """Chooses the texts that are of this kind in the way that most cells are, or mark a missing value."""
    missing: Any
    """The value where a cell is missing."""


def _numbers_or_durations(
    texts: Sequence[str], options: CellOptions
) -> ParsedNumbers | ParsedDurations | None:
    return parse_numbers(texts, options) or parse_durations(texts)


READERS: Mapping[str, CellReader] = {
    "numeric": CellReader("numbers", _numbers_or_durations, most_frequent_style, np.nan),
    "datetime": CellReader("dates", parse_datetimes, most_frequent_format, np.datetime64("NaT", "us")),
}
"""By what a user may say that a column is."""


@dataclass(frozen=True, slots=True)
class ReadTexts:
    """The distinct values of a column, read as one kind: `values` `(values,)`, missing where `is_odd`.

    `parsed` is what the reader made of those that are not odd.
    """

    parsed: ParsedNumbers | ParsedDurations | ParsedDatetimes
    values: NDArray[Any]
    is_odd: NDArray[np.bool_]


def read_most(view: ColumnView, reader: CellReader) -> ReadTexts | None:
    """Read a column's distinct values, all if that is possible, else those of the way that most cells have.

    None if nothing can be read.
    """
    texts = np.array(list(map(str, view.uniques)), dtype=object)
    parsed = reader.read(texts.tolist(), view.options)
    if parsed is not None:
        return ReadTexts(parsed, parsed.values, np.zeros(len(texts), dtype=bool))
    fits = reader.most(texts.tolist(), view.counts)
    parsed = reader.read(texts[fits].tolist(), view.options)
    if parsed is None:
        return None
    values = np.full(len(texts), reader.missing, dtype=parsed.values.dtype)
    values[fits] = parsed.values
    return ReadTexts(parsed, values, ~fits)


def nearly(view: ColumnView, reader: CellReader) -> ReadTexts | None:
    """Read a column of which all cells but a few are of a kind, and not merely markers; else None.

    Most columns are ruled out by their first distinct values.
    """
    first, counts = list(map(str, view.uniques[:_SAMPLE])), view.counts[:_SAMPLE]
    if int(counts[~reader.most(first, counts)].sum()) > _MOST_REPEATED * int(counts.sum()):
        return None
    read = read_most(view, reader)
    if read is None or not (_is_few(view, read.is_odd) or _are_few_words(view, read.is_odd)):
        return None
    return read


def nearly_warning(view: ColumnView) -> str | None:
    """Say that a column of words would be numbers, dates or flags but for a few cells; else None."""
    for option, reader in READERS.items():
        read = nearly(view, reader)
        if read is not None:
            way_out = f" (--{option} {view.name} takes such cells for blank)"
            return f"would be {reader.noun} but for {odd_cells(view, read.is_odd)}: {MEND}{way_out}"
    ways = written_in_several_ways(list(map(str, view.uniques[:_SAMPLE])), view.counts[:_SAMPLE])
    if ways is not None:
        shown = listed(map(quoted, ways))
        return f"holds numbers that are written in several ways ({shown}), and counts as words: write one way"
    is_odd = np.array([str(value).lower() not in ("true", "false") for value in view.uniques], dtype=bool)
    if _is_few(view, is_odd):
        return f"would be true or false but for {odd_cells(view, is_odd)}: {MEND}"
    return None


def _is_few(view: ColumnView, is_odd: NDArray[np.bool_]) -> bool:
    """Return whether these values `(values,)` are few of the cells, and not none."""
    return 0 < int(view.counts[is_odd].sum()) <= _MOST_ODD * view.present_count


def _are_few_words(view: ColumnView, is_odd: NDArray[np.bool_]) -> bool:
    """Return whether these values `(values,)` are words that stand for none in a column of something else."""
    odd = [str(value) for value in view.uniques[is_odd].tolist()]
    if not 0 < int(view.counts[is_odd].sum()) <= _MOST_REPEATED * view.present_count:
        return False
    if len(view.uniques) - len(odd) < _MANY:
        return False
    return len(odd) <= _FEW_WORDS or all(map(_BOUND.fullmatch, odd))


def odd_cells(view: ColumnView, is_odd: NDArray[np.bool_]) -> str:
    """Count the cells of these values `(values,)`, and name the first: `1 of 120 cells ("<1.0", line 9)`."""
    places = np.flatnonzero(is_odd).tolist()
    shown = [f"{quoted(str(view.uniques[place]))}, {view.first_place(place)}" for place in places[:_SHOWN]]
    more = f"; and {len(places) - _SHOWN:,} more" if len(places) > _SHOWN else ""
    return (
        f"{view.counts[is_odd].sum():,} of {counted(view.present_count, 'cell')} ({'; '.join(shown)}{more})"
    )


def spelling_warning(noun: str, words: Iterable[Any]) -> str | None:
    """Say which words differ by capitals or blanks alone; None if none do.

    Args:
        noun: What they are: "classes", "categories".
    """
    groups = list(_spelt_alike(words))
    if not groups:
        return None
    shown = listed(" and ".join(_told_apart(group)) for group in groups)
    what = "signs that nobody sees" if any(map(_look_alike, groups)) else "capitals or blanks"
    return f"has {noun} that differ by {what} alone ({shown}): write those in one way that are one"


def _plain_word(word: str) -> str:
    """Return a word without what hardly tells two words apart: capitals, blanks, signs that nobody sees, and
    the two forms of Unicode in which é can be written."""
    plain = unicodedata.normalize("NFKC", "".join(_seen(word).split())).casefold()
    return plain.replace("i\u0307", "i").replace("ı", "i")


def _told_apart(words: Sequence[str]) -> Iterator[str]:
    """Quote words so that they can be told apart: by their codes where they look the same."""
    return map(ascii if _look_alike(words) else quoted, words)


def _look_alike(words: Sequence[str]) -> bool:
    """Return whether some of the words look the same, though they are not."""
    return len({_seen(unicodedata.normalize("NFC", word)) for word in words}) < len(words)


def _seen(word: str) -> str:
    return "".join(sign for sign in word if unicodedata.category(sign) != "Cf")


def _spelt_alike(words: Iterable[Any]) -> Iterator[list[str]]:
    groups: dict[str, list[str]] = {}
    for word in words:
        if isinstance(word, str):
            groups.setdefault(_plain_word(word), []).append(word)
    return (group for group in groups.values() if len(group) > 1)
