"""Columns -> a signature and a pipeline that is fitted as a whole, on the rows it is fitted on."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from mlapi.data.signature import Signature, Target
from mlapi.errors import RecipeError
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import IMAGE_CLASSIFICATION
from mlapi.training.execution.engine import one_core
from mlapi.training.preparation import features
from mlapi.training.preparation.columns import InferredColumns, infer_columns
from mlapi.training.preparation.features import MOST_CATEGORIES, PipelineFactory
from mlapi.training.recipes import Expansion, Overrides

ROWS = 80
RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "number": np.where(RANDOM.random(ROWS) < 0.2, np.nan, RANDOM.normal(size=ROWS) * 1e3),
        "flag": RANDOM.choice(np.array([True, False, None]), ROWS),
        "word": RANDOM.choice(["red", "green", "blue"], ROWS),
        "day": pd.date_range("2020-01-01", periods=ROWS),
        "note": [f"row {row} had a good day with {row * 7} others" for row in range(ROWS)],
    }
)
ANSWERS = np.arange(ROWS) % 2


def understood(frame: pd.DataFrame = FRAME, **told: Any) -> InferredColumns:
    return infer_columns(frame, Overrides(**told))


def pipeline(found: InferredColumns, name: str = "logistic_regression", **expansion: Any) -> Pipeline:
    blueprint = PipelineFactory("classification", found.used_columns, ROWS, 0, Expansion(**expansion))
    return blueprint.pipeline(name, {})


def test_nothing_is_learnt_from_rows_that_are_not_fitted_on() -> None:
    """Other rows may hold anything: no mean, category, word, newest day or term comes from there."""
    found = understood()
    frame, part = found.frame, np.arange(ROWS // 2)
    other = frame.copy()
    other.loc[ROWS // 2 :, "number"] = 1e9
    other.loc[ROWS // 2 :, "word"] = "unheard"
    other.loc[ROWS // 2 :, "day"] = pd.Timestamp("2099-01-01")
    other.loc[ROWS // 2 :, "note"] = "something else"

    made = pipeline(found)
    one, two = (clone(made).fit(table.iloc[part], ANSWERS[part]) for table in (frame, other))

    np.testing.assert_array_equal(one[0].transform(frame).toarray(), two[0].transform(frame).toarray())
    np.testing.assert_array_equal(one.predict_proba(other), two.predict_proba(other))
    everything = clone(made).fit(frame, ANSWERS)[0].transform(frame)
    assert everything.shape != one[0].transform(frame).shape, "the fit does look at its rows"


@pytest.mark.parametrize(
    ("name", "task"),
    [
        (name, task)
        for name, algorithm in ALGORITHMS.items()
        for task in algorithm.builders
        if task != IMAGE_CLASSIFICATION
    ],
)
def test_each_algorithm_takes_a_mixed_table_dense_where_it_must_be(name: str, task: str) -> None:
    found = understood()
    blueprint = PipelineFactory(task, found.used_columns, ROWS, 0)

    with one_core():
        fitted = blueprint.pipeline(name, {}).fit(found.frame, ANSWERS)

    blocks = fitted[0].transform(found.frame)
    assert isinstance(blocks, np.ndarray) or not ALGORITHMS[name].dense
    assert np.isfinite(fitted.predict(found.frame)).all()


def test_blanks_are_filled_and_marked_where_they_can_come() -> None:
    found = understood(FRAME[["number"]].assign(other=RANDOM.normal(size=ROWS)))
    fitted = pipeline(found).fit(features.pipeline_input(found.frame, found.used_columns), ANSWERS)

    [filled] = fitted[:-1].transform(np.array([[np.nan, 0.0]]))

    assert np.isfinite(filled).all()
    assert len(filled) == 3


def test_tables_of_numbers_are_matrices_and_others_are_tables() -> None:
    numbers = understood(FRAME[["number"]])

    assert isinstance(features.pipeline_input(numbers.frame, numbers.used_columns), np.ndarray)
    assert isinstance(features.pipeline_input(understood().frame, understood().used_columns), pd.DataFrame)


def test_rare_and_unknown_words_share_a_column_and_blank_has_one() -> None:
    words = ["a"] * 500 + ["b"] * 480 + [None] * 15 + [f"rare{row % 3}" for row in range(5)]
    found = understood(pd.DataFrame({"word": words}))
    fitted = PipelineFactory("classification", found.used_columns, 1000, 0).pipeline(
        "logistic_regression", {}
    )
    fitted.fit(found.frame, np.arange(1000) % 2)

    asked = pd.DataFrame({"word": np.array(["rare1", "unheard", "a", np.nan], dtype=object)})
    rare, unknown, known, blank = fitted[0].transform(asked).toarray().tolist()

    assert rare == unknown
    assert known != rare != blank != known
    assert len(rare) == 4


def test_a_column_of_very_many_words_becomes_few_columns() -> None:
    frame = pd.DataFrame({"word": [f"w{row % 900}" for row in range(3000)]})
    found = understood(frame)
    blueprint = PipelineFactory("classification", found.used_columns, 50, 0)

    fitted = blueprint.pipeline("logistic_regression", {}).fit(found.frame, np.arange(3000) % 2)

    assert fitted[0].transform(found.frame).shape[1] == MOST_CATEGORIES


@pytest.mark.parametrize(("expansion", "columns"), [({}, 2), ({"polynomial": 2}, 5), ({"splines": 4}, 10)])
def test_numbers_are_expanded_as_told(expansion: Any, columns: int) -> None:
    found = understood(pd.DataFrame(RANDOM.normal(size=(ROWS, 2)), columns=["a", "b"]))
    given = features.pipeline_input(found.frame, found.used_columns)

    assert pipeline(found, **expansion).fit(given, ANSWERS)[:-1].transform(given).shape[1] == columns


def test_an_expansion_without_end_is_refused() -> None:
    found = understood(pd.DataFrame(RANDOM.normal(size=(ROWS, 60))).add_prefix("x"))

    with pytest.raises(RecipeError, match=r"degree 3 of 60 columns .* are 39,710"):
        pipeline(found, polynomial=3)


def test_marks_of_blanks_count_among_the_columns_that_are_multiplied() -> None:
    whole = pd.DataFrame(RANDOM.normal(size=(ROWS, 60))).add_prefix("x")

    pipeline(understood(whole), polynomial=2)
    with pytest.raises(RecipeError, match=r"of 120 columns .* are 7,380"):
        pipeline(understood(whole.where(whole < whole.max())), polynomial=2)


def test_the_signature_says_what_the_rows_that_were_learnt_from_hold() -> None:
    found = understood()
    seen = found.frame[found.frame["word"] != "blue"].iloc[:30]

    by_name = {feature.name: feature for feature in features.features_of(found.used_columns, seen)}

    assert by_name["word"].categories == ("green", "red")
    assert by_name["number"].maximum == seen["number"].max()
    assert by_name["number"].nullable
    assert not by_name["word"].nullable
    assert (by_name["day"].kind, by_name["note"].kind) == ("datetime", "text")
    bounds = (seen["day"].min(), seen["day"].max())
    assert (by_name["day"].minimum, by_name["day"].maximum) == tuple(str(day.date()) for day in bounds)


@pytest.mark.parametrize(
    ("times", "low", "high"),
    [
        (["2021-01-02", "2020-01-02", None], "2020-01-02", "2021-01-02"),
        (["2021-01-02 03:04", "2020-01-02"], "2020-01-02T00:00:00", "2021-01-02T03:04:00"),
        (["2021-01-02T23:30-02:00", "2021-01-01T00:00Z"], "2021-01-01T00:00:00", "2021-01-03T01:30:00"),
        (["2021-01-02T00:00:00.000001", "2020-01-02"], "2020-01-02T00:00:00", "2021-01-02T00:00:00.000001"),
        (
            ["2021-01-02T00:00:00.000000001", "2020-01-02"],
            "2020-01-02T00:00:00",
            "2021-01-02T00:00:00.000001",
        ),
        (["9999-12-31", "0001-01-01"], "0001-01-01", "9999-12-31"),
        (["9999-12-31T23:59:59", "0001-01-01"], "0001-01-01T00:00:00", "9999-12-31T23:59:59"),
    ],
)
def test_the_range_of_a_samples_datetimes_is_as_a_client_writes_them(
    times: list[str | None], low: str, high: str
) -> None:
    zone = "Z" in "".join(filter(None, times))
    column = pd.to_datetime(pd.Series(times), format="ISO8601", utc=zone)

    [feature] = features.features_of_sample(pd.DataFrame({"when": column}))

    assert (feature.kind, feature.minimum, feature.maximum) == ("datetime", low, high)


def test_whole_numbers_told_to_be_categories_are_listed_as_such() -> None:
    found = understood(pd.DataFrame({"code": [3.0, 1.0, None, 2.0] * 20}), categorical=("code",))

    [feature] = features.features_of(found.used_columns, found.frame)

    assert feature.categories == (1, 2, 3)
    assert [type(category) for category in feature.categories] == [int, int, int]


def test_whole_numbers_take_fractions_unless_they_are_codes() -> None:
    found = understood(
        pd.DataFrame({"rooms": [1, 2, 3, 9] * 600, "code": [*range(1200)] * 2}), categorical=("code",)
    )

    rooms, code = features.features_of(found.used_columns, found.frame)

    assert (rooms.kind, rooms.fractions) == ("integer", True)
    assert (code.kind, code.fractions) == ("integer", None)


def test_a_batch_is_what_the_pipeline_was_fitted_on() -> None:
    found = understood()
    signature = Signature(features.features_of(found.used_columns, found.frame), Target("y", "category"))
    fitted = pipeline(found).fit(found.frame, ANSWERS)

    batch = features.batch(found.frame, signature)

    assert isinstance(batch, dict)
    assert fitted.predict(pd.DataFrame(batch)).tolist() == fitted.predict(found.frame).tolist()


def trips(count: int) -> pd.DataFrame:
    """Rides within one month, at a fare for the distance and the time."""
    chance = np.random.default_rng(0)
    begun = np.datetime64("2024-03-01", "s") + chance.integers(0, 31 * 86_400 - 7_200, count)
    distance = chance.gamma(2, 1.5, count)
    minutes = 4 * distance + chance.gamma(2, 2, count) + 2
    fare = 2.5 + 2.5 * distance + 0.5 * minutes + chance.normal(size=count)
    ended = begun + (60 * minutes).astype("timedelta64[s]")
    return pd.DataFrame({"pickup": begun, "dropoff": ended, "distance": distance, "fare": fare})


@pytest.mark.parametrize(
    "parameters",
    [{}, {"penalty": "ridge"}, {"penalty": "ridge", "alpha": 1e-3}],
    ids=["plain", "ridge", "slight"],
)
def test_a_trip_over_the_end_of_a_month_costs_what_trips_cost(parameters: dict[str, Any]) -> None:
    """Age and day of the month were the same thing in all that was learnt from, and are not any more."""
    table = trips(1000)
    over = [pd.Timestamp("2024-03-31 23:50"), pd.Timestamp("2024-04-01 00:10"), 4.0]
    asked = pd.DataFrame([over], columns=["pickup", "dropoff", "distance"])
    found = understood(table.drop(columns="fare"))

    line = PipelineFactory("regression", found.used_columns, len(table), 0).pipeline(
        "linear_regression", parameters
    )
    line.fit(found.frame, table["fare"])
    [fare] = line.predict(asked.astype(found.frame.dtypes))

    low, high = table["fare"].min(), table["fare"].max()
    assert low - (high - low) <= fare <= high + (high - low)
    assert line.score(found.frame, table["fare"]) > 0.9
