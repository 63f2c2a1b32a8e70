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
from sklearn.linear_model import ARDRegression, BayesianRidge, LinearRegression
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
    "least squares of statsmodels": _ols,
    "logit of statsmodels": _logit,
    "a formula of statsmodels": _formula,
}
