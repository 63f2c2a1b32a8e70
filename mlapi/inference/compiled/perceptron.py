"""Multi-layer perceptrons: a matrix product and a function of each number, layer by layer."""

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlapi.data.labels import float64s_per_label
from mlapi.data.signature import Matrix
from mlapi.inference.compiled.committees import lead, uncertain
from mlapi.inference.compiled.final_estimator import (
    PREDICT,
    PREDICT_PROBA,
    Answer,
    Fallback,
    Margins,
    MethodOutputs,
    logistic,
)
from mlapi.inference.compiled.kernels import EPSILON
from mlapi.inference.compiled.linear import softmax

Layer: TypeAlias = tuple[Matrix, NDArray[np.float64]]
"""The weights of a layer `(inputs, outputs)`, and its biases `(outputs,)`."""

ACTIVATIONS: Mapping[str, Callable[[Matrix], Matrix]] = MappingProxyType(
    {
        "identity": lambda values: values,
        "logistic": logistic,
        "relu": lambda values: np.maximum(values, 0),
        "tanh": np.tanh,
    }
)
"""By scikit-learn's name the function of each number of a hidden layer. None changes a difference to a larger
one."""


class Perceptron:
    """The layers, each with a bound of how far its numbers and scikit-learn's can lie apart."""

    def __init__(self, layers: Sequence[Layer], activation: str) -> None:
        """
        Args:
            activation: The name in `ACTIVATIONS` of the function of the hidden layers.
        """
        self._layers, self._activation = tuple(layers), activation
        self._sizes = [np.abs(weights) for weights, _ in self._layers]

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return max(len(bias) for _, bias in self._layers)

    def __call__(self, matrix: Matrix) -> Matrix:
        """Return the numbers of the last layer, `(rows, outputs)`.

        Raises:
            Fallback: One is not finite.
        """
        activate = ACTIVATIONS[self._activation]
        for place, (weights, bias) in enumerate(self._layers):
            matrix = (activate(matrix) if place else matrix) @ weights
            matrix += bias
        if not np.isfinite(matrix).all():
            raise Fallback
        return matrix

    def errors(self, matrix: Matrix) -> Margins:
        """Return an upper bound of how far the numbers can be from scikit-learn's, `(rows,)`.

        A dot product of n numbers is off by n u of the sum of the sizes of its terms (as in
        `mlapi.inference.compiled.linear`), here and there; and what comes in is off already.
        """
        activate = ACTIVATIONS[self._activation]
        errors = np.zeros_like(matrix)
        for place, ((weights, bias), sizes) in enumerate(zip(self._layers, self._sizes, strict=True)):
            if place:
                matrix = activate(matrix)
                errors = errors + 8 * EPSILON * (np.abs(matrix) + 1)
            rounding = (len(weights) + 8) * EPSILON
            errors = (errors + rounding * np.abs(matrix)) @ sizes + rounding * np.abs(bias)
            matrix = matrix @ weights + bias
        largest: Margins = errors.max(axis=1)
        return largest


class PerceptronClassifier:
    """Labels and probabilities of a perceptron."""

    methods = frozenset({PREDICT, PREDICT_PROBA})

    def __init__(self, layers: Perceptron, classes: NDArray[Any]) -> None:
        """
        Args:
            layers: They give one number for each class; of two classes one, of the second.
            classes: (classes,), the labels.
        """
        self._layers, self._classes = layers, classes

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return max(self._layers.width, float64s_per_label(self._classes))

    def answer(self, matrix: Matrix, methods: Collection[str]) -> Answer:
        """Return labels, `(rows,)`, and probabilities, `(rows, classes)`.

        Raises:
            Fallback: A number is not finite.
        """
        scores = self._layers(matrix)
        errors = self._layers.errors(matrix)
        if scores.shape[1] == 1:
            second = logistic(scores[:, 0])
            probabilities = np.stack([1 - second, second], axis=1)
            places, margins = second > 0.5, np.abs(scores[:, 0])
        else:
            probabilities = softmax(scores.T).T
            places, margins = scores.argmax(axis=1), lead(scores)
        outputs: MethodOutputs = {}
        flags = None
        if PREDICT in methods:
            # Probabilities that are equal once they are rounded give the first class: their scores are close.
            outputs[PREDICT] = self._classes.take(places)
            flags = uncertain(margins, errors + 8 * EPSILON)
        if PREDICT_PROBA in methods:
            outputs[PREDICT_PROBA] = probabilities
        return Answer(outputs, flags, errors)


class PerceptronRegressor:
    """The values of a perceptron."""

    methods = frozenset({PREDICT})

    def __init__(self, layers: Perceptron) -> None:
        self._layers = layers

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return self._layers.width

    def answer(self, matrix: Matrix, methods: Collection[str]) -> Answer:
        """Return the values, `(rows,)`, or `(rows, targets)` of several.

        Raises:
            Fallback: A value is not finite.
        """
        values = self._layers(matrix)
        return Answer({PREDICT: values[:, 0] if values.shape[1] == 1 else values}, None)
