"""Preparation, a machine, and scikit-learn for the rest: what answers in a fitted pipeline's place.

scikit-learn itself is asked for the rows whose label hangs on the last digits, and for all rows where a
number is not finite or a word is not taken: so refusals are its own as well.
"""

from collections.abc import Callable, Collection, Sequence
from functools import reduce
from itertools import accumulate
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mlapi.artifacts.pickles.fitted.widths import AT_ONCE, joined
from mlapi.data.signature import Batch, Matrix
from mlapi.inference.compiled.columns import NumberBlock, Numbers, Preparation, column, rows_of
from mlapi.inference.compiled.final_estimator import Answer, Fallback, FinalEstimator
from mlapi.inference.compiled.linear import DECISION, PREDICT, Linear
from mlapi.inference.compiled.one_row import OneRow
from mlapi.inference.compiled.steps import Fill
from mlapi.inference.compiled.words import Table

Original: TypeAlias = Callable[[str, Batch], NDArray[Any]]
"""scikit-learn's own answer: a method's name and rows -> what the method gives."""


COMPILED = "compiled"


@runtime_checkable
class CompiledPipeline(Protocol):
    """What answers batches in a fitted pipeline's place, as far as it can."""

    methods: frozenset[str]
    """The methods of the estimator that it has answers for; the others are scikit-learn's."""

    engine: str
    """What clients are told that answers: `COMPILED`, or the name of another package."""

    one_row: OneRow | None
    """A quicker path for a single row, where there is one."""

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        ...

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer: ...


