"""A recipe and its table: what is learnt from, what is judged by, and what was decided."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlapi.data.limits import TableLimits
from mlapi.errors import DatasetError, RecipeError, TooLarge
from mlapi.training.preparation.preparation import Prepared, prepare
from mlapi.training.recipes import make_recipe
from mlapi.training.workflows import sources

ROWS = 40
FRAME = pd.DataFrame(
    {
        "number": np.random.default_rng(0).normal(size=ROWS),
        "site": ["a", "b", "c", "d"] * 10,
        "when": pd.date_range("2024-01-01", periods=ROWS).strftime("%d/%m/%Y"),
        "id": range(ROWS),
        "y": ["yes", "no"] * 20,
    }
)


def prepared(frame: pd.DataFrame = FRAME, **given: Any) -> Prepared:
    recipe = make_recipe("y", {"target": "y", **given})
    return prepare(recipe, sources.load(recipe, frame))


def test_what_is_left_out_is_ignored_by_the_signature_and_the_group_too() -> None:
    found = prepared(group="site", drop=["when"])

    assert found.signature.names == ("number",)
    assert found.signature.ignored == ("when", "id", "site", "y")


def test_rows_without_a_target_or_a_time_are_on_neither_side() -> None:
    frame = FRAME.assign(y=FRAME["y"].where(FRAME.index != 3), when=FRAME["when"].where(FRAME.index != 7))

    found = prepared(frame, time_column="when")

    assert found.left_out == ("1 row whose y is blank", "1 row whose when is blank")
    assert len(found.train.y) + len(found.test.y) == ROWS - 2
    used = np.concatenate([found.train.frame["number"], found.test.frame["number"]])
    assert set(used) == set(FRAME["number"].drop([3, 7]))


def test_a_row_keeps_its_target_through_every_split() -> None:
    frame = FRAME.assign(y=np.where(FRAME["number"] > 0, "yes", "no"))
    frame.loc[::5, "y"] = None

    found = prepared(frame)

    for part in (found.train, found.test):
        assert part.y.tolist() == np.where(part.frame["number"] > 0, "yes", "no").tolist()


def test_a_target_of_more_classes_than_the_limits_allow_is_too_large() -> None:
    recipe = make_recipe("y", {"target": "site"})
    table = sources.load(recipe, FRAME)

    assert prepare(recipe, table, TableLimits(rows=1, columns=1, classes=4)).task == "classification"
    with pytest.raises(TooLarge, match="4 classes; a job takes 3 at most"):
        prepare(recipe, table, TableLimits(rows=1, columns=1, classes=3))


@pytest.mark.parametrize(
    "when",
    [
        FRAME["when"],
        pd.to_datetime(FRAME["when"], dayfirst=True),
        pd.Series(np.arange(ROWS) / ROWS),
        pd.Series(np.arange(ROWS) + 2**60),
        pd.Series([*range(ROWS - 1), np.inf]),
    ],
)
def test_the_newest_rows_are_held_out_whatever_time_is_written_in(when: pd.Series) -> None:
    found = prepared(FRAME.assign(when=when, order=np.linspace(0, 1, ROWS)), time_column="when")

    assert found.test.frame["order"].min() > found.train.frame["order"].max()
    assert len(found.test.y) == 10


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"drop": ["y"]}, "'y' is the target"),
        ({"group": "y"}, "'y' is the target"),
        ({"group": "site", "categorical": ["site"]}, "'site' is the group"),
        ({"group": "nowhere"}, "no column 'nowhere'"),
        ({"time_column": "site"}, "that are no dates or times"),
        ({"algorithm": "svm", "parameters": {"epsilon": 1}}, "epsilon: is for regression only"),
        ({"algorithm": "linear_regression", "task": "classification"}, "does regression, but the target"),
    ],
)
def test_what_does_not_suit_the_table_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises((DatasetError, RecipeError)) as caught:
        prepared(**given)

    assert words in str(caught.value)


def test_a_group_may_be_dropped_since_it_is_no_feature_anyway() -> None:
    assert prepared(group="site", drop=["site"]).signature == prepared(group="site").signature


def test_columns_of_a_frame_may_have_names_of_any_type() -> None:
    frame = FRAME.rename(columns={"number": 0, "site": ("a", 1), "when": None})

    assert prepared(frame).signature.names == ("0", "('a', 1)", "None")


def test_values_of_many_types_in_one_column_are_words() -> None:
    frame = FRAME.assign(mixed=pd.Series([1, "a", 2.5, None, True] * 8, dtype=object))

    by_name = {feature.name: feature for feature in prepared(frame).signature.features}

    assert by_name["mixed"].kind == "category"
    assert by_name["mixed"].nullable
    assert set(by_name["mixed"].categories or ()) == {"1", "a", "2.5", "True"}


def test_the_signature_has_the_classes_that_can_be_answered() -> None:
    """The newest rows are of a class that came later."""
    frame = FRAME.assign(y=["a"] * 15 + ["b"] * 15 + ["c"] * 10)

    found = prepared(frame, time_column="when")

    assert found.signature.target.classes == ("a", "b")
    assert set(found.test.y) == {"c"}


@pytest.mark.parametrize(
    ("group", "sort"), [([[row % 9] for row in range(ROWS)], "list"), ([{"a": 1}] * ROWS, "dict")]
)
def test_a_group_that_cannot_be_compared_is_refused_by_name(group: Any, sort: str) -> None:
    with pytest.raises(DatasetError, match=f"group 'site' holds values of type {sort}"):
        prepared(FRAME.assign(site=group), group="site")
