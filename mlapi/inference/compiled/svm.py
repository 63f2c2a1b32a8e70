"""Support vector machines as a few matrix products that give libsvm's own labels and values.

Each decision comes with a bound on how far it and libsvm's can lie apart. A row whose label could turn within
that bound is called doubtful. Knows no pipelines: what comes in is what the fitted machine would get.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.data.labels import float64s_per_label
from mlapi.data.signature import Matrix
from mlapi.inference.compiled.final_estimator import Answer, Fallback, logistic
from mlapi.inference.compiled.kernels import Kernel
from mlapi.inference.compiled.votes import Vote

PREDICT, DECISION, PROBABILITIES = "predict", "decision_function", "predict_proba"


UNDERFLOW = 1e-300
"""Below it, products lose digits that no relative bound counts."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """Rows -> a column for each pair of classes (or one), and a bound on the error of each column."""

    kernel: Kernel
    coefficients: Matrix
    intercepts: Matrix
    sizes: Matrix
    """Of each column: what its coefficients add up to, signs aside."""
    rows: int
    """How many at once."""

    @property
    def width(self) -> int:
        return len(self.sizes)

    def __call__(self, matrix: Matrix) -> tuple[Matrix, Matrix]:
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
        for start in range(0, len(matrix), self.rows):
            part = slice(start, start + self.rows)
            values, error = self.kernel(matrix[part])
            np.dot(values, self.coefficients, out=decisions[part])
            yield error


@dataclass(slots=True)
class Classifier:
    """Labels and decisions."""

    decisions: Decisions
    vote: Vote
    classes: NDArray[Any]
    methods: frozenset[str] = frozenset({PREDICT, DECISION})

    @property
    def width(self) -> int:
        return max(self.decisions.width, float64s_per_label(self.classes))

    def answer(self, matrix: Matrix, methods: Collection[str]) -> Answer:
        winners, scores, uncertain = self.vote(*self.decisions(matrix))
        outputs: dict[str, NDArray[Any]] = {}
        if PREDICT in methods:
            outputs[PREDICT] = self.classes.take(winners)
        if DECISION in methods:
            outputs[DECISION] = scores
        return Answer(outputs, None if uncertain is None or not uncertain.any() else uncertain)


@dataclass(slots=True)
class Calibrated:
    """A classifier with probabilities: a sigmoid of each decision."""

    classifier: Classifier
    slopes: Matrix
    offsets: Matrix
    methods: frozenset[str] = frozenset({PREDICT, DECISION, PROBABILITIES})

    @property
    def width(self) -> int:
        return self.classifier.width

    def answer(self, matrix: Matrix, methods: Collection[str]) -> Answer:
        """
        Raises:
            Unanswered: Votes are doubtful, and probabilities are made of them.
        """
        if PROBABILITIES not in methods:
            return self.classifier.answer(matrix, methods)
        answer = self.classifier.answer(matrix, {DECISION, *methods})
        if answer.uncertain is not None:
            raise Fallback
        scores = answer.outputs[DECISION] if DECISION in methods else answer.outputs.pop(DECISION)
        answer.outputs[PROBABILITIES] = _probabilities(scores, self.slopes, self.offsets)
        return answer


@dataclass(slots=True)
class Regressor:
    """Values."""

    decisions: Decisions
    methods: frozenset[str] = frozenset({PREDICT})

    @property
    def width(self) -> int:
        return self.decisions.width

    def answer(self, matrix: Matrix, methods: Collection[str]) -> Answer:
        """
        Raises:
            Unanswered: A value is not finite, or not known well enough.
        """
        decisions, errors = self.decisions(matrix)
        values = decisions[:, 0]
        if not (isfinite(errors[0]) and isfinite(values.sum())):
            raise Fallback
        return Answer({PREDICT: values}, None)


def _probabilities(scores: Matrix, slopes: Matrix, offsets: Matrix) -> Matrix:
    """As scikit-learn 1.9 does it (`sklearn.calibration._CalibratedClassifier.predict_proba`)."""
    found: Matrix = logistic(-(slopes * scores.reshape(len(scores), -1) + offsets))
    if found.shape[1] == 1:
        return np.hstack([1 - found, found])
    totals = found.sum(axis=1, keepdims=True)
    uniform = np.full_like(found, 1 / found.shape[1])
    shares: Matrix = np.divide(found, totals, out=uniform, where=totals != 0)
    return np.minimum(shares, 1, out=shares)
