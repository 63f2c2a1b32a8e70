"""What a table's preparation warns of: where it is true, and not where it is not."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlapi.estimators.algorithms.declaration import CLASSIFICATION, REGRESSION
from mlapi.training.preparation.preparation import prepare
from mlapi.training.recipes import Recipe
from mlapi.training.tables import datasets

RANDOM = np.random.default_rng(0)
DAYS = pd.Series(pd.date_range("2020-01-01", periods=600))
WALK = np.cumsum(RANDOM.normal(size=600))
UP = np.median(WALK) < WALK
NOISE = RANDOM.normal(size=600)


def warnings_of(features: dict[str, Any], target: Any, **recipe: Any) -> list[str]:
    given = Recipe("r", target="y", **recipe)
    table = datasets.Dataset("a table", pd.DataFrame(features), pd.Series(target, name="y"))
    return [words for words in prepare(given, table).warnings if "same features" not in words]


@pytest.mark.parametrize("target", [WALK, UP], ids=[REGRESSION, CLASSIFICATION])
def test_rows_that_are_alike_in_time_are_said_to_be_once(target: Any) -> None:
    [told] = warnings_of({"day": DAYS, "noise": NOISE}, target)

    assert 'rows that are near in "day" are alike in "y"' in told
    assert "--time-column day" in told
    assert "--drop day" in told


def test_who_judges_by_time_needs_no_such_warning() -> None:
    assert warnings_of({"day": DAYS, "noise": NOISE}, WALK, time_column="day") == []


def test_dates_that_say_nothing_of_the_target_are_no_alarm() -> None:
    other = NOISE + RANDOM.normal(size=600)

    assert warnings_of({"day": DAYS, "noise": NOISE}, other) == []
    assert warnings_of({"day": DAYS, "noise": NOISE}, other > 0) == []


@pytest.mark.parametrize(
    ("disguise", "target"),
    [
        (WALK * 2, WALK),
        (DAYS[0] + pd.to_timedelta(WALK, unit="D"), WALK),
        (np.where(UP, "yes", "no"), UP),
        (np.where(UP, 7.5, RANDOM.normal(size=600)), UP),
    ],
    ids=["numbers", "dates", "words", "one number"],
)
def test_the_target_in_other_words_is_caught(disguise: Any, target: Any) -> None:
    order = RANDOM.permutation(600)

    [told] = warnings_of({"other": pd.Series(disguise).to_numpy()[order], "noise": NOISE}, target[order])

    assert told.startswith(
        ('"other" alone almost predicts "y"', 'rows that are near in "other" are alike in "y"')
    )
    assert told.endswith("--drop other")


def test_a_strong_feature_that_does_not_say_all_is_no_alarm() -> None:
    strong = WALK + RANDOM.normal(size=600) * WALK.std() * 0.35

    assert warnings_of({"strong": strong, "noise": NOISE}, WALK) == []
