"""Rows as a client sends them -> a batch that a model takes. Fast accept, slow explain.

`Reader` accepts with a few checks over whole columns, in which no Python code runs for a cell; only when one
of them fails does `mlapi.refusals` walk over the cells and name every wrong one. Knows signatures; knows
nothing of bytes, marshmallow or HTTP.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from operator import attrgetter, ge, itemgetter, le
from types import NoneType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlapi.errors import SHOWN
from mlapi.refusals import InvalidRows, LazyRemark, Remark, in_words, refusal
from mlapi.signature import NUMERIC, Batch, Feature, Matrix, Signature
from mlapi.values import fits, novelty, parse_time

Cells: TypeAlias = Sequence[Sequence[Any]]
Accept: TypeAlias = Callable[[Sequence[Any]], NDArray[Any] | None]
"""The cells of one column as an array, blanks as NaN or NaT; None if one does not fit."""

_NUMBERS = frozenset({int, float})
_BLANK = frozenset({NoneType})
_FOLD = 50
_NONE = np.array(None, dtype=object)


class Row(NamedTuple):
    """One accepted row, in signature order, its numbers known and usual; `batch` makes arrays of it."""

    cells: Sequence[Any]
    batch: Callable[[], Batch]


class Instances(NamedTuple):
    """Accepted rows, with what is unusual about them: at most 20 warnings, and their number."""

    batch: Any
    """A `Batch`, or from `accept_row` a `Row`."""
    warnings: tuple[Remark, ...] = ()
    warning_count: int = 0


class Reader:
    """Reads rows for one signature. Immutable, so threads may share it."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._names = signature.names
        self._pick = itemgetter(*self._names) if len(self._names) > 1 else None
        self._is_numeric = signature.is_numeric
        self._numbers = _Numbers(signature.features)
        self._columns = [
            _Column(place, feature)
            for place, feature in enumerate(signature.features)
            if feature.kind not in NUMERIC
        ]

    def knows(self, names: Iterable[str]) -> bool:
        """Whether every name is a column: a feature, or one that is ignored."""
        return self._signature.known.issuperset(names)

    def read(self, rows: Sequence[Any]) -> Instances:
        """Rows, all of them lists in signature order or all of them records, as a batch.

        Raises:
            InvalidRows: There is no row, or a cell does not fit its feature.
        """
        found = self.accept(rows)
        if found is None:
            raise refusal(rows, self._signature)
        return found

    def read_one(self, row: Any) -> Instances:
        """`read` of one row; no path has the row's number."""
        found = self.accept_one(row)
        if found is None:
            error = refusal([row], self._signature)
            raise InvalidRows(_without_number(error.remarks), error.count)
        return found

    def accept(self, rows: Sequence[Any]) -> Instances | None:
        """What `read` gives; None where it raises."""
        cells = self._cells(rows)
        if cells is None:
            return None
        by_name = type(rows[0]) is dict
        if self._is_numeric:
            matrix = self._numbers.matrix(cells)
            return None if matrix is None else self._with_warnings(matrix, by_name=by_name)
        return self._accept_columns(list(zip(*cells, strict=True)), by_name=by_name)

    def accept_one(self, row: Any) -> Instances | None:
        """What `read_one` gives; None where it raises."""
        found = self.accept([row])
        if found is None or not found.warnings:
            return found
        return found._replace(warnings=_without_number(found.warnings))

    def accept_row(self, row: Any) -> Instances | None:
        """One row, without arrays; None if it is wrong, or has blank numbers or values new to training."""
        if type(row) is list:
            cells = row if len(row) == len(self._names) else None
        elif type(row) is dict and self._signature.known.issuperset(row):
            cells = [row.get(name) for name in self._names]
        else:
            return None
        if cells is None or not self._numbers.are_usual_in(cells):
            return None
        if not all(column.is_usual_value(cells[column.place]) for column in self._columns):
            return None
        return Instances(Row(cells, partial(self._batch_of, cells)))

    def _batch_of(self, cells: Sequence[Any]) -> Batch:
        found: Batch = self.read([list(cells)]).batch
        return found

    def accept_matrix(self, matrix: Matrix) -> Instances | None:
        """Rows that came as numbers without a blank; None if they do not fit the signature."""
        if not self._is_numeric or not self._numbers.fit(matrix):
            return None
        return self._with_warnings(matrix, by_name=False)

    def _cells(self, rows: Sequence[Any]) -> Cells | None:
        """The cells in signature order, blank ones None; None if a row has the wrong form."""
        forms = set(map(type, rows))
        if forms == {list}:
            return rows if set(map(len, rows)) == {len(self._names)} else None
        if forms != {dict}:
            return None
        if self._pick is not None and set(map(len, rows)) == {len(self._names)}:
            try:
                return list(map(self._pick, rows))
            except KeyError:
                pass
        if not all(map(self._signature.known.issuperset, rows)):
            return None
        return [[row.get(name) for name in self._names] for row in rows]

    def _accept_columns(self, cells: Cells, *, by_name: bool) -> Instances | None:
        """`cells` by column."""
        found: dict[int, NDArray[Any]] = {}
        for column in self._columns:
            values = column.accept(cells[column.place])
            if values is None:
                return None
            found[column.place] = values
        numbers = self._numbers.columns(cells)
        if numbers is None:
            return None
        found.update(zip(self._numbers.places, numbers, strict=True))
        batch = {name: found[place] for place, name in enumerate(self._names)}
        if self._numbers.are_usual(numbers.T) and all(each.is_usual(cells) for each in self._columns):
            return Instances(batch)
        return Instances(batch, *in_words(self._strange_cells(cells, by_name=by_name)))

    # Warning: an accepted value that training never saw.

    def _with_warnings(self, matrix: Matrix, *, by_name: bool) -> Instances:
        if self._numbers.are_usual(matrix):
            return Instances(matrix)
        places = np.flatnonzero(self._numbers.strange(matrix))
        remarks = []
        for place in places[:SHOWN].tolist():
            row, position = divmod(place, matrix.shape[1])
            feature = self._signature.features[position]
            path = (row, feature.name if by_name else position)
            remarks.append((path, novelty(feature, _as_sent(float(matrix[row, position])))))
        return Instances(matrix, tuple(remarks), len(places))

    def _strange_cells(self, cells: Cells, *, by_name: bool) -> Iterator[LazyRemark]:
        for position, feature in enumerate(self._signature.features):
            usual = _usual(feature)
            if usual is not None:
                for row, value in enumerate(cells[position]):
                    if value is not None and not usual(value):
                        yield (row, feature.name if by_name else position), partial(novelty, feature, value)


class _Numbers:
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
        if not tall or not matrix.flags.c_contiguous:
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


class _Column:
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


def _usual(feature: Feature) -> Callable[[Any], bool] | None:
    """Whether training saw such a value; None where there is nothing to compare with."""
    if feature.kind in NUMERIC:
        low = -np.inf if feature.minimum is None else feature.minimum
        high = np.inf if feature.maximum is None else feature.maximum
        return lambda value: bool(low <= value <= high)
    if feature.kind == "category":
        return frozenset(feature.categories or ()).__contains__
    return None


def _as_sent(value: float) -> int | float:
    """13 for 13.0: JSON does not tell them apart."""
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _without_number(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    return tuple((path[1:], detail) for path, detail in remarks)


def _is_whole(numbers: NDArray[np.float64]) -> bool:
    """Whether all are whole numbers or blank."""
    whole = numbers == np.floor(numbers)
    return bool(whole.all() or (whole | np.isnan(numbers)).all())
