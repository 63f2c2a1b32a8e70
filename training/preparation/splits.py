"""Which rows are learnt from and which are judged by; likewise for each fold of a cross-validation.

Classes keep their shares; rows of one group stay on one side; where rows have a time, what is judged by is
newer than what was learnt from.
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
Folds: TypeAlias = list[tuple[Positions, Positions]]

FOLDS = 5

_GROUPINGS = 20
"""So many choices of groups, of which the one is taken that holds out the share best."""

FEWEST_HELD_OUT = 2
"""R² of a single row is not defined."""


@dataclass(frozen=True, slots=True)
class SplitKeys:
    """What decides how rows may be split: their classes (as whole numbers), groups and times."""

    count: int
    seed: int
    classes: NDArray[np.intp] | None = None
    groups: NDArray[Any] | None = None
    times: NDArray[np.int64] | None = None

    def take(self, positions: Positions) -> "SplitKeys":
        groups = None if self.groups is None else self.groups[positions]
        times = None if self.times is None else self.times[positions]
        classes = None if self.classes is None else self.classes[positions]
        return replace(self, count=len(positions), classes=classes, groups=groups, times=times)

    @property
    def explanation(self) -> str:
        """How rows are chosen, in words."""
        if self.times is not None:
            return "the newest rows are held out, and each fold is judged by newer rows than it learnt from"
        if self.groups is not None:
            return "at random, all rows of a group on one side"
        return "at random, classes in equal shares" if self.classes is not None else "at random"


def hold_out(rows: SplitKeys, share: float) -> tuple[Positions, Positions]:
    """Positions to learn from and to judge by.

    Raises:
        RecipeError: One of the two would have too few rows, or lack a class.
    """
    try:
        train, test = _divide(rows, share)
    except ValueError as error:  # a side would have no row, or none of some class
        raise RecipeError(_too_few(rows, share)) from error
    if min(len(test), len(train)) < FEWEST_HELD_OUT:
        raise RecipeError(_too_few(rows, share))
    if rows.classes is not None and not _vary(rows.classes[train]):
        raise RecipeError(
            f"the rows to learn from would have one class only; more rows, or another split, are needed ("
            f"{rows.explanation})"
        )
    return train, test


def folds(rows: SplitKeys, count: int = FOLDS) -> Folds:
    """(learnt from, judged by) for each fold; fewer where the table, or all classes but one, have fewer rows.

    Empty where not even two are possible.
    """
    count = min(count, _most_folds(rows))
    if count < 2:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a class with fewer rows than folds is missing from some: known
        try:
            return list(_usable(rows, _splitter(rows, count)))
        except ValueError:
            return []


def sample(rows: SplitKeys, most: int) -> Positions:
    """Positions of at most so many rows, at random or the newest, in their own order."""
    if rows.count <= most:
        return np.arange(rows.count)
    if rows.times is not None:
        return np.sort(np.argsort(rows.times, kind="stable")[-most:])
    chosen: Positions = np.random.default_rng(rows.seed).permutation(rows.count)[:most]
    return np.sort(chosen)


def _too_few(rows: SplitKeys, share: float) -> str:
    classes = 0 if rows.classes is None else len(np.unique(rows.classes))
    needed = f"one of each of the {classes} classes" if classes >= FEWEST_HELD_OUT else FEWEST_HELD_OUT
    return (
        f"test_size {share} of {counted(rows.count, 'row')} leaves too few on one side: to learn from as "
        f"well as to judge by there must be at least {needed}; change it, or bring more rows"
    )


def _divide(rows: SplitKeys, share: float) -> tuple[Positions, Positions]:
    positions = np.arange(rows.count)
    if rows.times is not None:
        return _divide_by_time(rows.times, share)
    if rows.groups is None:
        train, test = train_test_split(
            positions, test_size=share, random_state=rows.seed, stratify=rows.classes
        )
        return train, test
    groups = len(np.unique(rows.groups))
    if groups < 2:
        raise RecipeError("all rows are of one group; at least two groups are needed")
    if rows.classes is not None:
        parts = min(max(2, round(1 / share)), groups, int(np.bincount(rows.classes).max()))
        splitter: Any = StratifiedGroupKFold(parts, shuffle=True, random_state=rows.seed)
    else:
        splitter = GroupShuffleSplit(_GROUPINGS, test_size=share, random_state=rows.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of rare classes, as above
        found = list(splitter.split(positions, rows.classes, rows.groups))
    # Groups differ in size: three of four rows may be in the first one.
    train, test = min(found, key=lambda parts: abs(len(parts[1]) - share * rows.count))
    return train, test


def _divide_by_time(times: NDArray[np.int64], share: float) -> tuple[Positions, Positions]:
    """The cut lies between two moments: rows of one moment stay on one side, whatever the share."""
    in_order = np.argsort(times, kind="stable")
    cuts = np.flatnonzero(np.diff(times[in_order])) + 1
    if not len(cuts):
        raise RecipeError("all rows have one time; at least two are needed to judge by newer ones")
    cut = cuts[np.abs(cuts - (1 - share) * len(times)).argmin()]
    return in_order[:cut], in_order[cut:]


def _most_folds(rows: SplitKeys) -> int:
    if rows.groups is not None:
        return len(np.unique(rows.groups))
    if rows.classes is not None and rows.times is None:
        counts = np.sort(np.bincount(rows.classes))
        return max(2, int(counts[-2:][0]))  # rarer ones are missing from some: few rows decide for no others
    return rows.count // 2


def _splitter(rows: SplitKeys, count: int) -> Iterator[tuple[Positions, Positions]]:
    positions = np.arange(rows.count)
    if rows.times is not None:
        in_order = np.argsort(rows.times, kind="stable")
        return _older(rows.times[in_order], in_order, TimeSeriesSplit(count).split(positions))
    chance: dict[str, Any] = {"shuffle": True, "random_state": rows.seed}
    is_classes = rows.classes is not None
    if rows.groups is not None:
        splitter: Any = StratifiedGroupKFold(count, **chance) if is_classes else GroupKFold(count)
    else:
        splitter = StratifiedKFold(count, **chance) if is_classes else KFold(count, **chance)
    found: Iterator[tuple[Positions, Positions]] = splitter.split(positions, rows.classes, rows.groups)
    return found


def _older(
    times: NDArray[np.int64], in_order: Positions, found: Iterator[tuple[Positions, Positions]]
) -> Iterator[tuple[Positions, Positions]]:
    """Without the rows to learn from that are as new as one to judge by."""
    for train, test in found:
        older = train[times[train] < times[test[0]]]
        if len(older):
            yield in_order[older], in_order[test]


def _usable(
    rows: SplitKeys, found: Iterator[tuple[Positions, Positions]]
) -> Iterator[tuple[Positions, Positions]]:
    """Without the folds that would learn from one class only, as the first of a time series may."""
    for train, test in found:
        if rows.classes is None or _vary(rows.classes[train]):
            yield train, test


def _vary(codes: NDArray[np.intp]) -> bool:
    return bool((codes != codes[0]).any())
