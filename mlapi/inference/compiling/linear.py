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
from mlapi.inference.compiling.compilers import Compilers

FARTHEST = 1e4
"""How many standard deviations a column's mean may be from zero for its scaler to be folded into the
coefficients. Each power of ten loses a digit, and answers have to agree to 1e-9."""


def fold(linear: Linear, steps: Sequence[Step]) -> tuple[Linear, tuple[Step, ...]]:
    """Return the same model of what comes before its last scalers, and the steps that remain.

    With `scale = (x - subtract) / divide * multiply + add`, and w and b the model's weights and bias,

        w . scale + b = (w / divide * multiply) . x + (b - (w / divide * multiply) . subtract + w . add).

    A scaler whose column lies far from zero remains too: subtracting first, as scikit-learn does, keeps the
    digits that all its values share out of the sum.
    """
    remaining = list(steps)
    while remaining and isinstance(remaining[-1], Scale):
        simpler = _fold_one(linear, remaining[-1])
        if simpler is None:
            break
        linear = simpler
        remaining.pop()
    return linear, tuple(remaining)


def _fold_one(linear: Linear, scale: Scale) -> Linear | None:
    """Return the model with one scaler in its weights; None if that would lose digits or overflow."""
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
    are_usable = (linear.weights == 0) | ((sizes > SMALLEST) & (sizes < LARGEST))
    if not (are_usable.all() and (moved <= FARTHEST).all() and (terms < LARGEST).all()):
        return None
    return Linear(weights, bias, linear.reading, linear.constant + float(terms.max()))


def _regressor(model: Any) -> Linear | None:
    coefficients = np.asarray(model.coef_)
    return _linear(coefficients, model.intercept_, Values(is_flat=coefficients.ndim == 1))


def _classifier(model: Any) -> Linear | None:
    """Compile one of scikit-learn's `LinearClassifierMixin`, which reads labels off scores."""
    has_probabilities = hasattr(model, "predict_proba")
    head = _decision_head(model.classes_, softmax if has_probabilities else None)
    return _linear(model.coef_, model.intercept_, head)


def _logistic(model: Any) -> Linear | None:
    if getattr(model, "multi_class", "auto") not in ("auto", "multinomial", "deprecated"):
        return None
    return _classifier(model)


def _ridge_classifier(model: Any) -> Linear | None:
    is_multilabel = model._label_binarizer.y_type_.startswith("multilabel")
    return None if is_multilabel else _classifier(model)


def _one_vs_rest(model: Any) -> Linear | None:
    """Compile logistic regressions, one for each class: their coefficients one below the other."""
    kinds = set(map(type, model.estimators_))
    if kinds != {LogisticRegression} or model.multilabel_:
        return None
    head = _decision_head(model.classes_, shares)
    weights = np.concatenate([one.coef_ for one in model.estimators_])
    bias = np.concatenate([one.intercept_ for one in model.estimators_])
    return _linear(weights, bias, head)


def _decision_head(
    classes: Any, normalize: Callable[[ClassScores], ClassScores] | None
) -> DecisionHead | None:
    """Return what makes labels of scores; None if the labels are not those of one target.

    Args:
        normalize: Makes probabilities of the scores of more than two classes; None if there are none.
    """
    if not isinstance(classes, np.ndarray) or classes.ndim != 1 or len(classes) < 2:
        return None
    if len(classes) == 2:
        return TwoClasses(classes, has_probabilities=normalize is not None)
    return ManyClasses(classes, normalize)


def _linear(coefficients: Any, intercept: Any, head: DecisionHead | None) -> Linear | None:
    """Return the compiled model; None if its coefficients are no matrix of finite floats up to 64 bits."""
    weights = np.asarray(coefficients)
    if (
        head is None
        or weights.dtype.kind != "f"
        or weights.itemsize > 8
        or weights.ndim > 2
        or not weights.size
    ):
        return None
    weights = np.atleast_2d(weights).astype(np.float64)
    bias = np.broadcast_to(np.asarray(intercept, dtype=np.float64), len(weights)).copy()
    are_finite = np.isfinite(weights).all() and np.isfinite(bias).all()
    return Linear(weights, bias, head) if are_finite else None


COMPILERS: Compilers = {
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
"""By class of linear model, what compiles it."""
