"""What answers in a fitted pipeline's place: preparation, a final estimator, and scikit-learn for the rest.

scikit-learn itself is asked for the rows whose label depends on the last digits, and for the whole batch
where a number is not finite or a category is not known. So refusals are its own as well.
"""

from collections.abc import Callable, Collection, Sequence
from functools import reduce
from itertools import accumulate
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mlapi.artifacts.pickles.fitted.widths import AT_ONCE, join_answers
from mlapi.data.signature import Batch, Matrix
from mlapi.inference.compiled.columns import NumberBlock, Numbers, Preparation, column, rows_of
from mlapi.inference.compiled.final_estimator import (
    DECISION_FUNCTION,
    PREDICT,
    Answer,
    ClassScores,
    Fallback,
    FinalEstimator,
    MethodOutputs,
    RowFlags,
    RowPredictions,
)
from mlapi.inference.compiled.linear import Linear
from mlapi.inference.compiled.one_row import OneRow
from mlapi.inference.compiled.steps import Fill
from mlapi.inference.compiled.words import Table

Original: TypeAlias = Callable[[str, Batch], NDArray[Any]]
"""scikit-learn's own answer: the name of a method and a batch -> what the method gives, `(rows,)` or
`(rows, classes)`."""


COMPILED = "compiled"
"""What `served_by` is for pipelines that are compiled to numpy."""


@runtime_checkable
class CompiledPipeline(Protocol):
    """What answers batches in a fitted pipeline's place, as far as it can."""

    methods: frozenset[str]
    """The methods of the estimator that it has answers for; the others are scikit-learn's."""

    served_by: str
    """The name of what answers, as clients see it: `COMPILED`, or another package."""

    one_row: OneRow | None
    """A quicker path for a single row, where there is one."""

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        ...

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer:
        """Return the outputs of these methods; those that are not among its own are left out.

        numpy's warnings have to be off.

        Raises:
            Fallback, ValueError, TypeError: The batch has something that is scikit-learn's to answer.
        """
        ...


