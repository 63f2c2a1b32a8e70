"""What a sample cannot say: more ranges, missing values, columns without need, and expected answers."""

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlapi.artifacts.manifest import Manifest
from mlapi.errors import RegistrationError
from mlapi.training.workflows.estimator_columns import dropped_columns
from mlapi.training.workflows.registration import register
from mlapi.training.workflows.sample_columns import SampleOptions
from tests.conftest import AppFactory, changes_in, classes_of

HOMES = pd.DataFrame(
    {
        "id": [f"home-{row}" for row in range(30)],
        "area": np.linspace(20, 120, 30),
        "rooms": np.arange(30) % 5 + 1.0,
        "town": ["Oslo", "Rome", "Bonn"] * 10,
    }
)
PRICE = HOMES["area"] * 3 + HOMES["rooms"]

HALF_FILLED = make_pipeline(
    make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["area"]),
        ("passthrough", ["rooms"]),
        (OneHotEncoder(handle_unknown="ignore"), ["town"]),
    ),
    Ridge(),
).fit(HOMES, PRICE)
"""Fills the area, and nothing else; the id is dropped."""


def registered(folder: Path, estimator: Any, sample: pd.DataFrame, **options: Any) -> Manifest:
    joblib.dump(estimator, folder / "estimator.joblib")
    sample.to_csv(folder / "rows.csv", index=False)
    changes = changes_in(folder / "models", allowed_classes=tuple(classes_of(estimator)))
    return register(
        "homes", folder / "estimator.joblib", folder / "rows.csv", changes, said=SampleOptions(**options)
    )


def test_what_may_be_missing_is_tried_and_what_is_dropped_not_demanded(
    tmp_path: Path, make_app: AppFactory
) -> None:
    manifest = registered(tmp_path, HALF_FILLED, HOMES.head(9))

    nullable = {feature.name: feature.nullable for feature in manifest.signature.features}
    assert nullable == {"area": True, "rooms": False, "town": True}
    assert manifest.signature.ignored == ("id",)
    client = make_app(tmp_path / "models").test_client()
    row = {"area": None, "rooms": 2, "town": "Rome"}
    for record in (row, {**row, "id": "home-1"}):
        answer = client.post("/predict/homes", json=record).get_json()
        expected = HALF_FILLED.predict(pd.DataFrame([{**row, "id": "", "area": np.nan}]))
        np.testing.assert_allclose(answer["prediction"], expected, rtol=1e-9)
    assert client.post("/predict/homes", json={**row, "rooms": None}).status_code == 422


def test_a_sample_may_lack_what_is_dropped(tmp_path: Path) -> None:
    manifest = registered(tmp_path, HALF_FILLED, HOMES.drop(columns="id").head(9))

    assert manifest.signature.names == ("area", "rooms", "town")
    assert manifest.signature.ignored == ("id",)


def test_an_estimator_without_an_imputer_takes_no_null(tmp_path: Path) -> None:
    manifest = registered(tmp_path, LinearRegression().fit(HOMES[["area"]], PRICE), HOMES[["area"]])

    assert not manifest.signature.features[0].nullable


@pytest.mark.parametrize(
    ("transformer", "dropped"),
    [
        (make_column_transformer(("passthrough", ["area"])), {"id", "rooms", "town"}),
        (make_column_transformer(("passthrough", ["area"]), ("drop", ["town"])), {"id", "rooms", "town"}),
        (make_column_transformer(("drop", ["id", "town"]), remainder="passthrough"), {"id", "town"}),
        (make_column_transformer(("passthrough", [1])), set()),
        (StandardScaler(), set()),
    ],
    ids=["remainder", "drop", "passthrough", "places", "scaler"],
)
def test_columns_are_dropped_that_no_part_reads_by_name(transformer: Any, dropped: set[str]) -> None:
    rows = HOMES if dropped else HOMES[["rooms", "area"]]

    assert dropped_columns(make_pipeline(transformer, Ridge()).fit(rows, PRICE)) == dropped


def test_ranges_and_categories_come_from_more_rows(tmp_path: Path) -> None:
    few = pd.DataFrame({"size": ["s", "m"] * 4, "area": [50.0, 60.0] * 4})
    many = pd.DataFrame({"size": ["s", "l"] * 9, "area": [10.0, 90.0] * 9, "other": 1})
    many.to_csv(tmp_path / "many.csv", index=False)
    model = DummyRegressor().fit(few, np.arange(8))

    size, area = registered(tmp_path, model, few, ranges_from=tmp_path / "many.csv").signature.features

    assert size.categories == ("m", "s", "l")
    assert (area.minimum, area.maximum) == (10.0, 90.0)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (pd.DataFrame({"width": [1.0]}), "lacks columns of the estimator: area"),
        (
            pd.DataFrame({"area": ["wide", "narrow"]}),
            "of kind number in the sample, and of kind text in the file",
        ),
    ],
)
def test_more_rows_have_the_columns_of_the_sample(tmp_path: Path, more: pd.DataFrame, words: str) -> None:
    more.to_csv(tmp_path / "more.csv", index=False)
    model = LinearRegression().fit(HOMES[["area"]], PRICE)

    with pytest.raises(RegistrationError, match=words):
        registered(tmp_path, model, HOMES[["area"]], ranges_from=tmp_path / "more.csv")


@pytest.mark.parametrize("kind", ["numbers", "words", "integers", "flags"])
def test_answers_that_are_as_expected_are_published(tmp_path: Path, kind: str) -> None:
    rows = HOMES[["area", "rooms"]]
    large = rows["area"] > 60
    targets = {"words": large.map({True: "yes", False: "no"}), "integers": large.astype(int), "flags": large}
    model: Any = LinearRegression() if kind == "numbers" else LogisticRegression(max_iter=1000)
    model.fit(rows, targets.get(kind, PRICE))

    manifest = registered(tmp_path, model, rows.assign(answer=model.predict(rows)), expect="answer")

    assert manifest.signature.names == ("area", "rooms")
    assert manifest.signature.ignored == ("answer",)


def test_answers_that_are_not_as_expected_are_named_and_nothing_is_published(tmp_path: Path) -> None:
    rows = HOMES[["area"]]
    model = LinearRegression().fit(rows, PRICE)
    answers = model.predict(rows)
    answers[[1, 4]] *= 1 + 1e-6

    with pytest.raises(
        RegistrationError, match=r"2 rows of 30 of the sample get another .* row 2: expected 7.*, got"
    ):
        registered(tmp_path, model, rows.assign(answer=answers), expect="answer")

    assert not list(tmp_path.glob("models/*/*/manifest.json"))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (HOMES[["area"]], "the sample has no column 'answer'"),
        (HOMES[["area"]].assign(answer=[*range(29), np.nan]), "column 'answer' is blank in row 30"),
    ],
)
def test_expected_answers_are_in_the_sample(tmp_path: Path, rows: pd.DataFrame, words: str) -> None:
    with pytest.raises(RegistrationError, match=words):
        registered(tmp_path, LinearRegression().fit(HOMES[["area"]], PRICE), rows, expect="answer")
