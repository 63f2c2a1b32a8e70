"""Moments as parts of the calendar, and as an age in days. Plain numpy: neither pandas nor scikit-learn."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

_DAY_US = 24 * 3600 * 1_000_000

_LOOKED_AT = 50_000
"""Rows, evenly spread, of which it is seen whether parts add up; of a million it took six seconds."""

_OWN = 1e-6
"""The share of its variance that a part has to itself, at least."""

_OWN_OF_AGES = 1e-10
"""The same for an age: those of trips that take minutes, within a month, differ by less than a millionth."""

Datetimes: TypeAlias = NDArray[np.datetime64]
"""In microseconds, without a zone; NaT where blank."""


def parts_of(moments: Datetimes, newest_us: int, parts: Iterable[str]) -> list[NDArray[np.float64]]:
    """The named parts of moments, NaN where blank; an age counts from `newest_us`."""
    found = [_part(name, moments, newest_us) for name in parts]
    blank = np.isnat(moments)
    if blank.any():
        for part in found:
            part[blank] = np.nan
    return found


def newest(moments: Datetimes) -> int:
    known = _count(moments[~np.isnat(moments)], "us")
    return int(known.max()) if known.size else 0


def varying(moments: Datetimes, newest_us: int) -> list[str]:
    """The parts with more than one value; the age at least, so that there is always one."""
    known = moments[~np.isnat(moments)]
    found = zip(PARTS, parts_of(known, newest_us, PARTS), strict=True)
    return [name for name, values in found if name == "age_days" or (values != values[:1]).any()]


def independent(columns: Sequence[tuple[Datetimes, int, Sequence[str]]]) -> list[list[str]]:
    """Of the parts of each column (its moments, the newest of them, its parts) those that say something of
    their own: the others are sums of these, as far as the moments show it.

    Within one month the age is the day of the month, and at the month's end it no longer is: a line that was
    fitted on both may have given each any share of the slope. Kept is what goes on steadily, the ages of all
    columns before anything else: they tell how long something took, also over the end of a week or a month.
    """
    ranked = sorted(
        ((name, place) for place, (_, _, parts) in enumerate(columns) for name in parts),
        key=lambda entry: (entry[0] != "age_days", entry[1], _STEADIEST.index(entry[0])),
    )
    few = [moments[:: max(1, len(moments) // _LOOKED_AT)] for moments, _, _ in columns]
    matrix = np.column_stack(
        [
            _without_blanks(part)
            for name, place in ranked
            for part in parts_of(few[place], columns[place][1], [name])
        ]
    )
    if len(matrix) <= len(ranked) + 1:
        return [list(parts) for _, _, parts in columns]  # so few rows that anything adds up
    least = [_OWN_OF_AGES if name == "age_days" else _OWN for name, _ in ranked]
    kept = {ranked[number] for number in _independent(matrix, least)}
    return [[name for name in parts if (name, place) in kept] for place, (_, _, parts) in enumerate(columns)]


def _without_blanks(part: NDArray[np.float64]) -> NDArray[np.float64]:
    """As the pipeline fills them."""
    blank = np.isnan(part)
    return np.where(blank, np.median(part[~blank]) if not blank.all() else 0.0, part)


def _independent(matrix: NDArray[np.float64], least: Sequence[float]) -> list[int]:
    """The columns that have this share of their variance beside those kept before them; the first always."""
    centered = matrix - matrix.mean(axis=0)
    lengths = np.sqrt((centered**2).sum(axis=0))
    scaled = centered / np.where(lengths == 0, 1.0, lengths)
    small = np.asarray(np.linalg.qr(scaled, mode="r"), dtype=np.float64)  # few rows, and the same angles
    kept = [0]
    for number in range(1, matrix.shape[1]):
        before, column = small[:, kept], small[:, number]
        rest = column - before @ np.linalg.lstsq(before, column, rcond=None)[0]
        if rest @ rest > least[number]:
            kept.append(number)
    return kept


def _count(moments: Datetimes, unit: str) -> NDArray[Any]:
    """Whole units since 1970 began, which was a Thursday."""
    return moments.astype(f"datetime64[{unit}]").astype(np.int64)


def _day_of_month(moments: Datetimes) -> NDArray[Any]:
    first = moments.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return _count(moments, "D") - first + 1.0


def _hours(moments: Datetimes) -> NDArray[Any]:
    minutes = _count(moments, "m") % (24 * 60)
    return minutes // 60 + minutes % 60 / 60


_NUMBERS: Mapping[str, Callable[[Datetimes], NDArray[Any]]] = {
    "year": lambda moments: _count(moments, "Y") + 1970.0,
    "month": lambda moments: _count(moments, "M") % 12 + 1.0,
    "day": _day_of_month,
    "weekday": lambda moments: (_count(moments, "D") + 3) % 7 + 0.0,
    "hour": _hours,
}

_CYCLES = {"month": 12, "weekday": 7, "hour": 24}
"""Parts whose last value is next to the first one: a linear model sees that in their sine and cosine."""

_WAVES: Mapping[str, Callable[..., Any]] = {"sin": np.sin, "cos": np.cos}

PARTS = (*_NUMBERS, "age_days", *(f"{name}_{wave}" for name in _CYCLES for wave in _WAVES))

_STEADIEST = ("age_days", *sorted(set(PARTS) - {"age_days", "day", "year"}, key=PARTS.index), "day", "year")
"""The parts, beginning with those that are kept where others add up to them."""


def _part(name: str, moments: Datetimes, newest_us: int) -> Any:
    if name == "age_days":
        return (newest_us - _count(moments, "us").astype(np.float64)) / _DAY_US
    if name in _NUMBERS:
        return _NUMBERS[name](moments)
    number, wave = name.split("_")
    return _WAVES[wave](_NUMBERS[number](moments) * (2 * np.pi / _CYCLES[number]))
