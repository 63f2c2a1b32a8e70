"""What is to be predicted, values or classes: inferred from the target's cells, unless the recipe says it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from mlapi.data.tables.cells import UNDECIDED, CellOptions
from mlapi.data.tables.datetimes import parse_datetimes
from mlapi.data.tables.numbers import parse_numbers
from mlapi.errors import DatasetError
from mlapi.estimators.algorithms.declaration import CLASSIFICATION, REGRESSION
from mlapi.training.preparation.kinds import LARGEST
from mlapi.training.preparation.nearly import MEND, READERS, nearly, odd_cells, read_most, spelling_warning
from mlapi.training.preparation.series import NoCells
from mlapi.training.preparation.views import ColumnView, row_number
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
    which rows are not usable, and why; `warnings` begin after the target's name.
    """

    task: str
    values: NDArray[Any]
    is_usable: NDArray[np.bool_]
    explanation: str
    left_out: tuple[str, ...] = ()
    classes: tuple[Any, ...] = ()
    codes: NDArray[np.intp] | None = None
    warnings: tuple[str, ...] = ()


def read_target(
    column: pd.Series,
    task: str | None = None,
    *,
    options: CellOptions = UNDECIDED,
    is_numeric: bool = False,
    place_of: Callable[[int], str] = row_number,
) -> TargetSummary:
    """Decide whether a target `(rows,)` has values or classes, and which rows have one.

    Args:
        task: "regression" or "classification"; None: a few whole numbers that repeat, booleans and texts are
            classes, other numbers are values.
        options: How texts are read that can be read in two ways.
        is_numeric: Whether the user says that it is a number: other cells count as missing.
        place_of: Names a row for people, by its position.

    Raises:
        DatasetError: Nothing can be learnt of this target; the message says why, and the way out.
    """
    name = str(column.name)
    view = ColumnView(name, column, options, place_of)
    try:
        column = view.column
    except NoCells as error:
        raise DatasetError(f"target {name!r} holds {error}, which cannot be predicted") from error
    if types.is_datetime64_any_dtype(column.dtype):
        raise DatasetError(f"target {name!r} holds dates, which cannot be predicted; make a number of them")
    numbers, odd = _numbers(view), _NONE_ODD
    if numbers is None and (is_numeric or task != CLASSIFICATION):
        numbers, odd = _numbers_but_for_odd(view, task, is_numeric=is_numeric)
    task = task or _task(numbers)
    if task == CLASSIFICATION:
        return _classes(view, numbers, odd)
    if numbers is None:
        raise DatasetError(f"target {name!r} holds {_shown(view.uniques[0])}, and a regression needs numbers")
    return _values(name, numbers, odd)


@dataclass(frozen=True, slots=True)
class _OddRows:
    """The rows whose target is no number, though those of the others are: how many, and which in words."""

    count: int
    in_words: str


_NONE_ODD = _OddRows(0, "")


def _numbers(view: ColumnView) -> NDArray[np.float64] | None:
    """Read the cells as numbers `(rows,)`, NaN where missing; None if one is something else.

    Few whole numbers with a unit, such as "5 mg", are names of classes.
    """
    if types.is_bool_dtype(view.column.dtype):
        return None
    if types.is_numeric_dtype(view.column.dtype):
        return np.asarray(view.column, dtype=np.float64)
    if not set(map(type, view.uniques)) <= {str}:
        return None
    numbers = parse_numbers(view.uniques.tolist(), view.options)
    if numbers is None or (numbers.style.unit and _task(numbers.values[view.codes]) == CLASSIFICATION):
        return None
    return view.spread(numbers.values, np.nan)


