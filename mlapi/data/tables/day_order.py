"""Which of day and month stands first in a column of dates that can be read in both ways."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.data.tables.cells import CellOptions

_FEWEST_ORDERED = 5
"""Distinct dates whose order tells which of day and month stands first."""

_FEWEST_MONTHS = 8
"""Distinct months within a year without which a day that never changes tells nothing."""


def choose(
    readings: Sequence[tuple[str, NDArray[Any]]], options: CellOptions
) -> tuple[str, bool | None, str]:
    """Return the format to read by, whether the day stands first, and why.

    Args:
        readings: The formats that fit all texts, each with its datetimes `(texts,)`; the usual one first.
    """
    usual = readings[0][0]
    by_order = {each.startswith("%d"): (each, values) for each, values in reversed(readings)}
    if len(by_order) < 2 or not {"%m", "%d"} <= set(re.findall("%.", usual)):
        return usual, None, ""  # two formats with names of months differ in the length of the name alone
    if options.day_first is not None:
        return by_order[options.day_first][0], options.day_first, "as told"
    for tells, reason in (
        (_is_in_order, "in order of time only so"),
        (_is_monthly, "the same day of every month only so"),
    ):
        fits = [is_day for is_day, (_, values) in by_order.items() if tells(values)]
        if len(fits) == 1:
            return by_order[fits[0]][0], fits[0], reason
    if options.day_first_of_file is not None:
        return by_order[options.day_first_of_file][0], options.day_first_of_file, "as in other columns"
    return usual, usual.startswith("%d"), ""


def _is_in_order(datetimes: NDArray[Any]) -> bool:
    """Return whether datetimes `(texts,)` never go back, or never forth."""
    steps = np.diff(datetimes).astype(np.int64)
    return len(datetimes) >= _FEWEST_ORDERED and bool((steps >= 0).all() or (steps <= 0).all())


def _is_monthly(datetimes: NDArray[Any]) -> bool:
    """Return whether datetimes `(texts,)` are one day of many months."""
    months = datetimes.astype("datetime64[M]")
    days = np.unique(datetimes.astype("datetime64[D]") - months)
    return len(days) == 1 and len(np.unique(months)) >= _FEWEST_MONTHS
