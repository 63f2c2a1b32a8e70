"""Linear models as a matrix product, and what scikit-learn reads off its result.

A model of one row of coefficients gives a score a row, one of several a row of scores for each of them:
kept class by class, because numpy compares long rows much faster than many short ones.
"""

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlapi.data.labels import float64s_per_label
from mlapi.data.signature import Matrix
from mlapi.inference.compiled.final_estimator import Answer, Fallback, Uncompilable, logistic

Scores = NDArray[np.float64]


PREDICT, PROBABILITIES, DECISION = "predict", "predict_proba", "decision_function"


SMALLEST, LARGEST = 1e-250, 1e250
"""Folded coefficients outside are not kept: their products could overflow where scikit-learn's do not."""


_EPSILON = float(np.finfo(np.float64).eps)


_TINY = 1e-290
"""What products lose that are too small for a float64."""


class DecisionHead(Protocol):
    """What is read off the scores: one a row, or a row of them for each class or target."""

    methods: frozenset[str]

    @property
    def width(self) -> int:
        """How many numbers a label takes the place of."""
        ...

    def outputs(self, scores: Scores, methods: Collection[str]) -> dict[str, NDArray[Any]]: ...

    def margin(self, scores: Scores) -> float | NDArray[np.float64] | None:
        """By how much each row's label won, a number for a single row; None where there are no labels."""
        ...

    def of_row(self, scores: Sequence[float]) -> tuple[NDArray[Any], float]:
        """The prediction for a single row, and by how much it won."""
        ...


class Linear:
    """`weights` (scores, columns) and `bias` (scores) of the matrix that it is asked.

    `constant` bounds the terms of a score that do not depend on the matrix: with those that do, it says how
    far rounding can be off.
    """

    def __init__(
        self, weights: Matrix, bias: NDArray[np.float64], reading: DecisionHead, constant: float | None = None
    ) -> None:
        self.weights, self.bias, self.reading = weights, bias, reading
        self.constant = float(np.abs(bias).max()) if constant is None else constant
        self.methods = reading.methods
        if not self.constant < LARGEST:
            raise Uncompilable
        self._is_single = len(weights) == 1
        self._row, self._start = np.ascontiguousarray(weights[0]), float(bias[0])
        self._starts = bias[:, None]
        self._reach = np.abs(weights).max(axis=0)
        # Higham, "Accuracy and Stability of Numerical Algorithms", 3.1: a sum of n products is off by at most
        # n roundings of the sum of their sizes. Here are two such sums, scikit-learn's and this one, and a
        # margin is the difference of two scores.
        self.roundings = 2 * (weights.shape[1] + 16) * _EPSILON
        self.least = self.roundings * self.constant + _TINY
        self._most = self.roundings * float(self._reach.max(initial=0.0))

    @property
    def width(self) -> int:
        return max(len(self.weights), self.reading.width)

    def answer(self, matrix: Matrix, methods: Collection[str], beside: Scores | None = None) -> Answer:
        """
        Args:
            beside: More terms, of the shape of the scores.

        Raises:
            Unanswered: A score is not finite.
        """
        scores = self._scores(matrix)
        if beside is not None:
            scores += beside
        if not math.isfinite(scores.item() if scores.size == 1 else scores.sum()):
            raise Fallback
        uncertain = self._doubtful(matrix, scores) if PREDICT in methods else None
        return Answer(self.reading.outputs(scores, methods), uncertain)

    def _scores(self, matrix: Matrix) -> Scores:
        if self._is_single:
            scores: Scores = matrix.dot(self._row)
            scores += self._start
        else:
            scores = self.weights.dot(matrix.T)
            scores += self._starts
        return scores

    def _doubtful(self, matrix: Matrix, scores: Scores) -> NDArray[np.bool_] | None:
        """The rows whose label rounding could have changed."""
        margin = self.reading.margin(scores)
        if margin is None:
            return None
        if isinstance(margin, float):
            return None if margin > self._bounds(matrix).item() else np.ones(1, dtype=bool)
        # One bound for all rows costs a tenth of one for each, and leaves few of them.
        all_sizes = _sum_of_sizes(matrix)
        close = np.flatnonzero(~(margin > self._most * all_sizes + self.least))
        if not close.size:
            return None
        near = close[~(margin[close] > self._bounds(matrix[close]))]
        uncertain = np.zeros(len(margin), dtype=bool)
        uncertain[near] = True
        return uncertain if near.size else None

    def _bounds(self, matrix: Matrix) -> NDArray[np.float64]:
        sizes: NDArray[np.float64] = np.abs(matrix).dot(self._reach)
        sizes *= self.roundings
        sizes += self.least
        return sizes


