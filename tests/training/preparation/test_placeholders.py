"""Numbers and dates that stand for none, and numbers that stand for dates: what is said of them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlapi.training.preparation.columns import InferredColumns, infer_columns
from mlapi.training.recipes import Overrides

ROWS = 40
DAYS = pd.Series(pd.date_range("2024-01-03", periods=ROWS, freq="3D"))
ISO = DAYS.dt.strftime("%Y-%m-%d").tolist()


def infer(cells: Any, name: str = "c", **overrides: Any) -> InferredColumns:
    frame = pd.DataFrame({name: cells, "other": np.arange(ROWS) % 7 * 0.5})
    return infer_columns(frame, Overrides(**overrides))


def some(cells: list[Any], placeholder: Any) -> list[Any]:
    """Put a placeholder into each fourth cell."""
    return [placeholder if row % 4 == 0 else cell for row, cell in enumerate(cells)]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (some([row % 13 * 0.5 for row in range(ROWS)], -999.0), "has -999 in 10 of 40 rows"),
        (some([row % 13 for row in range(ROWS)], 9999), "has 9999 in 10 of 40 rows"),
        (some(ISO, "9999-12-31"), "has 9999-12-31 in 10 of 40 rows"),
        (some(ISO, "1900-01-01"), "has 1900-01-01 in 10 of 40 rows"),
    ],
)
def test_a_value_far_away_from_all_others_again_and_again_is_named(cells: list[Any], words: str) -> None:
    (warning,) = infer(cells).warnings

    assert words in warning
    assert "if it stands for none, leave these cells blank" in warning


@pytest.mark.parametrize(
    "cells",
    [
        [row % 13 - 1 for row in range(ROWS)],  # -1 among its neighbors
        [99 if row == 3 else row % 13 for row in range(ROWS)],  # once
        some([row % 3 for row in range(ROWS)], -1),  # a few codes
        ISO,
    ],
)
def test_a_value_among_others_is_not(cells: list[Any]) -> None:
    assert infer(cells).warnings == ()


@pytest.mark.parametrize(
    ("cells", "name", "words"),
    [
        (DAYS.dt.strftime("%Y%m%d").astype(int), "c", "seems to hold dates, such as 20240103: --datetime c"),
        (DAYS.astype("datetime64[s]").astype("int64"), "created_at", "seems to hold seconds since 1970"),
        (DAYS.astype("datetime64[ms]").astype("int64"), "timestamp", "seems to hold milliseconds since 1970"),
        (45_000 + np.arange(ROWS) * 3, "order_date", "seems to hold days as Excel counts them"),
    ],
)
def test_numbers_that_seem_to_be_dates_are_named(cells: Any, name: str, words: str) -> None:
    (warning,) = infer(cells, name).warnings

    assert words in warning


def test_who_says_so_gets_dates_of_whole_numbers() -> None:
    inferred = infer(DAYS.dt.strftime("%Y%m%d").astype(int), datetime=("c",))

    assert inferred.columns[0].kind == "datetime"
    assert inferred.frame["c"].tolist() == DAYS.tolist()


def test_years_of_two_digits_that_are_far_apart_are_named() -> None:
    (warning,) = infer([f"{1 + row % 28}.3.{(60 + row) % 100:02}" for row in range(ROWS)]).warnings

    assert "years of two digits, which are read as 1969 to 2068" in warning


def test_times_of_the_day_and_durations_are_called_so() -> None:
    times = infer([f"{row % 24}:30" for row in range(ROWS)]).columns[0]
    durations = infer([f"{row}:30:00" for row in range(ROWS)]).columns[0]

    assert times.explanation == "times of the day, 00:30 to 23:30"
    assert (durations.kind, durations.explanation) == (
        "number",
        "numbers (durations: 0:30:00 is 1800), 1800 to 142200",
    )


def test_who_says_that_times_are_numeric_gets_durations() -> None:
    inferred = infer([f"{row % 24}:30:00" for row in range(ROWS)], numeric=("c",))

    assert inferred.columns[0].kind == "number"
    assert inferred.frame["c"][:2].tolist() == [1800, 5400]
