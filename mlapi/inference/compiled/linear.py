"""Linear models as a matrix product, and what scikit-learn reads off its result.

A model with one row of coefficients gives one score a row. One with several gives a row of scores for each of
them: `(classes, rows)`, class by class, because numpy compares long rows much faster than many short ones.

How far rounding can be off is bounded by N. J. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd
ed., section 3.1. For the computed dot product of n numbers, in whatever order they are added,

    |fl(w . x) - w . x| <= n u / (1 - n u) * sum_j |w_j| |x_j|,    u = eps / 2 = 1.1e-16.

A label is decided by the difference of two scores. scikit-learn computes both and we compute both: four such
errors. A row whose score leads by more than all four together has scikit-learn's label.
"""

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlapi.data.labels import float64s_per_label
from mlapi.data.signature import Matrix
from mlapi.inference.compiled.final_estimator import (
    DECISION_FUNCTION,
    ERRORS,
    PREDICT,
    PREDICT_PROBA,
    Answer,
    ClassScores,
    Fallback,
    Margins,
    MethodOutputs,
    RowFlags,
    RowPredictions,
    RowScores,
    Uncompilable,
    logistic,
)

SMALLEST = 1e-250
"""Folded coefficients below it, zero aside, are not used: they may have lost digits by underflow."""

LARGEST = 1e250
"""Folded coefficients above it are not used: their products could overflow where scikit-learn's do not."""

_EPSILON = float(np.finfo(np.float64).eps)
"""Twice the unit roundoff u."""

_TINY = 1e-290
"""More than all products of a score lose together by underflow: each loses less than 1e-323."""


class DecisionHead(Protocol):
    """What is made of the scores of a linear model: labels or values, decisions and probabilities."""

    methods: frozenset[str]
    """The names of the methods that it has answers for."""

    @property
    def width(self) -> int:
        """How many numbers take as much memory as one label."""
        ...

    def outputs(self, scores: ClassScores, methods: Collection[str]) -> MethodOutputs:
        """Return what these methods give; those that are not among its own are left out."""
        ...

    def margin(self, scores: ClassScores) -> float | Margins | None:
        """Return by how much the score of each row's label leads; of a single row a plain number.

        None where there are no labels, and so nothing that rounding could turn.
        """
        ...

    def of_row(self, scores: Sequence[float]) -> tuple[RowPredictions, float]:
        """Return the prediction for one row, `(1,)` or `(1, targets)`, and by how much its score leads.

        Args:
            scores: One for each class or target.
        """
        ...


