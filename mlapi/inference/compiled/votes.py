"""From the decisions of several binary classifiers to one class a row, as libsvm and scikit-learn do it.

With each label goes whether it is uncertain: whether decisions that differ from these by no more than the
bounds of their errors could have given another label. Knows no kernels.
"""

from collections.abc import Callable
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlapi.data.signature import Matrix
from mlapi.inference.compiled.final_estimator import RowFlags, RowScores
from mlapi.inference.compiled.kernels import EPSILON

VoteResult: TypeAlias = tuple[NDArray[np.intp], RowScores, RowFlags | None]
"""Of each row the number of its class `(rows,)`, its scores as scikit-learn's `decision_function` has them,
`(rows,)` or `(rows, classes)`, and whether its label is uncertain `(rows,)`; None where no row's is."""

Vote: TypeAlias = Callable[[Matrix, Matrix], VoteResult]
"""Decisions `(rows, decisions)`, and for each decision a bound of its errors `(decisions,)` -> the result of
the vote."""

_FIRST_OR_SECOND = (np.array([0]), np.array([1]))
"""The two answers to a single row, which are never written to."""


class OneVsOne:
    """libsvm's votes: each pair of classes gives one, and the class with most votes wins; of equal ones the
    first.

    Scores are the pairs' decisions, or the votes plus a fraction that says how clear they were
    (scikit-learn 1.9, `sklearn.utils.multiclass._ovr_decision_function`).
    """

    def __init__(self, classes: int, pairs: bool, break_ties: bool) -> None:
        """
        Args:
            classes: How many there are.
            pairs: Whether the scores are the pairs' decisions, `(rows, pairs)`; else `(rows, classes)`.
            break_ties: Whether the highest score wins instead of the first of those with most votes.
        """
        self.pairs, self.break_ties = pairs, break_ties
        places = list(combinations(range(classes), 2))
        self.signs = np.zeros((len(places), classes))  # 1 for a pair's first class, -1 for its second
        for row, (first, second) in zip(self.signs, places, strict=True):
            row[first], row[second] = 1, -1
        # A class that loses to every later one still has the votes of the pairs in which it is the second.
        self.as_second = np.arange(classes)

    def __call__(self, decisions: Matrix, errors: Matrix) -> VoteResult:
        """Count the votes of the decisions `(rows, pairs)`."""
        uncertain = np.logical_not((np.abs(decisions) > errors).all(axis=1))
        votes = (decisions > 0).astype(np.float64).dot(self.signs) + self.as_second
        if self.pairs:
            return votes.argmax(axis=1), decisions, uncertain
        confidences = decisions.dot(self.signs)
        scores = votes + confidences / (3 * (np.abs(confidences) + 1))
        if not self.break_ties:
            return votes.argmax(axis=1), scores, uncertain
        tied = _close(scores, self._error(decisions, errors))
        return scores.argmax(axis=1), scores, np.logical_or(uncertain, tied)

    def _error(self, decisions: Matrix, errors: Matrix) -> float:
        """Return an upper bound of the error of the difference of two scores.

        A score changes by at most a third of what its confidence does, and that is a sum over the pairs of
        one class, fewer than there are classes.
        """
        classes = len(self.as_second)
        rounding = classes * EPSILON * (float(np.abs(decisions).max()) + 1)
        return classes * (float(errors.max()) + rounding)


def of_two(decisions: Matrix, errors: Matrix) -> VoteResult:
    """Return the second class where the one decision `(rows, 1)` is positive."""
    scores = decisions[:, 0]
    if len(scores) == 1:
        score = scores.item()
        uncertain = None if abs(score) > errors.item() else np.ones(1, dtype=np.bool_)
        return _FIRST_OR_SECOND[score > 0], scores, uncertain
    return (scores > 0).astype(np.intp), scores, np.logical_not(np.abs(scores) > errors)


def highest(scores: Matrix, errors: Matrix) -> VoteResult:
    """Return the class with the highest decision, of one versus the rest, `(rows, classes)`."""
    error = 2 * (float(errors.max()) + EPSILON * float(np.abs(scores).max()))
    return scores.argmax(axis=1), scores, _close(scores, error)


def _close(scores: RowScores, error: float) -> RowFlags:
    """Return the rows whose two highest scores differ by no more than `error`, or are not numbers."""
    best = np.partition(scores, -2, axis=1)
    is_close: RowFlags = np.logical_not(best[:, -1] - best[:, -2] > error)
    return is_close
