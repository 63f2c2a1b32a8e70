"""How good answers are: the metrics, and what a manifest says of each.

Every metric is computed from weighted counts and sums: the same arithmetic gives those of the rows and of any
resample of them (`mlapi.training.evaluation.intervals`), in a fraction of the time of scikit-learn's
functions.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlapi.estimators.algorithms.declaration import CLASSIFICATION, REGRESSION
from mlapi.training.evaluation.answers import Answers, answers_of
from mlapi.training.evaluation.ranking import area, by_score, influence, ranked_classes

METRICS = {
    REGRESSION: ("r2", "rmse", "mae"),
    CLASSIFICATION: ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "log_loss"),
}
"""By task, the names that `evaluate` may give."""

PRIMARY = {REGRESSION: "r2", CLASSIFICATION: "accuracy"}
"""The metric that decides, where a recipe names none."""

OF_PROBABILITIES = frozenset({"roc_auc", "log_loss"})
"""The metrics that need probabilities."""

LOWER_IS_BETTER = frozenset({"rmse", "mae", "log_loss"})
"""The metrics that are errors; of the others a higher value is better."""

BOUNDS = {
    "r2": (-np.inf, 1.0),
    **dict.fromkeys(LOWER_IS_BETTER, (0.0, np.inf)),
    **dict.fromkeys(METRICS[CLASSIFICATION][:-1], (0.0, 1.0)),
}
"""The least and the highest value that each metric can have at all."""

MOST_EXACT = 20_000
"""Rows times curves up to which a resample's ROC AUC is computed anew; above, to first order."""

RowWeights: TypeAlias = NDArray[np.float64]
"""`(rows,)`: how often each row counts. What is counted by class has this type as well."""

Weighted: TypeAlias = Callable[[RowWeights], dict[str, float]]
"""Computes metrics by name from weights `(rows,)`; NaN where one is not defined."""


def is_worse(metric: str, one: float, other: float) -> bool:
    """Return whether the first value is worse than the second; NaN is worse than any value."""
    return not (one <= other if metric in LOWER_IS_BETTER else one >= other)


def evaluate(task: str, estimator: Any, X: Any, y: Any) -> dict[str, float]:
    """Return the metrics of a fitted estimator by name, without those that are not defined.

    Args:
        X: The rows `(rows, features)`, a DataFrame or a matrix, as the estimator was fitted on.
        y: Their target `(rows,)`.
    """
    return measure(answers_of(task, estimator, X, y))


def measure(answers: Answers) -> dict[str, float]:
    """Return the metrics by name, as `sklearn.metrics` has them, without those that are not defined.

    Precision, recall and F1 are of the second class where there are two (scikit-learn's positive one),
    else the unweighted mean over the classes; ROC AUC is one-versus-rest, and not defined where a class
    has no row.
    """
    values = weighted(answers, exact=True)(np.ones(len(answers)))
    return {name: float(value) for name, value in values.items() if np.isfinite(value)}


def weighted(answers: Answers, *, exact: bool = False) -> Weighted:
    """Return the metrics as a function of how often each row counts, `(rows,)`; NaN where one is not defined.

    With more rows than `MOST_EXACT`, ROC AUC is computed to first order in the weights, unless `exact` is
    asked for: a resample then costs 0.3 ms instead of 10 (250,000 rows, two classes).
    """
    parts = [_of_labels(answers)] if answers.classes else [_of_values(answers)]
    if answers.probabilities is not None:
        parts.append(_of_probabilities(answers))
        parts.append(_of_ranking(answers, exact=exact))

    def metrics(weights: RowWeights) -> dict[str, float]:
        return {name: value for part in parts for name, value in part(weights).items()}

    return metrics


def figures(
    values: Mapping[str, float],
    *,
    intervals: Mapping[str, tuple[float, float]],
    baseline: Mapping[str, float],
    cross_validated: Mapping[str, float],
) -> dict[str, dict[str, Any]]:
    """Return what a manifest says of each metric of `values`, as JSON has it; what is not known is left out.

    Args:
        intervals: Low and high by metric; a metric may be missing, here and in the next two.
        baseline: The metrics of guessing.
        cross_validated: The means over folds of the training rows.
    """
    return {
        name: {"value": value}
        | ({"interval": list(intervals[name])} if name in intervals else {})
        | ({"baseline": baseline[name]} if name in baseline else {})
        | ({"cross_validated": cross_validated[name]} if name in cross_validated else {})
        for name, value in values.items()
    }


unbounded = np.errstate(over="ignore", invalid="ignore")
"""For values like 1e300, whose squares are infinite: what is made of them is left out in the end."""


