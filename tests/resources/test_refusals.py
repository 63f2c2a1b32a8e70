"""What an answer says of a batch that the estimator refuses, or has no finite answer to."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from mlapi.server.app import create_app
from tests.conftest import publish_fitted, settings_for
from tests.support.problems import assert_problem, pointers

PLANS = pd.DataFrame({"plan": ["basic", "plus"] * 10})
NUMBERS = pd.DataFrame({"a": np.linspace(-2e300, 2e300, 20)})


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`words` refuses what it did not see; `line` and `classes` overflow beyond 1e300 and 1e5."""
    folder = tmp_path_factory.mktemp("models")
    words = make_pipeline(OrdinalEncoder(), LogisticRegression()).fit(PLANS, [0, 1] * 10)
    publish_fitted(folder, "words", words, PLANS)
    line = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    line.coef_ = np.array([1e8])
    publish_fitted(folder, "line", line, NUMBERS / 1e300)
    classes = LogisticRegression().fit([[0.0], [1.0], [2.0]], [0, 1, 2])
    classes.coef_ = np.array([[1e303], [1e303], [1e303]])
    publish_fitted(folder, "classes", classes, NUMBERS / 1e300)
    return folder


@pytest.fixture(scope="module")
def client(models: Path) -> Iterator[FlaskClient]:
    with create_app(settings_for(models)).test_client() as client:
        yield client


@pytest.mark.parametrize(
    ("body", "row", "cell"),
    [
        ({"instances": [["basic"], ["gold"], ["plus"]]}, "/instances/1", "/instances/1/0"),
        ({"X": [{"plan": "basic"}, {"plan": "gold"}]}, "/X/1", "/X/1/plan"),
        ({"features": ["gold"]}, "/features", "/features/0"),
        ({"features": {"plan": "gold"}}, "/features", "/features/plan"),
        ({"plan": "gold"}, "", "/plan"),
    ],
)
def test_a_refused_batch_is_told_by_row_and_with_its_warnings(
    client: FlaskClient, body: dict[str, Any], row: str, cell: str
) -> None:
    problem = assert_problem(client.post("/predict/words", json=body), 422, "unanswerable")

    assert problem["errors"] == [{"pointer": row, "detail": "the estimator refused this row (ValueError)"}]
    assert problem["error_count"] == 1
    unseen = '"gold" is a category that training did not see'
    assert problem["warnings"] == [{"pointer": cell, "detail": unseen}]
    assert problem["warning_count"] == 1
    assert problem["detail"].endswith(f"; at {cell}: {unseen}")


def test_of_many_refused_rows_the_first_twenty_are_told(client: FlaskClient) -> None:
    rows = [["gold"] if number % 3 == 2 else ["plus"] for number in range(600)]

    problem = assert_problem(client.post("/predict/words", json={"instances": rows}), 422, "unanswerable")

    told = [f"/instances/{number}" for number in range(2, 62, 3)]
    assert pointers(problem) == told[: len(problem["errors"])]
    assert len(problem["errors"]) >= 10
    assert "refused at least" in problem["detail"]
    assert "the first at /instances/2;" in problem["detail"]
    assert problem["warning_count"] == 200


def test_one_refused_row_of_ten_thousand_is_found(client: FlaskClient) -> None:
    rows = [["gold"] if number == 7_777 else ["plus"] for number in range(10_000)]

    problem = assert_problem(client.post("/predict/words", json={"instances": rows}), 422, "unanswerable")

    assert pointers(problem) == ["/instances/7777"]
    assert "refused 1 of these 10,000 rows" in problem["detail"]


@pytest.mark.parametrize("count", [1, 3, 60])
def test_answers_that_are_not_finite_are_told_by_row(client: FlaskClient, count: int) -> None:
    rows = [[1e305] if number % 3 == 0 else [1.0] for number in range(count)]

    problem = assert_problem(client.post("/predict/line", json={"instances": rows}), 422, "unanswerable")

    assert pointers(problem) == [f"/instances/{number}" for number in range(0, count, 3)]
    assert problem["errors"][0]["detail"] == "the answer is not finite for this row"
    assert "1e+305 is outside of what training saw" in problem["detail"]


def test_probabilities_that_are_not_finite_are_told_by_row(client: FlaskClient) -> None:
    body = {"instances": [[0.0], [1e10], [0.0], [1e10]]}

    assert client.post("/predict/classes", json=body).status_code == 200
    response = client.post("/predict/classes?include=probabilities", json=body)

    problem = assert_problem(response, 422, "unanswerable")
    assert pointers(problem) == ["/instances/1", "/instances/3"]
    assert problem["detail"].startswith("the probability is not finite for 2 of these 4 rows")