def _numbers_but_for_odd(
    view: ColumnView, task: str | None, *, is_numeric: bool
) -> tuple[NDArray[np.float64] | None, _OddRows]:
    """Read the cells `(rows,)` as numbers, odd ones as missing, if the user says that the target is one.

    None if the target is something else.

    Raises:
        DatasetError: It is nearly a number, and the user does not say what the odd cells are.
    """
    reader = READERS["numeric"]
    read = (read_most if is_numeric or task else nearly)(view, reader)
    if read is None or not set(map(type, view.uniques)) <= {str}:
        return None, _NONE_ODD
    odd = _OddRows(int(view.counts[read.is_odd].sum()), odd_cells(view, read.is_odd))
    numbers = view.spread(read.values, np.nan)
    is_most = odd.count <= view.present_count / 2
    if is_numeric and is_most:
        return numbers, odd
    if task or is_numeric or _task(numbers) == REGRESSION:
        way_out = f"--numeric {view.name} takes such cells for blank" if is_most else ""
        if not task:
            way_out = "; ".join(filter(None, [way_out, "if they are classes: --task classification"]))
        raise DatasetError(
            f"target {view.name!r} holds {odd.in_words} that no regression can learn, which needs numbers; "
            f"{MEND}" + (f" ({way_out})" if way_out else "")
        )
    return None, _NONE_ODD


def _task(numbers: NDArray[np.float64] | None) -> str:
    """Infer the task: a few whole numbers that repeat are classes."""
    if numbers is None:
        return CLASSIFICATION
    present = numbers[~np.isnan(numbers)]
    distinct = np.unique(present)
    is_few = len(distinct) <= min(MOST_WHOLE_CLASSES, max(2, len(present) / 3))
    return CLASSIFICATION if is_few and _are_whole(distinct) else REGRESSION


def _values(name: str, numbers: NDArray[np.float64], odd: _OddRows) -> TargetSummary:
    is_usable = np.abs(numbers) <= LARGEST
    values = numbers[is_usable]
    if not values.size or values.min() == values.max():
        what = f"{values[0]:g} in every row" if values.size else "no number"
        raise DatasetError(f"target {name!r} has {what}; there is nothing to learn")
    left_out = [*_missing(name, int(np.isnan(numbers).sum()), odd)]
    infinite = int((np.abs(numbers) > LARGEST).sum())
    if infinite:
        left_out.append(f"{counted(infinite, 'row')} whose {name} is infinite or beyond {LARGEST:g}")
    return TargetSummary(
        REGRESSION, values, is_usable, f"numbers, {values.min():g} to {values.max():g}", tuple(left_out)
    )


def _classes(view: ColumnView, numbers: NDArray[np.float64] | None, odd: _OddRows) -> TargetSummary:
    name = view.name
    labels, is_usable = _labels(view, numbers)
    classes, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    left_out = [*_missing(name, int((~is_usable).sum()), odd)]
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
        tuple(filter(None, [spelling_warning("classes", classes.tolist())])),
    )


def _labels(view: ColumnView, numbers: NDArray[np.float64] | None) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the labels of the rows that have one, in their own type, and a mask `(rows,)` of these rows."""
    if types.is_integer_dtype(view.column.dtype):  # exact, however long
        return view.column.to_numpy(), np.ones(len(view.column), dtype=bool)
    if numbers is not None:
        has_label = np.isfinite(numbers)
        is_large = np.abs(numbers[has_label]).max(initial=0) >= _TOO_LARGE
        if is_large or not _are_whole(numbers[has_label]):
            what = "numbers of too many digits" if is_large else "fractions"
            raise DatasetError(
                f"target {view.name!r} holds {what}, which are no classes; use --task regression"
            )
        return numbers[has_label].astype(np.int64), has_label
    has_label = view.codes >= 0
    is_boolean = set(map(type, view.uniques)) <= {bool, np.bool_}
    labels = (
        view.uniques.astype(bool) if is_boolean else np.array(list(map(str, view.uniques)), dtype=np.str_)
    )
    return labels[view.codes[has_label]], has_label


def _missing(name: str, count: int, odd: _OddRows) -> Iterator[str]:
    if count > odd.count:
        yield f"{counted(count - odd.count, 'row')} whose {name} is blank"
    if odd.count:
        yield f"{counted(odd.count, 'row')} whose {name} is no number: {odd.in_words}"


def _way_out(classes: NDArray[Any]) -> str:
    """Say what so many distinct labels may be, and what to do then."""
    if classes.dtype.kind != "U":
        return "if they are values: --task regression"
    if parse_datetimes(classes.tolist()) is not None:
        return "they are dates; make a number of them"
    return "are they names, or sentences?"


def _are_whole(numbers: NDArray[np.float64]) -> bool:
    return bool((numbers == np.floor(numbers)).all())


def _shown(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else str(value)
