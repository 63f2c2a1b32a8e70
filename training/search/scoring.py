"""One metric of one fitted estimator, for fits that are only compared.

Computes nothing but what is asked for, since most metrics need no probabilities, and these cost as much as
the fit does for some estimators. What a published model's manifest says is the business of
`mlapi.training.evaluation.metrics`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

NEED_PROBABILITIES = frozenset({"roc_auc", "log_loss"})
"""The metrics of probabilities; the others are of predictions."""


def score(metric: str, estimator: Any, X: Any, y: NDArray[Any]) -> float:
    """Score a fitted estimator on rows, by a metric as `mlapi.training.evaluation.metrics` defines it.

    Only ROC AUC differs: it is the mean over the classes that have rows, since a fold may lack a rare one.

    Args:
        X: The rows `(rows, features)`, a DataFrame or a matrix, as the estimator was fitted on.
        y: Their target `(rows,)`.

    Raises:
        ValueError: It is not defined here: no probabilities, or rows of one class only.
    """
    if metric in NEED_PROBABILITIES:
        return float(_of_probabilities(metric, estimator, X, y))
    predicted = estimator.predict(X)
    if metric in _OF_A_CLASS:
        return float(_OF_A_CLASS[metric](y, predicted, zero_division=0.0, **_which_class(estimator)))
    return float(_OF_PREDICTIONS[metric](y, predicted))


def _of_probabilities(metric: str, estimator: Any, X: Any, y: NDArray[Any]) -> float:
    if not hasattr(estimator, "predict_proba"):
        raise ValueError(f"{metric} needs probabilities, and there are none")
    probabilities, classes = estimator.predict_proba(X), estimator.classes_
    if metric == "log_loss":
        return float(metrics.log_loss(y, probabilities, labels=classes))
    codes = [number for number, label in enumerate(classes) if 0 < np.sum(y == label) < len(y)]
    if not codes:
        raise ValueError("roc_auc needs rows of two classes at least on both sides of each split")
    areas = [metrics.roc_auc_score(y == classes[code], probabilities[:, code]) for code in codes]
    return float(np.mean(areas))


def _which_class(estimator: Any) -> dict[str, Any]:
    classes = estimator.classes_
    return {"pos_label": classes[1]} if len(classes) == 2 else {"average": "macro"}


_OF_PREDICTIONS: Mapping[str, Callable[..., float]] = {
    "r2": metrics.r2_score,
    "rmse": metrics.root_mean_squared_error,
    "mae": metrics.mean_absolute_error,
    "accuracy": metrics.accuracy_score,
    "balanced_accuracy": metrics.balanced_accuracy_score,
}

_OF_A_CLASS: Mapping[str, Callable[..., float]] = {
    "precision": metrics.precision_score,
    "recall": metrics.recall_score,
    "f1": metrics.f1_score,
}