def _sum_of_sizes(matrix: Matrix) -> float:
    """At least that, by one dot product (Cauchy and Schwarz)."""
    flat = matrix.ravel(order="K")
    return math.sqrt(flat.size * float(flat.dot(flat)))


class Values:
    """What a regressor says: its scores. `is_flat`: one number a row, not a row of one."""

    methods = frozenset({PREDICT})
    width = 1

    def __init__(self, *, is_flat: bool) -> None:
        self._is_flat = is_flat

    def outputs(self, scores: Scores, methods: Collection[str]) -> dict[str, NDArray[Any]]:
        if scores.ndim == 1:
            return {PREDICT: scores if self._is_flat else scores[:, None]}
        return {PREDICT: scores.T}

    def margin(self, scores: Scores) -> None:
        return None

    def of_row(self, scores: Sequence[float]) -> tuple[NDArray[Any], float]:
        found = np.array(scores)
        return (found if self._is_flat else found[None, :]), math.inf


class TwoClasses:
    """The second class where the score is positive."""

    def __init__(self, classes: NDArray[Any], *, has_probabilities: bool) -> None:
        self.methods = frozenset({PREDICT, DECISION} | ({PROBABILITIES} if has_probabilities else set()))
        self._classes = classes
        self._alone = _one_by_one(classes)

    @property
    def width(self) -> int:
        return float64s_per_label(self._classes)

    def outputs(self, scores: Scores, methods: Collection[str]) -> dict[str, NDArray[Any]]:
        found: dict[str, NDArray[Any]] = {}
        if PREDICT in methods:
            found[PREDICT] = self._labels(scores)
        if DECISION in methods:
            found[DECISION] = scores
        if PROBABILITIES in methods:
            found[PROBABILITIES] = self._probabilities(scores)
        return found

    def margin(self, scores: Scores) -> float | NDArray[np.float64]:
        return abs(scores.item()) if scores.size == 1 else np.abs(scores)

    def of_row(self, scores: Sequence[float]) -> tuple[NDArray[Any], float]:
        score = scores[0]
        return self._alone[score > 0], abs(score)

    def _labels(self, scores: Scores) -> NDArray[Any]:
        if scores.size == 1:
            return self._alone[scores.item() > 0]
        return self._classes.take((scores > 0).view(np.int8))

    def _probabilities(self, scores: Scores) -> NDArray[np.float64]:
        found = np.empty((len(scores), 2))
        found[:, 1] = logistic(scores)
        np.subtract(1, found[:, 1], out=found[:, 0])
        return found


class ManyClasses:
    """The class with the highest score. `normalize` makes probabilities of scores, if there are any."""

    def __init__(self, classes: NDArray[Any], normalize: Callable[[Scores], Scores] | None) -> None:
        self.methods = frozenset({PREDICT, DECISION} | ({PROBABILITIES} if normalize else set()))
        self._classes = classes
        self._alone = _one_by_one(classes)
        self._normalize = normalize

    @property
    def width(self) -> int:
        return float64s_per_label(self._classes)

    def outputs(self, scores: Scores, methods: Collection[str]) -> dict[str, NDArray[Any]]:
        found: dict[str, NDArray[Any]] = {}
        if PREDICT in methods:
            found[PREDICT] = self._classes.take(scores.argmax(axis=0))
        if DECISION in methods:
            found[DECISION] = scores.T
        if PROBABILITIES in methods and self._normalize:
            found[PROBABILITIES] = self._normalize(scores).T
        return found

    def of_row(self, scores: Sequence[float]) -> tuple[NDArray[Any], float]:
        *_, second, first = sorted(scores)
        return self._alone[scores.index(first)], first - second

    def margin(self, scores: Scores) -> float | NDArray[np.float64]:
        if scores.shape[1] == 1:
            *_, second, first = sorted(scores.ravel().tolist())
            return float(first - second)
        best, next_best = scores[0], np.full(scores.shape[1], -np.inf)
        for row in scores[1:]:
            next_best = np.maximum(next_best, np.minimum(best, row))
            best = np.maximum(best, row)
        lead: NDArray[np.float64] = best - next_best
        return lead


def _one_by_one(classes: NDArray[Any]) -> list[NDArray[Any]]:
    """The answers to single rows."""
    found = [classes[place : place + 1].copy() for place in range(len(classes))]
    for label in found:
        label.flags.writeable = False  # every request for one row shares them
    return found


def softmax(scores: Scores) -> Scores:
    """As `sklearn.utils.extmath.softmax`."""
    found: Scores = np.exp(scores - scores.max(axis=0))
    found /= found.sum(axis=0)
    return found


def shares(scores: Scores) -> Scores:
    """As `OneVsRestClassifier.predict_proba`: a row without any probability stays one."""
    found: Scores = logistic(scores)
    sums = found.sum(axis=0)
    np.divide(found, sums, out=found, where=sums != 0)
    return found
