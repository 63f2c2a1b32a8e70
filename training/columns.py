"""What each column of a table is: decided by looking at its cells, unless told.

The result is the table as a server will see it (numbers as float64, words as words, moments without a zone),
and a sentence on every decision. Looks at features only, never at the target: what is predicted must not
decide what it is predicted from.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from difflib import get_close_matches
from functools import cached_property, partial
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from mlapi import cells
from mlapi.errors import DatasetError, counted, listed, quoted
from mlapi.signature import Kind

Treatment: TypeAlias = Literal["number", "flag", "one_hot", "calendar", "terms"]

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

_LARGEST = 1e150
"""Numbers beyond it have squares that are infinite, or sums of squares: nothing can be scaled by them."""

_LONG_NUMBERS = "left out: numbers of more digits than can be computed with (--categorical keeps them)"


_DONE: Mapping[Treatment, tuple[str, str]] = {
    "number": ("scaled", "a blank gets the median, and a mark"),
    "flag": ("1 and 0", "a blank gets the more frequent one, and a mark"),
    "one_hot": ("a column for each category, one for all rare ones", "blank is one of them"),
    "calendar": ("parts of the calendar, and the age in days", "a blank gets the median, and a mark"),
    "terms": ("a column for each word, weighed by how rare it is (TF-IDF)", "a blank has no words"),
}
"""By treatment: what is done, and what with blanks (`training.features` does it)."""


@dataclass(frozen=True, slots=True)
class Told:
    """Names of columns whose kind the user has decided."""

    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    datetime: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()

    @property
    def mentioned(self) -> tuple[str, ...]:
        return tuple(name for entry in fields(self) for name in getattr(self, entry.name))

    def check(self, names: list[str]) -> None:
        """
        Raises:
            DatasetError: A name is no column's, or stands in two places.
        """
        for name in self.mentioned:
            if name not in names:
                raise DatasetError(f"there is no column {name!r}{nearest(name, names)}")
            if self.mentioned.count(name) > 1:
                raise DatasetError(f"column {name!r} is told twice what it is; once will do")


@dataclass(frozen=True, slots=True)
class Column:
    """A feature of this kind, or left out: then `kind` is None. `story` says why."""

    name: str
    kind: Kind | None
    story: str
    treatment: Treatment | None = None
    blanks: int = 0
    format: str | None = None

    @property
    def nullable(self) -> bool:
        return self.blanks > 0

    @property
    def done(self) -> str:
        """What is done with it before the estimator sees it; empty if it is left out."""
        if self.treatment is None:
            return ""
        plainly, with_blanks = _DONE[self.treatment]
        return f"{plainly}; {with_blanks}" if self.nullable else plainly


@dataclass(frozen=True, slots=True)
class Understood:
    """`frame` has the features alone, each as a server makes it of a request's cells."""

    frame: pd.DataFrame
    columns: tuple[Column, ...]
    warnings: tuple[str, ...] = ()

    @property
    def features(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.kind is not None)

    def where_known(self, rows: NDArray[np.intp]) -> "Understood":
        """Without the features that are blank in all of these rows, from which nothing can be learnt.

        Raises:
            DatasetError: None is left.
        """
        nullable = [column.name for column in self.features if column.nullable]
        blank = [name for name in nullable if self.frame[name].iloc[rows].isna().all()]
        if not blank:
            return self
        columns = tuple(
            Column(column.name, None, "left out: blank in all rows to learn from")
            if column.name in blank
            else column
            for column in self.columns
        )
        _check_left(columns)
        return replace(self, frame=self.frame.drop(columns=blank), columns=columns)


@dataclass(frozen=True, slots=True)
class _Finding:
    """What looking at one column gave; without values it is left out."""

    story: str
    kind: Kind | None = None
    treatment: Treatment | None = None
    values: NDArray[Any] | pd.Series | None = None
    format: str | None = None
    warning: str | None = None


