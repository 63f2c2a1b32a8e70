"""Whether cells are what features take, and the arrays that they become: whole columns at once, or one row.

No Python code runs for a cell of an ordinary column. Cells are Python's values as JSON has them, None for a
missing one.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from operator import attrgetter, ge, le
from types import NoneType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlapi.data.rows.values import accepts, parse_time
from mlapi.data.signature import NUMERIC, Feature, Matrix

Cells: TypeAlias = Sequence[Sequence[Any]]
"""All cells, by row or by column: (rows, features) or (features, rows), as the function says."""

Accept: TypeAlias = Callable[[Sequence[Any]], NDArray[Any] | None]
"""Makes an array (rows,) of one column's cells, NaN or NaT for a missing one; None if one does not fit."""

_NUMBERS = frozenset({int, float})
_MISSING = frozenset({NoneType})

_FOLD = 50
"""How many rows are put side by side to compare their numbers with the ranges of training."""

_NONE = np.array(None, dtype=object)
"""To compare an array of objects with: `array == None` would not look at its elements."""


class NumberChecks:
    """Checks the features that are numbers, all at once, as a matrix (rows, numbers): a column for each."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self.positions = [position for position, feature in enumerate(features) if feature.kind in NUMERIC]
        numeric = [features[position] for position in self.positions]
        self._width = len(numeric)
        self._integers = [position for position, entry in enumerate(numeric) if entry.kind == "integer"]
        self._whole = [position for position in self._integers if not numeric[position].fractions]
        self._seen_whole = [position for position in self._integers if numeric[position].fractions]
        self._required = np.array([not entry.nullable for entry in numeric], dtype=bool)
        self._low = np.array([entry.bounds[0] for entry in numeric])
        self._high = np.array([entry.bounds[1] for entry in numeric])
        self._folded_low, self._folded_high = np.tile(self._low, _FOLD), np.tile(self._high, _FOLD)
        self._lows, self._highs = self._low.tolist(), self._high.tolist()
        self._are_all = len(numeric) == len(features)

    def matrix(self, cells: Cells) -> Matrix | None:
        """Make a matrix (rows, features) of cells by row, all of numbers; None if one does not fit."""
        types = set(map(type, chain.from_iterable(cells)))
        if not types <= _NUMBERS | _MISSING:
            return None
        matrix = np.array(cells, dtype=np.float64)
        return matrix if self._accepts(matrix, has_missing=NoneType in types) else None

    def are_complete_and_in_range(self, cells: Sequence[Any]) -> bool:
        """Return whether the numbers among one row's cells are all there, and in the ranges of training."""
        numbers = cells if self._are_all else [cells[position] for position in self.positions]
        return (
            _NUMBERS.issuperset(map(type, numbers))
            and all(map(le, self._lows, numbers))
            and all(map(ge, self._highs, numbers))
            and all(type(numbers[column]) is int or numbers[column].is_integer() for column in self._integers)
        )

    def columns(self, cells: Cells) -> Matrix | None:
        """Make an array (numbers, rows) of the features that are numbers; None if a cell does not fit.

        Args:
            cells: By column, of all features.
        """
        numbers = [cells[position] for position in self.positions]
        types = set(map(type, chain.from_iterable(numbers)))
        if not types <= _NUMBERS | _MISSING:
            return None
        columns = np.array(numbers, dtype=np.float64).reshape(self._width, len(cells[0]))
        return columns if self._accepts(columns.T, has_missing=NoneType in types) else None

    def accepts(self, matrix: Matrix) -> bool:
        """Return whether the features take a matrix (rows, features) without a missing number."""
        return matrix.shape[1] == self._width and self._accepts(matrix, has_missing=False)

    def are_in_range(self, matrix: Matrix) -> bool:
        """Return whether all of a matrix (rows, numbers) is in the ranges of training, or missing.

        A fraction is not where training saw whole numbers alone.
        """
        if self._seen_whole and not _is_whole(matrix[:, self._seen_whole]):
            return False
        tall = len(matrix) - len(matrix) % _FOLD
        if not tall or not self._width or not matrix.flags.c_contiguous:
            return not self.outside(matrix).any()
        # Several rows side by side: numpy is three times as fast on long ones. A missing number fails here.
        folded = matrix[:tall].reshape(-1, self._folded_low.size)
        is_inside = (np.minimum.reduce(folded) >= self._folded_low).all()
        is_inside = is_inside and (np.maximum.reduce(folded) <= self._folded_high).all()
        return not self.outside(matrix[tall:] if is_inside else matrix).any()

    def outside(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return where the numbers of a matrix are outside of the ranges of training: flags (rows, numbers).

        A missing one never is; a fraction is where training saw whole numbers alone.
        """
        outside = matrix < self._low
        outside |= matrix > self._high
        if self._seen_whole:
            columns = matrix[:, self._seen_whole]
            outside[:, self._seen_whole] |= (columns != np.floor(columns)) & ~np.isnan(columns)
        return outside

    def _accepts(self, matrix: Matrix, *, has_missing: bool) -> bool:
        if has_missing and (np.isnan(matrix).any(axis=0) & self._required).any():
            return False
        return not self._whole or _is_whole(matrix[:, self._whole])


class ColumnChecks:
    """Checks one column that is not of numbers; `position` is where its feature stands in the signature."""

    def __init__(self, position: int, feature: Feature) -> None:
        self.position = position
        self._nullable = feature.nullable
        self._accept = _ACCEPT[feature.kind](feature)
        known = None if feature.categories is None else frozenset((*feature.categories, None))
        self._known = known if feature.kind == "category" else None
        self._types = _types_of(feature) | (_MISSING if feature.nullable else frozenset())
        self.has_range = feature.kind == "datetime" and (feature.minimum, feature.maximum) != (None, None)
        self._earliest, self._latest = _time(feature.minimum), _time(feature.maximum)

    def accept(self, values: Sequence[Any]) -> NDArray[Any] | None:
        """Make an array (rows,) of the column's cells; None if one does not fit.

        Flags become bool, categories that are numbers float64, datetimes datetime64[us], all else objects. A
        missing cell becomes NaN or NaT; flags among which one is missing become objects.
        """
        if not self._nullable and None in values:
            return None
        return self._accept(values)

    def is_plain_and_seen(self, value: Any) -> bool:
        """Return whether this one value needs no conversion, and training saw it."""
        return type(value) in self._types and (self._known is None or value in self._known)

    def are_seen(self, cells: Cells, arrays: Mapping[int, NDArray[Any]]) -> bool:
        """Return whether training saw each value of this column.

        Args:
            cells: Those of all columns, (features, rows).
            arrays: What `accept` made of the cells of each column, (rows,), by position.
        """
        if self.has_range:
            return not self.outside(arrays[self.position]).any()
        return self._known is None or self._known.issuperset(cells[self.position])

    def stripped(self, column: NDArray[Any]) -> NDArray[Any]:
        """Return a column `(rows,)` with categories that training saw without the blanks around them."""
        if self._known is None or column.dtype != object:
            return column
        return _objects([stripped_if_known(value, self._known) for value in column])

    def outside(self, datetimes: NDArray[np.datetime64]) -> NDArray[np.bool_]:
        """Return which of these (rows,) are outside of the range of training; a missing one never is."""
        outside: NDArray[np.bool_] = (datetimes < self._earliest) | (datetimes > self._latest)
        return outside


def stripped_if_known(value: Any, known: frozenset[Any]) -> Any:
    """Return a text without blanks around it if that is a category that training saw, and it is none itself;
    or in the other form of Unicode (é as one character, or as two).

    Blanks around words are no part of them in a table that is trained; an estimator that was fitted elsewhere
    may have categories with blanks.
    """
    if not isinstance(value, str) or value in known:
        return value
    stripped = value.strip()
    forms = (stripped, *(unicodedata.normalize(form, stripped) for form in ("NFC", "NFD")))
    return next((form for form in forms if form in known), value)


def _time(bound: float | str | None) -> np.datetime64:
    """The bound of a datetime; NaT, with which no comparison holds, for one that is not there or a number."""
    return np.datetime64(datetime.fromisoformat(bound) if isinstance(bound, str) else None, "us")


def _types_of(feature: Feature) -> frozenset[type]:
    """The types of values that need no closer look or conversion; datetimes have none, they are parsed."""
    if feature.kind == "category":
        kinds = frozenset(map(type, feature.categories or ()))
        return kinds | _NUMBERS if int in kinds else kinds
    return {"boolean": frozenset({bool}), "text": frozenset({str})}.get(feature.kind, frozenset())


def _accept_texts(_: Feature) -> Accept:
    def accept(values: Sequence[Any]) -> NDArray[Any] | None:
        return _objects(values) if frozenset({str, NoneType}).issuperset(map(type, values)) else None

    return accept


def _accept_flags(_: Feature) -> Accept:
    """With a missing one among them they are objects, as in a table that was read from a file."""

    def accept(values: Sequence[Any]) -> NDArray[Any] | None:
        types = set(map(type, values))
        if types == {bool}:
            return np.array(values, dtype=bool)
        return _objects(values) if types <= {bool, NoneType} else None

    return accept


def _accept_categories(feature: Feature) -> Accept:
    kinds = set(map(type, feature.categories or ()))
    if kinds == {str}:
        return _accept_texts(feature)
    if kinds == {int}:
        return _accept_whole

    def accept(values: Sequence[Any]) -> NDArray[Any] | None:
        are_accepted = all(value is None or accepts(feature, value) for value in values)
        return _objects(values) if are_accepted else None

    return accept  # of several types, which nothing but somebody's own estimator has


def _accept_whole(values: Sequence[Any]) -> NDArray[Any] | None:
    if not (_NUMBERS | _MISSING).issuperset(map(type, values)):
        return None
    column = np.array(values, dtype=np.float64)
    return column if _is_whole(column) else None


def _accept_times(feature: Feature) -> Accept:
    def accept(values: Sequence[Any]) -> NDArray[Any] | None:
        column = np.full(len(values), np.datetime64("NaT", "us"))
        cells = np.array(values, dtype=object)
        known = cells != _NONE if None in values else slice(None)
        texts = cells[known].tolist()
        times: Sequence[datetime | None]
        times = _iso_times(texts) or [parse_time(feature, text) for text in texts]
        if None in times:
            return None
        column[known] = times
        return column

    return accept


def _iso_times(texts: Sequence[Any]) -> list[datetime] | None:
    """The datetimes, if all are texts in ISO 8601 without an offset, as most are; else None."""
    try:
        times = list(map(datetime.fromisoformat, texts))
    except (ValueError, TypeError):
        return None
    return times if {None}.issuperset(map(attrgetter("tzinfo"), times)) else None


_ACCEPT: dict[str, Callable[[Feature], Accept]] = {
    "boolean": _accept_flags,
    "category": _accept_categories,
    "datetime": _accept_times,
    "text": _accept_texts,
}


def _objects(values: Sequence[Any]) -> NDArray[Any]:
    column = np.array(values, dtype=object)
    if None in values:
        column[column == _NONE] = np.nan
    return column


def _is_whole(numbers: NDArray[np.float64]) -> bool:
    """Whether all are whole numbers or missing."""
    whole = numbers == np.floor(numbers)
    return bool(whole.all() or (whole | np.isnan(numbers)).all())
