"""More of what is made of the scores of a linear model: values of a log link, likelihoods, and shares of
probabilities."""

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.inference.compiled.final_estimator import (
    PREDICT,
    PREDICT_PROBA,
    ClassScores,
    Fallback,
    Margins,
    MethodOutputs,
    RowPredictions,
    logistic,
)
from mlapi.inference.compiled.linear import ManyClasses, softmax


class Exponential:
    """The decision head of a regressor with a log link: values are exponentials of scores, `(rows,)`."""

    methods = frozenset({PREDICT})
    width = 1

    def outputs(self, scores: ClassScores, methods: Collection[str]) -> MethodOutputs:
        """Return the values, `(rows,)`, whatever is asked for."""
        return {PREDICT: np.exp(scores)}

    def margin(self, scores: ClassScores) -> None:
        """Return None: there are no labels."""

    def of_row(self, scores: Sequence[float]) -> tuple[RowPredictions, float]:
        """Return the value of one row, `(1,)`; nothing can turn it."""
        return np.exp(np.array(scores)), math.inf


class Likelihoods:
    """The decision head of naive Bayes: scores are logarithms of what is proportional to probabilities."""

    methods = frozenset({PREDICT, PREDICT_PROBA})

    def __init__(self, classes: NDArray[Any]) -> None:
        """
        Args:
            classes: (classes,), the labels, two or more.
        """
        self._highest = ManyClasses(classes, softmax)

    @property
    def width(self) -> int:
        """How many numbers take as much memory as one label."""
        return self._highest.width

    def outputs(self, scores: ClassScores, methods: Collection[str]) -> MethodOutputs:
        """Return labels, `(rows,)`, and probabilities, `(rows, classes)`, if asked for."""
        return self._highest.outputs(scores, self.methods.intersection(methods))

    def margin(self, scores: ClassScores) -> float | Margins | None:
        """Return how far the highest score of each row is above the second highest."""
        return self._highest.margin(scores)

    def of_row(self, scores: Sequence[float]) -> tuple[RowPredictions, float]:
        """Return the label of one row, `(1,)` and read-only, and how far the next class is behind."""
        return self._highest.of_row(scores)


def normalized(scores: ClassScores) -> ClassScores:
    """Return the probabilities of one classifier for each class, scaled to add up to 1, `(classes, rows)`.

    As `sklearn.linear_model.SGDClassifier.predict_proba` with the loss `log_loss`.

    Raises:
        Fallback: All probabilities of a row are 0, where releases of scikit-learn differ.
    """
    probabilities: ClassScores = logistic(scores)
    sums = probabilities.sum(axis=0)
    if not sums.all():
        raise Fallback
    probabilities /= sums
    return probabilities
