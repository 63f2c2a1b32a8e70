"""What is to be predicted, values or classes: inferred from the target's cells, unless the recipe says it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from mlapi.data.tables.datetimes import parse_datetimes
from mlapi.data.tables.numbers import parse_numbers
from mlapi.errors import DatasetError
from mlapi.estimators.algorithms.declaration import CLASSIFICATION, REGRESSION
from mlapi.training.preparation.kinds import LARGEST
from mlapi.training.preparation.series import NoCells, codes_and_uniques, plain
from mlapi.wording import counted, listed, quoted

MOST_WHOLE_CLASSES = 20
"""If a target has at most so many different whole numbers, they are taken for classes, else for values."""

MOST_CLASSES = 1_000
"""A target of more classes is refused: each would have too few rows, and its own share of the work."""

_TOO_LARGE = 2.0**63
"""Beyond 64 bits: labels that differ would become one."""

_SHOWN = 5
"""Classes that the explanation names; the rest are counted."""

FEWEST_OF_A_CLASS = 2
"""Rows: one to train on, and one to test on. Classes with fewer are left out."""


@dataclass(frozen=True, slots=True)
class TargetSummary:
    """The task, and the target of each row that can be used.

    `is_usable` `(rows,)` is a mask of the table's rows. The other arrays have one entry for each usable row:
    `values` `(rows,)` are float64, or labels in their own type; `codes` `(rows,)` are each row's position
    among `classes`, which are sorted. A regression has no codes and no classes. `left_out` says in words
    which rows are not usable, and why.
    """

    task: str
    values: NDArray[Any]
    is_usable: NDArray[np.bool_]
    explanation: str
    left_out: tuple[str, ...] = ()
    classes: tuple[Any, ...] = ()
    codes: NDArray[np.intp] | None = None


def read_target(
    column: pd.Series, task: str | None = None, *, decimal: str | None = None, thousands: str | None = None
) -> TargetSummary:
    """Decide whether a target `(rows,)` has values or classes, and which rows have one.

    Args:
        task: "regression" or "classification"; None: a few whole numbers that repeat, booleans and texts are
            classes, other numbers are values.
        decimal: The decimal sign in numbers that are texts; None: the texts decide.
        thousands: What separates thousands in them; None: the texts decide.

    Raises:
        DatasetError: Nothing can be learnt of this target; the message says why, and the way out.
    """
    name = str(column.name)
    try:
        column = plain(column)
    except NoCells as error:
        raise DatasetError(f"target {name!r} holds {error}, which cannot be predicted") from error
    if types.is_datetime64_any_dtype(column.dtype):
        raise DatasetError(f"target {name!r} holds dates, which cannot be predicted; make a number of them")
    numbers = _numbers(column, decimal, thousands)
    task = task or _task(numbers)
    if task == CLASSIFICATION:
        return _classes(name, column, numbers)
    if numbers is None:
        raise DatasetError(f"target {name!r} holds {_first(column)}, and a regression needs numbers")
    return _values(name, numbers)


def _numbers(column: pd.Series, decimal: str | None, thousands: str | None) -> NDArray[np.float64] | None:
    """Read the cells as numbers, NaN where missing; None if they are something else."""
    if types.is_bool_dtype(column.dtype):
        return None
    if types.is_numeric_dtype(column.dtype):
        return np.asarray(column, dtype=np.float64)
    codes, uniques = codes_and_uniques(column)
    if not set(map(type, uniques)) <= {str}:
        return None
    numbers = parse_numbers(uniques.tolist(), decimal=decimal, thousands=thousands)
    return None if numbers is None else np.append(numbers.values, np.nan)[codes]


def _task(numbers: NDArray[np.float64] | None) -> str:
    """Infer the task: a few whole numbers that repeat are classes."""
    if numbers is None:
        return CLASSIFICATION
    present = numbers[~np.isnan(numbers)]
    distinct = np.unique(present)
    is_few = len(distinct) <= min(MOST_WHOLE_CLASSES, max(2, len(present) / 3))
    return CLASSIFICATION if is_few and _are_whole(distinct) else REGRESSION


def _values(name: str, numbers: NDArray[np.float64]) -> TargetSummary:
    is_usable = np.abs(numbers) <= LARGEST
    values = numbers[is_usable]
    if not values.size or values.min() == values.max():
        what = f"{values[0]:g} in every row" if values.size else "no number"
        raise DatasetError(f"target {name!r} has {what}; there is nothing to learn")
    left_out = [*_missing(name, int(np.isnan(numbers).sum()))]
    infinite = int((np.abs(numbers) > LARGEST).sum())
    if infinite:
        left_out.append(f"{counted(infinite, 'row')} whose {name} is infinite or beyond {LARGEST:g}")
    return TargetSummary(
        REGRESSION, values, is_usable, f"numbers, {values.min():g} to {values.max():g}", tuple(left_out)
    )


def _classes(name: str, column: pd.Series, numbers: NDArray[np.float64] | None) -> TargetSummary:
    labels, is_usable = _labels(name, column, numbers)
    classes, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    left_out = [*_missing(name, int((~is_usable).sum()))]
    rare = counts < FEWEST_OF_A_CLASS
    if len(classes) > max(2, len(labels) / 2) or (~rare).sum() > MOST_CLASSES:
        raise DatasetError(
            f"target {name!r} has {len(classes):,} different classes in {len(labels):,} rows, too many to "
            f"learn ({_way_out(classes)})"
        )
    if rare.any():
        names = listed(_shown(value) for value in classes[rare].tolist())
        left_out.append(f"{counted(int(rare.sum()), 'row')} whose class has no other row ({names})")
        keep = ~rare[codes]
        is_usable[np.flatnonzero(is_usable)[~keep]] = False
        labels, classes, codes = labels[keep], classes[~rare], (np.cumsum(~rare) - 1)[codes[keep]]
    if len(classes) < 2:
        what = f"one class, {_shown(classes[0].item())}" if len(classes) else "no class"
        but = f" (left out: {'; '.join(left_out)})" if left_out else ""
        raise DatasetError(
            f"target {name!r} has {what}{but}; at least two are needed, with {FEWEST_OF_A_CLASS} rows each"
        )
    shown = ", ".join(_shown(value) for value in classes[:_SHOWN].tolist())
    more = f" and {len(classes) - _SHOWN} more" if len(classes) > _SHOWN else ""
    explanation = f"{len(classes)} classes: {shown}{more}"
    return TargetSummary(
        CLASSIFICATION,
        labels,
        is_usable,
        explanation,
        tuple(left_out),
        tuple(classes.tolist()),
        codes.astype(np.intp),
    )


def _labels(
    name: str, column: pd.Series, numbers: NDArray[np.float64] | None
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the labels of the rows that have one, in their own type, and a mask of these rows."""
    if types.is_integer_dtype(column.dtype):  # exact, however long
        return column.to_numpy(), np.ones(len(column), dtype=bool)
    if numbers is not None:
        has_label = np.isfinite(numbers)
        is_large = np.abs(numbers[has_label]).max(initial=0) >= _TOO_LARGE
        if is_large or not _are_whole(numbers[has_label]):
            what = "numbers of too many digits" if is_large else "fractions"
            raise DatasetError(f"target {name!r} holds {what}, which are no classes; use --task regression")
        return numbers[has_label].astype(np.int64), has_label
    codes, uniques = codes_and_uniques(column)
    has_label = codes >= 0
    is_boolean = set(map(type, uniques)) <= {bool, np.bool_}
    labels = uniques.astype(bool) if is_boolean else np.array(list(map(str, uniques)), dtype=np.str_)
    return labels[codes[has_label]], has_label


def _missing(name: str, count: int) -> Iterator[str]:
    if count:
        yield f"{counted(count, 'row')} whose {name} is blank"


def _way_out(classes: NDArray[Any]) -> str:
    """Say what so many distinct labels may be, and what to do then."""
    if classes.dtype.kind != "U":
        return "if they are values: --task regression"
    if parse_datetimes(classes.tolist()) is not None:
        return "they are dates; make a number of them"
    return "are they names, or sentences?"


def _are_whole(numbers: NDArray[np.float64]) -> bool:
    return bool((numbers == np.floor(numbers)).all())


def _first(column: pd.Series) -> str:
    return _shown(codes_and_uniques(column)[1][0])


def _shown(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else str(value)