def understand(
    frame: pd.DataFrame, told: Told, *, decimal: str | None = None, thousands: str | None = None
) -> Understood:
    """Decide on every column.

    Args:
        decimal, thousands: How numbers are written that are words so far.

    Raises:
        DatasetError: A name stands twice, a column is not what was told, or none is left to learn from.
    """
    names = [str(name) for name in frame.columns]
    check_names(names)
    told.check(names)
    columns, values, warnings = [], {}, []
    for place, name in enumerate(names):
        found = _decide(_Look(name, frame.iloc[:, place], decimal, thousands), told)
        warnings += [f"column {name!r} {found.warning}"] if found.warning else []
        if found.values is not None:
            values[name] = found.values
        blanks = 0 if found.values is None else int(pd.isna(found.values).sum())
        story = f"{found.story}; {blanks:,} blank" if blanks else found.story
        columns.append(Column(name, found.kind, story, found.treatment, blanks, found.format))
    _check_left(columns)
    return Understood(pd.DataFrame(values, copy=False), tuple(columns), tuple(warnings))


def check_names(names: list[str]) -> None:
    """
    Raises:
        DatasetError: A name stands twice.
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DatasetError(f"two columns are called {twice[0]!r}; rename one")


def nearest(name: str, names: list[str]) -> str:
    """What a message adds that says that there is no such name."""
    near = get_close_matches(name, names, n=1) or [known for known in names if known.lower() == name.lower()]
    return f", did you mean {near[0]!r}?" if near else f"; there are {listed(names)}"


def a_stranger(words: Sequence[str], read: Callable[[list[str]], object]) -> str:
    """A word that cannot be read, if it is not far; where each can be, but all together cannot, the first."""
    return next((word for word in words[:_SAMPLE] if read([word]) is None), words[0])


def _check_left(columns: Sequence[Column]) -> None:
    if any(column.kind for column in columns):
        return
    why = "; ".join(f"{column.name}: {column.story}" for column in columns[:3])
    raise DatasetError(f"no column is left to learn from ({why or 'there is none but the target'})")


class NoCells(Exception):
    """A column holds what is no cell of a table; the message says what."""


def plain(column: pd.Series) -> pd.Series:  # noqa: PLR0911 - a line for each sort
    """A column of one of these sorts: float64, (u)int64, bool, datetime64 without a zone, words or objects.

    Raises:
        NoCells: It holds lists, bytes or the like.
    """
    dtype = column.dtype
    if isinstance(dtype, pd.StringDtype):
        return column
    if isinstance(dtype, pd.CategoricalDtype):
        return plain(column.astype(object if column.isna().any() else dtype.categories.dtype))
    if isinstance(dtype, pd.PeriodDtype):
        return column.dt.to_timestamp()
    if types.is_timedelta64_dtype(dtype):
        return column.dt.total_seconds()
    if types.is_datetime64_any_dtype(dtype):
        return column if column.dt.tz is None else column.dt.tz_convert("UTC").dt.tz_localize(None)
    if types.is_complex_dtype(dtype):
        raise NoCells("complex numbers")
    has_blanks = bool(column.isna().any())
    if types.is_bool_dtype(dtype):
        return column.astype(object if has_blanks else bool)
    if types.is_numeric_dtype(dtype):
        is_whole = types.is_integer_dtype(dtype) and not has_blanks
        whole = np.uint64 if types.is_unsigned_integer_dtype(dtype) else np.int64
        return column.astype(whole if is_whole else np.float64)
    return _plain_objects(column.astype(object))


def words_of(column: pd.Series) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Each row's position among the different values, -1 where blank, and these in order of appearance."""
    codes, found = pd.factorize(column)
    words = np.asarray(found, dtype=object)
    blank = np.array([isinstance(word, str) and not word.strip() for word in words], dtype=bool)
    if not blank.any():
        return codes, words
    position = np.append(np.where(blank, -1, np.cumsum(~blank) - 1), -1)
    return position[codes], words[~blank]


def _plain_objects(column: pd.Series) -> pd.Series:
    sorts = set(column.dropna().map(type))
    if sorts <= {str} or sorts <= {bool, np.bool_}:
        return column
    if all(issubclass(sort, int | float | Decimal | np.number) for sort in sorts):
        return pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan))
    strange = [
        sort.__name__ for sort in sorts if issubclass(sort, list | dict | set | tuple | bytes | np.ndarray)
    ]
    if strange:
        raise NoCells(f"values of type {min(strange)}")
    return column.map(str, na_action="ignore")


