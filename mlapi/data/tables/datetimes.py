"""Read the texts of a column as dates and times, in the format that all of them share.

People write the same day as 3/12/2024, 12.3.2024 or 3 Dec 2024.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.data.tables.cells import all_match, is_marker, markers_among, spread

_DATES = (
    *("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d"),
    *("%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%m-%y", "%m-%d-%y"),
    *("%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%b %d, %Y", "%b %d %Y", "%d %B %Y", "%B %d, %Y", "%B %d %Y"),
)
"""Formats of dates. Where several fit all texts, the first is taken: 3/12/2024 is the 12th of March, since a
slash is American more often than not; 3-12-2024 and 3.12.2024 are the 3rd of December."""

_CLOCKS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M%p", "%I:%M:%S %p")
"""Formats of times of the day: 23:59, 23:59:58, 23:59:58.5, 11:59 PM."""

_FORMATS = (
    *_DATES,
    *map(" ".join, product(_DATES, _CLOCKS)),
    *map(", ".join, product(_DATES, _CLOCKS)),
    *_CLOCKS,
)
"""All formats that are tried beside ISO 8601: dates, dates with a time, times alone."""

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
"""Names of months, which are read in English only, in full or as their first three letters."""

_DIRECTIVES: Mapping[str, str] = {
    "%d": "(?:3[01]|[12][0-9]|0?[1-9])",
    "%m": "(?:1[0-2]|0?[1-9])",
    "%Y": "(?!0000)[0-9]{4}",
    "%y": "[0-9]{2}",
    "%b": f"(?:{'|'.join(month[:3] for month in _MONTHS)})",
    "%B": f"(?:{'|'.join(_MONTHS)})",
    "%H": "(?:2[0-3]|[01]?[0-9])",
    "%I": "(?:1[0-2]|0?[1-9])",
    "%M": "[0-5][0-9]",
    "%S": "[0-5][0-9]",
    "%f": "[0-9]{1,6}",
    "%p": "(?:am|pm)",
}
"""The pattern of each directive of `strptime`, narrower than there: every text that matches is read by
`strptime` too, and nothing odd is read as a date."""


@dataclass(frozen=True, slots=True)
class ParsedDatetimes:
    """What `parse_datetimes` makes of a column."""

    values: NDArray[np.datetime64]
    """`(texts,)`, datetime64[us], one for each text, NaT for a marker."""
    format: str | None
    """The format of all texts, as `strptime` takes it; None for ISO 8601."""
    assumed: str
    """What was assumed where day and month could be swapped in every text, in words; "" where they cannot."""
    markers: tuple[str, ...]
    """The texts that mark a missing value."""

    @property
    def is_ambiguous(self) -> bool:
        """Whether day and month could be swapped."""
        return bool(self.assumed)


def parse_datetimes(texts: Sequence[str]) -> ParsedDatetimes | None:
    """Read the texts of a column as dates and times; None if some are neither of one format nor markers.

    All have to be ISO 8601, or all of one of `_FORMATS`. A time with an offset becomes UTC; one without stays
    as it is. A server later reads each of these texts to the same value (`mlapi.data.rows.reader`): as ISO
    8601 first, then by the format.

    Example:
        ["2024-12-31T23:30:00-01:00"] is 2025-01-01 00:30. ["3/12/2024"] is the 12th of March, assumed;
        ["3/12/2024", "31/12/2024"] are the 3rd and the 31st of December. ["20241231"] is None: a number.
    """
    missing = list(map(is_marker, texts))
    present = [text for text, is_missing in zip(texts, missing, strict=True) if not is_missing]
    if not present or any(map(str.isdecimal, present)):
        return None
    datetimes, formats = _datetimes(present, None), list[str]()
    if datetimes is None:
        formats = [each for each in _formats_of(present[0]) if all_match(_format_pattern(each), present)]
        datetimes = _datetimes(present, formats[0]) if formats else None
    if datetimes is None:
        return None
    values = spread(datetimes, missing, np.datetime64("NaT", "us"))
    return ParsedDatetimes(
        values, formats[0] if formats else None, _assumption(formats), markers_among(texts, missing)
    )


def _datetimes(texts: Sequence[str], date_format: str | None) -> NDArray[Any] | None:
    """Convert texts by a format that all of them match, or None for ISO 8601.

    Returns `(texts,)`, datetime64[us]; None if a text is no day of the calendar, as the 31st of February.
    """
    import pandas as pd  # noqa: PLC0415 - its import costs half a second, and only training comes here

    try:
        if date_format is None:
            datetimes = pd.Series(list(map(_from_iso, texts)), dtype="datetime64[us]")
        else:
            datetimes = _by_format(pd, pd.Series(texts, dtype=object), date_format)
    except (ValueError, OverflowError):
        return None
    return np.asarray(datetimes, dtype="datetime64[us]")


def _by_format(pd: Any, column: Any, date_format: str) -> Any:
    try:
        return pd.to_datetime(column, format=date_format)  # 8 times as fast as `strptime`
    except pd.errors.OutOfBoundsDatetime:  # pandas 2 counts nanoseconds, which last for 292 years from 1970
        return [datetime.strptime(text, date_format) for text in column]


def _from_iso(text: str) -> datetime:
    """Convert ISO 8601 to a datetime without a time zone, in UTC where the text has an offset."""
    value = datetime.fromisoformat(text)
    return value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)


@cache
def _format_pattern(date_format: str) -> re.Pattern[str]:
    escaped = re.sub("%.|.", lambda part: _DIRECTIVES.get(part[0], re.escape(part[0])), date_format)
    return re.compile(escaped, re.IGNORECASE | re.ASCII)


def _formats_of(text: str) -> list[str]:
    return [date_format for date_format in _FORMATS if _format_pattern(date_format).fullmatch(text)]


def _assumption(formats: Sequence[str]) -> str:
    """Say which of day and month stands first, if more than one format fits all texts.

    Formats with names of months cannot be confused; two of them differ in the length of the name alone.
    """
    if not formats or not {"%m", "%d"} <= set(re.findall("%.", formats[0])):
        return ""
    if len(formats) < 2:
        return ""
    return "the month stands first" if formats[0].startswith("%m") else "the day stands first"