@unbounded
def _of_values(answers: Answers) -> Weighted:
    truth = answers.truth - answers.truth.mean()  # else a large mean takes R²'s digits
    error = answers.predicted - answers.truth
    columns = (truth, truth**2, error**2, np.abs(error))

    @unbounded
    def metrics(weights: RowWeights) -> dict[str, float]:
        mean, square, squared_error, mae = (_mean(column, weights) for column in columns)
        return {"r2": _r2(square - mean * mean, squared_error), "rmse": np.sqrt(squared_error), "mae": mae}

    return metrics


def _r2(variance: float, squared_error: float) -> float:
    """Compute 1 - mean squared error / variance; if the target does not vary, 1 where it is hit, else 0.

    The result is that of `sklearn.metrics.r2_score`.
    """
    if not np.isfinite(variance + squared_error):
        return np.nan
    if variance > 0:
        return 1 - squared_error / variance
    return 0.0 if squared_error else 1.0


def _of_labels(answers: Answers) -> Weighted:
    """Compute metrics of labels, by the cells of the confusion matrix that are not empty.

    There may be a thousand classes, and a million cells.
    """
    size = len(answers.classes)
    cells, cell = np.unique(answers.truth * size + answers.predicted, return_inverse=True)
    truth, predicted = np.divmod(cells, size)
    right = truth == predicted

    def metrics(weights: RowWeights) -> dict[str, float]:
        counts = np.bincount(cell, weights, len(cells))
        by_class = (
            np.bincount(classes, within, size).astype(np.float64, copy=False)
            for classes, within in ((truth[right], counts[right]), (truth, counts), (predicted, counts))
        )
        return _of_counts(*by_class)

    return metrics


def _of_counts(right: RowWeights, true: RowWeights, predicted: RowWeights) -> dict[str, float]:
    """Compute metrics from counts by class `(classes,)`: rows predicted right, rows of it, rows predicted so.

    The results are those of `accuracy_score`, `balanced_accuracy_score` and `precision_recall_fscore_support`
    of `sklearn.metrics`, and 0 where a share has no row.
    """
    recall = _share(right, true)
    present = slice(1, 2) if len(true) == 2 else (true + predicted) > 0
    return {
        "accuracy": right.sum() / true.sum(),
        "balanced_accuracy": recall[true > 0].mean(),
        "precision": _share(right, predicted)[present].mean(),
        "recall": recall[present].mean(),
        "f1": _share(2 * right, true + predicted)[present].mean(),
    }


def _share(part: RowWeights, whole: RowWeights) -> RowWeights:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _of_probabilities(answers: Answers) -> Weighted:
    assert answers.probabilities is not None  # noqa: S101 - for mypy: the caller has looked
    smallest = np.finfo(np.float64).eps  # the bounds that scikit-learn sets
    of_truth = answers.probabilities[np.arange(len(answers)), answers.truth]
    losses = -np.log(np.clip(of_truth, smallest, 1 - smallest))
    return lambda weights: {"log_loss": _mean(losses, weights)}


def _of_ranking(answers: Answers, *, exact: bool) -> Weighted:
    if len(answers.classes) < 2 or np.bincount(answers.truth, minlength=len(answers.classes)).min() == 0:
        return lambda _: {}
    codes = ranked_classes(answers)
    if exact:  # one class at a time: a hundred sorted classes of 250,000 rows would fill 600 MB
        return lambda weights: {
            "roc_auc": _of_known([area(by_score(answers, code), weights) for code in codes])
        }
    if len(codes) * len(answers) <= MOST_EXACT:
        ranked = [by_score(answers, code) for code in codes]
        return lambda weights: {"roc_auc": _of_known([area(each, weights) for each in ranked])}
    middle, effect = _to_first_order(answers)
    return lambda weights: {"roc_auc": min(1.0, middle + _mean(effect, weights))}


def _to_first_order(answers: Answers) -> tuple[float, RowWeights]:
    """Compute the area under the ROC curve of equal weights, and what each row's weight adds `(rows,)`."""
    areas, effect, codes = [], np.zeros(len(answers)), ranked_classes(answers)
    for code in codes:
        ranked = by_score(answers, code)
        areas.append(area(ranked, np.ones(len(answers))))
        effect += influence(ranked) / len(codes)
    return _of_known(areas), effect


def _mean(column: RowWeights, weights: RowWeights) -> float:
    """Compute the weighted mean of a column.

    `@` is not used: where other processes use the cores too, BLAS's threads wait 12 ms for a product that
    takes 0.2 ms.
    """
    return float(np.einsum("i,i->", column, weights) / weights.sum())


def _of_known(areas: list[float]) -> float:
    """Return the mean over the classes that have rows in a resample, NaN if none has."""
    known = [value for value in areas if np.isfinite(value)]
    return sum(known) / len(known) if known else np.nan
