"""Objects of other libraries become estimators, where the libraries are there."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import mlapi
from mlapi.artifacts.pickles.named_sets import SETS, classes_of
from mlapi.training.model_files.estimator_file import EstimatorFile
from mlapi.training.model_files.other_objects import with_estimator

ROWS = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=["a", "b"])
NUMBERS = ROWS["a"].to_numpy() * 2 - ROWS["b"].to_numpy()


def taken(fitted: Any) -> Any:
    return with_estimator(EstimatorFile(fitted), classes_of(SETS), ROWS).estimator


def test_an_estimator_stays_as_it_is() -> None:
    model = LinearRegression().fit(ROWS, NUMBERS)

    assert taken(model) is model


def test_a_booster_of_xgboost_becomes_an_estimator() -> None:
    xgboost = pytest.importorskip("xgboost", reason="XGBoost is not installed")
    booster = xgboost.train({}, xgboost.DMatrix(ROWS, NUMBERS), 3)

    np.testing.assert_array_equal(taken(booster).predict(ROWS), booster.predict(xgboost.DMatrix(ROWS)))


def test_a_booster_of_lightgbm_becomes_an_estimator() -> None:
    lightgbm = pytest.importorskip("lightgbm", reason="LightGBM is not installed")
    booster = lightgbm.train({"verbose": -1}, lightgbm.Dataset(ROWS, NUMBERS), 3)

    np.testing.assert_array_equal(taken(booster).predict(ROWS), booster.predict(ROWS))


def test_a_regressor_of_mapie_is_served_with_its_intervals() -> None:
    regression = pytest.importorskip("mapie.regression", reason="MAPIE is not installed")
    conformal = regression.SplitConformalRegressor(LinearRegression().fit(ROWS, NUMBERS + 1), 0.8)
    conformal.conformalize(ROWS, NUMBERS)

    answer = mlapi.publish(conformal, "sure", ROWS).answer(ROWS, ["interval"])

    assert answer.coverage == 0.8
    np.testing.assert_allclose(answer.outputs["interval"], conformal.predict_interval(ROWS)[1][:, :, 0])
