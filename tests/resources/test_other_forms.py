"""Bodies in the forms of other servers and of pandas: one sentence each, which says how to send the rows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression

from mlapi.server.app import create_app
from tests.conftest import publish_fitted, settings_for
from tests.support.problems import assert_problem

FRAME = pd.DataFrame({"area": [80.5, 60.0] * 5, "rooms": [3.0, 2.0] * 5, "Ort": ["Zug", "Bern"] * 5})
FORMS = '{"instances": [row, …]}, {"X": [row, …]}, {"features": row}, or a record of area, rooms, Ort'
RECORDS = '{"instances": frame.to_dict("records")}'
ROW = [80.5, 3, "Zug"]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    folder: Path = tmp_path_factory.mktemp("models")
    publish_fitted(folder, "flats", DummyClassifier().fit(FRAME, [0, 1] * 5), FRAME)
    with create_app(settings_for(folder)).test_client() as client:
        yield client


@pytest.fixture(scope="module")
def called_alike(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """A model whose columns have the names that a body has for its rows."""
    folder: Path = tmp_path_factory.mktemp("alike")
    rows = pd.DataFrame(np.eye(4)[:, :3], columns=["instances", "X", "features"])
    publish_fitted(folder, "alike", LinearRegression().fit(rows, rows.sum(axis=1)), rows)
    with create_app(settings_for(folder)).test_client() as client:
        yield client


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [[1.0, 2.0, 3.0]]},
        {"instances": [{"instances": 1.0, "X": 2.0, "features": 3.0}]},
        {"X": [[1.0, 2.0, 3.0]]},
        {"features": [1.0, 2.0, 3.0]},
        {"features": {"instances": 1.0, "X": 2.0, "features": 3.0}},
        {"instances": 1.0, "X": 2.0, "features": 3.0},
    ],
)
def test_columns_may_be_called_as_the_members_of_a_body(called_alike: FlaskClient, body: Any) -> None:
    answer = called_alike.post("/predict/alike", json=body).get_json()

    assert answer["prediction"] == pytest.approx([6.0])


@pytest.mark.parametrize(
    ("body", "pointer", "sentence"),
    [
        ({"instances": [[1.0, 2.0]]}, "/instances/0", "expected 3 values"),
        ({"instances": 1.0}, "/X", "missing"),
        ({"instances": [1.0], "X": [2.0], "features": [3.0]}, "", "a list for each column"),
    ],
)
def test_what_is_wrong_with_such_a_body_is_told(
    called_alike: FlaskClient, body: Any, pointer: str, sentence: str
) -> None:
    problem = assert_problem(called_alike.post("/predict/alike", json=body), 422, "invalid-input")

    assert problem["errors"][0]["pointer"] == pointer
    assert sentence in problem["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("body", "pointer", "sentence"),
    [
        ({"inputs": [ROW]}, "/inputs", f'"inputs", and none of the forms: expected {FORMS}'),
        ({"data": [ROW]}, "/data", f'"data", and none of the forms: expected {FORMS}'),
        ({"rows": [ROW]}, "/rows", f'"rows", and none of the forms: expected {FORMS}'),
        ({"data": {"ndarray": [ROW]}}, "/data", "none of the forms"),
        ({"id": "1", "inputs": [{"name": "area", "data": [80.5]}]}, "/inputs", "none of the forms"),
        ({"dataframe_records": [{"area": 80.5}]}, "/dataframe_records", "none of the forms"),
        ({"instance": [ROW]}, "/instance", '"instance", did you mean "instances"?, and none of the forms'),
        ({"Features": ROW}, "/Features", '"Features", did you mean "features"?, and none of the forms'),
        (json.loads(FRAME.to_json(orient="split")), "/columns", RECORDS),
        ({"data": [ROW], "columns": list(FRAME)}, "/data", RECORDS),
        ({"dataframe_split": {"columns": list(FRAME), "data": [ROW]}}, "/dataframe_split", RECORDS),
        (
            FRAME.to_dict("list"),
            "",
            f"a list for each column, it seems: send a list of rows, in pandas {RECORDS}",
        ),
        (json.loads(FRAME.to_json()), "", "a list for each column, it seems"),
        ([ROW, ROW], "", 'got a list: send it as {"instances": [row, …]}'),
        (FRAME.to_dict("records"), "", 'got a list: send it as {"instances": [row, …]}'),
        (ROW, "", 'got a list: send it as {"features": row}'),
        (json.dumps({"instances": [ROW]}), "", "if JSON is in it, it was written twice"),
        (3, "", f"expected an object: {FORMS}"),
        (None, "", f"expected an object: {FORMS}"),
    ],
)
def test_another_form_is_answered_with_the_one_that_works(
    client: FlaskClient, body: Any, pointer: str, sentence: str
) -> None:
    problem = assert_problem(client.post("/predict/flats", data=json.dumps(body)), 422, "invalid-input")

    (error,) = problem["errors"]
    assert error["pointer"] == pointer
    assert sentence in error["detail"]
    assert problem["error_count"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {"area": [1], "rooms": 3, "Ort": "Zug"},
        {"Area": 80.5, "Rooms": 3, "Ort": "Zug"},
        {"area": 80.5, "rooms": 3, "Ort": "Zug", "data": [1]},
        {"unknown": 1},
        {},
    ],
)
def test_a_record_that_is_wrong_is_told_feature_by_feature(client: FlaskClient, body: Any) -> None:
    problem = assert_problem(client.post("/predict/flats", data=json.dumps(body)), 422, "invalid-input")

    assert "form" not in problem["detail"]
    assert all(error["pointer"] for error in problem["errors"])


def test_forms_that_work_are_what_the_sentences_say(client: FlaskClient) -> None:
    for body in ({"instances": FRAME.to_dict("records")}, {"instances": [ROW, ROW]}, {"features": ROW}):
        assert client.post("/predict/flats", json=body).status_code == 200


def test_a_feature_that_is_called_as_a_form_elsewhere_is_a_feature(tmp_path: Path) -> None:
    frame = pd.DataFrame({"data": [1.0, 2.0] * 5, "columns": [1.0, 2.0] * 5})
    publish_fitted(tmp_path, "named", DummyClassifier().fit(frame.to_numpy(), [0, 1] * 5), frame)
    client = create_app(settings_for(tmp_path)).test_client()

    assert client.post("/predict/named", json={"data": 1, "columns": 2}).status_code == 200


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            {"instances": ROW},
            "expected a list of rows, got a list of values: for one row there is `features`",
        ),
        ({"instances": FRAME.to_dict("list")}, f"got a list for each column: in pandas {RECORDS}"),
        ({"X": {"area": 80.5}}, "expected a list of rows; for one row there is `features`"),
        ({"instances": [[ROW]]}, "expected 3 values, got 1: a list within the row is too many"),
    ],
)
def test_rows_in_too_few_or_too_many_lists_are_told_so(client: FlaskClient, body: Any, sentence: str) -> None:
    response = client.post("/predict/flats", json=body)

    problem = assert_problem(response, 422, "invalid-input")
    assert problem["error_count"] == 1
    assert sentence in problem["detail"]
