"""Rows as a client sends them -> a batch that a model takes. Fast accept, slow explain.

`Reader` accepts with the few checks of `mlapi.data.rows.validation`; only when one of them fails does
`mlapi.data.rows.violations` walk over the cells and name every wrong one. Knows signatures; knows nothing of
bytes, marshmallow or HTTP.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlapi.data.rows.validation import Cells, ColumnChecks, NumberChecks
from mlapi.data.rows.values import novelty
from mlapi.data.rows.violations import InvalidRows, LazyFinding, in_words, violations
from mlapi.data.signature import NUMERIC, Batch, Feature, Matrix, Signature
from mlapi.errors import Finding
from mlapi.wording import SHOWN


class Row(NamedTuple):
    """One accepted row, in signature order, its numbers known and usual; `batch` makes arrays of it."""

    cells: Sequence[Any]
    batch: Callable[[], Batch]


class Instances(NamedTuple):
    """Accepted rows, with what is unusual about them: at most 20 warnings, and their number."""

    batch: Any
    """A `Batch`, or from `accept_row` a `Row`."""
    warnings: tuple[Finding, ...] = ()
    warning_count: int = 0


class Reader:
    """Reads rows for one signature. Immutable, so threads may share it."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._names = signature.names
        self._pick = itemgetter(*self._names) if len(self._names) > 1 else None
        self._is_numeric = signature.is_numeric
        self._numbers = NumberChecks(signature.features)
        self._columns = [
            ColumnChecks(place, feature)
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
            raise violations(rows, self._signature)
        return found

    def read_one(self, row: Any) -> Instances:
        """`read` of one row; no path has the row's number."""
        found = self.accept_one(row)
        if found is None:
            error = violations([row], self._signature)
            raise InvalidRows(_without_number(error.findings), error.count)
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
        if self._is_numeric:
            return np.array((cells,), dtype=np.float64)
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
        cells = np.flatnonzero(self._numbers.strange(matrix))
        warnings = []
        for cell in cells[:SHOWN].tolist():
            row, position = divmod(cell, matrix.shape[1])
            feature = self._signature.features[position]
            place = (row, feature.name if by_name else position)
            warnings.append(Finding(place, novelty(feature, _as_sent(float(matrix[row, position])))))
        return Instances(matrix, tuple(warnings), len(cells))

    def _strange_cells(self, cells: Cells, *, by_name: bool) -> Iterator[LazyFinding]:
        for position, feature in enumerate(self._signature.features):
            usual = _usual(feature)
            if usual is not None:
                for row, value in enumerate(cells[position]):
                    if value is not None and not usual(value):
                        yield (row, feature.name if by_name else position), partial(novelty, feature, value)


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


def _without_number(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(Finding(finding.place[1:], finding.detail) for finding in findings)
