"""How well scores put the rows of a class before the others: the area under the ROC curve, and the curves.

Of two classes the second one's scores count, of several each one's against all others (one-versus-rest), and
the area is the plain mean over the classes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlapi.training.evaluation.answers import Answers


class Sorted(NamedTuple):
    """One class's rows by rising score: which rows, whether they are of the class, and for each the first
    and the past-last place of the rows that share its score."""

    order: NDArray[np.intp]
    positive: NDArray[np.bool_]
    first: NDArray[np.intp]
    last: NDArray[np.intp]


class Curve(NamedTuple):
    """One class's trade-offs, a point a threshold, from the strictest."""

    false_positives: NDArray[np.float64]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]


def sides(answers: Answers) -> range:
    """The classes that have a curve."""
    return range(1, 2) if len(answers.classes) == 2 else range(len(answers.classes))


def by_score(answers: Answers, which: int) -> Sorted:
    assert answers.probabilities is not None  # noqa: S101 - for mypy: callers have looked
    scores = answers.probabilities[:, which]
    order = np.argsort(scores)
    ranked = scores[order]
    starts = np.flatnonzero(np.diff(ranked, prepend=np.nan) != 0)
    sizes = np.diff(starts, append=len(ranked))
    first = np.repeat(starts, sizes)
    return Sorted(order, answers.truth[order] == which, first, first + np.repeat(sizes, sizes))


def area(ranked: Sorted, weights: NDArray[np.float64]) -> float:
    """Area under the ROC curve of rows that count so much, ties by half; NaN where one side is empty."""
    weights = weights[ranked.order]
    positive, negative = weights * ranked.positive, weights * ~ranked.positive
    pairs = positive.sum() * negative.sum()
    return float(np.einsum("i,i->", positive, _below(ranked, negative)) / pairs) if pairs else np.nan


def influence(ranked: Sorted) -> NDArray[np.float64]:
    """By row, how much the area changes as the row counts a little more, times the number of rows.

    To first order, area(w) = area(1) + influence @ w / rows (the components of DeLong, DeLong and
    Clarke-Pearson 1988).
    """
    positive = ranked.positive.astype(np.float64)
    negative = 1 - positive
    rows, positives = len(positive), positive.sum()
    beaten = _below(ranked, negative) / (rows - positives)
    beating = 1 - _below(ranked, positive) / positives
    middle = beaten[ranked.positive].mean()
    found = np.empty(rows)
    found[ranked.order] = np.where(
        ranked.positive,
        (beaten - middle) * rows / positives,
        (beating - middle) * rows / (rows - positives),
    )
    return found


def curve(answers: Answers, which: int) -> Curve:
    """The trade-offs of one class; it must have rows on both sides."""
    ranked = by_score(answers, which)
    ends = np.unique(ranked.first)[::-1]
    positives = np.cumsum(ranked.positive[::-1])[::-1][ends]
    taken = len(ranked.order) - ends
    return Curve(
        (taken - positives) / (~ranked.positive).sum(),
        positives / ranked.positive.sum(),
        positives / taken,
    )


def _below(ranked: Sorted, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """By place, the weight of lower scores and half of that of equal ones."""
    total = np.concatenate(([0.0], np.cumsum(weights)))
    below: NDArray[np.float64] = (total[ranked.first] + total[ranked.last]) / 2
    return below
