"""A batch -> numbers: the blocks that a pipeline's preprocessing divides its columns into.

Numbers and moments are read as a matrix that steps follow; words are looked up in tables.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer

from mlapi.compiled.machine import Unanswered
from mlapi.compiled.preprocessing import Step, Unknown, flat, steps
from mlapi.compiled.words import SPARSE, Table, reads_words, tables
from mlapi.preprocessing import CalendarParts, calendar
from mlapi.signature import Batch, Matrix

Names: TypeAlias = tuple[str, ...]


class Source(Protocol):
    """A matrix of some of a batch's columns."""

    def read(self, batch: Batch) -> Matrix: ...


class Numbers:
    """Columns of numbers, by name or, of a matrix, by position."""

    def __init__(self, names: Names, positions: Sequence[int]) -> None:
        self._names = tuple(names[position] for position in positions)
        self._positions = np.array(positions, dtype=np.intp)
        self._is_all = list(positions) == list(range(len(names)))
        self._pick = itemgetter(*self._names, self._names[0])  # one more, so that one name gives a tuple too

    def read(self, batch: Batch) -> Matrix:
        if isinstance(batch, np.ndarray):
            return batch if self._is_all else batch.take(self._positions, axis=1)
        columns = self._pick(batch)[:-1]
        matrix = np.concatenate(columns).reshape(len(columns), -1).T
        return matrix if matrix.dtype == np.float64 else _as_numbers(matrix)


class Moments:
    """Columns of moments as the parts of the calendar that `CalendarParts` found to vary."""

    def __init__(self, parts: CalendarParts, names: Names) -> None:
        self._columns = tuple(zip(names, parts.newest_us_.tolist(), parts.parts_, strict=True))

    def read(self, batch: Batch) -> Matrix:
        if isinstance(batch, np.ndarray):
            raise Unanswered
        parts = [
            part
            for name, newest_us, kept in self._columns
            for part in calendar(_moments(batch[name]), newest_us, kept)
        ]
        return np.array(parts).T


@dataclass(frozen=True, slots=True)
class NumberBlock:
    """Numbers, and what is done with them; the result goes to `places`."""

    source: Source
    steps: tuple[Step, ...]
    places: slice

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


def column(batch: Batch, name: str, position: int) -> NDArray[Any]:
    return batch[:, position] if isinstance(batch, np.ndarray) else batch[name]


def rows_of(batch: Batch) -> int:
    return len(batch) if isinstance(batch, np.ndarray) else len(next(iter(batch.values())))


def preparation(transformers: Sequence[Any], names: Names) -> Preparation:
    """What fitted transformers make of a batch of these columns.

    Raises:
        Unknown: One of them is not understood.
    """
    first, rest = (transformers[0], transformers[1:]) if transformers else (None, ())
    if first is not None and type(first) is ColumnTransformer:
        if first.sparse_output_ and not set(map(type, rest)) <= SPARSE:
            raise Unknown
        blocks = tuple(_blocks(first, names))
        return _whole(blocks, steps(rest))
    if names != tuple(getattr(first, "feature_names_in_", names)):  # which scikit-learn refuses
        raise Unknown
    block = _block(transformers, names, range(len(names)), start=0)
    return _whole((block,), ())


def _whole(blocks: tuple[Block, ...], later: tuple[Step, ...]) -> Preparation:
    side_by_side = blocks[-1].places.stop
    width = run(np.zeros((1, side_by_side)), later).shape[1]
    return Preparation(blocks, side_by_side, width, later)


def _blocks(divided: ColumnTransformer, names: Names) -> Iterator[Block]:
    """In the order of their results, which leave no gap."""
    if divided.transformer_weights:
        raise Unknown
    start = 0
    for name, transformer, columns in divided.transformers_:
        chosen = divided._transformer_to_input_indices[name]
        if (isinstance(transformer, str) and transformer == "drop") or not len(chosen):
            continue
        if isinstance(columns, str | int):  # one column as a list of texts
            raise Unknown
        block = _block(list(flat(transformer)), names, _positions(divided, names, chosen), start=start)
        if block.places != divided.output_indices_[name]:
            raise Unknown
        start = block.places.stop
        yield block
    if not start:
        raise Unknown


def _positions(divided: ColumnTransformer, names: Names, chosen: Sequence[int]) -> list[int]:
    """Where the columns stand in a batch: one that was fitted on a frame knows them by name."""
    if not hasattr(divided, "feature_names_in_"):
        return list(chosen)
    labels = divided.feature_names_in_[list(chosen)].tolist()
    if not set(labels) <= set(names):
        raise Unknown
    return [names.index(label) for label in labels]


def _block(transformers: Sequence[Any], names: Names, positions: Sequence[int], *, start: int) -> Block:
    chosen = tuple(names[position] for position in positions)
    if transformers and reads_words(transformers[0]):
        found, width = tables(transformers, positions)
        return WordBlock(names, found, slice(start, start + width))
    source: Source = Numbers(names, positions)
    columns, rest = len(chosen), transformers
    if transformers and type(transformers[0]) is CalendarParts:
        source, rest = Moments(transformers[0], chosen), transformers[1:]
        columns = sum(map(len, transformers[0].parts_))
    found_steps = steps(rest)
    width = run(np.zeros((1, columns)), found_steps).shape[1]
    return NumberBlock(source, found_steps, slice(start, start + width))


def _moments(column: NDArray[Any]) -> NDArray[np.datetime64]:
    if column.dtype.kind != "M":
        raise Unanswered
    return column.astype("datetime64[us]")


def _as_numbers(matrix: NDArray[Any]) -> Matrix:
    """Flags among numbers are 1 and 0; for anything else scikit-learn is asked."""
    if matrix.dtype.kind not in "biu" and not set(map(type, matrix.ravel().tolist())) <= {bool, int, float}:
        raise Unanswered
    return matrix.astype(np.float64)
