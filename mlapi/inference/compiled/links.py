"""More of what is made of the scores of a linear model: values of a log link, and shares of probabilities."""

import math
from collections.abc import Collection, Sequence

import numpy as np

from mlapi.inference.compiled.final_estimator import (
    PREDICT,
    ClassScores,
    Fallback,
    MethodOutputs,
    RowPredictions,
    logistic,
)


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
