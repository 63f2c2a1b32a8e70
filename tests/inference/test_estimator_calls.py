"""Estimators that would spread their answers over processes: here, and behind the server as it runs."""

import inspect
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import all_estimators

from mlapi.inference.estimator_calls import call
from mlapi.training.recipes import IF_NOT_WORSE
from mlapi.training.versions.promotion import EvaluationRows, decide_promotion
from tests.conftest import changes_in, classes_of, publish_fitted
from tests.support.server import children, running

RANDOM = np.random.default_rng(0)
ROWS = pd.DataFrame(RANDOM.normal(size=(40, 3)), columns=["a", "b", "c"])
NUMBERS = ROWS["a"].to_numpy() * 2 - ROWS["b"].to_numpy() + RANDOM.normal(0, 0.1, 40)
LABELS = (NUMBERS > 0).astype(int)

SMALL = {"n_estimators": 3, "max_subpopulation": 20, "n_subsamples": 10, "cv": 2}
"""So that a fit takes a moment."""

ABLE = {"radius": 9.0, "novelty": True}
"""So that it answers for any row."""


class Spreading(BaseEstimator):  # type: ignore[misc]
    """Asks joblib within joblib, each for two processes at least."""

    def fit(self, X: Any, y: Any) -> "Spreading":
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Any) -> Any:
        halves = np.array_split(np.asarray(X), 2)
        return np.concatenate(joblib.Parallel(n_jobs=2)(joblib.delayed(_sums)(half) for half in halves))


def _sums(rows: Any) -> Any:
    return np.array(joblib.Parallel(n_jobs=2)(joblib.delayed(float)(row.sum()) for row in rows))


def _made(kind: type[Any]) -> Any:
    """With what it has to be given, and small."""
    known = inspect.signature(kind).parameters
    inner = LogisticRegression() if issubclass(kind, _CLASSIFIERS) else Ridge()
    needs = {
        "estimator": inner,
        "estimators": [("one", inner), ("other", inner)],
        "param_grid": {},
        "param_distributions": {},
        "dictionary": np.eye(3),
    }
    required = {name for name, parameter in known.items() if parameter.default is inspect.Parameter.empty}
    told = {name: value for name, value in needs.items() if name in required}
    chosen = {name: value for name, value in (SMALL | ABLE).items() if name in known}
    if "n_neighbors" in known:  # one or the other
        chosen.pop("radius", None)
    return kind(**told, **chosen)


_CLASSIFIERS = tuple(kind for _, kind in all_estimators(type_filter="classifier"))

SPREADING = {
    name: kind
    for name, kind in all_estimators()
    if "n_jobs" in inspect.signature(kind).parameters and name not in ("ColumnTransformer", "FeatureUnion")
    if kind.__new__ is object.__new__  # another one warns that the class will go
}


def _fitted(kind: type[Any]) -> Any:
    """In this process; then it is told to answer in two."""
    with warnings.catch_warnings(), joblib.parallel_config(backend="sequential"):
        warnings.simplefilter("ignore")  # that a class will go, or that a fit has not converged
        estimator = _made(kind)
        return estimator.fit(ROWS.to_numpy(), _targets(estimator)).set_params(n_jobs=2)


def _targets(estimator: Any) -> Any:
    y: Any = LABELS if is_classifier(estimator) else NUMBERS
    if type(estimator).__name__.startswith("Multi"):
        y = np.stack([y, y[::-1]], axis=1)
    return y


