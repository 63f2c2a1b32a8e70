"""A batch -> numbers: the blocks that a pipeline's preprocessing divides its columns into.

Numbers and moments are read as a matrix that steps follow; words are looked up in tables.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlapi.data.signature import Batch, Matrix
from mlapi.estimators.calendar import parts_of
from mlapi.inference.compiled.final_estimator import Fallback
from mlapi.inference.compiled.steps import Products, Step
from mlapi.inference.compiled.words import Table

Names: TypeAlias = tuple[str, ...]


class Source(Protocol):
    """A matrix of some of a batch's columns."""

    def read(self, batch: Batch) -> Matrix: ...


class Numbers:
    """Columns of numbers, by name or, of a matrix, by position."""

    def __init__(self, names: Names, positions: Sequence[int]) -> None:
        self._names = tuple(names[position] for position in positions)
        self.positions = tuple(positions)
        self._positions = np.array(positions, dtype=np.intp)
        self._is_all = list(positions) == list(range(len(names)))

    def read(self, batch: Batch) -> Matrix:
        if isinstance(batch, np.ndarray):
            return batch if self._is_all else batch.take(self._positions, axis=1)
        columns = [batch[name] for name in self._names]
        matrix = np.concatenate(columns).reshape(len(columns), -1).T
        return matrix if matrix.dtype == np.float64 else _as_numbers(matrix)


class Moments:
    """Columns of moments as the parts of the calendar that training found to vary."""

    def __init__(self, columns: Sequence[tuple[str, int, Sequence[str]]]) -> None:
        """The columns' names, with the newest moment (us) and the parts of each."""
        self._columns = tuple(columns)

    def read(self, batch: Batch) -> Matrix:
        if isinstance(batch, np.ndarray):
            raise Fallback
        parts = [
            part
            for name, newest_us, kept in self._columns
            for part in parts_of(_moments(batch[name]), newest_us, kept)
        ]
        return np.array(parts).T


@dataclass(frozen=True, slots=True)
class NumberBlock:
    """Numbers, and what is done with them; the result goes to `places`."""

    source: Source
    steps: tuple[Step, ...]
    places: slice

    @property
    def widest(self) -> int:
        """How many numbers it makes of one row."""
        return max(int(self.places.stop - self.places.start), _widest(self.steps))

    def read(self, batch: Batch) -> Matrix:
        return run(self.source.read(batch), self.steps)


@dataclass(frozen=True, slots=True)
class WordBlock:
    """Columns of words and their tables."""

    names: Names
    tables: tuple[Table, ...]
    places: slice

    def words(self, batch: Batch) -> Iterator[tuple[Table, NDArray[Any]]]:
        for table in self.tables:
            yield table, column(batch, self.names[table.column], table.column)


Block: TypeAlias = NumberBlock | WordBlock


@dataclass(frozen=True, slots=True)
class Preparation:
    """All that stands before a final estimator: blocks side by side, then steps on the whole matrix."""

    blocks: tuple[Block, ...]
    side_by_side: int
    width: int
    """Of the blocks together, and of the result."""
    steps: tuple[Step, ...]

    @property
    def widest(self) -> int:
        """How many numbers it makes of one row, at most."""
        blocks = sum(block.widest for block in self.blocks if isinstance(block, NumberBlock))
        return max(self.side_by_side, self.width, blocks, _widest(self.steps))

    def matrix(self, batch: Batch) -> Matrix:
        """What the final estimator of the pipeline is given."""
        return np.ascontiguousarray(run(self._side_by_side(batch), self.steps))

    def _side_by_side(self, batch: Batch) -> Matrix:
        if len(self.blocks) == 1 and isinstance(self.blocks[0], NumberBlock):
            return self.blocks[0].read(batch)
        whole = np.empty((rows_of(batch), self.side_by_side))
        for block in self.blocks:
            part = whole[:, block.places]
            if isinstance(block, NumberBlock):
                part[...] = block.read(batch)
            else:
                for table, words in block.words(batch):
                    part[:, table.places] = table.rows.take(table.look_up(words), axis=0)
        return whole


def run(matrix: Matrix, steps: Sequence[Step]) -> Matrix:
    for step in steps:
        matrix = step.apply(matrix)
    return matrix


def _widest(steps: Sequence[Step]) -> int:
    return max((step.columns for step in steps if isinstance(step, Products)), default=0)


def column(batch: Batch, name: str, position: int) -> NDArray[Any]:
    return batch[:, position] if isinstance(batch, np.ndarray) else batch[name]


def rows_of(batch: Batch) -> int:
    return len(batch) if isinstance(batch, np.ndarray) else len(next(iter(batch.values())))


def _moments(column: NDArray[Any]) -> NDArray[np.datetime64]:
    if column.dtype.kind != "M":
        raise Fallback
    return column.astype("datetime64[us]")


def _as_numbers(matrix: NDArray[Any]) -> Matrix:
    """Flags among numbers are 1 and 0; for anything else scikit-learn is asked."""
    if matrix.dtype.kind not in "biu" and not set(map(type, matrix.ravel().tolist())) <= {bool, int, float}:
        raise Fallback
    return matrix.astype(np.float64)
