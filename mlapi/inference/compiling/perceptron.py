"""Fitted multi-layer perceptrons of scikit-learn -> `mlapi.inference.compiled.perceptron`."""

from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor

from mlapi.inference.compiled.perceptron import (
    ACTIVATIONS,
    Perceptron,
    PerceptronClassifier,
    PerceptronRegressor,
)
from mlapi.inference.compiling.compilers import Compilers


def _classifier(model: MLPClassifier) -> PerceptronClassifier | None:
    """Compile a classifier; None if it has several labels a row."""
    last = "logistic" if model.n_outputs_ == 1 else "softmax"
    layers = _layers(model)
    is_one_label = isinstance(model.classes_, np.ndarray) and len(model.classes_) == max(2, model.n_outputs_)
    if layers is None or not is_one_label or model.out_activation_ != last:
        return None
    return PerceptronClassifier(layers, model.classes_)


def _regressor(model: MLPRegressor) -> PerceptronRegressor | None:
    """Compile a regressor; None if it ends in another function than none, as that of counts does."""
    layers = _layers(model)
    return PerceptronRegressor(layers) if layers and model.out_activation_ == "identity" else None


def _layers(model: Any) -> Perceptron | None:
    """Return the layers; None if they are not float64, or have a function that is not known."""
    layers = list(zip(model.coefs_, model.intercepts_, strict=True))
    are_float64 = all(array.dtype == np.float64 for layer in layers for array in layer)
    is_known = isinstance(model.activation, str) and model.activation in ACTIVATIONS
    return Perceptron(layers, model.activation) if are_float64 and is_known else None


COMPILERS: Compilers = {MLPClassifier: _classifier, MLPRegressor: _regressor}
"""By class of perceptron, what compiles it."""
