"""Gaussian naive Bayes: for each class the likelihood of a row, from squares of distances."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.data.labels import float64s_per_label
from mlapi.data.signature import Matrix
from mlapi.inference.compiled.committees import lead, uncertain
from mlapi.inference.compiled.final_estimator import PREDICT, PREDICT_PROBA, Answer, Fallback, MethodOutputs
from mlapi.inference.compiled.kernels import EPSILON
from mlapi.inference.compiled.linear import softmax


class GaussianBayes:
    """The class with the highest likelihood; scikit-learn's terms are the same, added in another order."""

    methods = frozenset({PREDICT, PREDICT_PROBA})

    def __init__(
        self, means: Matrix, variances: Matrix, constants: NDArray[np.float64], classes: NDArray[Any]
    ) -> None:
        """
        Args:
            means, variances: (classes, columns).
            constants: (classes,), what a likelihood is of a row at the mean.
            classes: (classes,), the labels.
        """
        self._means, self._variances, self._constants = means, variances, constants
        self._classes = classes
        self._rounding = 2 * (means.shape[1] + 16) * EPSILON
        self._largest = float(np.abs(constants).max())

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return max(self._means.size, float64s_per_label(self._classes))

    def answer(self, matrix: Matrix, methods: Collection[str]) -> Answer:
        """Return labels, `(rows,)`, and probabilities, `(rows, classes)`.

        Raises:
            Fallback: A likelihood is not finite.
        """
        squares = (matrix[:, None, :] - self._means) ** 2 / self._variances
        distances = 0.5 * squares.sum(axis=2)
        likelihoods = self._constants - distances
        if not np.isfinite(likelihoods).all():
            raise Fallback
        errors = self._rounding * (distances.max(axis=1) + self._largest)
        outputs: MethodOutputs = {}
        flags = None
        if PREDICT in methods:
            outputs[PREDICT] = self._classes.take(likelihoods.argmax(axis=1))
            flags = uncertain(lead(likelihoods), errors)
        if PREDICT_PROBA in methods:
            outputs[PREDICT_PROBA] = softmax(likelihoods.T).T
        return Answer(outputs, flags, errors)
