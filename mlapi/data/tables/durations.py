"""Read the texts of a column as durations: seconds, as a timedelta of pandas becomes them.

A clock that goes beyond 24 hours (35:12:20, 75:20), `1h 30m`, `PT1H30M` in ISO 8601, and `1 days 02:30:00` of
pandas and PostgreSQL. A clock within the day may be a time as well, which is for the caller to decide.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlapi.data.tables.cells import LONGEST, is_marker, markers_among, plainly, spread

_NUMBER = r"[0-9]+(?:[.,][0-9]+)?"

_CLOCK = re.compile(
    r"(?P<sign>-)?(?:(?P<d>[0-9]+) ?(?:days?|d),? )?(?P<h>[0-9]{1,5}):(?P<m>[0-5][0-9])"
    r"(?::(?P<s>[0-5][0-9](?:[.,][0-9]+)?))?",
    re.IGNORECASE,
)
"""35:12:20, 75:20, 1 days 02:30:00, 1 day, 2:30:00.5."""

_WORDS = re.compile(
    rf"(?P<sign>-)?(?:P(?=[0-9T]))?(?:(?P<d>{_NUMBER}) ?d(?:ays?)?,? ?)?T?"
    rf"(?:(?P<h>{_NUMBER}) ?h(?:ours?|rs?)?,? ?)?(?:(?P<m>{_NUMBER}) ?m(?:in(?:ute)?s?)?,? ?)?"
    rf"(?:(?P<s>{_NUMBER}) ?s(?:ec(?:ond)?s?)?)?",
    re.IGNORECASE,
)
"""1h 30m, 2 hours 5 min, 45s, and PT1H30M."""

_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


@dataclass(frozen=True, slots=True)
class ParsedDurations:
    """What `parse_durations` makes of a column."""

    values: NDArray[np.float64]
    """`(texts,)`, seconds for each text, NaN for a marker; minutes where no text has seconds, as in 75:20."""
    markers: tuple[str, ...]
    """The texts that mark a missing value."""
    example: str
    """The first text, and what it becomes: "1h 30m is 5400"."""


def parse_durations(texts: Sequence[str]) -> ParsedDurations | None:
    """Read the texts of a column as durations; None if some are neither that nor markers.

    Of 75:20 nobody knows whether it is hours and minutes, or minutes and seconds: it is 4,520 of the smaller.

    Args:
        texts: The distinct texts of the column's cells.
    """
    missing = list(map(is_marker, texts))
    present = [plainly(text) for text, is_missing in zip(texts, missing, strict=True) if not is_missing]
    if not present or _duration(present[0]) is None:
        return None
    seconds = list(map(_duration, present))
    if None in seconds:
        return None
    values = np.array(seconds, dtype=np.float64)
    example = f"{present[0]} is {values[0]:g}"
    return ParsedDurations(spread(values, missing, np.nan), markers_among(texts, missing), example)


def _duration(text: str) -> float | None:
    if len(text) > LONGEST:
        return None
    match = _CLOCK.fullmatch(text) or _WORDS.fullmatch(text)
    parts = match.groupdict() if match else {}
    amounts = {unit: parts[unit] for unit in _SECONDS if parts.get(unit)}
    if not amounts:
        return None
    seconds = sum(_SECONDS[unit] * float(amount.replace(",", ".")) for unit, amount in amounts.items())
    if match is not None and match.re is _CLOCK and parts["s"] is None and parts["d"] is None:
        seconds /= 60  # two parts: whichever they are, the second one counts
    return -seconds if parts["sign"] else seconds
