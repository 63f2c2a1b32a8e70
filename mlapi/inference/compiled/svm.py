"""Support vector machines as a few matrix products that give libsvm's own labels and values.

Each decision comes with a bound on how far it and libsvm's can lie apart. A row whose label could turn within
that bound is uncertain. Knows no pipelines: what comes in is what the fitted estimator would get.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.data.labels import float64s_per_label
from mlapi.data.signature import Matrix
from mlapi.inference.compiled.final_estimator import (
    DECISION_FUNCTION,
    PREDICT,
    PREDICT_PROBA,
    Answer,
    Fallback,
    MethodOutputs,
    RowScores,
    logistic,
)
from mlapi.inference.compiled.kernels import Kernel
from mlapi.inference.compiled.votes import Vote

UNDERFLOW = 1e-300
"""Below it, products lose digits that no relative bound counts."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """The decisions of a row: one of two classes or of a regressor, else one for each pair of classes, or of
    a linear classifier for each class."""

    kernel: Kernel
    coefficients: Matrix
    """`(vectors, decisions)`; of a linear kernel `(features, decisions)`, the support vectors summed."""
    intercepts: Matrix
    """`(decisions,)`."""
    sizes: Matrix
    """`(decisions,)`: an upper bound of the sum of each decision's |coefficients|; of a linear kernel of the
    length of its vector. The kernel's error times this is the decision's."""
    rows: int
    """How many rows are computed at once."""

    @property
    def width(self) -> int:
        """How many decisions it makes of one row."""
        return len(self.sizes)

    def __call__(self, matrix: Matrix) -> tuple[Matrix, Matrix]:
        """Return the decisions `(rows, decisions)`, and an upper bound of the error of each `(decisions,)`.

        Raises:
            Fallback: A row is not finite.
        """
        if len(matrix) <= self.rows:
            values, error = self.kernel(matrix)
            decisions = values.dot(self.coefficients)
        else:
            decisions = np.empty((len(matrix), len(self.sizes)))
            error = max(self._fill(decisions, matrix))
        decisions += self.intercepts
        # The intercept comes last here and in libsvm: what is rounded then cannot change the sign.
        return decisions, self.sizes * (error + UNDERFLOW)

    def _fill(self, decisions: Matrix, matrix: Matrix) -> Iterator[float]:
        """Write the decisions, some rows after the other, and yield the error of each part."""
        for start in range(0, len(matrix), self.rows):
            part = slice(start, start + self.rows)
            values, error = self.kernel(matrix[part])
            np.dot(values, self.coefficients, out=decisions[part])
            yield error


@dataclass(slots=True)
class Classifier:
    """A support vector classifier: labels and decisions."""

    decisions: Decisions
    vote: Vote
    classes: NDArray[Any]
    """`(classes,)`, the labels."""
    methods: frozenset[str] = frozenset({PREDICT, DECISION_FUNCTION})

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return max(self.decisions.width, float64s_per_label(self.classes))

    def answer(self, matrix: Matrix, methods: Collection[str]) -> Answer:
        """Return labels, `(rows,)`, and decisions, `(rows,)` or `(rows, classes)`, as they are asked for.

        Raises:
            Fallback: A row is not finite.
        """
        winners, scores, uncertain = self.vote(*self.decisions(matrix))
        outputs: MethodOutputs = {}
        if PREDICT in methods:
            outputs[PREDICT] = self.classes.take(winners)
        if DECISION_FUNCTION in methods:
            outputs[DECISION_FUNCTION] = scores
        return Answer(outputs, None if uncertain is None or not uncertain.any() else uncertain)


@dataclass(slots=True)
class Calibrated:
    """A classifier with probabilities: a sigmoid of each decision."""

    classifier: Classifier
    slopes: Matrix
    """`(classes,)`, or `(1,)` of two classes: what the sigmoid multiplies a decision by."""
    offsets: Matrix
    """`(classes,)`, or `(1,)` of two classes: what it adds."""
    methods: frozenset[str] = frozenset({PREDICT, DECISION_FUNCTION, PREDICT_PROBA})

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return self.classifier.width

    def answer(self, matrix: Matrix, methods: Collection[str]) -> Answer:
        """Return labels, decisions and probabilities, `(rows, classes)`, as they are asked for.

        Raises:
            Fallback: A row is not finite; or a label is uncertain, and so are the votes that probabilities
                are made of.
        """
        if PREDICT_PROBA not in methods:
            return self.classifier.answer(matrix, methods)
        answer = self.classifier.answer(matrix, {DECISION_FUNCTION, *methods})
        if answer.uncertain is not None:
            raise Fallback
        scores = answer.outputs[DECISION_FUNCTION]
        if DECISION_FUNCTION not in methods:  # only the probabilities needed it
            del answer.outputs[DECISION_FUNCTION]
        answer.outputs[PREDICT_PROBA] = _probabilities(scores, self.slopes, self.offsets)
        return answer


@dataclass(slots=True)
class Regressor:
    """A support vector regressor: one value a row."""

    decisions: Decisions
    methods: frozenset[str] = frozenset({PREDICT})

    @property
    def width(self) -> int:
        """How many numbers it makes of one row."""
        return self.decisions.width

    def answer(self, matrix: Matrix, methods: Collection[str]) -> Answer:
        """Return the values, `(rows,)`.

        Raises:
            Fallback: A value, or the bound of its error, is not finite.
        """
        decisions, errors = self.decisions(matrix)
        values = decisions[:, 0]
        if not (isfinite(errors[0]) and isfinite(values.sum())):
            raise Fallback
        return Answer({PREDICT: values}, None)


def _probabilities(scores: RowScores, slopes: Matrix, offsets: Matrix) -> RowScores:
    """Return the probabilities, `(rows, classes)`; where all are 0 each class gets the same.

    As scikit-learn 1.9 does it (`sklearn.calibration._CalibratedClassifier.predict_proba`).
    """
    sigmoids: RowScores = logistic(-(slopes * scores.reshape(len(scores), -1) + offsets))
    if sigmoids.shape[1] == 1:
        return np.hstack([1 - sigmoids, sigmoids])
    totals = sigmoids.sum(axis=1, keepdims=True)
    uniform = np.full_like(sigmoids, 1 / sigmoids.shape[1])
    probabilities: RowScores = np.divide(sigmoids, totals, out=uniform, where=totals != 0)
    return np.minimum(probabilities, 1, out=probabilities)
