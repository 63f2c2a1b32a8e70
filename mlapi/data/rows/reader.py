"""Rows as a client sends them -> a batch that a model takes. Fast accept, slow explain.

`Reader` accepts with the few checks of `mlapi.data.rows.validation`; only when one of them fails does
`mlapi.data.rows.violations` walk over the cells and name every wrong one. The methods that begin with `read_`
explain, by raising `InvalidRows`; those that begin with `try_` answer None at once. Knows signatures; knows
nothing of bytes, marshmallow or HTTP.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from mlapi.data.rows.validation import Cells, ColumnChecks, NumberChecks, stripped_if_known
from mlapi.data.rows.values import unseen_warning
from mlapi.data.rows.violations import InvalidRows, LazyFinding, in_words, violations
from mlapi.data.signature import NUMERIC, Batch, Feature, Matrix, Signature
from mlapi.wording import SHOWN, Finding


class Row(NamedTuple):
    """One accepted row without arrays: no number is missing, and training saw every value.

    For models that answer a single row from its cells; making arrays takes several times as long.
    """

    cells: Sequence[Any]
    """In signature order, as they were sent."""
    to_batch: Callable[[], Batch]
    """Makes a batch of this one row."""


class Instances(NamedTuple):
    """Accepted rows, and the warnings about them: the first 20, and the number of all."""

    batch: Batch | Row
    """A `Batch` from a reader; a `Row` from a schema, if `Reader.try_without_arrays` took the only row."""
    warnings: tuple[Finding, ...] = ()
    warning_count: int = 0
    form: str | None = None
    """The member of the body that held the rows, where a schema took them out of one; None for a record."""


class Reader:
    """Reads rows for one signature. Immutable, so threads may share it.

    A row is a list of cells in signature order, or a record with a member for each feature; a feature that
    may be missing may be left out, and columns that the model ignores may be there.
    """

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._names = signature.names
        self._pick = itemgetter(*self._names) if len(self._names) > 1 else None
        self._is_numeric = signature.is_numeric
        self._numbers = NumberChecks(signature.features)
        self._columns = [
            ColumnChecks(position, feature)
            for position, feature in enumerate(signature.features)
            if feature.kind not in NUMERIC
        ]

    def knows(self, names: Iterable[str]) -> bool:
        """Return whether every name is a column: a feature, or one that the model ignores."""
        return self._signature.known_columns.issuperset(names)

    def read_rows(self, rows: Sequence[Any]) -> Instances:
        """Check rows, all of them lists or all of them records, and make a batch of them.

        Raises:
            InvalidRows: There is no row, or a cell does not fit its feature. Finding every wrong cell takes
                some hundred times as long as accepting the rows.
        """
        instances = self.try_rows(rows)
        if instances is None:
            raise violations(rows, self._signature)
        return instances

    def read_row(self, row: Any) -> Instances:
        """Check one row and make a batch of it: `read_rows` of it alone, but no place begins with its number.

        Raises:
            InvalidRows: A cell does not fit its feature.
        """
        instances = self.try_row(row)
        if instances is None:
            error = violations([row], self._signature)
            raise InvalidRows(_without_number(error.findings), error.count)
        return instances

    def try_rows(self, rows: Sequence[Any]) -> Instances | None:
        """Return what `read_rows` returns; None where it raises."""
        cells = self._cells(rows)
        if cells is None:
            return None
        by_name = type(rows[0]) is dict
        if self._is_numeric:
            matrix = self._numbers.matrix(cells)
            return None if matrix is None else self._with_warnings(matrix, by_name=by_name)
        return self._accept_columns(list(zip(*cells, strict=True)), by_name=by_name)

    def try_row(self, row: Any) -> Instances | None:
        """Return what `read_row` returns; None where it raises."""
        instances = self.try_rows([row])
        if instances is None or not instances.warnings:
            return instances
        return instances._replace(warnings=_without_number(instances.warnings))

    def try_without_arrays(self, row: Any) -> Row | None:
        """Check one row without making arrays.

        Return None if the row is wrong, and also if it has what no `Row` may have: a number that is missing,
        or a value that training did not see. `try_row` then tells these cases apart.
        """
        if type(row) is list:
            cells = row if len(row) == len(self._names) else None
        elif type(row) is dict and self._signature.known_columns.issuperset(row):
            cells = [row.get(name) for name in self._names]
        else:
            return None
        if cells is None or not self._numbers.are_complete_and_in_range(cells):
            return None
        if not all(column.is_plain_and_seen(cells[column.position]) for column in self._columns):
            return None
        return Row(cells, partial(self._batch_of, cells))

    def _batch_of(self, cells: Sequence[Any]) -> Batch:
        if self._is_numeric:
            return np.array((cells,), dtype=np.float64)
        return cast("Batch", self.read_rows([list(cells)]).batch)

    def try_matrix(self, matrix: Matrix) -> Instances | None:
        """Check a matrix (rows, features) without a missing number; return None if it does not fit.

        The batch is the matrix itself.
        """
        if not self._is_numeric or not self._numbers.accepts(matrix):
            return None
        return self._with_warnings(matrix, by_name=False)

    def _cells(self, rows: Sequence[Any]) -> Cells | None:
        """The cells by row, in signature order, missing ones None; None if a row has the wrong form."""
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
        if not all(map(self._signature.known_columns.issuperset, rows)):
            return None
        return [[row.get(name) for name in self._names] for row in rows]

    def _accept_columns(self, cells: Cells, *, by_name: bool) -> Instances | None:
        """The rows that have these cells, by column: `cells[2]` are those of the third feature.

        None if a cell does not fit.
        """
        arrays: dict[int, NDArray[Any]] = {}
        for column in self._columns:
            values = column.accept(cells[column.position])
            if values is None:
                return None
            arrays[column.position] = values
        numbers = self._numbers.columns(cells)
        if numbers is None:
            return None
        arrays.update(zip(self._numbers.positions, numbers, strict=True))
        unseen = [column for column in self._columns if not column.are_seen(cells, arrays)]
        arrays.update((column.position, column.stripped(arrays[column.position])) for column in unseen)
        batch = {name: arrays[position] for position, name in enumerate(self._names)}
        if not unseen and self._numbers.are_in_range(numbers.T):
            return Instances(batch)
        return Instances(batch, *in_words(self._unseen_cells(cells, arrays, by_name=by_name)))

    # Warning: an accepted value that training never saw.

    def _with_warnings(self, matrix: Matrix, *, by_name: bool) -> Instances:
        if self._numbers.are_in_range(matrix):
            return Instances(matrix)
        cells = np.flatnonzero(self._numbers.outside(matrix))
        warnings = []
        for cell in cells[:SHOWN].tolist():
            row, position = divmod(cell, matrix.shape[1])
            feature = self._signature.features[position]
            place = (row, feature.name if by_name else position)
            warnings.append(Finding(place, unseen_warning(feature, _as_sent(float(matrix[row, position])))))
        return Instances(matrix, tuple(warnings), len(cells))

    def _unseen_cells(
        self, cells: Cells, arrays: Mapping[int, NDArray[Any]], *, by_name: bool
    ) -> Iterator[LazyFinding]:
        dates = {column.position: column for column in self._columns if column.has_range}
        for position, feature in enumerate(self._signature.features):
            values = cells[position]
            column = dates.get(position)
            for row in (
                _unseen_rows(feature, values)
                if column is None
                else np.flatnonzero(column.outside(arrays[position])).tolist()
            ):
                place = (row, feature.name if by_name else position)
                yield place, partial(unseen_warning, feature, values[row])


def _unseen_rows(feature: Feature, values: Sequence[Any]) -> Iterable[int]:
    """The rows with a number or a category that training did not see; of other kinds all are seen."""
    if feature.kind in NUMERIC:
        low, high = feature.bounds
        takes_fractions = feature.kind != "integer"
        return (
            row
            for row, value in enumerate(values)
            if value is not None
            and not (low <= value <= high and (takes_fractions or float(value).is_integer()))
        )
    if feature.kind == "category":
        known = frozenset((*(feature.categories or ()), None))
        return (row for row, value in enumerate(values) if stripped_if_known(value, known) not in known)
    return ()


def _as_sent(value: float) -> int | float:
    """13 for 13.0: JSON does not tell them apart."""
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _without_number(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(Finding(finding.place[1:], finding.detail) for finding in findings)
