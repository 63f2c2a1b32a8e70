"""Datetimes as parts of the calendar, as an age in days, and as days since another one.

Plain numpy: neither pandas nor scikit-learn.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

_DAY_US = 24 * 3600 * 1_000_000
"""Microseconds of a day."""

_SAMPLED_ROWS = 50_000
"""The most rows, evenly spread, by which it is decided whether parts add up. Of a million it took six
seconds."""

_LEAST_OWN_VARIANCE = 1e-6
"""The share of its variance that a part must have beside all others, or it is left out as a sum of these."""

_LEAST_OWN_VARIANCE_OF_AGE = 1e-10
"""The same share for an age. The ages of start and end of trips that take minutes, within a month, differ by
less than a millionth."""

Datetimes: TypeAlias = NDArray[np.datetime64]
"""`(rows,)`, in microseconds, without a time zone; NaT where a value is missing."""

CalendarPart: TypeAlias = NDArray[np.float64]
"""`(rows,)`: one part of each datetime, such as its month (1 to 12); NaN where the datetime is missing."""


def parts_of_all(
    columns: Sequence[Datetimes], newest_us: Sequence[int], parts: Sequence[Sequence[str]]
) -> list[CalendarPart]:
    """Return the named parts of several columns `(rows,)`, those of the first column first.

    Args:
        newest_us: For each column the moment that an age counts back from, in microseconds since 1970.
        parts: For each column names of `PARTS` and `DURATIONS`.
    """
    return [
        part
        for place in range(len(columns))
        for part in _parts_at(place, columns, newest_us[place], parts[place])
    ]


def _parts_at(
    place: int, columns: Sequence[Datetimes], newest_us: int, parts: Sequence[str]
) -> list[CalendarPart]:
    own = [name for name in parts if name in PARTS]
    values = dict(zip(own, parts_of(columns[place], newest_us, own), strict=True))
    return [
        values[name] if name in values else _days_between(columns[DURATIONS.index(name)], columns[place])
        for name in parts
    ]


def _days_between(begin: Datetimes, end: Datetimes) -> CalendarPart:
    """Return the days from one datetime to another, `(rows,)`; NaN where one is missing."""
    days: CalendarPart = (_count(end, "us") - _count(begin, "us")) / _DAY_US
    days[np.isnat(begin) | np.isnat(end)] = np.nan
    return days


def durations(columns: Sequence[Datetimes]) -> list[list[str]]:
    """Return for each column `(rows,)` the names of its `DURATIONS` with more than one value."""
    return [
        [
            name
            for name, begin in zip(DURATIONS, columns[:place], strict=False)
            if len(np.unique(days := _days_between(begin, end))) - np.isnan(days).any() > 1
        ]
        for place, end in enumerate(columns)
    ]


def is_steadier(begin: Datetimes, end: Datetimes) -> bool:
    """Return whether the days between two datetimes `(rows,)` differ less than either of them does.

    So they do where these belong together, as the begin and the end of a trip.
    """
    known = ~(np.isnat(begin) | np.isnat(end))
    begin, end = begin[known], end[known]
    spreads = [np.std(_count(column, "us") / _DAY_US) for column in (begin, end)]
    return bool(np.std(_days_between(begin, end)) < min(spreads)) if len(begin) else False


def parts_of(datetimes: Datetimes, newest_us: int, parts: Iterable[str]) -> list[CalendarPart]:
    """Return the named parts of datetimes.

    Args:
        newest_us: The moment that an age counts back from, in microseconds since 1970.
        parts: Names of `PARTS`.
    """
    values = [_part(name, datetimes, newest_us) for name in parts]
    missing = np.isnat(datetimes)
    if missing.any():
        for part in values:
            part[missing] = np.nan
    return values


def newest(datetimes: Datetimes) -> int:
    """Return the newest datetime in microseconds since 1970; 0 if all are missing."""
    known = _count(datetimes[~np.isnat(datetimes)], "us")
    return int(known.max()) if known.size else 0


def varying_parts(datetimes: Datetimes, newest_us: int) -> list[str]:
    """Return the names of the parts with more than one value. The age is always one of them."""
    known = datetimes[~np.isnat(datetimes)]
    parts = zip(PARTS, parts_of(known, newest_us, PARTS), strict=True)
    return [name for name, values in parts if name == "age_days" or (values != values[:1]).any()]


def independent_parts(columns: Sequence[tuple[Datetimes, int, Sequence[str]]]) -> list[list[str]]:
    """Return for each column the names of those parts that are no weighted sums of other parts.

    Within one month, for example, the age is a constant minus the day of the month. A linear model that was
    fitted on both may have given each any share of the slope, and is wrong in the next month, where they
    differ. Of parts that add up, those stay that go on steadily. Durations and ages come first: they tell how
    long something took, also over the end of a week or a month.

    Args:
        columns: For each column its datetimes `(rows,)`, the newest of them in microseconds since 1970, and
            the names of its parts.
    """
    ranked = sorted(
        ((name, place) for place, (_, _, parts) in enumerate(columns) for name in parts),
        key=lambda entry: (_rank(entry[0]), entry[1], _STEADIEST.index(entry[0])),
    )
    few = [datetimes[:: max(1, len(datetimes) // _SAMPLED_ROWS)] for datetimes, _, _ in columns]
    matrix = np.column_stack(
        [_filled(part) for name, place in ranked for part in _parts_at(place, few, columns[place][1], [name])]
    )
    if len(matrix) <= len(ranked) + 1:
        return [list(parts) for _, _, parts in columns]  # so few rows that anything adds up
    least = [_LEAST_OWN_VARIANCE_OF_AGE if name in _TIME_SPANS else _LEAST_OWN_VARIANCE for name, _ in ranked]
    own = {ranked[number] for number in _independent(matrix, least)}
    return [[name for name in parts if (name, place) in own] for place, (_, _, parts) in enumerate(columns)]


def _rank(part: str) -> int:
    """Return 0 for durations, 1 for ages, and 2 for parts of the calendar."""
    return 0 if part in DURATIONS else 1 if part == "age_days" else 2


def _filled(part: CalendarPart) -> CalendarPart:
    """Return a part with its median where it is missing, as pipelines fill it."""
    missing = np.isnan(part)
    return np.where(missing, np.median(part[~missing]) if not missing.all() else 0.0, part)


def _independent(matrix: NDArray[np.float64], least: Sequence[float]) -> list[int]:
    """Return the numbers of the columns of (rows, columns) that are no sums of columns chosen before them.

    Args:
        least: For each column the share of its variance that those may leave unexplained; the first column is
            always chosen.
    """
    centered = matrix - matrix.mean(axis=0)
    lengths = np.sqrt((centered**2).sum(axis=0))
    scaled = centered / np.where(lengths == 0, 1.0, lengths)
    small = np.asarray(np.linalg.qr(scaled, mode="r"), dtype=np.float64)  # few rows, and the same angles
    chosen = [0]
    for number in range(1, matrix.shape[1]):
        before, column = small[:, chosen], small[:, number]
        unexplained = column - before @ np.linalg.lstsq(before, column, rcond=None)[0]
        if unexplained @ unexplained > least[number]:
            chosen.append(number)
    return chosen


def _count(datetimes: Datetimes, unit: str) -> NDArray[Any]:
    """Return the whole units since the beginning of 1970, a Thursday."""
    return datetimes.astype(f"datetime64[{unit}]").astype(np.int64)


def _day_of_month(datetimes: Datetimes) -> NDArray[Any]:
    first = datetimes.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return _count(datetimes, "D") - first + 1.0


def _hours(datetimes: Datetimes) -> NDArray[Any]:
    minutes = _count(datetimes, "m") % (24 * 60)
    return minutes // 60 + minutes % 60 / 60


_NUMBERS: Mapping[str, Callable[[Datetimes], NDArray[Any]]] = {
    "year": lambda datetimes: _count(datetimes, "Y") + 1970.0,
    "month": lambda datetimes: _count(datetimes, "M") % 12 + 1.0,
    "day": _day_of_month,
    "weekday": lambda datetimes: (_count(datetimes, "D") + 3) % 7 + 0.0,
    "hour": _hours,
}
"""By name, the parts that are read off a datetime: the weekday from 0 (Monday), the hour with its
fraction."""

_CYCLES = {"month": 12, "weekday": 7, "hour": 24}
"""Parts whose last value is next to the first, and how many values they have. A linear model knows that from
their sine and cosine."""

_WAVES: Mapping[str, Callable[..., Any]] = {"sin": np.sin, "cos": np.cos}
"""The functions of such a part that become parts of their own, `month_sin` for example."""

PARTS = (*_NUMBERS, "age_days", *(f"{name}_{wave}" for name in _CYCLES for wave in _WAVES))
"""The names of all parts. They are stored with versions, and so part of the format."""

DURATIONS = tuple(f"since_{place}" for place in range(10))
"""The names of parts that are the days since a column before: since the first, the second, and so on. They
are stored with versions, too."""

_TIME_SPANS = (*DURATIONS, "age_days")

_STEADIEST = (*_TIME_SPANS, *sorted(set(PARTS) - {"age_days", "day", "year"}, key=PARTS.index), "day", "year")
"""The names of the parts, beginning with those that stay where several add up."""


def _part(name: str, datetimes: Datetimes, newest_us: int) -> Any:
    if name == "age_days":
        return (newest_us - _count(datetimes, "us").astype(np.float64)) / _DAY_US
    if name in _NUMBERS:
        return _NUMBERS[name](datetimes)
    number, wave = name.split("_")
    return _WAVES[wave](_NUMBERS[number](datetimes) * (2 * np.pi / _CYCLES[number]))
