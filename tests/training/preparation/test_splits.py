"""Splits: which rows are learnt from, and which are judged by."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlapi.errors import RecipeError
from mlapi.training.preparation.splits import Folds, SplitKeys, folds, hold_out, sample

CLASSES = np.repeat([0, 1], [40, 20])
TIMES = np.random.default_rng(0).permutation(60)


def every_split(rows: SplitKeys, share: float = 0.25) -> Folds:
    """Held out or fold: what holds for one holds for the others."""
    found = [hold_out(rows, share), *folds(rows)]
    assert len(found) > 2
    return found


def test_each_row_is_on_one_side_and_classes_keep_their_shares() -> None:
    train, test = hold_out(SplitKeys(60, 0, CLASSES), 0.25)

    assert sorted([*train, *test]) == list(range(60))
    assert CLASSES[test].tolist().count(1) == 5
    assert CLASSES[train].tolist().count(1) == 15


@pytest.mark.parametrize("classes", [None, CLASSES])
def test_rows_of_one_group_are_never_on_both_sides(classes: Any) -> None:
    groups = np.random.default_rng(0).integers(0, 12, 60)

    for train, judged in every_split(SplitKeys(60, 0, classes, groups)):
        assert not set(groups[train]) & set(groups[judged])


@pytest.mark.parametrize("classes", [None, CLASSES])
@given(times=st.lists(st.integers(0, 9), min_size=60, max_size=60).filter(lambda times: len(set(times)) > 5))
def test_what_is_judged_by_is_newer_than_all_that_was_learnt_from(classes: Any, times: list[int]) -> None:
    moments = np.array(times)

    for train, judged in [
        hold_out(SplitKeys(60, 0, None, None, moments), 0.25),
        *folds(SplitKeys(60, 0, classes, None, moments)),
    ]:
        assert moments[train].max() < moments[judged].min()


def test_the_share_that_is_held_out_by_time_is_the_nearest_that_cuts_no_moment() -> None:
    assert [len(part) for part in hold_out(SplitKeys(60, 0, None, None, TIMES), 0.25)] == [45, 15]
    assert [len(part) for part in hold_out(SplitKeys(60, 0, None, None, TIMES // 20), 0.25)] == [40, 20]


@pytest.mark.parametrize(
    ("rows", "share", "words"),
    [
        (SplitKeys(4, 0, np.array([0, 0, 1, 1])), 0.25, "at least one of each of the 2 classes"),
        (SplitKeys(60, 0, CLASSES), 0.001, "test_size 0.001 of 60 rows leaves too few"),
        (SplitKeys(60, 0, CLASSES), 0.999, "bring more rows"),
        (SplitKeys(3, 0), 0.25, "at least 2;"),
        (SplitKeys(60, 0, None, np.zeros(60)), 0.25, "one group"),
        (SplitKeys(60, 0, CLASSES, np.zeros(60)), 0.25, "one group"),
        (SplitKeys(60, 0, CLASSES, CLASSES), 0.25, "one class only"),
        (SplitKeys(60, 0, None, None, np.zeros(60)), 0.25, "one time"),
        (SplitKeys(60, 0, CLASSES, None, np.arange(60)), 0.4, "one class only"),
    ],
)
def test_a_split_that_cannot_be_is_refused_in_plain_words(rows: SplitKeys, share: float, words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        hold_out(rows, share)

    assert words in str(caught.value)
    assert "Error" not in str(caught.value)


def test_two_groups_are_enough_where_both_have_both_classes() -> None:
    groups = np.tile([0, 1], 30)

    for train, judged in [
        hold_out(SplitKeys(60, 0, CLASSES, groups), 0.25),
        *folds(SplitKeys(60, 0, CLASSES, groups)),
    ]:
        assert len(train) == len(judged) == 30


def test_few_rows_have_few_folds_or_none() -> None:
    assert len(folds(SplitKeys(60, 0, CLASSES))) == 5
    assert len(folds(SplitKeys(8, 0, np.array([0] * 5 + [1] * 3)))) == 3
    assert len(folds(SplitKeys(60, 0, np.array([0] * 30 + [1] * 28 + [2] * 2)))) == 5
    assert folds(SplitKeys(3, 0)) == []
    assert folds(SplitKeys(2, 0, np.array([0, 1]))) == []


@pytest.mark.parametrize(
    "rows", [SplitKeys(60, 7, CLASSES), SplitKeys(60, 7), SplitKeys(60, 7, CLASSES, TIMES // 5)]
)
def test_the_seed_decides(rows: SplitKeys) -> None:
    again = [(train.tolist(), judged.tolist()) for train, judged in every_split(rows)]

    assert again == [(train.tolist(), judged.tolist()) for train, judged in every_split(rows)]


def test_a_sample_by_time_has_the_newest_rows_and_any_other_is_drawn() -> None:
    newest = sample(SplitKeys(60, 0, CLASSES, None, TIMES), 20)
    drawn = sample(SplitKeys(60, 0, CLASSES), 20)

    assert sorted(TIMES[newest]) == list(range(40, 60))
    assert len(set(drawn)) == 20
    assert drawn.tolist() == sorted(drawn)
    assert sample(SplitKeys(60, 0), 60).tolist() == list(range(60))
