"""Answers beyond `predict`: probabilities where they are unusual, how sure a number is, scores, distances."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.covariance import EllipticEnvelope
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import (
    ARDRegression,
    BayesianRidge,
    LinearRegression,
    LogisticRegression,
    QuantileRegressor,
)
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from compatibility import tables
from compatibility.case import Case, Fitted
from compatibility.cases.estimators import shuffled


def cases() -> Iterator[Case]:
    for name, (estimator, output, right) in _OUTPUTS.items():
        yield Case(
            "answers beyond predict", name, partial(_with_output, estimator, output, right), is_own=True
        )
    for name, make in _RESULTS.items():
        yield Case("answers beyond predict", name, make)
    for name, make in _STATSMODELS.items():
        yield Case("answers beyond predict", name, make, refusal=r"LinearRegression.*results\.params")


def _with_output(estimator: Any, output: str, right: Callable[[Any, Any], Any]) -> Fitted:
    rows = tables.flowers()
    estimator.fit(rows, tables.size())
    rows = shuffled(rows)
    return Fitted(estimator, rows, answers={output: right(estimator, rows)})


def _std(estimator: Any, rows: Any) -> Any:
    return estimator.predict(rows, return_std=True)[1]


def _scores(estimator: Any, rows: Any) -> Any:
    return estimator.score_samples(rows)


def _transformed(estimator: Any, rows: Any) -> Any:
    return estimator.transform(rows)


_OUTPUTS: Mapping[str, tuple[Any, str, Callable[[Any, Any], Any]]] = {
    "std of a Gaussian process": (GaussianProcessRegressor(alpha=0.1), "std", _std),
    "std of Bayesian ridge": (BayesianRidge(), "std", _std),
    "std of relevance": (ARDRegression(), "std", _std),
    "std in a pipeline": (make_pipeline(StandardScaler(), BayesianRidge()), "std", _std),
    "scores of an isolation forest": (IsolationForest(n_estimators=10, random_state=0), "scores", _scores),
    "scores of a mixture": (GaussianMixture(2, random_state=0), "scores", _scores),
    "scores of local outliers": (LocalOutlierFactor(novelty=True), "scores", _scores),
    "scores of a machine": (OneClassSVM(), "scores", _scores),
    "scores of an envelope": (EllipticEnvelope(random_state=0), "scores", _scores),
    "distances to clusters": (KMeans(3, n_init=2, random_state=0), "distances", _transformed),
    "distances in a pipeline": (
        make_pipeline(StandardScaler(), KMeans(3, n_init=2, random_state=0)),
        "distances",
        _transformed,
    ),
}


def _embedding() -> Fitted:
    """A pipeline that ends in a transformer has no predict: its answer is what it transforms to."""
    rows = tables.flowers()
    pipeline = make_pipeline(StandardScaler(), PCA(2)).fit(rows)
    rows = shuffled(rows)
    return Fitted(pipeline, rows, answers={"prediction": pipeline.transform(rows)})


def _mapie() -> Fitted:
    regression = import_module("mapie.regression")
    own = tables.flowers().to_numpy()
    conformal = regression.SplitConformalRegressor(LinearRegression().fit(own[::2], tables.size()[::2]), 0.9)
    conformal.conformalize(own[1::2], tables.size()[1::2])
    _, interval = conformal.predict_interval(own)
    rows = pd.DataFrame(own, columns=["a", "b", "c", "d"])
    return Fitted(conformal, rows, own, {"interval": np.squeeze(interval, -1)})


def _mapie_crosswise() -> Fitted:
    kind = import_module("mapie.regression").CrossConformalRegressor
    own = tables.flowers()
    return _with_interval(kind(LinearRegression(), 0.8, cv=3).fit_conformalize(own, tables.size()), own)


def _mapie_bootstrap() -> Fitted:
    kind = import_module("mapie.regression").JackknifeAfterBootstrapRegressor
    own = tables.flowers()
    made = kind(LinearRegression(), 0.9, resampling=5, random_state=0)
    return _with_interval(made.fit_conformalize(own, tables.size()), own)


def _mapie_quantiles() -> Fitted:
    kind = import_module("mapie.regression").ConformalizedQuantileRegressor
    own = tables.flowers()
    made = kind(QuantileRegressor(alpha=0.0, solver="highs"), 0.9).fit(own[::2], tables.size()[::2])
    return _with_interval(made.conformalize(own[1::2], tables.size()[1::2]), own)


def _with_interval(conformal: Any, own: pd.DataFrame) -> Fitted:
    _, interval = conformal.predict_interval(own)
    return Fitted(conformal, own, own, {"interval": np.squeeze(interval, -1)})


def _linear_of_ols() -> Fitted:
    statsmodels = import_module("statsmodels.api")
    own = tables.flowers().to_numpy()
    results = statsmodels.OLS(tables.size(), statsmodels.add_constant(own)).fit()
    linear = LinearRegression()
    linear.intercept_, linear.coef_ = results.params[0], np.asarray(results.params[1:])
    linear.n_features_in_ = len(linear.coef_)
    right = {"prediction": results.predict(statsmodels.add_constant(own))}
    return Fitted(linear, pd.DataFrame(own, columns=["a", "b", "c", "d"]), own, right)


def _logistic_of_logit() -> Fitted:
    statsmodels = import_module("statsmodels.api")
    own = tables.flowers().to_numpy()[:, :2]
    results = statsmodels.Logit(tables.species() == 2, statsmodels.add_constant(own)).fit(disp=0)
    logistic = LogisticRegression()
    logistic.intercept_, logistic.coef_ = np.array(results.params[:1]), np.array([results.params[1:]])
    logistic.classes_, logistic.n_features_in_ = np.array([0, 1]), logistic.coef_.shape[1]
    chances = results.predict(statsmodels.add_constant(own))
    right = {"probabilities": np.column_stack([1 - chances, chances])}
    return Fitted(logistic, pd.DataFrame(own, columns=["a", "b"]), own, right)


def _ols() -> Fitted:
    statsmodels = import_module("statsmodels.api")
    own = tables.flowers().to_numpy()
    return Fitted(
        statsmodels.OLS(tables.size(), own).fit(), pd.DataFrame(own, columns=["a", "b", "c", "d"]), own
    )


def _logit() -> Fitted:
    statsmodels = import_module("statsmodels.api")
    own = tables.flowers().to_numpy()[:, :2]
    return Fitted(
        statsmodels.Logit(tables.species() == 0, own).fit(disp=0), pd.DataFrame(own, columns=["a", "b"]), own
    )


def _formula() -> Fitted:
    formula = import_module("statsmodels.formula.api")
    rows = tables.people()[["income", "children", "plan"]]
    result = formula.ols("y ~ income + children + C(plan)", rows.assign(y=tables.spends())).fit()
    return Fitted(result, rows)


_RESULTS: Mapping[str, Callable[[], Fitted]] = {
    "embedding": _embedding,
    "intervals of MAPIE": _mapie,
    "intervals of MAPIE, crosswise": _mapie_crosswise,
    "intervals of MAPIE, jackknife after bootstrap": _mapie_bootstrap,
    "intervals of MAPIE, quantiles": _mapie_quantiles,
    "least squares of statsmodels by its numbers": _linear_of_ols,
    "logit of statsmodels by its numbers": _logistic_of_logit,
}

_STATSMODELS: Mapping[str, Callable[[], Fitted]] = {
    "least squares of statsmodels": _ols,
    "logit of statsmodels": _logit,
    "a formula of statsmodels": _formula,
}
