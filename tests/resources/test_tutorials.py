"""The calls of the usual tutorials, unchanged, against models of the shape that they train."""

from pathlib import Path

import pandas as pd
import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LinearRegression

from tests.conftest import AppFactory, publish_fitted


@pytest.fixture
def one_feature(tmp_path: Path, make_app: AppFactory) -> FlaskClient:
    frame = pd.DataFrame({"x": [1, 2, 3, 4]})
    model = LinearRegression().fit(frame.to_numpy(), [3, 5, 7, 9])
    publish_fitted(tmp_path, "linear", model, frame)
    return make_app(tmp_path).test_client()


@pytest.fixture
def x_and_y(tmp_path: Path, make_app: AppFactory) -> FlaskClient:
    frame = pd.DataFrame({"x": [0.0, 1.0, 0.0, 2.0], "y": [0.0, 0.0, 1.0, 3.0]})
    model = LinearRegression().fit(frame, frame["x"] + 10 * frame["y"])
    publish_fitted(tmp_path, "linear", model, frame)
    return make_app(tmp_path).test_client()


paths = pytest.mark.parametrize("path", ["/predict", "/predict/linear"])


@paths
def test_features_of_a_one_feature_regression(one_feature: FlaskClient, path: str) -> None:
    answer = one_feature.post(path, json={"features": [0.5]}).get_json()

    assert answer["prediction"] == pytest.approx([2.0])


@paths
def test_rows_under_a_capital_x(one_feature: FlaskClient, path: str) -> None:
    answer = one_feature.post(path, json={"X": [[0.5], [1.5]]}).get_json()

    assert answer["prediction"] == pytest.approx([2.0, 4.0])


@paths
def test_features_by_name(x_and_y: FlaskClient, path: str) -> None:
    answer = x_and_y.post(path, json={"x": 1.2, "y": 3.4}).get_json()

    assert answer["prediction"] == pytest.approx([35.2])


@paths
def test_without_a_content_type(one_feature: FlaskClient, path: str) -> None:
    response = one_feature.post(path, data=b'{"features": [0.5]}')

    assert "Content-Type" not in response.request.headers
    assert response.get_json()["prediction"] == pytest.approx([2.0])


@paths
def test_with_curls_default_content_type(one_feature: FlaskClient, path: str) -> None:
    response = one_feature.post(
        path, data=b'{"features": [0.5]}', content_type="application/x-www-form-urlencoded"
    )

    assert response.get_json()["prediction"] == pytest.approx([2.0])
