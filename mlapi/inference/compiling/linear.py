"""Fitted linear models -> `mlapi.inference.compiled.linear`."""

from collections.abc import Callable
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
    DecisionHead,
    Linear,
    ManyClasses,
    TwoClasses,
    Values,
    shares,
    softmax,
)
from mlapi.inference.compiling.compilers import Compilers


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
