"""What one column is, and how its cells are read: decided by looking at them, unless told."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from mlapi.data.signature import Kind
from mlapi.data.tables import cells
from mlapi.errors import DatasetError
from mlapi.training.preparation.series import NoCells, plain, words_of
from mlapi.wording import counted, listed, quoted

Treatment: TypeAlias = Literal["number", "flag", "one_hot", "frequent", "calendar", "terms"]

MOST_LISTED = 1000
"""A column of more categories takes any word: nobody would read a signature that lists them."""

_FEWEST = 20
"""Rows without which nothing can be called an identifier."""

_OWN = 0.95
"""The share of different words from which on a column is taken for an identifier."""

_PHRASE, _SENTENCE = 2, 4
"""Words in a cell, on average: so many are a text where cells hardly repeat, or repeat little."""

_SAMPLE = 10_000
_FLAG_WORDS = 6

_EXACT = 2**53
"""Whole numbers beyond it lose digits as float64."""

LARGEST = 1e150
"""Numbers beyond it have squares that are infinite, or sums of squares: nothing can be scaled by them."""

_LAST_YEAR = 9999

_LONG_NUMBERS = "left out: numbers of more digits than can be computed with (--categorical keeps them)"


@dataclass(frozen=True, slots=True)
class ColumnDecision:
    """What looking at one column gave; without values it is left out."""

    explanation: str
    kind: Kind | None = None
    treatment: Treatment | None = None
    values: NDArray[Any] | pd.Series | None = None
    format: str | None = None
    warning: str | None = None


@dataclass(frozen=True)
class ColumnView:
    """One column that is looked at; its cells are sorted by value only if somebody asks."""

    name: str
    given: pd.Series
    decimal: str | None
    thousands: str | None

    @cached_property
    def column(self) -> pd.Series:
        return plain(self.given)

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.intp], NDArray[Any]]:
        return words_of(self.column)

    @property
    def words(self) -> NDArray[Any]:
        return self._sorted[1]

    @property
    def codes(self) -> NDArray[np.intp]:
        return self._sorted[0]

    @property
    def known(self) -> int:
        """How many cells are not blank."""
        return int((self.codes >= 0).sum())

    @property
    def cells(self) -> NDArray[Any] | pd.Series:
        """Its words, NaN where blank; as they are where no word stands for a blank."""
        if isinstance(self.column.dtype, pd.StringDtype) and self.known == self.column.count():
            return self.column.reset_index(drop=True)
        return self.spread(np.array(list(map(str, self.words)), dtype=object), np.nan)

    def spread(self, values: NDArray[Any], blank: Any) -> NDArray[Any]:
        """A value for each word -> a value for each row."""
        return np.append(values, np.array([blank], dtype=values.dtype))[self.codes]


def infer_kind(look: ColumnView, told: str | None = None) -> ColumnDecision:  # noqa: PLR0911 - a line for each sort
    """What to take a column for.

    Args:
        told: One of `TOLD`, where the user has decided.

    Raises:
        DatasetError: It is not what was told.
    """
    if told == "drop":
        return ColumnDecision("left out, as told")
    try:
        column = look.column
    except NoCells as error:
        return ColumnDecision(f"left out: it holds {error}")
    if column.isna().all():
        return ColumnDecision("left out: blank from top to bottom")
    if told is not None:
        return TOLD[told](look)
    if types.is_datetime64_any_dtype(column.dtype):
        return _moments(look.name, column.to_numpy(), None, "")
    if types.is_bool_dtype(column.dtype):
        return _flags(look)
    if types.is_numeric_dtype(column.dtype):
        return _numbers(column.to_numpy(), is_plain=True)
    return _read_words(look)


def a_stranger(words: Sequence[str], read: Callable[[list[str]], object]) -> str:
    """A word that cannot be read, if it is not far; where each can be, but all together cannot, the first."""
    return next((word for word in words[:_SAMPLE] if read([word]) is None), words[0])


def _numbers(
    values: NDArray[Any], how: str = "", *, is_told: bool = False, is_plain: bool = False
) -> ColumnDecision:
    """Numbers as they are, unless they only count the rows: which plain whole ones may."""
    is_written_whole = values.dtype.kind in "iu"
    if is_written_whole and max(int(values.max()), -int(values.min())) > _EXACT:
        return ColumnDecision(_LONG_NUMBERS)
    numbers = values.astype(np.float64)
    infinite = np.abs(numbers) > LARGEST
    numbers[infinite] = np.nan
    present = numbers[~np.isnan(numbers)]
    if not present.size:
        return ColumnDecision(f"left out: no number but infinite ones, or beyond {LARGEST:g}")
    low, high = float(present.min()), float(present.max())
    if low == high and len(present) == len(numbers) and not is_told:
        return ColumnDecision(f"left out: {low:g} in every row")
    is_whole = (is_written_whole or len(present) < len(numbers)) and bool(
        (present == np.floor(present)).all()
    )
    if is_plain and is_whole and _counts_rows(present, low, high):
        return ColumnDecision("left out: whole numbers that only count the rows (--numeric keeps them)")
    warning = None
    if infinite.any():
        count = counted(int(infinite.sum()), "cell")
        warning = f"has {count} infinite or beyond {LARGEST:g}, which are taken for blank"
    kind: Kind = "integer" if is_whole else "number"
    words = "whole numbers" if is_whole else "numbers"
    return ColumnDecision(f"{words}{how}, {low:g} to {high:g}", kind, "number", numbers, warning=warning)


def _counts_rows(present: NDArray[np.float64], low: float, high: float) -> bool:
    """All different within twice as many whole numbers: no draw of so many would be by chance."""
    if len(present) < _FEWEST or high - low >= 2 * len(present):
        return False
    return bool(pd.Series(present).is_unique)


def _flags(look: ColumnView) -> ColumnDecision:
    flags = np.array([str(word).lower() == "true" for word in look.words], dtype=object)
    if len(flags) == 1 and look.known == len(look.codes):
        return ColumnDecision(f"left out: {look.words[0]} in every row")
    values = look.spread(flags, np.nan)
    return ColumnDecision(
        "true or false", "boolean", "flag", values if (look.codes < 0).any() else values.astype(bool)
    )


def _moments(name: str, values: NDArray[Any], form: str | None, how: str) -> ColumnDecision:
    _check_years(name, values)
    moments = values.astype("datetime64[us]")
    known = moments[~np.isnat(moments)]
    if len(known) == len(moments) and (known == known[0]).all():
        return ColumnDecision(f"left out: {_day(known[0])} in every row")
    explanation = f"dates and times{how}, {_day(known.min())} to {_day(known.max())}"
    return ColumnDecision(explanation, "datetime", "calendar", moments, form)


def _check_years(name: str, moments: NDArray[Any]) -> None:
    """In whole years: a file may count seconds or milliseconds that microseconds have no room for."""
    years = moments[~np.isnat(moments)].astype("datetime64[Y]").astype(np.int64) + 1970
    if years.size and not 1 <= years.min() <= years.max() <= _LAST_YEAR:
        odd = years.min() if years.min() < 1 else years.max()
        raise DatasetError(
            f"column {name!r} holds a date of the year {odd}; expected the years 1 to {_LAST_YEAR}, which is "
            f"what requests can send: correct it, or leave the column out (--drop)"
        )


def _day(moment: np.datetime64) -> str:
    return str(moment.astype("datetime64[D]"))


def _read_words(look: ColumnView) -> ColumnDecision:
    if not look.known:
        return ColumnDecision("left out: blank from top to bottom")
    if len(look.words) <= _FLAG_WORDS and {str(word).lower() for word in look.words} <= {"true", "false"}:
        return _flags(look)
    numbers = cells.parse_numbers(look.words.tolist(), decimal=look.decimal, thousands=look.thousands)
    if numbers is not None:
        how = "" if numbers.style.is_plain else str(numbers.style)
        return _numbers(look.spread(numbers.values, np.nan), _in_brackets(how, numbers.markers))
    times = cells.parse_datetimes(look.words.tolist())
    if times is not None:
        values = look.spread(times.values, np.datetime64("NaT", "us"))
        return _moments(look.name, values, times.format, _in_brackets(times.assumed, times.markers))
    return _words(look)


def _words(look: ColumnView) -> ColumnDecision:
    """Words that repeat are categories; sentences are text; what is different in every row tells nothing."""
    distinct, known = len(look.words), look.known
    if distinct == 1 and known == len(look.codes):
        return ColumnDecision(f"left out: {quoted(str(look.words[0]))} in every row")
    length = float(np.mean([len(word.split()) for word in look.words[:_SAMPLE]]))
    if (distinct > known / 2 and length >= _PHRASE) or (distinct > known / 10 and length >= _SENTENCE):
        return _texts(look)
    if known >= _FEWEST and distinct >= _OWN * known:
        return ColumnDecision(
            "left out: nearly every row has a word of its own (--categorical or --text keeps it)"
        )
    return _categories(look)


def _texts(look: ColumnView) -> ColumnDecision:
    if not any(map(re.compile(r"\w").search, map(str, look.words))):
        return ColumnDecision("left out: texts without a letter or a digit")
    return ColumnDecision("text, by the words in it", "text", "terms", look.cells)


def _categories(look: ColumnView) -> ColumnDecision:
    count = len(look.words)
    sorts = set(map(type, look.words))
    if sorts <= {int, float} and all(float(word).is_integer() for word in look.words):
        values = look.spread(look.words.astype(np.float64), np.nan)
        kind: Kind = "category" if count <= MOST_LISTED else "integer"
        return ColumnDecision(f"{count:,} categories, whole numbers", kind, "one_hot", values)
    if not sorts <= {str}:
        raise DatasetError(
            f"column {look.name!r} is told to be categorical, but holds {_some(look.words)}; leave that out"
        )
    if count <= MOST_LISTED:
        return ColumnDecision(f"{count:,} categories", "category", "one_hot", look.cells)
    explanation = f"{count:,} categories: too many to list, the frequent ones count"
    return ColumnDecision(explanation, "text", "frequent", look.cells)


def _told_numeric(look: ColumnView) -> ColumnDecision:
    if types.is_numeric_dtype(look.column.dtype):
        return _numbers(look.column.to_numpy(), ", as told", is_told=True)
    read = partial(cells.parse_numbers, decimal=look.decimal, thousands=look.thousands)
    words = [str(word) for word in look.words]
    numbers = read(words)
    if numbers is None:
        odd = quoted(a_stranger(words, read))
        raise DatasetError(f"column {look.name!r} is told to be numeric, but holds {odd}; leave that out")
    return _numbers(look.spread(numbers.values, np.nan), ", as told", is_told=True)


def _told_datetime(look: ColumnView) -> ColumnDecision:
    if types.is_datetime64_any_dtype(look.column.dtype):
        return _moments(look.name, look.column.to_numpy(), None, ", as told")
    words = [str(word) for word in look.words]
    times = cells.parse_datetimes(words)
    if times is None:
        odd = quoted(a_stranger(words, cells.parse_datetimes))
        raise DatasetError(f"column {look.name!r} is told to be a date, but holds {odd}; leave that out")
    values = look.spread(times.values, np.datetime64("NaT", "us"))
    return _moments(look.name, values, times.format, ", as told")


def _told_categorical(look: ColumnView) -> ColumnDecision:
    """Long whole numbers as words, which keep their digits; flags are categories as they are."""
    if types.is_bool_dtype(look.column.dtype):
        return _flags(look)
    if types.is_integer_dtype(look.given.dtype) and look.given.abs().max() > _EXACT:
        return _categories(replace(look, given=look.given.astype("string").astype(object)))
    return _categories(look)


def _told_text(look: ColumnView) -> ColumnDecision:
    if not set(map(type, look.words)) <= {str}:
        raise DatasetError(
            f"column {look.name!r} is told to be text, but holds {_some(look.words)}; leave that out"
        )
    return _texts(look)


TOLD: Mapping[str, Callable[[ColumnView], ColumnDecision]] = {
    "numeric": _told_numeric,
    "categorical": _told_categorical,
    "datetime": _told_datetime,
    "text": _told_text,
}


def _in_brackets(how: str, markers: tuple[str, ...]) -> str:
    """How the words were read, if that has to be said."""
    said = [how] if how else []
    said += [f"{listed(map(quoted, markers))} taken for blank"] if markers else []
    return f" ({'; '.join(said)})" if said else ""


def _some(words: NDArray[Any]) -> str:
    return quoted(str(words[0]))
