"""Fitted linear models -> `mlapi.inference.compiled.linear`, their scalers folded into the coefficients."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import (
    ElasticNet,
    ElasticNetCV,
    Lasso,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC, LinearSVR

from mlapi.inference.compiled.final_estimator import ClassScores
from mlapi.inference.compiled.linear import (
    LARGEST,
    SMALLEST,
    DecisionHead,
    Linear,
    ManyClasses,
    TwoClasses,
    Values,
    shares,
    softmax,
)
from mlapi.inference.compiled.steps import Scale, Step
from mlapi.inference.compiling.compilers import Machines

FARTHEST = 1e4
"""How many spreads a column's mean may be from zero for its scaler to be folded into the coefficients: each
power of ten is a digit lost, and 1e-9 is promised."""


def folded(linear: Linear, steps: Sequence[Step]) -> tuple[Linear, tuple[Step, ...]]:
    """The same model of what stands before its scalers, and the steps that are left.

    A scaler whose column lies far from zero is left too: subtracting first, as scikit-learn does, keeps the
    digits that all its values share out of the sum.
    """
    left = list(steps)
    while left and isinstance(left[-1], Scale):
        found = _folded(linear, left[-1])
        if found is None:
            break
        linear = found
        left.pop()
    return linear, tuple(left)


def _folded(linear: Linear, scale: Scale) -> Linear | None:
    ones = np.ones(linear.weights.shape[1])
    divide = ones if scale.divide is None else scale.divide
    multiply = ones if scale.multiply is None else scale.multiply
    subtract = 0 * ones if scale.subtract is None else scale.subtract
    add = 0 * ones if scale.add is None else scale.add
    weights = linear.weights / divide * multiply
    sizes = np.abs(weights)
    moved = np.maximum(np.abs(subtract / divide * multiply), np.abs(add))
    bias = linear.bias - weights.dot(subtract) + linear.weights.dot(add)
    terms = sizes.dot(np.abs(subtract)) + np.abs(linear.weights).dot(np.abs(add))
    is_kept = (linear.weights == 0) | ((sizes > SMALLEST) & (sizes < LARGEST))
    if not (is_kept.all() and (moved <= FARTHEST).all() and (terms < LARGEST).all()):
        return None
    return Linear(weights, bias, linear.reading, linear.constant + float(terms.max()))


def _regressor(model: Any) -> Linear | None:
    coefficients = np.asarray(model.coef_)
    return _linear(coefficients, model.intercept_, Values(is_flat=coefficients.ndim == 1))


def _classifier(model: Any) -> Linear | None:
    """One of scikit-learn's `LinearClassifierMixin`, which reads labels off scores."""
    has_probabilities = hasattr(model, "predict_proba")
    reading = _classes(model.classes_, softmax if has_probabilities else None)
    return _linear(model.coef_, model.intercept_, reading)


def _logistic(model: Any) -> Linear | None:
    if getattr(model, "multi_class", "auto") not in ("auto", "multinomial", "deprecated"):
        return None
    return _classifier(model)


def _ridge_classifier(model: Any) -> Linear | None:
    is_multilabel = model._label_binarizer.y_type_.startswith("multilabel")
    return None if is_multilabel else _classifier(model)


def _one_vs_rest(model: Any) -> Linear | None:
    """Of logistic regressions: the models' coefficients one below the other."""
    kinds = set(map(type, model.estimators_))
    if kinds != {LogisticRegression} or model.multilabel_:
        return None
    reading = _classes(model.classes_, shares)
    weights = np.concatenate([one.coef_ for one in model.estimators_])
    bias = np.concatenate([one.intercept_ for one in model.estimators_])
    return _linear(weights, bias, reading)


def _classes(classes: Any, normalize: Callable[[ClassScores], ClassScores] | None) -> DecisionHead | None:
    if not isinstance(classes, np.ndarray) or classes.ndim != 1 or len(classes) < 2:
        return None
    if len(classes) == 2:
        return TwoClasses(classes, has_probabilities=normalize is not None)
    return ManyClasses(classes, normalize)


def _linear(coefficients: Any, intercept: Any, reading: DecisionHead | None) -> Linear | None:
    weights = np.asarray(coefficients)
    if (
        reading is None
        or weights.dtype.kind != "f"
        or weights.itemsize > 8
        or weights.ndim > 2
        or not weights.size
    ):
        return None
    weights = np.atleast_2d(weights).astype(np.float64)
    bias = np.broadcast_to(np.asarray(intercept, dtype=np.float64), len(weights)).copy()
    are_finite = np.isfinite(weights).all() and np.isfinite(bias).all()
    return Linear(weights, bias, reading) if are_finite else None


MACHINES: Machines = {
    **dict.fromkeys(
        (LinearRegression, Ridge, RidgeCV, Lasso, LassoCV, ElasticNet, ElasticNetCV, LinearSVR), _regressor
    ),
    LogisticRegression: _logistic,
    LogisticRegressionCV: _logistic,
    RidgeClassifier: _ridge_classifier,
    RidgeClassifierCV: _ridge_classifier,
    LinearSVC: _classifier,
    OneVsRestClassifier: _one_vs_rest,
}