class Predictor:
    """Immutable, so threads may share it. `methods` are those that it does not leave to scikit-learn."""

    def __init__(self, answering: CompiledPipeline, original: Original) -> None:
        self.methods = answering.methods
        self.answering = answering
        self._original = original
        self._rows = max(1, AT_ONCE // max(1, answering.width))

    def answer(self, batch: Batch, methods: Collection[str]) -> dict[str, NDArray[Any]]:
        """What these methods of the estimator give, by name; of many wide rows some at a time.

        Raises:
            Exception: What the estimator raises, if it refuses these rows.
        """
        count = rows_of(batch)
        if count <= self._rows:
            return self._answer(batch, methods)
        parts = [slice(start, start + self._rows) for start in range(0, count, self._rows)]
        return joined(self._answer(_some(batch, part), methods) for part in parts)

    def _answer(self, batch: Batch, methods: Collection[str]) -> dict[str, NDArray[Any]]:
        try:
            # Overflows are scikit-learn's to speak of: it is asked where a result is not finite.
            with np.errstate(all="ignore"):
                answer = self.answering.answer(batch, methods)
        except (Fallback, ValueError, TypeError):  # numpy's words for cells of another type
            return {method: self._original(method, batch) for method in methods}
        if answer.uncertain is not None:
            self._settle(answer.outputs, batch, answer.uncertain)
        for method in methods:
            if method not in answer.outputs:
                answer.outputs[method] = self._original(method, batch)
        return answer.outputs

    def answer_row(self, cells: Sequence[Any]) -> NDArray[Any] | None:
        """The prediction for one row in signature order, none of whose numbers is blank; None if not sure."""
        one_row = self.answering.one_row
        try:
            return None if one_row is None else one_row.predict(cells)
        except (Fallback, TypeError):  # a blank among flags or codes that are used as numbers
            return None

    def _settle(self, outputs: dict[str, NDArray[Any]], batch: Batch, rows: NDArray[np.bool_]) -> None:
        """The label, and the votes that some decision values are, as scikit-learn says for these rows."""
        chosen = _some(batch, rows)
        for method in (PREDICT, DECISION):
            if method in outputs:
                settled = outputs[method].copy()
                settled[rows] = self._original(method, chosen)
                outputs[method] = settled


def _some(batch: Batch, rows: slice | NDArray[np.bool_]) -> Batch:
    if isinstance(batch, np.ndarray):
        return batch[rows]
    return {name: column[rows] for name, column in batch.items()}


class Dense:
    """Any final estimator, on the matrix that the preparation makes."""

    engine = COMPILED
    one_row: OneRow | None = None

    def __init__(self, prepared: Preparation, machine: FinalEstimator) -> None:
        self.methods = machine.methods
        self._prepared = prepared
        self._machine = machine

    @property
    def width(self) -> int:
        return max(self._prepared.widest, self._machine.width)

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer:
        return self._machine.answer(self._prepared.matrix(batch), methods)


class Additive:
    """A linear model, whose score is a sum: no matrix of all columns is made, words add theirs."""

    engine = COMPILED
    one_row: OneRow | None = None

    def __init__(self, model: Linear, numbers: Sequence[NumberBlock], terms: "Terms | None") -> None:
        self.methods = model.methods
        self._model = model
        self._numbers = tuple(numbers)
        self._terms = terms
        self.one_row = _one_row(model, numbers, terms)

    @property
    def width(self) -> int:
        return max(sum(block.widest for block in self._numbers), self._model.width)

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer:
        beside = self._terms.scores(batch) if self._terms else None
        return self._model.answer(self._matrix(batch), methods, beside)

    def _matrix(self, batch: Batch) -> Matrix:
        if len(self._numbers) == 1:
            return self._numbers[0].read(batch)
        if not self._numbers:
            return np.empty((rows_of(batch), 0))
        return np.concatenate([block.read(batch) for block in self._numbers], axis=1)


def _one_row(model: Linear, numbers: Sequence[NumberBlock], terms: "Terms | None") -> OneRow | None:
    """Where nothing is left to do with numbers but to fill blanks, of which a single row here has none."""
    places: list[int] = []
    kept: list[int] = []
    start = 0
    for block in numbers:
        fills = [step for step in block.steps if isinstance(step, Fill)]
        if not isinstance(block.source, Numbers) or len(fills) != len(block.steps):
            return None
        read = block.source.positions
        places += read
        kept += range(start, start + len(read))
        start += len(read) + sum(len(fill.marked) for fill in fills)
    weights = model.weights.take(kept, axis=1)
    alone = Linear(weights, model.bias, model.reading, model.constant)
    return OneRow(alone, places, terms.tables if terms else ())


class Terms:
    """What columns of words add to the scores: the tables one below the other, so that one look-up does."""

    def __init__(self, tables: Sequence[tuple[str, Table]]) -> None:
        starts = accumulate((len(table.rows) for _, table in tables), initial=0)
        self._columns = [
            (name, table.column, table.codes.moved(start))
            for (name, table), start in zip(tables, starts, strict=False)
        ]
        self.tables = [(table.column, table.codes, table.rows) for _, table in tables]
        rows = np.concatenate([table.rows for _, table in tables])
        self._rows = rows[:, 0] if rows.shape[1] == 1 else rows

    def scores(self, batch: Batch) -> Matrix:
        """As a linear model has them: one row, or one for each class or target."""
        parts = [
            self._rows.take(list(map(codes.__getitem__, column(batch, name, place).tolist())), axis=0)
            for name, place, codes in self._columns
        ]
        return reduce(np.add, parts).T


class Unscaled:
    """A regressor of a standardized target, in the target's own units."""

    engine = COMPILED
    one_row: OneRow | None = None

    def __init__(self, inner: CompiledPipeline, mean: Any, spread: Any, *, is_flat: bool) -> None:
        self.methods = inner.methods & {PREDICT}
        self._inner = inner
        self._mean, self._spread = mean, spread
        self._is_flat = is_flat

    @property
    def width(self) -> int:
        return self._inner.width

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer:
        answer = self._inner.answer(batch, methods)
        values = answer.outputs[PREDICT]
        values = values.reshape(len(values), -1) * self._spread + self._mean
        is_one = self._is_flat and values.shape[1] == 1
        return Answer({PREDICT: values[:, 0] if is_one else values}, None)
