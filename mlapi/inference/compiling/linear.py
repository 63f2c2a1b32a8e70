"""Fitted linear models -> `mlapi.inference.compiled.linear`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import linear_model
from sklearn._loss.link import IdentityLink, LogLink
from sklearn.cross_decomposition import PLSRegression
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    ElasticNet,
    ElasticNetCV,
    GammaRegressor,
    HuberRegressor,
    Lars,
    LarsCV,
    Lasso,
    LassoCV,
    LassoLars,
    LassoLarsCV,
    LassoLarsIC,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    MultiTaskElasticNet,
    MultiTaskElasticNetCV,
    MultiTaskLasso,
    MultiTaskLassoCV,
    OrthogonalMatchingPursuit,
    OrthogonalMatchingPursuitCV,
    Perceptron,
    PoissonRegressor,
    QuantileRegressor,
    RANSACRegressor,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
    SGDClassifier,
    SGDRegressor,
    TheilSenRegressor,
    TweedieRegressor,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
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
from mlapi.inference.compiled.links import Exponential, normalized
from mlapi.inference.compiled.steps import Scale
from mlapi.inference.compiling.compilers import Compilers
from mlapi.inference.compiling.folding import fold, sums_of


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


def _sgd_classifier(model: SGDClassifier) -> Linear | None:
    """Compile labels and decisions, and the probabilities of logistic regression alone."""
    head = _decision_head(model.classes_, normalized if model.loss == "log_loss" else None)
    return _linear(model.coef_, model.intercept_, head)


def _one_vs_rest(model: Any) -> Linear | None:
    """Compile linear classifiers, one for each class: their coefficients one below the other."""
    kinds = set(map(type, model.estimators_))
    if len(kinds) != 1 or not kinds <= _BINARY or model.multilabel_:
        return None
    head = _decision_head(model.classes_, shares if kinds == {LogisticRegression} else None)
    weights = np.concatenate([np.atleast_2d(one.coef_) for one in model.estimators_])
    bias = np.concatenate([np.ravel(one.intercept_) for one in model.estimators_])
    return _linear(weights, bias, head)


def _targets(model: MultiOutputRegressor) -> Linear | None:
    """Compile linear regressors, one for each target: their coefficients one below the other."""
    if not set(map(type, model.estimators_)) <= {*_OF_ONE_TARGET}:
        return None
    weights = [np.ravel(one.coef_) for one in model.estimators_]
    bias = [np.ravel(one.intercept_) for one in model.estimators_]
    return _linear(np.array(weights), np.concatenate(bias), Values(is_flat=False))


def _generalized(model: Any) -> Linear | None:
    """Compile a generalized linear model; None if its link is neither the identity nor the logarithm."""
    link = type(model._base_loss.link)
    heads: dict[type, DecisionHead] = {IdentityLink: Values(is_flat=True), LogLink: Exponential()}
    return _linear(model.coef_, model.intercept_, heads.get(link))


def _partial_least_squares(model: PLSRegression) -> Linear | None:
    """Compile the regression, which takes the mean off first; None if that would cost digits."""
    spread = np.where(model._x_std > 0, model._x_std, 1.0)
    inner = _linear(model.coef_ * spread, model.intercept_, Values(is_flat=model._predict_1d))
    if inner is None:
        return None
    sums, remaining = fold(sums_of(inner), [Scale(subtract=model._x_mean, divide=spread)])
    return None if remaining else sums.model(inner.reading)


def _consensus(model: RANSACRegressor) -> Linear | None:
    inner = model.estimator_
    return _regressor(inner) if type(inner) in _OF_ONE_TARGET else None


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


def _where_there_is(name: str) -> tuple[type, ...]:
    """Return the class of linear models of this name; nothing where this scikit-learn has none."""
    return (getattr(linear_model, name),) if hasattr(linear_model, name) else ()


_PASSIVE_CLASSIFIERS = _where_there_is("PassiveAggressiveClassifier")  # scikit-learn 1.10 removes them
_PASSIVE_REGRESSORS = _where_there_is("PassiveAggressiveRegressor")

_OF_ONE_TARGET: tuple[type, ...] = (
    *(ARDRegression, BayesianRidge, ElasticNet, ElasticNetCV, HuberRegressor, Lars, LarsCV, Lasso, LassoCV),
    *(LassoLars, LassoLarsCV, LassoLarsIC, LinearRegression, LinearSVR, OrthogonalMatchingPursuit),
    *(OrthogonalMatchingPursuitCV, QuantileRegressor, Ridge, RidgeCV, SGDRegressor, TheilSenRegressor),
    *_PASSIVE_REGRESSORS,
)
"""Regressors whose values are `X @ coef_.T + intercept_`."""

_BINARY = frozenset(
    {LinearSVC, LogisticRegression, Perceptron, RidgeClassifier, SGDClassifier, *_PASSIVE_CLASSIFIERS}
)
"""Classifiers of two classes whose one score is `X @ coef_.T + intercept_`."""

BOUNDED: tuple[type, ...] = (
    *_OF_ONE_TARGET,
    *(LinearDiscriminantAnalysis, LinearSVC, LogisticRegression, LogisticRegressionCV),
    *(*_PASSIVE_CLASSIFIERS, Perceptron, RidgeClassifier, RidgeClassifierCV),
)
"""Linear models whose values and probabilities are no further off than their scores: others make these larger
by a link, or by dividing by a sum."""

COMPILERS: Compilers = {
    **dict.fromkeys(
        (
            *_OF_ONE_TARGET,
            *(MultiTaskElasticNet, MultiTaskElasticNetCV, MultiTaskLasso, MultiTaskLassoCV),
        ),
        _regressor,
    ),
    **dict.fromkeys((GammaRegressor, PoissonRegressor, TweedieRegressor), _generalized),
    **dict.fromkeys((LinearDiscriminantAnalysis, LinearSVC, Perceptron, *_PASSIVE_CLASSIFIERS), _classifier),
    LogisticRegression: _logistic,
    LogisticRegressionCV: _logistic,
    MultiOutputRegressor: _targets,
    OneVsRestClassifier: _one_vs_rest,
    PLSRegression: _partial_least_squares,
    RANSACRegressor: _consensus,
    RidgeClassifier: _ridge_classifier,
    RidgeClassifierCV: _ridge_classifier,
    SGDClassifier: _sgd_classifier,
}
"""By class of linear model, what compiles it."""
