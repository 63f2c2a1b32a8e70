"""Fitted column transformers -> `mlapi.inference.compiled.columns`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion

from mlapi.data.signature import Batch, Matrix
from mlapi.estimators.preprocessing import CalendarParts
from mlapi.inference.compiled.columns import (
    Block,
    Moments,
    Names,
    NumberBlock,
    Numbers,
    Preparation,
    Source,
    StepsBlock,
    WordBlock,
)
from mlapi.inference.compiled.final_estimator import Fallback, Uncompilable
from mlapi.inference.compiled.selection import run
from mlapi.inference.compiled.steps import Step
from mlapi.inference.compiling.forms import gives_sparse
from mlapi.inference.compiling.preprocessing import flat, probe, steps, weighted
from mlapi.inference.compiling.texts import reads_texts, text_block
from mlapi.inference.compiling.words import reads_categories, split, tables


def preparation(transformers: Sequence[Any], names: Names, *, only_floats: bool = False) -> Preparation:
    """Return what fitted transformers make of a batch.

    Args:
        names: The names of all columns of a batch.
        only_floats: Whether a column that no transformer changes has to hold numbers, and no booleans.

    Raises:
        Uncompilable: One of them is not understood.
    """
    first, rest = (transformers[0], transformers[1:]) if transformers else (None, ())
    finds_names = type(first) is ColumnTransformer
    if not finds_names and names != tuple(getattr(first, "feature_names_in_", names)):
        raise Uncompilable  # which scikit-learn refuses
    if type(first) in DIVIDERS:
        blocks = _Blocks(names, only_floats=only_floats).of([first], range(len(names)))
        return _whole(blocks, steps(rest, is_sparse=gives_sparse(first, is_sparse=False)))
    return _whole(_Blocks(names, only_floats=only_floats).of(transformers, range(len(names))), ())


DIVIDERS = frozenset({ColumnTransformer, FeatureUnion})
"""What hands columns of any kind to several transformers."""


def _whole(blocks: tuple[Block, ...], later: tuple[Step, ...]) -> Preparation:
    """
    Raises:
        Uncompilable: There is no block.
    """
    if not blocks:
        raise Uncompilable
    side_by_side = blocks[-1].places.stop
    width = run(probe(side_by_side), later).shape[1]
    return Preparation(blocks, side_by_side, width, later)


class Floats(Numbers):
    """Columns of numbers alone, which go on as they are: booleans would make a table of another type.

    It is never stored.
    """

    def read(self, batch: Batch) -> Matrix:
        """Return the columns, `(rows, columns)`.

        Raises:
            Fallback: A column holds other things than numbers.
        """
        if not isinstance(batch, np.ndarray) and any(batch[name].dtype != np.float64 for name in self._names):
            raise Fallback
        return super().read(batch)


class _Blocks:
    """Makes the blocks of transformers in the order of their results, which leave no gap."""

    def __init__(self, names: Names, *, only_floats: bool) -> None:
        self._names = names
        self._source = Floats if only_floats else Numbers

    def of(
        self,
        transformers: Sequence[Any],
        positions: Sequence[int],
        later: tuple[Step, ...] = (),
        start: int = 0,
    ) -> tuple[Block, ...]:
        """Return what a chain of transformers makes of the columns at these positions.

        Args:
            later: Steps after the transformers.
            start: The first column of the result in the matrix of all blocks.

        Raises:
            Uncompilable: A transformer is not understood.
        """
        first = transformers[0] if transformers else None
        if type(first) in DIVIDERS:
            if len(transformers) == 1 and not later:
                return self._divided(first, positions, start)
            rest = steps(transformers[1:], is_sparse=gives_sparse(first, is_sparse=False))
            return (_prepared(self._divided(first, positions, 0), (*rest, *later), start),)
        if transformers and reads_texts(transformers[0]):
            if len(positions) != 1:
                raise Uncompilable
            return (text_block(transformers, self._names, positions[0], later, start),)
        if transformers and reads_categories(transformers[0]):
            return (self._words(transformers, positions, later, start),)
        return (self._numbers(transformers, positions, later, start),)

    def _divided(self, divider: Any, positions: Sequence[int], start: int) -> tuple[Block, ...]:
        if type(divider) is FeatureUnion:
            return self._united(divider, positions, start)
        blocks: list[Block] = []
        begin = start
        for name, part, columns in divider.transformers_:
            inputs = divider._transformer_to_input_indices[name]
            if (isinstance(part, str) and part == "drop") or not len(inputs):
                continue
            chain = list(flat(part))
            if isinstance(columns, str | int) != (bool(chain) and reads_texts(chain[0])):
                raise Uncompilable  # one column as a list of cells is for vectorizers of texts
            chosen = _positions(divider, self._names, positions, inputs)
            made = self.of(chain, chosen, weighted(divider.transformer_weights, name), start)
            places = divider.output_indices_[name]
            if (start - begin, made[-1].places.stop - begin) != (places.start, places.stop):
                raise Uncompilable
            start = made[-1].places.stop
            blocks += made
        return tuple(blocks)

    def _united(self, union: FeatureUnion, positions: Sequence[int], start: int) -> tuple[Block, ...]:
        blocks: list[Block] = []
        for name, part in union.transformer_list:
            if isinstance(part, str) and part == "drop":
                continue
            blocks += self.of(list(flat(part)), positions, weighted(union.transformer_weights, name), start)
            start = blocks[-1].places.stop
        return tuple(blocks)

    def _words(
        self, transformers: Sequence[Any], positions: Sequence[int], later: tuple[Step, ...], start: int
    ) -> Block:
        """Return tables, with the later steps in them where these do not mix columns."""
        try:
            category_tables, width = tables(transformers, positions, later)
        except (Uncompilable, Fallback):
            readers, rest = split(transformers)
            category_tables, width = tables(readers, positions)
            block = WordBlock(self._names, category_tables, slice(0, width))
            return _prepared((block,), (*rest, *later), start)
        return WordBlock(self._names, category_tables, slice(start, start + width))

    def _numbers(
        self, transformers: Sequence[Any], positions: Sequence[int], later: tuple[Step, ...], start: int
    ) -> Block:
        chosen = tuple(self._names[position] for position in positions)
        source: Source | None = None
        columns, rest = len(chosen), transformers
        if transformers and type(transformers[0]) is CalendarParts:
            source, rest = _datetimes(transformers[0], chosen), transformers[1:]
            columns = sum(map(len, transformers[0].parts_))
        compiled_steps = (*steps(rest), *later)
        if source is None:
            source = (Numbers if compiled_steps else self._source)(self._names, positions)
        width = run(probe(columns), compiled_steps).shape[1]
        return NumberBlock(source, compiled_steps, slice(start, start + width))


def _prepared(blocks: tuple[Block, ...], later: tuple[Step, ...], start: int) -> StepsBlock:
    inner = _whole(blocks, later)
    return StepsBlock(inner, slice(start, start + inner.width))


def _positions(
    divided: ColumnTransformer, names: Names, positions: Sequence[int], inputs: Sequence[int]
) -> list[int]:
    """Return the positions in a batch of some of a column transformer's columns.

    One that was fitted on a table knows their names.

    Args:
        names: The names of all columns of a batch.
        positions: The positions in a batch of the columns that it gets.
        inputs: The positions of some columns among those that it was fitted on.

    Raises:
        Uncompilable: A name is not one of the batch's.
    """
    if not hasattr(divided, "feature_names_in_"):
        return [positions[place] for place in inputs]
    labels = divided.feature_names_in_[list(inputs)].tolist()
    if not set(labels) <= {names[position] for position in positions}:
        raise Uncompilable
    return [names.index(label) for label in labels]


def _datetimes(parts: CalendarParts, names: Names) -> Moments:
    return Moments(tuple(zip(names, parts.newest_us_.tolist(), parts.parts_, strict=True)))