@dataclass(frozen=True)
class _Look:
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


def _decide(look: _Look, told: Told) -> _Finding:  # noqa: PLR0911 - likewise
    if look.name in told.drop:
        return _Finding("left out, as told")
    try:
        column = look.column
    except NoCells as error:
        return _Finding(f"left out: it holds {error}")
    if column.isna().all():
        return _Finding("left out: blank from top to bottom")
    for sort, decide in _TOLD.items():
        if look.name in getattr(told, sort):
            return decide(look)
    if types.is_datetime64_any_dtype(column.dtype):
        return _moments(column.to_numpy(), None, "")
    if types.is_bool_dtype(column.dtype):
        return _flags(look)
    if types.is_numeric_dtype(column.dtype):
        return _numbers(column.to_numpy(), is_plain=True)
    return _read_words(look)


def _numbers(
    values: NDArray[Any], how: str = "", *, is_told: bool = False, is_plain: bool = False
) -> _Finding:
    """Numbers as they are, unless they only count the rows: which plain whole ones may."""
    is_written_whole = values.dtype.kind in "iu"
    if is_written_whole and max(int(values.max()), -int(values.min())) > _EXACT:
        return _Finding(_LONG_NUMBERS)
    numbers = values.astype(np.float64)
    infinite = np.abs(numbers) > _LARGEST
    numbers[infinite] = np.nan
    present = numbers[~np.isnan(numbers)]
    if not present.size:
        return _Finding(f"left out: no number but infinite ones, or beyond {_LARGEST:g}")
    low, high = float(present.min()), float(present.max())
    if low == high and len(present) == len(numbers) and not is_told:
        return _Finding(f"left out: {low:g} in every row")
    is_whole = (is_written_whole or len(present) < len(numbers)) and bool(
        (present == np.floor(present)).all()
    )
    if is_plain and is_whole and _counts_rows(present, low, high):
        return _Finding("left out: whole numbers that only count the rows (--numeric keeps them)")
    warning = None
    if infinite.any():
        count = counted(int(infinite.sum()), "cell")
        warning = f"has {count} infinite or beyond {_LARGEST:g}, which are taken for blank"
    kind: Kind = "integer" if is_whole else "number"
    words = "whole numbers" if is_whole else "numbers"
    return _Finding(f"{words}{how}, {low:g} to {high:g}", kind, "number", numbers, warning=warning)


def _counts_rows(present: NDArray[np.float64], low: float, high: float) -> bool:
    """All different within twice as many whole numbers: no draw of so many would be by chance."""
    if len(present) < _FEWEST or high - low >= 2 * len(present):
        return False
    return bool(pd.Series(present).is_unique)


def _flags(look: _Look) -> _Finding:
    flags = np.array([str(word).lower() == "true" for word in look.words], dtype=object)
    if len(flags) == 1 and look.known == len(look.codes):
        return _Finding(f"left out: {look.words[0]} in every row")
    values = look.spread(flags, np.nan)
    return _Finding(
        "true or false", "boolean", "flag", values if (look.codes < 0).any() else values.astype(bool)
    )


def _moments(values: NDArray[Any], form: str | None, how: str) -> _Finding:
    moments = values.astype("datetime64[us]")
    known = moments[~np.isnat(moments)]
    if len(known) == len(moments) and (known == known[0]).all():
        return _Finding(f"left out: {_day(known[0])} in every row")
    story = f"dates and times{how}, {_day(known.min())} to {_day(known.max())}"
    return _Finding(story, "datetime", "calendar", moments, form)


def _day(moment: np.datetime64) -> str:
    return str(moment.astype("datetime64[D]"))


