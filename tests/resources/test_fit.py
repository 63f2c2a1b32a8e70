"""Fits on request: scikit-learn's own answers, by way of a real pool, and what is refused."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import SVC, SVR

from mlapi.jobs.tasks import FITTED
from mlapi.server.app import create_app
from mlapi.server.pool_process import pool_of
from mlapi.settings import Settings
from tests.support.pools import serve
from tests.support.waiting import HANG_S

IRIS = load_iris()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("fits")
    return Settings(
        models_dir=folder / "models",
        state_dir=folder / "state",
        fit_seconds=HANG_S,
        fit_rows=1000,
        fit_columns=50,
        fit_classes=5,
    )


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[FlaskClient]:
    serve(settings.state_dir, pool_of(settings))
    with create_app(settings).test_client() as client:
        yield client


def fit(client: FlaskClient, path: str, body: dict[str, Any], status: int = 200) -> Any:
    response = client.post(path, json=body)
    assert response.status_code == status, response.json
    return response.json


def test_the_tutorials_requests_get_what_their_code_returns(client: FlaskClient) -> None:
    X, y = IRIS.data[:, :3].tolist(), IRIS.data[:, 3].tolist()
    found = fit(client, "/linear_regression", {"X": X, "y": y})
    np.testing.assert_array_equal(found["prediction"], LinearRegression().fit(X, y).predict(X))

    X, y = IRIS.data.tolist(), IRIS.target.tolist()
    found = fit(client, "/support_vector_machine", {"X": X, "y": y})
    assert found["prediction"] == SVC().fit(X, y).predict(X).tolist()
    assert found["score"] == SVC().fit(X, y).score(X, y)


@pytest.mark.parametrize("name", FITTED)
def test_every_algorithm_answers_for_other_rows(client: FlaskClient, name: str) -> None:
    X, y = IRIS.data.tolist(), IRIS.target.tolist()

    found = fit(client, f"/fit/{name}", {"X": X, "y": y, "predict": X[::50], "scale": True})

    assert len(found["prediction"]) == 3
    assert found["score"] > 0.9


def test_weights_are_in_the_rows_own_units(client: FlaskClient) -> None:
    rows = [{"a": x, "b": 1000 * x * x} for x in np.linspace(1, 2, 20).tolist()]
    y = [3 + 2 * row["a"] - 0.5 * row["b"] for row in rows]

    found = fit(client, "/fit/linear_regression", {"X": rows, "y": y, "scale": True})

    assert found["features"] == ["a", "b"]
    np.testing.assert_allclose(found["coefficients"], [2, -0.5], rtol=1e-6)
    np.testing.assert_allclose(found["intercept"], 3, rtol=1e-6)


def test_labels_keep_their_type(client: FlaskClient) -> None:
    X, names = IRIS.data.tolist(), [str(IRIS.target_names[place]) for place in IRIS.target]

    found = fit(client, "/fit/logistic_regression", {"X": X, "y": names, "parameters": {"max_iter": 500}})

    assert found["classes"] == sorted(set(names))
    assert found["prediction"] == LogisticRegression(max_iter=500).fit(X, names).predict(X).tolist()
    flags = fit(client, "/fit/svm", {"X": [[0], [1]], "y": [True, False]})
    assert flags["prediction"] == [True, False]


def test_fractions_are_values_and_the_task_may_be_told(client: FlaskClient) -> None:
    X = [[0.0], [1.0], [2.0]]
    assert fit(client, "/fit/svm", {"X": X, "y": [0.5, 1, 2]})["task"] == "regression"
    told = fit(client, "/fit/svm", {"X": X, "y": [0, 1, 2], "task": "regression"})
    np.testing.assert_array_equal(told["prediction"], SVR().fit(X, [0, 1, 2]).predict(X))


def test_all_that_is_wrong_is_told_at_once(client: FlaskClient) -> None:
    body = {
        "X": [[1, 2], [3], [4, "5"]],
        "y": [1, 2],
        "parameters": {"C": -1, "kernle": "rbf", "degree": 2.5},
        "scale": "yes",
        "colour": 1,
    }

    found = fit(client, "/fit/svm", body, 422)

    pointers = {entry["pointer"] for entry in found["errors"]}
    assert pointers == {
        "/X/1", "/X/2/1", "/parameters/C", "/parameters/kernle", "/parameters/degree", "/scale", "/colour",
    }  # fmt: skip
    assert "kernel" in next(e["detail"] for e in found["errors"] if e["pointer"] == "/parameters/kernle")


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({"X": [[1], [2]], "y": [1, 1]}, "/y", "two classes or more"),
        ({"X": [[1], [2]], "y": [1]}, "/y", "each of the 2 rows, got 1"),
        ({"X": [[1], [2]], "y": ["a", "b"], "task": "regression"}, "/y", "expected numbers"),
        ({"X": [[1], [2]], "y": [1, "b"]}, "/y", "not several of these"),
        ({"X": [[1], [2]], "y": [1, None]}, "/y/1", "got null"),
        ({"X": [[1], [None]], "y": [1, 2]}, "/X/1/0", "expected a number"),
        ({"X": [], "y": [1]}, "/X", "expected rows"),
        ({"X": [[]], "y": [1]}, "/X", "expected rows"),
        ({"y": [1, 2]}, "/X", "missing, expected rows"),
        ({"X": [[1], [2]], "y": [1, 2], "predict": [[1, 2]]}, "/predict/0", "expected 1 values"),
        ([1], "", "expected an object"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(
    client: FlaskClient, body: Any, pointer: str, detail: str
) -> None:
    (error, *_) = fit(client, "/fit/svm", body, 422)["errors"]

    assert error["pointer"] == pointer
    assert detail in error["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"X": [[1]] * 1001, "y": [1] * 1001},
        {"X": [[1] * 51] * 2, "y": [1, 2]},
        {"X": [[value] for value in range(6)], "y": list("abcdef")},
    ],
)
def test_more_than_the_settings_allow_is_413(client: FlaskClient, body: Any) -> None:
    assert "at most" in fit(client, "/fit/svm", body, 413)["detail"]


def test_what_scikit_learn_refuses_is_told_in_its_words(client: FlaskClient) -> None:
    body = {"X": [[1], [2]], "y": [1, 2], "parameters": {"alpha": 2}}
    assert "alpha" in fit(client, "/fit/linear_regression", body, 422)["detail"]


def test_columns_that_say_nothing_are_noted(client: FlaskClient) -> None:
    found = fit(client, "/fit/linear_regression", {"X": [[1, 2], [1, 3]], "y": [1, 2]})
    assert found["notes"] == ["constant columns say nothing: x1"]
    found = fit(client, "/fit/linear_regression", {"X": [[1, 1], [1, 1]], "y": [1, 2]})
    assert "all columns are constant" in found["notes"][0]
    found = fit(client, "/fit/linear_regression", {"X": [[1, 2, 3], [3, 4, 4]], "y": [1, 2]})
    assert "3 columns for 2 rows" in found["notes"][0]


def test_the_list_says_what_may_be_sent(client: FlaskClient) -> None:
    listed = client.get("/fit").json["algorithms"]
    assert [entry["name"] for entry in listed] == list(FITTED)
    one = client.get("/fit/svm").json
    assert one["parameters"]["C"]["expected"] == "a number above 0"
    assert "probabilities" not in one["parameters"]
    assert client.get("/fit/magic").status_code == 404
    assert client.post("/fit/cnn", json={}).status_code == 404
