"""How good a fitted model is on rows that it has not seen."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from mlapi.algorithms.declaration import CLASSIFICATION, REGRESSION

PRIMARY = {REGRESSION: "r2", CLASSIFICATION: "accuracy"}
"""The metric that decides, where a recipe names none."""

_LOWER_IS_BETTER = frozenset({"rmse", "mae", "log_loss"})


def is_worse(metric: str, one: float, other: float) -> bool:
    """Whether the first value is worse than the second; one that is not a number is worse than any."""
    return not (one <= other if metric in _LOWER_IS_BETTER else one >= other)


def evaluate(task: str, estimator: Any, X: NDArray[np.float64], y: NDArray[Any]) -> dict[str, float]:
    """The metrics that apply, by name.

    Precision, recall and F1 are of the second class where there are two (scikit-learn's positive one),
    else the unweighted mean over the classes; ROC AUC is one-versus-rest.
    """
    return {name: float(value) for name, value in _METRICS[task](estimator, X, y).items()}


def _regression(estimator: Any, X: NDArray[np.float64], y: NDArray[Any]) -> dict[str, float]:
    predicted = estimator.predict(X)
    return {
        "r2": metrics.r2_score(y, predicted),
        "rmse": metrics.root_mean_squared_error(y, predicted),
        "mae": metrics.mean_absolute_error(y, predicted),
    }


def _classification(estimator: Any, X: NDArray[np.float64], y: NDArray[Any]) -> dict[str, float]:
    predicted = estimator.predict(X)
    classes = estimator.classes_
    how: dict[str, Any] = ({"pos_label": classes[1]} if len(classes) == 2 else {"average": "macro"}) | {
        "zero_division": 0.0
    }
    found = {
        "accuracy": metrics.accuracy_score(y, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, predicted),
        "precision": metrics.precision_score(y, predicted, **how),
        "recall": metrics.recall_score(y, predicted, **how),
        "f1": metrics.f1_score(y, predicted, **how),
    }
    if hasattr(estimator, "predict_proba"):
        found |= _of_probabilities(estimator.predict_proba(X), y, classes)
    return found


def _of_probabilities(
    probabilities: NDArray[np.float64], y: NDArray[Any], classes: NDArray[Any]
) -> dict[str, float]:
    """ROC AUC only where every class occurs among the rows: without one it is not defined."""
    found = {"log_loss": metrics.log_loss(y, probabilities, labels=classes)}
    if len(np.unique(y)) == len(classes):
        scores = probabilities[:, 1] if len(classes) == 2 else probabilities
        found["roc_auc"] = metrics.roc_auc_score(y, scores, multi_class="ovr", labels=classes)
    return found


METRICS = {
    REGRESSION: ("r2", "rmse", "mae"),
    CLASSIFICATION: ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "roc_auc", "log_loss"),
}
"""By task, the names that `evaluate` may give."""

_METRICS: Mapping[str, Callable[..., dict[str, float]]] = {
    REGRESSION: _regression,
    CLASSIFICATION: _classification,
}
