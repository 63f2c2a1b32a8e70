"""What an estimator can answer beside its prediction: the names that `include` takes, and how it is asked."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.inference.compiled.final_estimator import DECISION_FUNCTION, PREDICT, PREDICT_PROBA
from mlapi.inference.estimator_calls import (
    PREDICT_STD,
    final_of,
    gives_one_class,
    label_count,
    returns_std,
)

PROBABILITIES = "probabilities"
"""The output with a probability for each class, as `include` and answers call it."""

DECISION = "decision"
"""The output with the scores that labels are read off, as `include` and answers call it."""

STD = "std"
"""The output with the standard deviation of each prediction, where `predict` takes `return_std`."""

SCORES = "scores"
"""The output with how usual each row is: a mixture's log-likelihood, the score of an outlier detector."""

DISTANCES = "distances"
"""The output with the distance to each cluster."""

EMBEDDING = "embedding"
"""The output with what the final estimator makes of a row by `transform`."""

INTERVAL = "interval"
"""The output with the bounds between which each prediction's true value lies, as often as `coverage` says."""

METHODS: Mapping[str, str] = {
    PROBABILITIES: PREDICT_PROBA,
    DECISION: DECISION_FUNCTION,
    STD: PREDICT_STD,
    SCORES: "score_samples",
    DISTANCES: "transform",
    EMBEDDING: "transform",
    INTERVAL: "predict_interval",
}
"""The outputs that the estimator gives beside the prediction itself, and its method for each."""

EXPECTED = frozenset({PROBABILITIES, DECISION})
"""The outputs that every estimator gives which has their methods. Others are tried when it is published: a
version has those that its golden rows have."""


def outputs_of(estimator: Any) -> tuple[str, ...]:
    """Return the names of the outputs that an estimator can give beside its prediction."""
    return tuple(name for name in METHODS if _can_give(estimator, name))


def classes_of(estimator: Any) -> list[Any] | None:
    """Return the labels in the order of the columns of probabilities; of several targets a list for each.

    None for a regressor, and where one probability stands for more than two classes. The classes of a mixture
    are the numbers of its components; a label that a row has or has not is 1 or 0.
    """
    classes = getattr(estimator, "classes_", None)
    if isinstance(classes, np.ndarray):
        labels = label_count(estimator) if hasattr(estimator, PREDICT_PROBA) else 0
        return [[0, 1] for _ in range(labels)] or list(classes.tolist())
    if isinstance(classes, list):
        are_pairs = all(len(labels) == 2 for labels in classes)
        return (
            None
            if gives_one_class(estimator) and not are_pairs
            else [list(np.asarray(labels).tolist()) for labels in classes]
        )
    final = final_of(estimator)
    if hasattr(final, "weights_") and hasattr(final, "means_") and hasattr(estimator, PREDICT_PROBA):
        return list(range(len(final.weights_)))
    return None


def coverage_of(estimator: Any) -> float | None:
    """Return the share of rows that an estimator's intervals are meant to hold; None where it has none."""
    coverage = getattr(estimator, "coverage_", None)
    return float(coverage) if isinstance(coverage, float) and hasattr(estimator, METHODS[INTERVAL]) else None


def by_target(probabilities: NDArray[Any], classes: Sequence[Any]) -> NDArray[Any] | list[list[list[float]]]:
    """Return probabilities `(rows, targets, classes)` without the zeros behind those of fewer classes.

    Args:
        probabilities: Those of one target, `(rows, classes)`, stay as they are.
        classes: The labels of each target.
    """
    if probabilities.ndim < 3 or len({len(labels) for labels in classes}) == 1:
        return probabilities
    counts = [len(labels) for labels in classes]
    return [
        [chances[:count] for chances, count in zip(row, counts, strict=True)]
        for row in probabilities.tolist()
    ]


def _can_give(estimator: Any, name: str) -> bool:
    if name == STD:
        return returns_std(estimator)
    if name == INTERVAL:
        return coverage_of(estimator) is not None
    has_method = hasattr(estimator, METHODS[name])
    if name == PROBABILITIES:
        return has_method and classes_of(estimator) is not None
    if name in (DISTANCES, EMBEDDING):
        return has_method and _transforms_to(estimator) == name
    return has_method


def _transforms_to(estimator: Any) -> str | None:
    """Return the output that `transform` gives; None of votes and stacks, which give what their parts answer,
    and of a transformer, which predicts it."""
    if hasattr(final_of(estimator), "estimators_") or not hasattr(estimator, PREDICT):
        return None
    from sklearn.base import is_clusterer  # noqa: PLC0415 - only where an estimator is loaded

    return DISTANCES if is_clusterer(estimator) else EMBEDDING
