"""A fitted pipeline -> a predictor: preparation, a machine, and scikit-learn for the rest.

scikit-learn itself is asked for the rows whose label hangs on the last digits, and for all rows where a
number is not finite or a word is not taken: so refusals are its own as well.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import reduce
from itertools import accumulate
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import TransformedTargetRegressor
from sklearn.preprocessing import StandardScaler

from mlapi.compiled import linear, svm
from mlapi.compiled.columns import Names, NumberBlock, Preparation, WordBlock, column, preparation, rows_of
from mlapi.compiled.linear import DECISION, PREDICT, Linear, folded
from mlapi.compiled.machine import Answer, Machine, Machines, Unanswered
from mlapi.compiled.preprocessing import Unknown, flat
from mlapi.compiled.words import Table
from mlapi.signature import Batch, Matrix

logger = logging.getLogger(__name__)

Original: TypeAlias = Callable[[str, Batch], NDArray[Any]]
"""scikit-learn's own answer: a method's name and rows -> what the method gives."""

MACHINES: Machines = {**linear.MACHINES, **svm.MACHINES}


class Answering(Protocol):
    """Something that answers batches as far as it can."""

    methods: frozenset[str]

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer: ...


class Predictor:
    """Immutable, so threads may share it. `methods` are those that it does not leave to scikit-learn."""

    def __init__(self, compiled: Answering, original: Original) -> None:
        self.methods = compiled.methods
        self._compiled = compiled
        self._original = original

    def answer(self, batch: Batch, methods: Collection[str]) -> dict[str, NDArray[Any]]:
        """What these methods of the estimator give, by name.

        Raises:
            Exception: What the estimator raises, if it refuses these rows.
        """
        try:
            # Overflows are scikit-learn's to speak of: it is asked where a result is not finite.
            with np.errstate(all="ignore"):
                answer = self._compiled.answer(batch, methods)
        except (Unanswered, ValueError, TypeError):  # numpy's words for cells of another type
            return {method: self._original(method, batch) for method in methods}
        if answer.doubtful is not None:
            self._settle(answer.outputs, batch, answer.doubtful)
        for method in methods:
            if method not in answer.outputs:
                answer.outputs[method] = self._original(method, batch)
        return answer.outputs

    def _settle(self, outputs: dict[str, NDArray[Any]], batch: Batch, rows: NDArray[np.bool_]) -> None:
        """The label, and the votes that some decision values are, as scikit-learn says for these rows."""
        if isinstance(batch, np.ndarray):
            chosen: Batch = batch[rows]
        else:
            chosen = {name: column[rows] for name, column in batch.items()}
        for method in (PREDICT, DECISION):
            if method in outputs:
                settled = outputs[method].copy()
                settled[rows] = self._original(method, chosen)
                outputs[method] = settled


def compiled(estimator: Any, names: Names, original: Original) -> Predictor | None:
    """A predictor for an estimator of columns of these names; None if anything about it is not known."""
    try:
        with np.errstate(all="ignore"):
            return Predictor(_compiled(list(flat(estimator)), names), original)
    except (Unknown, Unanswered):
        return None
    except Exception:  # attributes of somebody else's estimator: the price is only time
        logger.warning("estimator not compiled", exc_info=True)
        return None


def _compiled(chain: Sequence[Any], names: Names) -> Answering:
    *transformers, final = chain
    if type(final) is TransformedTargetRegressor:
        return _unscaled(final, transformers, names)
    machine = _machine(final)
    if not transformers and names != tuple(getattr(final, "feature_names_in_", names)):
        raise Unknown
    prepared = preparation(transformers, names)
    if prepared.width != final.n_features_in_:
        raise Unknown
    found = _additive(prepared, machine) if isinstance(machine, Linear) else None
    return found or Dense(prepared, machine)


def _machine(final: Any) -> Machine:
    make = MACHINES.get(type(final))
    machine = make(final) if make else None
    if machine is None:
        raise Unknown
    return machine


def _unscaled(model: TransformedTargetRegressor, transformers: Sequence[Any], names: Names) -> Answering:
    if type(model.transformer_) is not StandardScaler:
        raise Unknown
    inner = _compiled([*transformers, *flat(model.regressor_)], names)
    return Unscaled(inner, model.transformer_, is_flat=model._training_dim == 1)


def _additive(prepared: Preparation, machine: Linear) -> Answering | None:
    """The model of what stands before the scalers, block by block; None if steps are left for the whole."""
    whole, left = folded(machine, prepared.steps)
    if left:
        return None
    numbers, parts = [], []
    tables: list[tuple[str, Table]] = []
    bias, constant = whole.bias, whole.constant
    for block in prepared.blocks:
        weights = whole.weights[:, block.places]
        if isinstance(block, WordBlock):
            tables += [(block.names[table.column], _scored(table, weights)) for table in block.tables]
            continue
        part, steps = folded(Linear(weights, 0 * bias, whole.reading), block.steps)
        numbers.append(NumberBlock(block.source, steps, block.places))
        parts.append(part.weights)
        bias, constant = bias + part.bias, constant + part.constant
    constant += sum(float(np.abs(np.nan_to_num(table.rows)).max()) for _, table in tables)
    weights = np.concatenate(parts, axis=1) if parts else np.zeros((len(bias), 0))
    return Additive(
        Linear(weights, bias, whole.reading, constant), numbers, Terms(tables) if tables else None
    )


def _scored(table: Table, weights: Matrix) -> Table:
    """Each word with what it adds to the scores."""
    return replace(table, rows=table.rows.dot(weights[:, table.places].T))


class Dense:
    """Any machine, on the matrix that the preparation makes."""

    def __init__(self, prepared: Preparation, machine: Machine) -> None:
        self.methods = machine.methods
        self._prepared = prepared
        self._machine = machine

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer:
        return self._machine.answer(self._prepared.matrix(batch), methods)


class Additive:
    """A linear model, whose score is a sum: no matrix of all columns is made, words add theirs."""

    def __init__(self, model: Linear, numbers: Sequence[NumberBlock], terms: "Terms | None") -> None:
        self.methods = model.methods
        self._model = model
        self._numbers = tuple(numbers)
        self._terms = terms

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer:
        beside = self._terms.scores(batch) if self._terms else None
        return self._model.answer(self._matrix(batch), methods, beside)

    def _matrix(self, batch: Batch) -> Matrix:
        if len(self._numbers) == 1:
            return self._numbers[0].read(batch)
        if not self._numbers:
            return np.empty((rows_of(batch), 0))
        return np.concatenate([block.read(batch) for block in self._numbers], axis=1)


class Terms:
    """What columns of words add to the scores: the tables one below the other, so that one look-up does."""

    def __init__(self, tables: Sequence[tuple[str, Table]]) -> None:
        starts = accumulate((len(table.rows) for _, table in tables), initial=0)
        self._columns = [
            (name, table.column, table.codes.moved(start).__getitem__)
            for (name, table), start in zip(tables, starts, strict=False)
        ]
        rows = np.concatenate([table.rows for _, table in tables])
        self._rows = rows[:, 0] if rows.shape[1] == 1 else rows

    def scores(self, batch: Batch) -> Matrix:
        """As a linear model has them: one row, or one for each class or target."""
        parts = [
            self._rows.take(list(map(code, column(batch, name, place).tolist())), axis=0)
            for name, place, code in self._columns
        ]
        return reduce(np.add, parts).T


class Unscaled:
    """A regressor of a standardized target, in the target's own units."""

    def __init__(self, inner: Answering, scaler: StandardScaler, *, is_flat: bool) -> None:
        self.methods = inner.methods & {PREDICT}
        self._inner = inner
        self._spread = scaler.scale_ if scaler.with_std else 1.0
        self._mean = scaler.mean_ if scaler.with_mean else 0.0
        self._is_flat = is_flat

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer:
        answer = self._inner.answer(batch, methods)
        values = answer.outputs[PREDICT]
        values = values.reshape(len(values), -1) * self._spread + self._mean
        is_one = self._is_flat and values.shape[1] == 1
        return Answer({PREDICT: values[:, 0] if is_one else values}, None)