class Predictor:
    """A compiled pipeline, and scikit-learn for what it does not answer. Immutable: threads may share it."""

    def __init__(self, pipeline: CompiledPipeline, original: Original) -> None:
        self.methods = pipeline.methods
        self.pipeline = pipeline
        self._original = original
        self._rows_at_once = max(1, AT_ONCE // max(1, pipeline.width))

    def answer(self, batch: Batch, methods: Collection[str]) -> MethodOutputs:
        """Return what these methods of the estimator give. A batch of wide rows is answered in parts.

        Raises:
            Exception: What the estimator raises, if it refuses these rows.
        """
        count = rows_of(batch)
        if count <= self._rows_at_once:
            return self._answer(batch, methods)
        starts = range(0, count, self._rows_at_once)
        parts = [slice(start, start + self._rows_at_once) for start in starts]
        return join_answers(self._answer(_select(batch, part), methods) for part in parts)

    def _answer(self, batch: Batch, methods: Collection[str]) -> MethodOutputs:
        try:
            # No warnings of overflows: where a result is not finite scikit-learn is asked, and gives them.
            with np.errstate(all="ignore"):
                answer = self.pipeline.answer(batch, methods)
        except (Fallback, ValueError, TypeError):  # numpy raises the last two for cells of another type
            return {method: self._original(method, batch) for method in methods}
        if answer.uncertain is not None:
            self._settle(answer.outputs, batch, answer.uncertain)
        for method in methods:
            if method not in answer.outputs:
                answer.outputs[method] = self._original(method, batch)
        return answer.outputs

    def answer_row(self, cells: Sequence[Any]) -> RowPredictions | None:
        """Return the prediction for one row, `(1,)` or `(1, targets)`; None if a batch of it has to be asked.

        Args:
            cells: In signature order; no number is missing.
        """
        one_row = self.pipeline.one_row
        try:
            return None if one_row is None else one_row.predict(cells)
        except (Fallback, TypeError):  # a missing value among booleans or codes that are used as numbers
            return None

    def _settle(self, outputs: MethodOutputs, batch: Batch, rows: RowFlags) -> None:
        """Replace, in these rows, the label and the decision by scikit-learn's: some decisions are votes."""
        chosen = _select(batch, rows)
        for method in (PREDICT, DECISION_FUNCTION):
            if method in outputs:
                settled = outputs[method].copy()
                settled[rows] = self._original(method, chosen)
                outputs[method] = settled


def _select(batch: Batch, rows: slice | RowFlags) -> Batch:
    if isinstance(batch, np.ndarray):
        return batch[rows]
    return {name: column[rows] for name, column in batch.items()}


class Dense:
    """Any final estimator, on the matrix that the preparation makes."""

    served_by = COMPILED
    one_row: OneRow | None = None

    def __init__(self, preparation: Preparation, final: FinalEstimator) -> None:
        self.methods = final.methods
        self._prepared = preparation
        self._machine = final

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return max(self._prepared.widest, self._machine.width)

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer:
        """Return the final estimator's answer to the prepared batch."""
        return self._machine.answer(self._prepared.matrix(batch), methods)


class Additive:
    """A linear model of numbers and categories.

    A score is a sum, so no matrix of all columns is made: the numbers are multiplied by their weights, and
    each category adds what its one-hot columns would have added.
    """

    served_by = COMPILED
    one_row: OneRow | None = None

    def __init__(self, model: Linear, numbers: Sequence[NumberBlock], terms: "Terms | None") -> None:
        self.methods = model.methods
        self._model = model
        self._numbers = tuple(numbers)
        self._terms = terms
        self.one_row = _one_row(model, numbers, terms)

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return max(sum(block.widest for block in self._numbers), self._model.width)

    def answer(self, batch: Batch, methods: Collection[str], beside: ClassScores | None = None) -> Answer:
        """Return the linear model's answer; see `mlapi.inference.compiled.linear.Linear.answer`."""
        if self._terms:
            scores = self._terms.scores(batch)
            beside = scores if beside is None else beside + scores
        return self._model.answer(self._matrix(batch), methods, beside)

    def _matrix(self, batch: Batch) -> Matrix:
        if len(self._numbers) == 1:
            return self._numbers[0].read(batch)
        if not self._numbers:
            return np.empty((rows_of(batch), 0))
        return np.concatenate([block.read(batch) for block in self._numbers], axis=1)


def _one_row(model: Linear, numbers: Sequence[NumberBlock], terms: "Terms | None") -> OneRow | None:
    """Return the path for single rows, which have no missing numbers; None if there are other steps.

    Filling is left out for such a row, and so are missing indicators, which are all 0.
    """
    places: list[int] = []
    columns: list[int] = []
    start = 0
    for block in numbers:
        fills = [step for step in block.steps if isinstance(step, Fill)]
        if not isinstance(block.source, Numbers) or len(fills) != len(block.steps):
            return None
        positions = block.source.positions
        places += positions
        columns += range(start, start + len(positions))
        start += len(positions) + sum(len(fill.marked) for fill in fills)
    weights, reach = model.weights.take(columns, axis=1), model.reach.take(columns)
    alone = Linear(weights, model.bias, model.reading, model.constant, reach, model.terms)
    return OneRow(alone, places, terms.tables if terms else ())


class Terms:
    """What columns of categories add to the scores: their tables one below the other, as one."""

    def __init__(self, tables: Sequence[tuple[str, Table]]) -> None:
        """
        Args:
            tables: With the name of each column; the rows of each table are scores, `(codes, classes)`.
        """
        starts = accumulate((len(table.rows) for _, table in tables), initial=0)
        self._columns = [
            (name, table.column, table.codes.moved(start))
            for (name, table), start in zip(tables, starts, strict=False)
        ]
        self.tables = [(table.column, table.codes, table.rows) for _, table in tables]
        rows = np.concatenate([table.rows for _, table in tables])
        self._rows = rows[:, 0] if rows.shape[1] == 1 else rows

    def scores(self, batch: Batch) -> ClassScores:
        """Return what the categories of each row add to its scores.

        Raises:
            Fallback: The pipeline refuses a category.
        """
        parts = [
            self._rows.take(list(map(codes.__getitem__, column(batch, name, place).tolist())), axis=0)
            for name, place, codes in self._columns
        ]
        return reduce(np.add, parts).T


class Unscaled:
    """A regressor of a standardized target, in the target's own units."""

    served_by = COMPILED
    one_row: OneRow | None = None

    def __init__(self, inner: CompiledPipeline, mean: Any, spread: Any, *, is_flat: bool) -> None:
        """
        Args:
            inner: Answers in standard deviations from the mean.
            mean: `(targets,)`, or one number.
            spread: The standard deviation of each target, `(targets,)`, or one number.
            is_flat: Whether one target gives `(rows,)`; else it gives `(rows, 1)`.
        """
        self.methods = inner.methods & {PREDICT}
        self._inner = inner
        self._mean, self._spread = mean, spread
        self._is_flat = is_flat

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return self._inner.width

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer:
        """Return the values, `(rows,)` or `(rows, targets)`."""
        answer = self._inner.answer(batch, methods)
        values = answer.outputs[PREDICT]
        values = values.reshape(len(values), -1) * self._spread + self._mean
        is_one = self._is_flat and values.shape[1] == 1
        return Answer({PREDICT: values[:, 0] if is_one else values}, None)