def _read_words(look: _Look) -> _Finding:
    if not look.known:
        return _Finding("left out: blank from top to bottom")
    if {str(word).lower() for word in look.words[:3]} <= {"true", "false"} and len(look.words) <= _FLAG_WORDS:
        return _flags(look)
    numbers = cells.numbers(look.words.tolist(), decimal=look.decimal, thousands=look.thousands)
    if numbers is not None:
        how = "" if numbers.style.is_plain else str(numbers.style)
        return _numbers(look.spread(numbers.values, np.nan), _in_brackets(how, numbers.markers))
    times = cells.times(look.words.tolist())
    if times is not None:
        values = look.spread(times.values, np.datetime64("NaT"))
        return _moments(values, times.form, _in_brackets(times.assumed, times.markers))
    return _words(look)


def _words(look: _Look) -> _Finding:
    """Words that repeat are categories; sentences are text; what is different in every row tells nothing."""
    distinct, known = len(look.words), look.known
    if distinct == 1 and known == len(look.codes):
        return _Finding(f"left out: {quoted(str(look.words[0]))} in every row")
    length = float(np.mean([len(word.split()) for word in look.words[:_SAMPLE]]))
    if (distinct > known / 2 and length >= _PHRASE) or (distinct > known / 10 and length >= _SENTENCE):
        return _texts(look)
    if known >= _FEWEST and distinct >= _OWN * known:
        return _Finding("left out: nearly every row has a word of its own (--categorical or --text keeps it)")
    return _categories(look)


def _texts(look: _Look) -> _Finding:
    if not any(map(re.compile(r"\w").search, map(str, look.words))):
        return _Finding("left out: texts without a letter or a digit")
    return _Finding("text, by the words in it", "text", "terms", look.cells)


def _categories(look: _Look) -> _Finding:
    count = len(look.words)
    sorts = set(map(type, look.words))
    if sorts <= {int, float} and all(float(word).is_integer() for word in look.words):
        values = look.spread(look.words.astype(np.float64), np.nan)
        kind: Kind = "category" if count <= MOST_LISTED else "integer"
        return _Finding(f"{count:,} categories, whole numbers", kind, "one_hot", values)
    if not sorts <= {str}:
        raise DatasetError(
            f"column {look.name!r} is told to be categorical, but holds {_some(look.words)}; leave that out"
        )
    kind = "category" if count <= MOST_LISTED else "text"
    rest = "" if count <= MOST_LISTED else ": too many to list, the frequent ones count"
    return _Finding(f"{count:,} categories{rest}", kind, "one_hot", look.cells)


def _told_numeric(look: _Look) -> _Finding:
    if types.is_numeric_dtype(look.column.dtype):
        return _numbers(look.column.to_numpy(), ", as told", is_told=True)
    read = partial(cells.numbers, decimal=look.decimal, thousands=look.thousands)
    words = [str(word) for word in look.words]
    numbers = read(words)
    if numbers is None:
        odd = quoted(a_stranger(words, read))
        raise DatasetError(f"column {look.name!r} is told to be numeric, but holds {odd}; leave that out")
    return _numbers(look.spread(numbers.values, np.nan), ", as told", is_told=True)


def _told_datetime(look: _Look) -> _Finding:
    if types.is_datetime64_any_dtype(look.column.dtype):
        return _moments(look.column.to_numpy(), None, ", as told")
    words = [str(word) for word in look.words]
    times = cells.times(words)
    if times is None:
        odd = quoted(a_stranger(words, cells.times))
        raise DatasetError(f"column {look.name!r} is told to be a date, but holds {odd}; leave that out")
    return _moments(look.spread(times.values, np.datetime64("NaT")), times.form, ", as told")


def _told_categorical(look: _Look) -> _Finding:
    """Long whole numbers as words, which keep their digits; flags are categories as they are."""
    if types.is_bool_dtype(look.column.dtype):
        return _flags(look)
    if types.is_integer_dtype(look.given.dtype) and look.given.abs().max() > _EXACT:
        return _categories(replace(look, given=look.given.astype("string").astype(object)))
    return _categories(look)


def _told_text(look: _Look) -> _Finding:
    if not set(map(type, look.words)) <= {str}:
        raise DatasetError(
            f"column {look.name!r} is told to be text, but holds {_some(look.words)}; leave that out"
        )
    return _texts(look)


_TOLD: Mapping[str, Callable[[_Look], _Finding]] = {
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
