"""Arbitrary JSON at every predict path: only 200, 400, 413 or 422, and every 200 is the estimator's own."""

import json
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.svm import SVC

from tests.conftest import AppFactory, publish_fitted

FRAMES = {
    "line": pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]}),
    "plane": pd.DataFrame({"x": [0.0, 1.0, 0.0, 2.0], "y": [0.0, 0.0, 1.0, 3.0]}),
    "machine": pd.DataFrame({"a": [0.0, 1.0, 0.0, 1.0], "b": [0.0, 0.0, 1.0, 1.0]}),
}

PATHS = ["/predict"] + [
    f"/predict/{name}{ref}" for name in FRAMES for ref in ("", "/1", "/latest", "/production")
]

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
anything = st.recursive(
    scalars,
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=5), children, max_size=4)
    ),
    max_leaves=12,
)
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
cells = st.one_of(numbers, numbers, numbers, scalars)
names = st.sampled_from(["x", "y", "a", "b", "instances", "X", "features", "z"])
rows = st.lists(cells, min_size=1, max_size=2) | st.dictionaries(names, cells, max_size=3)
bodies = st.one_of(
    st.fixed_dictionaries(
        {}, optional={"instances": st.lists(rows, max_size=3), "X": st.lists(rows, max_size=3)}
    ),
    st.fixed_dictionaries({"features": rows}),
    st.dictionaries(names, cells, max_size=3),
    st.dictionaries(names, anything, max_size=3),
    anything,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("any")
    line = LinearRegression().fit(FRAMES["line"].to_numpy(), [1.0, 3.0, 5.0, 7.0])
    plane = LinearRegression().fit(FRAMES["plane"], [0.0, 1.0, 10.0, 32.0])
    machine = SVC().fit(FRAMES["machine"].to_numpy(), [0, 1, 1, 0])
    for name, estimator in (("line", line), ("plane", plane), ("machine", machine)):
        publish_fitted(folder, name, estimator, FRAMES[name])
    return folder


@pytest.fixture
def any_client(folder: Path, make_app: AppFactory) -> FlaskClient:
    return make_app(folder, default_model="line", max_rows=2).test_client()


def expected(folder: Path, name: str, body: Any) -> list[Any]:
    """What the pickled estimator's own predict gives for a body that was answered."""
    columns = list(FRAMES[name].columns)
    if set(body) <= set(columns):
        given = [body]
    else:
        (form,) = body
        given = [body[form]] if form == "features" else body[form]
    matrix = [[row[column] for column in columns] if isinstance(row, dict) else row for row in given]
    estimator = joblib.load(folder / name / "1" / "model.joblib")
    frame = pd.DataFrame(np.array(matrix, dtype=float), columns=columns)
    values = estimator.predict(frame if hasattr(estimator, "feature_names_in_") else frame.to_numpy())
    return list(values.tolist())


@settings(max_examples=400)
@given(
    path=st.sampled_from(PATHS),
    content_type=st.sampled_from(["application/json", "application/x-www-form-urlencoded", None]),
    body=bodies,
)
def test_arbitrary_json_is_answered_rightly_or_refused_properly(
    any_client: FlaskClient, folder: Path, path: str, content_type: str | None, body: Any
) -> None:
    response = any_client.post(path, data=json.dumps(body).encode(), content_type=content_type)

    assert response.status_code in (200, 400, 413, 422), response.get_data(as_text=True)
    answer = response.get_json(force=True)
    if response.status_code == 200:
        # Its last bits differ with where numbers lie in memory.
        wanted = expected(folder, answer["model"], body)
        assert answer["prediction"] == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    else:
        assert answer["status"] == response.status_code


@settings(max_examples=200)
@given(
    path=st.sampled_from(["/predict", "/predict/plane", "/predict/machine/1"]), body=st.binary(max_size=200)
)
def test_arbitrary_bytes_are_refused_properly(any_client: FlaskClient, path: str, body: bytes) -> None:
    response = any_client.post(path, data=body)

    assert response.status_code in (400, 413, 415, 422)
