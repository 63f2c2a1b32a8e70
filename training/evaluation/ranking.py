"""The area under the ROC curve, and the ROC and precision-recall curves, class by class.

Of two classes the second one's scores count, of several each one's against all others (one-versus-rest), as
`sklearn.metrics.roc_auc_score(multi_class="ovr")` has it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlapi.training.evaluation.answers import Answers


class Sorted(NamedTuple):
    """One class's rows by rising score; every array is `(rows,)`.

    `order` is which row stands at a place, and `positive` whether it is of the class. `first` is the first
    place of the rows that share its score, and `last` the place after the last of them.
    """

    order: NDArray[np.intp]
    positive: NDArray[np.bool_]
    first: NDArray[np.intp]
    last: NDArray[np.intp]


class Curve(NamedTuple):
    """One class's curves, a point for each threshold from the highest; every array is `(thresholds,)`."""

    false_positives: NDArray[np.float64]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]


def ranked_classes(answers: Answers) -> range:
    """Return the classes that have a curve, by their position."""
    return range(1, 2) if len(answers.classes) == 2 else range(len(answers.classes))


def by_score(answers: Answers, code: int) -> Sorted:
    """Sort the rows by their probability of one class; the answers must have probabilities."""
    assert answers.probabilities is not None  # noqa: S101 - for mypy: callers have looked
    scores = answers.probabilities[:, code]
    order = np.argsort(scores)
    ranked = scores[order]
    starts = np.flatnonzero(np.diff(ranked, prepend=np.nan) != 0)
    sizes = np.diff(starts, append=len(ranked))
    first = np.repeat(starts, sizes)
    return Sorted(order, answers.truth[order] == code, first, first + np.repeat(sizes, sizes))


def area(ranked: Sorted, weights: NDArray[np.float64]) -> float:
    """Compute the area under the ROC curve of rows with weights `(rows,)`; NaN where one side is empty.

    The area is the Mann-Whitney statistic: of all pairs of a row of the class and another row, the share in
    which the row of the class has the higher score. Ties count by half.
    """
    weights = weights[ranked.order]
    positive, negative = weights * ranked.positive, weights * ~ranked.positive
    pairs = positive.sum() * negative.sum()
    return float(np.einsum("i,i->", positive, _below(ranked, negative)) / pairs) if pairs else np.nan


def influence(ranked: Sorted) -> NDArray[np.float64]:
    """Return for each row `(rows,)` how much the area changes as it counts a little more, times all rows.

    To first order, area(w) = area(1) + influence @ w / rows (the components of DeLong, DeLong and
    Clarke-Pearson 1988).
    """
    positive = ranked.positive.astype(np.float64)
    negative = 1 - positive
    rows, positives = len(positive), positive.sum()
    beaten = _below(ranked, negative) / (rows - positives)
    beating = 1 - _below(ranked, positive) / positives
    middle = beaten[ranked.positive].mean()
    changes = np.empty(rows)
    changes[ranked.order] = np.where(
        ranked.positive,
        (beaten - middle) * rows / positives,
        (beating - middle) * rows / (rows - positives),
    )
    return changes


def curve(answers: Answers, code: int) -> Curve:
    """Compute the curves of one class, which must have rows of its own and others.

    The curves are those of `sklearn.metrics.roc_curve` and `precision_recall_curve`, with a point for every
    threshold.
    """
    ranked = by_score(answers, code)
    ends = np.unique(ranked.first)[::-1]
    positives = np.cumsum(ranked.positive[::-1])[::-1][ends]
    taken = len(ranked.order) - ends
    return Curve(
        (taken - positives) / (~ranked.positive).sum(),
        positives / ranked.positive.sum(),
        positives / taken,
    )


def _below(ranked: Sorted, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum for each place the weights of lower scores, and half of those of equal ones: `(rows,)`."""
    total = np.concatenate(([0.0], np.cumsum(weights)))
    below: NDArray[np.float64] = (total[ranked.first] + total[ranked.last]) / 2
    return below
