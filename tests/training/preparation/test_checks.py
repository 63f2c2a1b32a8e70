"""What has to be known before metrics are believed."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlapi.training.preparation import checks
from mlapi.training.preparation.columns import infer_columns
from mlapi.training.recipes import Overrides

RANDOM = np.random.default_rng(0)
ROWS = 1_000
NUMBER = RANDOM.normal(size=ROWS)
CLASSES = np.where(NUMBER + RANDOM.normal(size=ROWS) > 0, "yes", "no")
VALUES = NUMBER * 3 + RANDOM.normal(size=ROWS)


def leaks(y: Any, rows: int = ROWS, **columns: Any) -> list[str]:
    found = infer_columns(pd.DataFrame({"number": NUMBER, **columns})[:rows], Overrides())
    task = "classification" if y.dtype.kind in "Ub" else "regression"
    return list(checks.leaks(found.used_columns, found.frame, y[:rows], task=task, target="y", seed=0))


@pytest.mark.parametrize(
    ("y", "leak"),
    [
        (CLASSES, np.where(CLASSES == "yes", "survived", "died")),
        (CLASSES, np.where(CLASSES == "yes", 7.5, 3.25)),
        (CLASSES, CLASSES == "yes"),
        (CLASSES, pd.Series(np.where(CLASSES == "yes", "positive", None), dtype=object)),
        (CLASSES, np.where(CLASSES == "yes", np.datetime64("2024-01-01"), np.datetime64("2025-01-01"))),
        (VALUES, VALUES * 0.4536),
        (VALUES, np.exp(VALUES)),
    ],
)
def test_the_target_in_other_words_is_named_with_the_way_out(y: Any, leak: Any) -> None:
    [warning] = leaks(y, **{"the answer": leak})

    assert warning.startswith('"the answer" alone almost predicts "y" (')
    assert warning.endswith("--drop 'the answer'")


@pytest.mark.parametrize("y", [CLASSES, VALUES])
def test_a_good_feature_is_no_leak_and_few_rows_prove_none(y: Any) -> None:
    assert leaks(y) == []
    assert leaks(y, rows=80, copy=y) == []


def test_classes_of_a_few_rows_hide_no_leak() -> None:
    classes = CLASSES.astype("U8")
    classes[:20] = [f"rare {number // 2}" for number in range(20)]
    classes = RANDOM.permutation(classes)

    [warning] = leaks(classes, code=np.char.upper(classes))

    assert warning.startswith('"code" alone almost predicts "y"')


def test_classes_that_are_rare_are_counted() -> None:
    [warning] = checks.imbalance(np.array(["a"] * 95 + ["b"] * 5))

    assert '"b" 5' in warning
    assert not list(checks.imbalance(np.array(["a"] * 90 + ["b"] * 10)))


def test_held_out_rows_that_were_learnt_from_are_counted() -> None:
    frame = pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": ["x", None, "z"]})

    [warning] = checks.duplicates(frame, frame.iloc[[0, 1]])

    assert "2 of 2 held-out rows" in warning
    assert not list(checks.duplicates(frame.iloc[:1], frame.iloc[1:]))


def test_small_tables_and_wide_ones_are_said() -> None:
    assert not list(checks.sizes(features=5, train=100, test=50))
    assert len(list(checks.sizes(features=500, train=100, test=10))) == 2


def test_rows_without_a_group_are_counted_on_both_sides() -> None:
    assert list(checks.ungrouped(np.array([-1, 2]), np.array([-1]))) == [
        "2 rows without a group: they are taken for one group"
    ]
    assert not list(checks.ungrouped(None, None))
