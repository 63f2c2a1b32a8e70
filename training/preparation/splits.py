"""Which rows a model is trained on and which it is tested on; likewise for each fold of a cross-validation.

Classes keep their shares; rows of one group stay on one side; where rows have a time, the test rows are newer
than the train rows.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    train_test_split,
)

from mlapi.errors import RecipeError
from mlapi.wording import counted

Positions: TypeAlias = NDArray[np.intp]
"""`(rows,)`: which rows, by their number in a table."""

Split: TypeAlias = tuple[Positions, Positions]
"""Train and test rows, each `(rows,)`."""

Folds: TypeAlias = list[Split]
"""For each fold the rows to fit on and the rows to score on, each `(rows,)`."""

FOLDS = 5
"""Folds of a cross-validation, where there are rows for so many."""

_GROUPINGS = 20
"""Divisions of the groups that are drawn; the one is taken whose share of test rows is nearest."""

FEWEST_ON_A_SIDE = 2
"""Rows to test on at least, since R² of a single row is not defined; and as many to train on."""


@dataclass(frozen=True, slots=True)
class SplitKeys:
    """What decides how `count` rows may be split.

    `classes` `(rows,)` are positions among the classes, from 0; `groups` `(rows,)` any values that compare;
    `times` `(rows,)` whole numbers that grow with time. None: the rows have no such thing.
    """

    count: int
    seed: int
    classes: NDArray[np.intp] | None = None
    groups: NDArray[Any] | None = None
    times: NDArray[np.int64] | None = None

    def take(self, positions: Positions) -> "SplitKeys":
        """Return what decides about some of the rows."""
        groups = None if self.groups is None else self.groups[positions]
        times = None if self.times is None else self.times[positions]
        classes = None if self.classes is None else self.classes[positions]
        return replace(self, count=len(positions), classes=classes, groups=groups, times=times)

    @property
    def explanation(self) -> str:
        """How rows are split, in words."""
        if self.times is not None:
            return "the newest rows are held out, and each fold is judged by newer rows than it learnt from"
        if self.groups is not None:
            return "at random, all rows of a group on one side"
        return "at random, classes in equal shares" if self.classes is not None else "at random"


def hold_out(keys: SplitKeys, share: float) -> Split:
    """Split rows into train and test rows.

    Args:
        share: The share of the rows to test on; above 0 and below 1.

    Raises:
        RecipeError: One of the two would have too few rows, or lack a class.
    """
    try:
        train, test = _divide(keys, share)
    except ValueError as error:  # a side would have no row, or none of some class
        raise RecipeError(_too_few(keys, share)) from error
    if min(len(test), len(train)) < FEWEST_ON_A_SIDE:
        raise RecipeError(_too_few(keys, share))
    if keys.classes is not None and not _vary(keys.classes[train]):
        raise RecipeError(
            f"the rows to learn from would have one class only; more rows, or another split, are needed ("
            f"{keys.explanation})"
        )
    return train, test


def folds(keys: SplitKeys, count: int = FOLDS) -> Folds:
    """Split rows for a cross-validation.

    There are fewer folds than asked for where the table, or all classes but one, have fewer rows; and none
    where not even two are possible.
    """
    count = min(count, _most_folds(keys))
    if count < 2:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class with fewer rows than folds is missing from some: known
        try:
            return list(_usable(keys, _splitter(keys, count)))
        except ValueError:
            return []


def sample(keys: SplitKeys, most: int) -> Positions:
    """Choose at most so many rows, in their own order: the newest, or any where rows have no time."""
    if keys.count <= most:
        return np.arange(keys.count)
    if keys.times is not None:
        return np.sort(np.argsort(keys.times, kind="stable")[-most:])
    chosen: Positions = np.random.default_rng(keys.seed).permutation(keys.count)[:most]
    return np.sort(chosen)


def _too_few(keys: SplitKeys, share: float) -> str:
    classes = 0 if keys.classes is None else len(np.unique(keys.classes))
    needed = f"one of each of the {classes} classes" if classes >= FEWEST_ON_A_SIDE else FEWEST_ON_A_SIDE
    return (
        f"test_size {share} of {counted(keys.count, 'row')} leaves too few on one side: to learn from as "
        f"well as to judge by there must be at least {needed}; change it, or bring more rows"
    )


def _divide(keys: SplitKeys, share: float) -> Split:
    positions = np.arange(keys.count)
    if keys.times is not None:
        return _divide_by_time(keys.times, share)
    if keys.groups is None:
        train, test = train_test_split(
            positions, test_size=share, random_state=keys.seed, stratify=keys.classes
        )
        return train, test
    groups = len(np.unique(keys.groups))
    if groups < 2:
        raise RecipeError("all rows are of one group; at least two groups are needed")
    if keys.classes is not None:
        parts = min(max(2, round(1 / share)), groups, int(np.bincount(keys.classes).max()))
        splitter: Any = StratifiedGroupKFold(parts, shuffle=True, random_state=keys.seed)
    else:
        splitter = GroupShuffleSplit(_GROUPINGS, test_size=share, random_state=keys.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rare classes, as above
        splits = list(splitter.split(positions, keys.classes, keys.groups))
    # Groups differ in size: three of four rows may be in the first one.
    train, test = min(splits, key=lambda parts: abs(len(parts[1]) - share * keys.count))
    return train, test


def _divide_by_time(times: NDArray[np.int64], share: float) -> Split:
    """Cut between two times: rows of one time stay on one side, whatever the share."""
    in_order = np.argsort(times, kind="stable")
    cuts = np.flatnonzero(np.diff(times[in_order])) + 1
    if not len(cuts):
        raise RecipeError("all rows have one time; at least two are needed to judge by newer ones")
    cut = cuts[np.abs(cuts - (1 - share) * len(times)).argmin()]
    return in_order[:cut], in_order[cut:]


def _most_folds(keys: SplitKeys) -> int:
    if keys.groups is not None:
        return len(np.unique(keys.groups))
    if keys.classes is not None and keys.times is None:
        counts = np.sort(np.bincount(keys.classes))
        return max(2, int(counts[-2:][0]))  # rarer ones are missing from some: few rows decide for no others
    return keys.count // 2


def _splitter(keys: SplitKeys, count: int) -> Iterator[Split]:
    positions = np.arange(keys.count)
    if keys.times is not None:
        in_order = np.argsort(keys.times, kind="stable")
        return _older(keys.times[in_order], in_order, TimeSeriesSplit(count).split(positions))
    at_random: dict[str, Any] = {"shuffle": True, "random_state": keys.seed}
    has_classes = keys.classes is not None
    if keys.groups is not None:
        splitter: Any = StratifiedGroupKFold(count, **at_random) if has_classes else GroupKFold(count)
    else:
        splitter = StratifiedKFold(count, **at_random) if has_classes else KFold(count, **at_random)
    splits: Iterator[Split] = splitter.split(positions, keys.classes, keys.groups)
    return splits


def _older(times: NDArray[np.int64], in_order: Positions, splits: Iterator[Split]) -> Iterator[Split]:
    """Leave out the train rows that are as new as the oldest test row."""
    for train, test in splits:
        older = train[times[train] < times[test[0]]]
        if len(older):
            yield in_order[older], in_order[test]


def _usable(keys: SplitKeys, splits: Iterator[Split]) -> Iterator[Split]:
    """Leave out the folds that have train rows of one class only, as the first of a time series may."""
    for train, test in splits:
        if keys.classes is None or _vary(keys.classes[train]):
            yield train, test


def _vary(codes: Positions) -> bool:
    return bool((codes != codes[0]).any())
