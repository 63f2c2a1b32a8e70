"""Moments as parts of the calendar, and as an age in days. Plain numpy: neither pandas nor scikit-learn."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

_DAY_US = 24 * 3600 * 1_000_000

Moments: TypeAlias = NDArray[np.datetime64]
"""In microseconds, without a zone; NaT where blank."""


def parts_of(moments: Moments, newest_us: int, parts: Iterable[str]) -> list[NDArray[np.float64]]:
    """The named parts of moments, NaN where blank; an age counts from `newest_us`."""
    found = [_part(name, moments, newest_us) for name in parts]
    blank = np.isnat(moments)
    if blank.any():
        for part in found:
            part[blank] = np.nan
    return found


def newest(moments: Moments) -> int:
    known = _count(moments[~np.isnat(moments)], "us")
    return int(known.max()) if known.size else 0


def varying(moments: Moments, newest_us: int) -> list[str]:
    """The parts with more than one value; the age at least, so that there is always one."""
    known = moments[~np.isnat(moments)]
    found = zip(_PARTS, parts_of(known, newest_us, _PARTS), strict=True)
    return [name for name, values in found if name == "age_days" or (values != values[:1]).any()]


def _count(moments: Moments, unit: str) -> NDArray[Any]:
    """Whole units since 1970 began, which was a Thursday."""
    return moments.astype(f"datetime64[{unit}]").astype(np.int64)


def _day_of_month(moments: Moments) -> NDArray[Any]:
    first = moments.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return _count(moments, "D") - first + 1.0


def _hours(moments: Moments) -> NDArray[Any]:
    minutes = _count(moments, "m") % (24 * 60)
    return minutes // 60 + minutes % 60 / 60


_NUMBERS: Mapping[str, Callable[[Moments], NDArray[Any]]] = {
    "year": lambda moments: _count(moments, "Y") + 1970.0,
    "month": lambda moments: _count(moments, "M") % 12 + 1.0,
    "day": _day_of_month,
    "weekday": lambda moments: (_count(moments, "D") + 3) % 7 + 0.0,
    "hour": _hours,
}

_CYCLES = {"month": 12, "weekday": 7, "hour": 24}
"""Parts whose last value is next to the first one: a linear model sees that in their sine and cosine."""

_WAVES: Mapping[str, Callable[..., Any]] = {"sin": np.sin, "cos": np.cos}

_PARTS = (*_NUMBERS, "age_days", *(f"{name}_{wave}" for name in _CYCLES for wave in _WAVES))


def _part(name: str, moments: Moments, newest_us: int) -> Any:
    if name == "age_days":
        return (newest_us - _count(moments, "us").astype(np.float64)) / _DAY_US
    if name in _NUMBERS:
        return _NUMBERS[name](moments)
    number, wave = name.split("_")
    return _WAVES[wave](_NUMBERS[number](moments) * (2 * np.pi / _CYCLES[number]))
