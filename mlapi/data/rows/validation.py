"""Whether cells are what features take, and as which arrays: whole columns at once, or the cells of one row.

No Python code runs for a cell of an ordinary column.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import chain
from operator import attrgetter, ge, le
from types import NoneType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlapi.data.rows.values import fits, parse_time
from mlapi.data.signature import NUMERIC, Feature, Matrix

Cells: TypeAlias = Sequence[Sequence[Any]]

Accept: TypeAlias = Callable[[Sequence[Any]], NDArray[Any] | None]
"""The cells of one column as an array, blanks as NaN or NaT; None if one does not fit."""

_NUMBERS = frozenset({int, float})
_BLANK = frozenset({NoneType})

_FOLD = 50
"""Rows side by side, where ranges are looked at."""

_NONE = np.array(None, dtype=object)


class NumberChecks:
    """The features that are numbers: checked as one matrix, (rows, features)."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self.places = [place for place, feature in enumerate(features) if feature.kind in NUMERIC]
        numeric = [features[place] for place in self.places]
        self._width = len(numeric)
        self._whole = [position for position, entry in enumerate(numeric) if entry.kind == "integer"]
        self._required = np.array([not entry.nullable for entry in numeric], dtype=bool)
        self._low = np.array([-np.inf if entry.minimum is None else entry.minimum for entry in numeric])
        self._high = np.array([np.inf if entry.maximum is None else entry.maximum for entry in numeric])
        self._folded_low, self._folded_high = np.tile(self._low, _FOLD), np.tile(self._high, _FOLD)
        self._lows, self._highs = self._low.tolist(), self._high.tolist()
        self._are_all = len(numeric) == len(features)

    def matrix(self, cells: Cells) -> Matrix | None:
        """Cells by row; None if one does not fit."""
        types = set(map(type, chain.from_iterable(cells)))
        if not types <= _NUMBERS | _BLANK:
            return None
        matrix = np.array(cells, dtype=np.float64)
        return matrix if self._fit(matrix, blanks=NoneType in types) else None

    def are_usual_in(self, cells: Sequence[Any]) -> bool:
        """Whether the numbers among the cells of one row are, all known and in the range of training."""
        numbers = cells if self._are_all else [cells[place] for place in self.places]
        return (
            _NUMBERS.issuperset(map(type, numbers))
            and all(map(le, self._lows, numbers))
            and all(map(ge, self._highs, numbers))
            and all(type(numbers[place]) is int or numbers[place].is_integer() for place in self._whole)
        )

    def columns(self, cells: Cells) -> Matrix | None:
        """Cells by column, of all features; (features, rows) of those that are numbers."""
        numbers = [cells[place] for place in self.places]
        types = set(map(type, chain.from_iterable(numbers)))
        if not types <= _NUMBERS | _BLANK:
            return None
        columns = np.array(numbers, dtype=np.float64).reshape(self._width, len(cells[0]))
        return columns if self._fit(columns.T, blanks=NoneType in types) else None

    def fit(self, matrix: Matrix) -> bool:
        """Whether numbers, none of them blank, are what the features take."""
        return matrix.shape[1] == self._width and self._fit(matrix, blanks=False)

    def are_usual(self, matrix: Matrix) -> bool:
        tall = len(matrix) - len(matrix) % _FOLD
        if not tall or not self._width or not matrix.flags.c_contiguous:
            return not self.strange(matrix).any()
        # Several rows side by side: numpy is three times as fast on long ones. A blank fails here.
        folded = matrix[:tall].reshape(-1, self._folded_low.size)
        fits = (np.minimum.reduce(folded) >= self._folded_low).all()
        fits = fits and (np.maximum.reduce(folded) <= self._folded_high).all()
        return not self.strange(matrix[tall:] if fits else matrix).any()

    def strange(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Where a number is outside of what training saw; a blank never is."""
        strange = matrix < self._low
        strange |= matrix > self._high
        return strange

    def _fit(self, matrix: Matrix, *, blanks: bool) -> bool:
        if blanks and (np.isnan(matrix).any(axis=0) & self._required).any():
            return False
        return not self._whole or _is_whole(matrix[:, self._whole])


class ColumnChecks:
    """One column that is not of numbers."""

    def __init__(self, place: int, feature: Feature) -> None:
        self.place = place
        self._nullable = feature.nullable
        self._accept = _ACCEPT[feature.kind](feature)
        known = None if feature.categories is None else frozenset((*feature.categories, None))
        self._known = known if feature.kind == "category" else None
        self._types = _types_of(feature) | (_BLANK if feature.nullable else frozenset())

    def accept(self, values: Sequence[Any]) -> NDArray[Any] | None:
        if not self._nullable and None in values:
            return None
        return self._accept(values)

    def is_usual_value(self, value: Any) -> bool:
        """Whether this one value is taken as it stands, and training saw it."""
        return type(value) in self._types and (self._known is None or value in self._known)

    def is_usual(self, cells: Cells) -> bool:
        """Whether training saw all of this column's cells."""
        return self._known is None or self._known.issuperset(cells[self.place])


def _types_of(feature: Feature) -> frozenset[type]:
    """What a single value may be without being looked at: moments have to be parsed."""
    if feature.kind == "category":
        kinds = frozenset(map(type, feature.categories or ()))
        return kinds | _NUMBERS if int in kinds else kinds
    return {"boolean": frozenset({bool}), "text": frozenset({str})}.get(feature.kind, frozenset())


def _accept_words(_: Feature) -> Accept:
    def accept(values: Sequence[Any]) -> NDArray[Any] | None:
        return _objects(values) if frozenset({str, NoneType}).issuperset(map(type, values)) else None

    return accept


def _accept_flags(_: Feature) -> Accept:
    """With a blank among them they are objects, which is what reading a table gives."""

    def accept(values: Sequence[Any]) -> NDArray[Any] | None:
        types = set(map(type, values))
        if types == {bool}:
            return np.array(values, dtype=bool)
        return _objects(values) if types <= {bool, NoneType} else None

    return accept


def _accept_categories(feature: Feature) -> Accept:
    kinds = set(map(type, feature.categories or ()))
    if kinds == {str}:
        return _accept_words(feature)
    if kinds == {int}:
        return _accept_whole

    def accept(values: Sequence[Any]) -> NDArray[Any] | None:
        fit = all(value is None or fits(feature, value) for value in values)
        return _objects(values) if fit else None

    return accept  # of several types, which nothing but somebody's own estimator has


def _accept_whole(values: Sequence[Any]) -> NDArray[Any] | None:
    if not (_NUMBERS | _BLANK).issuperset(map(type, values)):
        return None
    column = np.array(values, dtype=np.float64)
    return column if _is_whole(column) else None


def _accept_times(feature: Feature) -> Accept:
    def accept(values: Sequence[Any]) -> NDArray[Any] | None:
        column = np.full(len(values), np.datetime64("NaT", "us"))
        cells = np.array(values, dtype=object)
        known = cells != _NONE if None in values else slice(None)
        words = cells[known].tolist()
        times: Sequence[datetime | None]
        times = _iso_times(words) or [parse_time(feature, word) for word in words]
        if None in times:
            return None
        column[known] = times
        return column

    return accept


def _iso_times(words: Sequence[Any]) -> list[datetime] | None:
    """Of ISO 8601 without offsets, as most are; None if one is something else."""
    try:
        times = list(map(datetime.fromisoformat, words))
    except (ValueError, TypeError):
        return None
    return times if {None}.issuperset(map(attrgetter("tzinfo"), times)) else None


_ACCEPT: dict[str, Callable[[Feature], Accept]] = {
    "boolean": _accept_flags,
    "category": _accept_categories,
    "datetime": _accept_times,
    "text": _accept_words,
}


def _objects(values: Sequence[Any]) -> NDArray[Any]:
    column = np.array(values, dtype=object)
    if None in values:
        column[column == _NONE] = np.nan
    return column


def _is_whole(numbers: NDArray[np.float64]) -> bool:
    """Whether all are whole numbers or blank."""
    whole = numbers == np.floor(numbers)
    return bool(whole.all() or (whole | np.isnan(numbers)).all())