def _before_a_regressor(kind: type[Any]) -> Any:
    """A transformer of scikit-learn's, told to work in two processes once it is fitted."""
    with warnings.catch_warnings(), joblib.parallel_config(backend="sequential"):
        warnings.simplefilter("ignore")
        model = make_pipeline(MinMaxScaler(), _made(kind), Ridge()).fit(ROWS.to_numpy(), NUMBERS)
        model[1].set_params(n_jobs=2)
        return model


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    """Every estimator of scikit-learn's that takes `n_jobs` and answers new rows, and steps that do."""
    spreading = {name.lower(): kind for name, kind in SPREADING.items()}
    found = {name: _fitted(kind) for name, kind in spreading.items() if hasattr(kind, "predict")}
    found |= {
        name: _before_a_regressor(kind)
        for name, kind in spreading.items()
        if name not in found and hasattr(kind, "transform")
    }
    bagged = BaggingRegressor(MultiOutputRegressor(Ridge(), n_jobs=2), 3)
    columns = ColumnTransformer([("a", StandardScaler(), [0]), ("b", StandardScaler(), [1, 2])], n_jobs=2)
    union = FeatureUnion([("a", StandardScaler()), ("b", StandardScaler())], n_jobs=2)
    with joblib.parallel_config(backend="sequential"):
        both = np.stack([NUMBERS, -NUMBERS], axis=1)
        found["nested"] = make_pipeline(columns, bagged.set_params(n_jobs=2)).fit(ROWS.to_numpy(), both)
        found["united"] = make_pipeline(union, Ridge()).fit(ROWS.to_numpy(), NUMBERS)
    return found


@pytest.fixture
def _no_process_starts() -> Iterator[None]:
    """joblib keeps its processes for minutes after an answer."""
    before = children(os.getpid())
    yield
    assert children(os.getpid()) == before


METHODS = ("predict", "predict_proba", "decision_function", "transform")


@pytest.mark.usefixtures("_no_process_starts")
def test_no_answer_starts_a_process(models: dict[str, Any]) -> None:
    models = {**models, "own": Spreading().fit(ROWS.to_numpy(), NUMBERS)}

    for name, estimator in models.items():
        for method in METHODS:
            if hasattr(estimator, method):
                assert len(call(estimator, method, ROWS.to_numpy()[:5])) in (5, 2), name  # 2: of two targets


@pytest.mark.usefixtures("_no_process_starts")
def test_neither_publishing_nor_loading_starts_a_process(tmp_path: Path, models: dict[str, Any]) -> None:
    for name in ("nested", "united", "baggingclassifier", "votingclassifier"):
        publish_fitted(tmp_path / "models", name, models[name], ROWS)

        assert (
            changes_in(tmp_path / "models").registry.get(name).predict(ROWS.to_numpy()[:5]).values.size >= 5
        )


@pytest.mark.usefixtures("_no_process_starts")
def test_no_comparison_of_a_new_version_with_the_one_in_production_starts_a_process(
    tmp_path: Path, models: dict[str, Any]
) -> None:
    publish_fitted(tmp_path / "models", "old", models["baggingregressor"], ROWS)
    old = changes_in(tmp_path / "models").registry.get("old")
    test = EvaluationRows(lambda _: ROWS.to_numpy(), NUMBERS, "regression", "r2", 1.0)

    verdict = decide_promotion(IF_NOT_WORSE, allow_breaking=False, new=old.signature, test=test, old=old)

    assert verdict.promotes


@pytest.mark.exhaustive
def test_a_server_answers_with_estimators_that_would_spread_their_work(
    tmp_path: Path, worker_class: str, models: dict[str, Any]
) -> None:
    expected = {}
    for name, estimator in models.items():
        publish_fitted(tmp_path / "models", name, estimator, ROWS)
        expected[name] = call(estimator, "predict", ROWS.to_numpy()[:5])
    allowed = {name for estimator in models.values() for name in classes_of(estimator)}

    environ = {"MLAPI_ALLOWED_CLASSES": ",".join(allowed), "MLAPI_WORKER_CLASS": worker_class}
    with running(tmp_path / "models", tmp_path, **environ) as server:
        for name in models:
            for _ in range(2):
                status, answer = server.post(f"/predict/{name}", {"X": ROWS.to_numpy()[:5].tolist()})
                assert status == 200, (name, answer)
                np.testing.assert_allclose(answer["prediction"], expected[name], rtol=1e-6, err_msg=name)
        assert server.get("/health/live")[0] == 200
        assert server.get("/health/ready")[1].get("broken", []) == []