class Linear:
    """The scores `weights . x + bias` of each row x of a matrix, and what its decision head makes of them.

    `constant` is an upper bound of the terms of a score that do not depend on the matrix. With the terms that
    do, it bounds how far rounding can be off.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - three that are the model, three that bound its rounding
        self,
        weights: Matrix,
        bias: NDArray[np.float64],
        reading: DecisionHead,
        constant: float | None = None,
        reach: NDArray[np.float64] | None = None,
        terms: int | None = None,
    ) -> None:
        """
        Args:
            weights: (scores, columns), a row for each class or target.
            bias: (scores,).
            reading: The decision head; the name of the attribute is part of the stored form.
            constant: The largest |bias|, if it is None.
            reach: (columns,), of each column the largest size of what a weight is made of; if it is None the
                largest |weight|.
            terms: How many products are added for a score; if it is None one for each column.

        Raises:
            Uncompilable: The constant is so large that a sum could overflow.
        """
        self.weights, self.bias, self.reading = weights, bias, reading
        self.constant = float(np.abs(bias).max()) if constant is None else constant
        self.methods = reading.methods
        if not self.constant < LARGEST:
            raise Uncompilable
        self._is_single = len(weights) == 1
        self._row, self._start = np.ascontiguousarray(weights[0]), float(bias[0])
        self._starts = bias[:, None]
        self._reach = np.abs(weights).max(axis=0) if reach is None else reach
        # Four errors of n u each are 2 n eps. 16 more are for the bias, for what stands beside the matrix,
        # for scalers that were folded in, and for the divisor 1 - n u.
        self.roundings = 2 * ((weights.shape[1] if terms is None else terms) + 16) * _EPSILON
        self.least = self.roundings * self.constant + _TINY
        self._most = self.roundings * float(self._reach.max(initial=0.0))

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return max(len(self.weights), self.reading.width)

    @property
    def reach(self) -> NDArray[np.float64]:
        """`(columns,)`: of each column the largest size of what a weight is made of."""
        return self._reach

    @property
    def terms(self) -> int:
        """How many products are added for a score."""
        return round(self.roundings / (2 * _EPSILON)) - 16

    def answer(self, matrix: Matrix, methods: Collection[str], beside: ClassScores | None = None) -> Answer:
        """Return the outputs of these methods, and which labels rounding could have turned.

        Args:
            beside: More terms of the scores, in their shape, `(classes, rows)` or `(rows,)`.

        Raises:
            Fallback: A score is not finite.
        """
        scores = self._scores(matrix)
        if beside is not None:
            scores += beside
        if not math.isfinite(scores.item() if scores.size == 1 else scores.sum()):
            raise Fallback
        uncertain = self._uncertain(matrix, scores) if PREDICT in methods else None
        errors = self._bounds(matrix) if ERRORS in methods else 0.0
        return Answer(self.reading.outputs(scores, methods), uncertain, errors)

    def _scores(self, matrix: Matrix) -> ClassScores:
        if self._is_single:
            scores: ClassScores = matrix.dot(self._row)
            scores += self._start
        else:
            scores = self.weights.dot(matrix.T)
            scores += self._starts
        return scores

    def _uncertain(self, matrix: Matrix, scores: ClassScores) -> RowFlags | None:
        """Return the rows whose label rounding could have changed; None if there is none."""
        margin = self.reading.margin(scores)
        if margin is None:
            return None
        if isinstance(margin, float):
            return None if margin > self._bounds(matrix).item() else np.ones(1, dtype=bool)
        # First one bound for all rows, which is larger than each row's own: it costs a tenth of these, and
        # leaves few rows to look at one by one.
        close = np.flatnonzero(~(margin > self._most * _bound_of_sizes(matrix) + self.least))
        if not close.size:
            return None
        near = close[~(margin[close] > self._bounds(matrix[close]))]
        uncertain = np.zeros(len(margin), dtype=bool)
        uncertain[near] = True
        return uncertain if near.size else None

    def _bounds(self, matrix: Matrix) -> Margins:
        """Return for each row an upper bound of the error of a margin.

        It is `roundings * (sum_j reach_j |x_j| + constant) + _TINY`. The sum is an upper bound of
        `sum_j |w_j| |x_j|` for the weights w of any class, since `reach_j` is the largest `|w_j|`.
        """
        bounds: Margins = np.abs(matrix).dot(self._reach)
        bounds *= self.roundings
        bounds += self.least
        return bounds


def _bound_of_sizes(matrix: Matrix) -> float:
    """Return an upper bound of the sum of |x| over all numbers x of a matrix, and so over those of any row.

    By one dot product: the sum is at most `sqrt(count * sum of x^2)` (Cauchy and Schwarz).
    """
    flat = matrix.ravel(order="K")
    return math.sqrt(flat.size * float(flat.dot(flat)))


class Values:
    """The decision head of a regressor: its scores are its values."""

    methods = frozenset({PREDICT})
    width = 1

    def __init__(self, *, is_flat: bool) -> None:
        """
        Args:
            is_flat: Whether one target gives `(rows,)`; else it gives `(rows, 1)`.
        """
        self._is_flat = is_flat

    def outputs(self, scores: ClassScores, methods: Collection[str]) -> MethodOutputs:
        """Return the values, `(rows,)` or `(rows, targets)`, whatever is asked for."""
        if scores.ndim == 1:
            return {PREDICT: scores if self._is_flat else scores[:, None]}
        return {PREDICT: scores.T}

    def margin(self, scores: ClassScores) -> None:
        """Return None: there are no labels."""

    def of_row(self, scores: Sequence[float]) -> tuple[RowPredictions, float]:
        """Return the values of one row, `(1,)` or `(1, targets)`; nothing can turn them."""
        values = np.array(scores)
        return (values if self._is_flat else values[None, :]), math.inf


class TwoClasses:
    """The decision head of two classes with one score, `(rows,)`: the second class where it is positive."""

    def __init__(self, classes: NDArray[Any], *, has_probabilities: bool) -> None:
        """
        Args:
            classes: (2,), the labels.
            has_probabilities: Whether the logistic function of the score is the second class's probability.
        """
        probabilities = {PREDICT_PROBA} if has_probabilities else set()
        self.methods = frozenset({PREDICT, DECISION_FUNCTION} | probabilities)
        self._classes = classes
        self._alone = _one_by_one(classes)

    @property
    def width(self) -> int:
        """How many numbers take as much memory as one label."""
        return float64s_per_label(self._classes)

    def outputs(self, scores: ClassScores, methods: Collection[str]) -> MethodOutputs:
        """Return labels and decisions, `(rows,)` each, and probabilities, `(rows, 2)`, if asked for."""
        outputs: MethodOutputs = {}
        if PREDICT in methods:
            outputs[PREDICT] = self._labels(scores)
        if DECISION_FUNCTION in methods:
            outputs[DECISION_FUNCTION] = scores
        if PREDICT_PROBA in methods:
            outputs[PREDICT_PROBA] = self._probabilities(scores)
        return outputs

    def margin(self, scores: ClassScores) -> float | Margins:
        """Return how far each score is from zero, where the label turns."""
        return abs(scores.item()) if scores.size == 1 else np.abs(scores)

    def of_row(self, scores: Sequence[float]) -> tuple[RowPredictions, float]:
        """Return the label of one row, `(1,)` and read-only, and how far its score is from zero."""
        score = scores[0]
        return self._alone[score > 0], abs(score)

    def _labels(self, scores: ClassScores) -> RowPredictions:
        if scores.size == 1:
            return self._alone[scores.item() > 0]
        return self._classes.take((scores > 0).view(np.int8))

    def _probabilities(self, scores: ClassScores) -> RowScores:
        probabilities = np.empty((len(scores), 2))
        probabilities[:, 1] = logistic(scores)
        np.subtract(1, probabilities[:, 1], out=probabilities[:, 0])
        return probabilities


class ManyClasses:
    """The decision head of three classes or more: the class with the highest score, the first if some are
    equal."""

    def __init__(self, classes: NDArray[Any], normalize: Callable[[ClassScores], ClassScores] | None) -> None:
        """
        Args:
            classes: (classes,), the labels.
            normalize: Makes probabilities of scores; None for a model that has none.
        """
        self.methods = frozenset({PREDICT, DECISION_FUNCTION} | ({PREDICT_PROBA} if normalize else set()))
        self._classes = classes
        self._alone = _one_by_one(classes)
        self._normalize = normalize

    @property
    def width(self) -> int:
        """How many numbers take as much memory as one label."""
        return float64s_per_label(self._classes)

    def outputs(self, scores: ClassScores, methods: Collection[str]) -> MethodOutputs:
        """Return labels, `(rows,)`, decisions and probabilities, `(rows, classes)` each, if asked for."""
        outputs: MethodOutputs = {}
        if PREDICT in methods:
            outputs[PREDICT] = self._classes.take(scores.argmax(axis=0))
        if DECISION_FUNCTION in methods:
            outputs[DECISION_FUNCTION] = scores.T
        if PREDICT_PROBA in methods and self._normalize:
            outputs[PREDICT_PROBA] = self._normalize(scores).T
        return outputs

    def of_row(self, scores: Sequence[float]) -> tuple[RowPredictions, float]:
        """Return the label of one row, `(1,)` and read-only, and how far the next class is behind."""
        *_, second, first = sorted(scores)
        return self._alone[scores.index(first)], first - second

    def margin(self, scores: ClassScores) -> float | Margins:
        """Return how far the highest score of each row is above the second highest."""
        if scores.shape[1] == 1:
            *_, second, first = sorted(scores.ravel().tolist())
            return float(first - second)
        best, next_best = scores[0], np.full(scores.shape[1], -np.inf)
        for row in scores[1:]:
            next_best = np.maximum(next_best, np.minimum(best, row))
            best = np.maximum(best, row)
        lead: Margins = best - next_best
        return lead


def _one_by_one(classes: NDArray[Any]) -> list[NDArray[Any]]:
    """Return an array `(1,)` for each label: the answer to a single row."""
    labels = [classes[place : place + 1].copy() for place in range(len(classes))]
    for label in labels:
        label.flags.writeable = False  # every request for one row shares them
    return labels


def softmax(scores: ClassScores) -> ClassScores:
    """Return the probabilities of a multinomial model, `(classes, rows)`, in a new array.

    As `sklearn.utils.extmath.softmax`, which has rows first.
    """
    probabilities: ClassScores = np.exp(scores - scores.max(axis=0))
    probabilities /= probabilities.sum(axis=0)
    return probabilities


def shares(scores: ClassScores) -> ClassScores:
    """Return the probabilities of one classifier for each class, scaled to add up to 1, `(classes, rows)`.

    As `sklearn.multiclass.OneVsRestClassifier.predict_proba`: where all are 0 they stay 0.
    """
    probabilities: ClassScores = logistic(scores)
    sums = probabilities.sum(axis=0)
    np.divide(probabilities, sums, out=probabilities, where=sums != 0)
    return probabilities
