"""Fitted column transformers -> `mlapi.inference.compiled.columns`."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer

from mlapi.estimators.preprocessing import CalendarParts
from mlapi.inference.compiled.columns import (
    Block,
    Moments,
    Names,
    NumberBlock,
    Numbers,
    Preparation,
    Source,
    WordBlock,
    run,
)
from mlapi.inference.compiled.final_estimator import Uncompilable
from mlapi.inference.compiled.steps import Step
from mlapi.inference.compiling.preprocessing import flat, steps
from mlapi.inference.compiling.words import SPARSE, reads_categories, tables


def preparation(transformers: Sequence[Any], names: Names) -> Preparation:
    """Return what fitted transformers make of a batch.

    Args:
        names: The names of all columns of a batch.

    Raises:
        Uncompilable: One of them is not understood.
    """
    first, rest = (transformers[0], transformers[1:]) if transformers else (None, ())
    if first is not None and type(first) is ColumnTransformer:
        if first.sparse_output_ and not set(map(type, rest)) <= SPARSE:
            raise Uncompilable
        blocks = tuple(_blocks(first, names))
        return _whole(blocks, steps(rest))
    if names != tuple(getattr(first, "feature_names_in_", names)):  # which scikit-learn refuses
        raise Uncompilable
    block = _block(transformers, names, range(len(names)), start=0)
    return _whole((block,), ())


def _whole(blocks: tuple[Block, ...], later: tuple[Step, ...]) -> Preparation:
    side_by_side = blocks[-1].places.stop
    width = run(np.zeros((1, side_by_side)), later).shape[1]
    return Preparation(blocks, side_by_side, width, later)


def _blocks(divided: ColumnTransformer, names: Names) -> Iterator[Block]:
    """Yield the blocks of a column transformer in the order of their results, which leave no gap.

    Raises:
        Uncompilable: A part is not understood, or takes one column as a list of texts; or there is no part.
    """
    if divided.transformer_weights:
        raise Uncompilable
    start = 0
    for name, transformer, columns in divided.transformers_:
        chosen = divided._transformer_to_input_indices[name]
        if (isinstance(transformer, str) and transformer == "drop") or not len(chosen):
            continue
        if isinstance(columns, str | int):
            raise Uncompilable
        block = _block(list(flat(transformer)), names, _positions(divided, names, chosen), start=start)
        if block.places != divided.output_indices_[name]:
            raise Uncompilable
        start = block.places.stop
        yield block
    if not start:
        raise Uncompilable


def _positions(divided: ColumnTransformer, names: Names, chosen: Sequence[int]) -> list[int]:
    """Return the positions of chosen columns in a batch. One that was fitted on a frame knows their names.

    Raises:
        Uncompilable: A name is not one of the batch's.
    """
    if not hasattr(divided, "feature_names_in_"):
        return list(chosen)
    labels = divided.feature_names_in_[list(chosen)].tolist()
    if not set(labels) <= set(names):
        raise Uncompilable
    return [names.index(label) for label in labels]


def _block(transformers: Sequence[Any], names: Names, positions: Sequence[int], *, start: int) -> Block:
    """Return what a chain of transformers makes of the columns at these positions.

    Args:
        start: The first column of the result in the matrix of all blocks.

    Raises:
        Uncompilable: A transformer is not understood.
    """
    chosen = tuple(names[position] for position in positions)
    if transformers and reads_categories(transformers[0]):
        category_tables, width = tables(transformers, positions)
        return WordBlock(names, category_tables, slice(start, start + width))
    source: Source = Numbers(names, positions)
    columns, rest = len(chosen), transformers
    if transformers and type(transformers[0]) is CalendarParts:
        source, rest = _datetimes(transformers[0], chosen), transformers[1:]
        columns = sum(map(len, transformers[0].parts_))
    compiled_steps = steps(rest)
    width = run(np.zeros((1, columns)), compiled_steps).shape[1]
    return NumberBlock(source, compiled_steps, slice(start, start + width))


def _datetimes(parts: CalendarParts, names: Names) -> Moments:
    return Moments(tuple(zip(names, parts.newest_us_.tolist(), parts.parts_, strict=True)))
