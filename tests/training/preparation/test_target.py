"""What is to be predicted, read off the target's cells."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlapi.data.tables.cells import CellOptions
from mlapi.errors import DatasetError
from mlapi.training.preparation.target import TargetSummary, read_target


def read(cells: Any, **told: Any) -> TargetSummary:
    return read_target(pd.Series(cells, name="y"), **told)


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (["b", "a", None] * 4, ("a", "b")),
        ([1, 0, 1, 2] * 4, (0, 1, 2)),
        ([1.0, 0.0, np.nan] * 4, (0, 1)),
        (["1", "0", "n/a"] * 4, (0, 1)),
        (["1", "x", "2.5"] * 4, ("1", "2.5", "x")),
        ([True, False, None] * 4, (False, True)),
        ([2**60, 2**60 + 1] * 4, (2**60, 2**60 + 1)),
        ([2**63, 2**63 + 1] * 4, (2**63, 2**63 + 1)),
        (pd.Categorical(["low", "high"] * 4), ("high", "low")),
        (["5 mg", "10 mg"] * 4, ("10 mg", "5 mg")),
        (["", " ", "a", "b"] * 4, ("a", "b")),
    ],
)
def test_words_flags_and_a_few_whole_numbers_are_classes_of_their_own_type(
    cells: Any, classes: tuple[Any, ...]
) -> None:
    goal = read(cells)

    assert (goal.task, goal.classes) == ("classification", classes)
    assert list(map(type, goal.classes)) == list(map(type, classes))
    assert goal.codes is not None
    assert [classes[code] for code in goal.codes] == goal.values.tolist()
    assert int(goal.is_usable.sum()) == len(goal.values)


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        ([1.5, 2.0, np.nan, 3.5], [1.5, 2, 3.5]),
        (["1,234", "2,345", "n/a", "3,456"], [1234, 2345, 3456]),
        (["12%", "13%", "14.5%"], [12, 13, 14.5]),
        (["5.5 mg", "7 mg", "n/a", "10 mg"], [5.5, 7, 10]),
        ([0.5, np.inf, 1.5], [0.5, 1.5]),
    ],
)
def test_other_numbers_are_values(cells: Any, values: list[float]) -> None:
    goal = read(cells)

    assert goal.task == "regression"
    assert goal.values.tolist() == values
    assert goal.classes == ()


def test_rows_that_cannot_be_used_are_left_out_and_counted() -> None:
    assert read(["a", "b"] * 3 + [None, "rare"]).left_out == (
        "1 row whose y is blank",
        '1 row whose class has no other row ("rare")',
    )
    assert read([1.5, 2.5, np.inf, -np.inf, 1e200, np.nan, np.nan]).left_out == (
        "2 rows whose y is blank",
        "3 rows whose y is infinite or beyond 1e+150",
    )


@pytest.mark.parametrize(
    ("cells", "told", "words"),
    [
        (["a"] * 9, {}, 'one class, "a"'),
        (["a"], {}, 'no class (left out: 1 row whose class has no other row ("a"))'),
        ([None] * 9, {}, "no class (left out: 9 rows whose y is blank)"),
        ([1.5] * 9, {}, "1.5 in every row"),
        ([np.inf] * 8 + [0.5], {}, "0.5 in every row"),
        ([f"name {row}" for row in range(60)], {}, "60 different classes in 60 rows"),
        ([f"2024-01-{day:02}" for day in range(1, 31)], {}, "they are dates; make a number of them"),
        (list(range(60)), {"task": "classification"}, "if they are values: --task regression"),
        (pd.date_range("2024-01-01", periods=9), {}, "holds dates"),
        ([1.5, 2.5] * 9, {"task": "classification"}, "use --task regression"),
        ([1e20, 2e20] * 9, {}, "numbers of too many digits, which are no classes"),
        (["a", "b"] * 9, {"task": "regression"}, 'holds "a", and a regression needs numbers'),
        ([[1]] * 9, {}, "type list"),
        ([b"x"] * 9, {}, "type bytes"),
        ([1 + 2j, 2] * 9, {}, "complex"),
    ],
)
def test_what_cannot_be_learnt_is_refused_by_the_targets_name(cells: Any, told: Any, words: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read(cells, **told)

    assert str(caught.value).startswith("target 'y' ")
    assert words in str(caught.value)


def test_the_task_may_be_told() -> None:
    assert read([1, 2, 3] * 4, task="regression").task == "regression"
    assert read(range(60)).task == "regression"
    assert (
        len(read(["1.234", "2.345"] * 9, options=CellOptions(decimal_of_file=","), task="regression").values)
        == 18
    )
