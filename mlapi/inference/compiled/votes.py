"""From the decisions of several small machines to one class a row, as libsvm and scikit-learn come to it.

With each label goes whether it is doubtful: whether the decisions, within the bounds of their errors, could
have made another one. Knows no kernels.
"""

from collections.abc import Callable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mlapi.data.signature import Matrix
from mlapi.inference.compiled.kernels import EPSILON

Verdict = tuple[NDArray[np.intp], Matrix, NDArray[np.bool_] | None]
"""The place of each row's class, its scores (scikit-learn's `decision_function`), whether it is doubtful;
None where no row is."""

Vote = Callable[[Matrix, Matrix], Verdict]
"""Decisions (n, machines) and bounds of their errors, one a machine -> a verdict."""


_ONE_ROW = (np.array([0]), np.array([1]))
"""The two answers to a single row."""


class OneVsOne:
    """libsvm's votes: each pair gives one, the first of the classes with most of them wins.

    Scores are the pairs' decisions, or votes with confidences as fractions
    (scikit-learn 1.9, `sklearn.utils.multiclass._ovr_decision_function`).
    """

    def __init__(self, classes: int, pairs: bool, break_ties: bool) -> None:
        self.pairs, self.break_ties = pairs, break_ties
        places = list(combinations(range(classes), 2))
        self.signs = np.zeros((len(places), classes))  # 1 for a pair's first class, -1 for its second
        for row, (first, second) in zip(self.signs, places, strict=True):
            row[first], row[second] = 1, -1
        # A class that loses to every later one still has the votes of the pairs in which it is the second.
        self.as_second = np.arange(classes)

    def __call__(self, decisions: Matrix, errors: Matrix) -> Verdict:
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
        """How far the difference of two scores can be off: a confidence counts for a third at most."""
        classes = len(self.as_second)
        rounding = classes * EPSILON * (float(np.abs(decisions).max()) + 1)
        return classes * (float(errors.max()) + rounding)


def of_two(decisions: Matrix, errors: Matrix) -> Verdict:
    """The second class where its decision is positive."""
    scores = decisions[:, 0]
    if len(scores) == 1:
        score = scores.item()
        return _ONE_ROW[score > 0], scores, None if abs(score) > errors.item() else np.ones(1, dtype=np.bool_)
    return (scores > 0).astype(np.intp), scores, np.logical_not(np.abs(scores) > errors)


def highest(scores: Matrix, errors: Matrix) -> Verdict:
    """The class with the highest decision, one versus the rest."""
    error = 2 * (float(errors.max()) + EPSILON * float(np.abs(scores).max()))
    return scores.argmax(axis=1), scores, _close(scores, error)


def _close(scores: Matrix, error: float) -> NDArray[np.bool_]:
    """Where the two highest are not known to differ."""
    best = np.partition(scores, -2, axis=1)
    unsure: NDArray[np.bool_] = np.logical_not(best[:, -1] - best[:, -2] > error)
    return unsure
