"""A batch -> a matrix of numbers: the blocks that a pipeline's preprocessing divides its columns into.

Numbers and datetimes are read as a matrix that steps follow; categories are looked up in tables.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlapi.data.signature import Batch, Matrix
from mlapi.estimators.calendar import Datetimes, parts_of_all
from mlapi.inference.compiled.final_estimator import Fallback
from mlapi.inference.compiled.selection import run, widest
from mlapi.inference.compiled.steps import Step
from mlapi.inference.compiled.words import Table

Names: TypeAlias = tuple[str, ...]
"""The names of a batch's columns, in order."""


class Source(Protocol):
    """A matrix of some of a batch's columns."""

    def read(self, batch: Batch) -> Matrix:
        """Return it, `(rows, columns)`, in its own order of columns.

        Raises:
            Fallback: A cell is of another type than training's were.
        """
        ...


class Numbers:
    """Columns of numbers, by name or, of a matrix, by position."""

    def __init__(self, names: Names, positions: Sequence[int]) -> None:
        """
        Args:
            names: The names of all columns of a batch.
            positions: The positions of the columns to read, in the order of the result.
        """
        self._names = tuple(names[position] for position in positions)
        self.positions = tuple(positions)
        self._positions = np.array(positions, dtype=np.intp)
        self._is_all = list(positions) == list(range(len(names)))

    def read(self, batch: Batch) -> Matrix:
        """Return the columns of numbers, `(rows, columns)`; the batch itself if these are all of it.

        Raises:
            Fallback: A column holds other things than numbers and booleans.
        """
        if isinstance(batch, np.ndarray):
            return batch if self._is_all else batch.take(self._positions, axis=1)
        columns = [batch[name] for name in self._names]
        matrix = np.concatenate(columns).reshape(len(columns), -1).T
        return matrix if matrix.dtype == np.float64 else _as_numbers(matrix)


class Moments:
    """Columns of datetimes as those parts of the calendar that varied in training."""

    def __init__(self, columns: Sequence[tuple[str, int, Sequence[str]]]) -> None:
        """
        Args:
            columns: The name of each, its newest datetime in training (us since 1970), and the names of its
                parts (`mlapi.estimators.calendar.PARTS` and `DURATIONS`).
        """
        self._columns = tuple(columns)

    def read(self, batch: Batch) -> Matrix:
        """Return the parts, `(rows, parts of all columns)`; NaN where a datetime is missing.

        Raises:
            Fallback: The batch is a matrix, or a column has no datetimes.
        """
        if isinstance(batch, np.ndarray):
            raise Fallback
        names, newest_us, parts = zip(*self._columns, strict=True)
        columns = [_datetimes(batch[name]) for name in names]
        return np.array(parts_of_all(columns, newest_us, parts)).T


@dataclass(frozen=True, slots=True)
class NumberBlock:
    """Columns of numbers or datetimes, and the steps that follow."""

    source: Source
    steps: tuple[Step, ...]
    places: slice
    """The columns that the result has in the matrix of all blocks."""

    @property
    def widest(self) -> int:
        """How many numbers it makes of one row, at most."""
        return max(int(self.places.stop - self.places.start), widest(self.steps))

    def read(self, batch: Batch) -> Matrix:
        """Return what becomes of a batch, `(rows, columns of the block)`.

        Raises:
            Fallback: A cell is not known exactly.
        """
        return run(self.source.read(batch), self.steps)


@dataclass(frozen=True, slots=True)
class WordBlock:
    """Columns of categories and their tables."""

    names: Names
    """The names of all columns of a batch."""
    tables: tuple[Table, ...]
    places: slice
    """The columns that the result has in the matrix of all blocks."""

    def categories(self, batch: Batch) -> Iterator[tuple[Table, NDArray[Any]]]:
        """Yield each table with the categories of its column, `(rows,)`."""
        for table in self.tables:
            yield table, column(batch, self.names[table.column], table.column)


@dataclass(frozen=True, slots=True)
class StepsBlock:
    """Columns of any kind that are prepared by blocks of their own, and steps on these together."""

    preparation: "Preparation"
    places: slice
    """The columns that the result has in the matrix of all blocks."""

    @property
    def widest(self) -> int:
        """How many numbers it makes of one row, at most."""
        return self.preparation.widest

    def read(self, batch: Batch) -> Matrix:
        """Return what becomes of a batch, `(rows, columns of the block)`.

        Raises:
            Fallback: A cell is not known exactly.
        """
        return self.preparation.matrix(batch)


class ReadBlock(Protocol):
    """Columns that become a matrix."""

    @property
    def places(self) -> slice:
        """The columns that the result has in the matrix of all blocks."""
        ...

    @property
    def widest(self) -> int:
        """How many numbers it makes of one row, at most."""
        ...

    def read(self, batch: Batch) -> Matrix:
        """Return what becomes of a batch, `(rows, columns of the block)`.

        Raises:
            Fallback: A cell is not known exactly.
        """
        ...


Block: TypeAlias = WordBlock | ReadBlock
"""What one part of a column transformer is compiled to."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """All that stands before a final estimator: blocks side by side, then steps on the whole matrix."""

    blocks: tuple[Block, ...]
    side_by_side: int
    """How many columns the blocks have together."""
    width: int
    """How many columns the result has."""
    steps: tuple[Step, ...]
    """What is done with the matrix of all blocks."""

    @property
    def widest(self) -> int:
        """How many numbers it makes of one row, at most."""
        blocks = sum(block.widest for block in self.blocks if not isinstance(block, WordBlock))
        return max(self.side_by_side, self.width, blocks, widest(self.steps))

    def matrix(self, batch: Batch) -> Matrix:
        """Return what the final estimator gets, `(rows, width)`, float64 and C-contiguous.

        Raises:
            Fallback: A cell is not known exactly.
        """
        return np.ascontiguousarray(run(self._side_by_side(batch), self.steps))

    def _side_by_side(self, batch: Batch) -> Matrix:
        if len(self.blocks) == 1 and not isinstance(self.blocks[0], WordBlock):
            return self.blocks[0].read(batch)
        whole = np.empty((rows_of(batch), self.side_by_side))
        for block in self.blocks:
            part = whole[:, block.places]
            if isinstance(block, WordBlock):
                for table, categories in block.categories(batch):
                    part[:, table.places] = table.rows.take(table.look_up(categories), axis=0)
            else:
                part[...] = block.read(batch)
        return whole


def column(batch: Batch, name: str, position: int) -> NDArray[Any]:
    """Return one column of a batch, `(rows,)`: by position from a matrix, else by name."""
    return batch[:, position] if isinstance(batch, np.ndarray) else batch[name]


def rows_of(batch: Batch) -> int:
    """Return how many rows a batch has."""
    return len(batch) if isinstance(batch, np.ndarray) else len(next(iter(batch.values())))


def _datetimes(column: NDArray[Any]) -> Datetimes:
    if column.dtype.kind != "M":
        raise Fallback
    return column.astype("datetime64[us]")


def _as_numbers(matrix: NDArray[Any]) -> Matrix:
    """Return numbers as float64, booleans among them as 1 and 0.

    Raises:
        Fallback: There is anything else: scikit-learn is asked.
    """
    if matrix.dtype.kind not in "biu" and not set(map(type, matrix.ravel().tolist())) <= {bool, int, float}:
        raise Fallback
    return matrix.astype(np.float64)
