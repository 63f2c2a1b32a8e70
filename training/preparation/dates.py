"""A column of dates or times: the decision about it, and what is said of it."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.data.tables.datetimes import ParsedDatetimes
from mlapi.errors import DatasetError
from mlapi.training.preparation.decisions import ColumnDecision, in_brackets
from mlapi.training.preparation.placeholders import placeholder_date
from mlapi.training.preparation.views import ColumnView
from mlapi.wording import quoted

_LAST_YEAR = 9999

_NO_DAY = np.datetime64("1900-01-01", "D")
"""The day that `strptime` gives to a time of the day."""

_MOST_YEARS = 50
"""The years between two dates from which on a year of two digits may well be of another century."""


def parsed_datetimes(view: ColumnView, parsed: ParsedDatetimes, values: NDArray[Any]) -> ColumnDecision:
    """Take texts for dates, read as `values` `(values,)`, and say which of day and month stands first."""
    order, warnings = "", list[str]()
    if parsed.day_first is not None:
        first, other = ("day", "month") if parsed.day_first else ("month", "day")
        way_out = "" if parsed.reason == "as told" else f"; --{other}-first reads them otherwise"
        order = f"the {first} stands first, {parsed.reason or 'assumed'}{way_out}"
        if parsed.is_assumed:
            warnings.append(
                f"has dates that can be read in two ways, such as {quoted(str(view.uniques[0]))}: it is "
                f"assumed that the {first} stands first; say --{first}-first or --{other}-first"
            )
    if parsed.lacks_offsets:
        order = ", ".join(filter(None, [order, "times without an offset are taken for UTC"]))
    if parsed.format and "%y" in parsed.format and _are_of_two_centuries(values):
        warnings.append("has years of two digits, which are read as 1969 to 2068: write all four")
    datetimes = view.spread(values, np.datetime64("NaT", "us"))
    decision = datetimes_decision(view.name, datetimes, parsed.format, in_brackets(order, parsed.markers))
    return replace(decision, warnings=(*warnings, *decision.warnings), is_day_assumed=parsed.is_assumed)


def datetimes_decision(name: str, values: NDArray[Any], date_format: str | None, how: str) -> ColumnDecision:
    """Take datetimes `(rows,)` of any unit as they are, unless all are one.

    Raises:
        DatasetError: One is of a year that no request can send.
    """
    _check_years(name, values)
    datetimes = values.astype("datetime64[us]")
    present = datetimes[~np.isnat(datetimes)]
    if len(present) == len(datetimes) and (present == present[0]).all():
        return ColumnDecision(f"left out: {_day(present[0])} in every row")
    first, last = present.min(), present.max()
    explanation = f"dates and times{how}, {_day(first)} to {_day(last)}"
    if _day(first) == _day(last) == str(_NO_DAY):
        explanation = f"times of the day{how}, {_clock(first)} to {_clock(last)}"
    warnings = tuple(filter(None, [placeholder_date(datetimes)]))
    return ColumnDecision(explanation, "datetime", "calendar", datetimes, date_format, warnings)


def _check_years(name: str, datetimes: NDArray[Any]) -> None:
    """Check years before datetimes become microseconds, which have no room for every year of a file."""
    years = datetimes[~np.isnat(datetimes)].astype("datetime64[Y]").astype(np.int64) + 1970
    if years.size and not 1 <= years.min() <= years.max() <= _LAST_YEAR:
        odd = years.min() if years.min() < 1 else years.max()
        raise DatasetError(
            f"column {name!r} holds a date of the year {odd}; expected the years 1 to {_LAST_YEAR}, which is "
            f"what requests can send: correct it, or leave the column out (--drop)"
        )


def _are_of_two_centuries(datetimes: NDArray[Any]) -> bool:
    """Whether datetimes `(values,)` lie so far from each other that some may be a hundred years off."""
    present = datetimes[~np.isnat(datetimes)].astype("datetime64[Y]").astype(np.int64)
    return bool(present.max() - present.min() > _MOST_YEARS)


def _clock(when: np.datetime64) -> str:
    return str(when.astype("datetime64[m]"))[-5:]


def _day(when: np.datetime64) -> str:
    return str(when.astype("datetime64[D]"))
