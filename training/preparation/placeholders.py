"""Numbers and dates that people write for none, and numbers that stand for dates: what is said of them.

-999 and 9999-12-31 are read as they are written. But far away from all others, and again and again, they
seldom are what they say.
"""

import re

import numpy as np
from numpy.typing import NDArray

from mlapi.wording import counted

_NUMBERS = (-1, -9, -99, -999, -9999, -99999, -999999, 99, 999, 9999, 99999, 999999, 9999999)
"""Numbers that stand for none."""

_DATES = ("0001-01-01", "1753-01-01", "1900-01-01", "1970-01-01", "2099-12-31", "2999-12-31", "9999-12-31")
"""Days that stand for none, or for no end."""

_FEWEST = 2
"""Cells that hold such a value; one may be what it says."""

_FEWEST_OTHERS = 5
"""Distinct other values by which it is known that this one is far away."""

_NAMED_AS_TIME = re.compile(
    r"time|date|datum|stamp|epoch|created|updated|(?:^|_)(?:ts|at|on)$", re.IGNORECASE
)
"""Names of columns of times."""

_SINCE_1970 = {"seconds": (6e8, 4e9), "milliseconds": (6e11, 4e12), "microseconds": (6e14, 4e15)}
"""The numbers of moments from 1990 to 2090."""

_EXCEL_DAYS = (20_000, 80_000)
"""The days as Excel counts them, from 1954 to 2119."""


_AS_NUMBER = "which are taken for numbers: write dates (ISO 8601) for months and weekdays to count"


def placeholder_number(values: NDArray[np.float64]) -> str | None:
    """Say which of these numbers `(rows,)` seems to stand for none; None if none does."""
    for number in map(float, _NUMBERS):
        count = _far_away(values, number)
        if count:
            return _warning(f"{number:g}", count, len(values))
    return None


def placeholder_date(datetimes: NDArray[np.datetime64]) -> str | None:
    """Say which of these dates `(rows,)` seems to stand for none; None if none does."""
    days = np.where(np.isnat(datetimes), np.nan, datetimes.astype("datetime64[D]").astype(np.float64))
    for day in _DATES:
        count = _far_away(days, float(np.datetime64(day, "D").astype(np.int64)))
        if count:
            return _warning(day, count, len(days))
    return None


def dates_as_numbers(name: str, values: NDArray[np.float64]) -> str | None:
    """Say that whole numbers `(rows,)` seem to be dates, by their digits or the column's name; else None."""
    present = values[~np.isnan(values)]
    if not present.size or (present != np.floor(present)).any():
        return None
    low, high = float(present.min()), float(present.max())
    if are_days(present):
        return f"seems to hold dates, such as {low:.0f}: --datetime {name} reads them so"
    if _NAMED_AS_TIME.search(name):
        for unit, (first, last) in _SINCE_1970.items():
            if first <= low <= high <= last:
                return (
                    f"seems to hold {unit} since 1970, which count as a number alone: write dates (ISO 8601)"
                )
        if _EXCEL_DAYS[0] <= low <= high <= _EXCEL_DAYS[1]:
            return f"seems to hold days as Excel counts them, {_AS_NUMBER}"
    return None


def are_days(numbers: NDArray[np.float64]) -> bool:
    """Return whether all whole numbers `(numbers,)` are written as days of 1900 to 2100 are: 20240131."""
    if not numbers.size or numbers.min() < 1900_01_01 or numbers.max() > 2100_12_31:
        return False
    whole = numbers.astype(np.int64)
    months, days = whole // 100 % 100, whole % 100
    return bool(((months >= 1) & (months <= 12) & (days >= 1) & (days <= 31)).all())


def _far_away(values: NDArray[np.float64], value: float) -> int:
    """Return in how many rows a value stands `(rows,)` that is farther from the others than these are from
    each other; 0 where it is not, or too few others tell."""
    is_value = values == value
    count = int(is_value.sum())
    if count < _FEWEST:
        return 0
    others = np.unique(values[~is_value & ~np.isnan(values)])
    if len(others) < _FEWEST_OTHERS:
        return 0
    width = float(others[-1] - others[0])
    distance = max(others[0] - value, value - others[-1])
    return count if distance > width else 0


def _warning(value: str, count: int, rows: int) -> str:
    return (
        f"has {value} in {count:,} of {counted(rows, 'row')}, far away from all others: if it stands for "
        f"none, leave these cells blank"
    )
