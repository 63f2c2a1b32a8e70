"""Read the texts of a column as dates and times, in the format that all of them share.

People write the same day as 3/12/2024, 12.3.2024 or 3 Dec 2024. `read_datetime` reads one text, as a server
does, `parse_datetimes` the texts of a column; both read each text to the same value.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from itertools import product
from operator import attrgetter, methodcaller
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.data.tables.cells import (
    UNDECIDED,
    CellOptions,
    all_match,
    are_markers,
    is_marker,
    markers_among,
    spread,
)

_DATES = (
    *("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d"),
    *("%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%m-%y", "%m-%d-%y"),
    *("%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%b %d, %Y", "%b %d %Y", "%d %B %Y", "%B %d, %Y", "%B %d %Y"),
)
"""Formats of dates. Where several fit all texts and nothing else tells, the first is taken: 3/12/2024 is the
12th of March, since a slash is American more often than not; 3-12-2024 and 3.12.2024 are in December."""

_CLOCKS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M%p", "%I:%M:%S %p")
"""Formats of times of the day: 23:59, 23:59:58, 23:59:58.5, 11:59 PM."""

_FORMATS = (
    *_DATES,
    *map(" ".join, product(_DATES, _CLOCKS)),
    *map(", ".join, product(_DATES, _CLOCKS)),
    *_CLOCKS,
)
"""All formats that are tried beside those that need no guess: dates, dates with a time, times alone."""

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

_NEARLY_ISO = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:[T ]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    r" ?(Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?(?:\[[A-Za-z0-9_/+-]+\])?)?",
    re.IGNORECASE,
)
"""ISO 8601 as databases and people write it: 2024-1-5 9:05, `2024-01-05 09:05:00 UTC` (BigQuery),
`2024-01-05 09:05:00 +0100` (Ruby), `2024-01-05T09:05+01:00[Europe/Berlin]` (Java)."""

_WEEKDAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?"

_RFC_2822 = re.compile(
    rf"(?:{_WEEKDAY},? )?[0-9]{{1,2}} {_DIRECTIVES['%b']} [0-9]{{4}} [0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}})?"
    r" (?:[+-][0-9]{4}|UT|UTC|GMT|[ECMP][SD]T)(?: \([A-Za-z ]+\))?",
    re.IGNORECASE,
)
"""Dates of mail and HTTP: `Thu, 23 Mar 2023 08:15:00 -0500`, `Thu, 23 Mar 2023 13:15:00 GMT`."""

_LEADING_WEEKDAY = re.compile(rf"{_WEEKDAY},? (?=\S)", re.IGNORECASE)

_ZERO_DATE = re.compile(r"0000([-/.])00\1?00(?:[T ][0:.]+)?|00([-/.])00\2?0000(?:[T ][0:.]+)?")
"""The date that MySQL shows for none: 0000-00-00, 0000-00-00 00:00:00."""

_FEWEST_ORDERED = 5
"""Distinct dates whose order tells which of day and month stands first."""

_FEWEST_MONTHS = 8
"""Distinct months within a year without which a day that never changes tells nothing."""


@dataclass(frozen=True, slots=True)
class ParsedDatetimes:
    """What `parse_datetimes` makes of a column."""

    values: NDArray[np.datetime64]
    """`(texts,)`, datetime64[us], one for each text, NaT for a marker."""
    format: str | None
    """The format of all texts, as `strptime` takes it; None for what needs no guess, as ISO 8601."""
    markers: tuple[str, ...]
    """The texts that mark a missing value."""
    day_first: bool | None = None
    """Which of day and month stands first where every text is a date in both ways; None where only one is."""
    reason: str = ""
    """Why so, in words; "" where only habit speaks for it."""
    lacks_offsets: bool = False
    """Whether some texts have an offset from UTC and others have none; these are taken for UTC."""

    @property
    def is_assumed(self) -> bool:
        """Whether day and month could be swapped, and nothing tells."""
        return self.day_first is not None and not self.reason


def read_datetime(text: str, date_format: str | None = None) -> datetime | None:
    """Read a date or time as ISO 8601, as mail and HTTP write it, or else by a format of `strptime`'s.

    Returns a datetime without a zone, in UTC where the text has an offset; None if it is none of them.
    """
    text = _normal(text)
    value = _without_guess(text)
    try:
        if value is None and date_format is not None:
            value = datetime.strptime(_LEADING_WEEKDAY.sub("", text, count=1), date_format)
        return value and _in_utc(value)
    except (ValueError, OverflowError):
        return None


def is_blank_date(text: str) -> bool:
    """Return whether a text marks a missing value among dates: a marker, or MySQL's 0000-00-00."""
    if is_marker(text):
        return True
    text = text.strip()
    return text.startswith("00") and _ZERO_DATE.fullmatch(text) is not None


def parse_datetimes(texts: Sequence[str], options: CellOptions = UNDECIDED) -> ParsedDatetimes | None:
    """Read the texts of a column as dates and times; None if some are neither of one format nor markers.

    All have to be written so that they need no guess (ISO 8601, or as mail and HTTP have it), or all in one
    of `_FORMATS`. A time with an offset becomes UTC; one without stays as it is. Where day and month could be
    swapped in every text, the user's word decides, else the dates themselves: if they are in order of time in
    one way alone, or are one day of every month in one way alone; else other columns, else habit.

    Args:
        texts: The distinct texts of the column's cells, in order of appearance.

    Example:
        ["2024-12-31T23:30:00-01:00"] is 2025-01-01 00:30. ["3/12/2024"] is the 12th of March, assumed;
        ["3/12/2024", "31/12/2024"] are the 3rd and the 31st of December. ["20241231"] is None: a number.
    """
    first = next((_normal(text) for text in texts if not is_blank_date(text)), "")
    if not first or (
        read_datetime(first) is None and not _formats_of([_LEADING_WEEKDAY.sub("", first, count=1)])
    ):
        return None  # as most columns of texts, which may have a million different ones
    if certain := _all_iso(texts):
        return ParsedDatetimes(certain[0], None, (), lacks_offsets=certain[1])
    missing = _are_blank_dates(texts)
    present = _all_normal([text for text, is_missing in zip(texts, missing, strict=True) if not is_missing])
    if any(map(str.isdecimal, present)):
        return None
    markers = markers_among(texts, missing)
    certain = _all_without_guess(present)
    if certain is not None:
        datetimes, lacks_offsets = certain
        return ParsedDatetimes(_spread(datetimes, missing), None, markers, lacks_offsets=lacks_offsets)
    if _LEADING_WEEKDAY.search("\n".join(present)):
        present = [_LEADING_WEEKDAY.sub("", text, count=1) for text in present]
    readings = [
        (each, values) for each in _formats_of(present) if (values := _by_format(present, each)) is not None
    ]
    if not readings:
        return None
    date_format, day_first, reason = _choose(readings, options)
    return ParsedDatetimes(
        _spread(dict(readings)[date_format], missing), date_format, markers, day_first, reason
    )


def most_frequent_format(texts: Sequence[str], counts: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which texts are dates of the format that most cells have, or mark a missing value.

    For a column that `parse_datetimes` does not read as a whole.

    Args:
        texts: The distinct texts of the column's cells.
        counts: How many cells have each text, `(texts,)`.

    Returns: flags `(texts,)`.
    """
    is_missing = np.array(_are_blank_dates(texts), dtype=bool)
    needs_no_guess = [not text.isdecimal() and read_datetime(text) is not None for text in texts]
    present = [_LEADING_WEEKDAY.sub("", _normal(text), count=1) for text in texts]
    formats = {date_format for text in present[:_TRIED] for date_format in _formats_of([text])}
    best: NDArray[np.bool_] = is_missing | np.array(needs_no_guess, dtype=bool)
    for date_format in formats:
        fits = np.array([_is_of(date_format, text) for text in present], dtype=bool)
        best = max(best, is_missing | fits, key=lambda flags: int(counts[flags].sum()))
    return best


_TRIED = 20
"""Texts whose formats are tried on all others."""


def _normal(text: str) -> str:
    """Return a text without blanks around it, with one where there are several, and with am for a.m."""
    text = " ".join(text.split())
    return re.sub(r"([ap])\.m\.", r"\1m", text, flags=re.IGNORECASE) if text.endswith("m.") else text


def _all_normal(texts: Sequence[str]) -> list[str]:
    """Return `_normal` of each text; no Python code runs for one where none is written with a.m."""
    single = list(map(" ".join, map(str.split, texts)))
    return list(map(_normal, single)) if any(map(methodcaller("endswith", "m."), single)) else single


def _are_blank_dates(texts: Sequence[str]) -> list[bool]:
    """Return `is_blank_date` of each text."""
    return [
        is_missing or ("0000" in text and is_blank_date(text))
        for text, is_missing in zip(texts, are_markers(texts), strict=True)
    ]


def _spread(datetimes: NDArray[Any], missing: Sequence[bool]) -> NDArray[Any]:
    """Return datetimes `(present,)` with NaT for each missing one: `(texts,)`."""
    return spread(datetimes, missing, np.datetime64("NaT", "us"))


def _all_iso(texts: Sequence[str]) -> tuple[NDArray[Any], bool] | None:
    """Return what `_all_without_guess` does if all texts are ISO 8601 as they stand; else None."""
    try:
        values = list(map(datetime.fromisoformat, texts))
    except ValueError:
        return None
    return None if any(map(str.isdecimal, texts)) else _all_in_utc(values)


def _all_without_guess(texts: Sequence[str]) -> tuple[NDArray[Any], bool] | None:
    """Return `(texts,)`, datetime64[us], and whether only some have an offset; None if one needs a guess."""
    values = []
    for text in texts:
        value = _without_guess(text)
        if value is None:
            return None
        values.append(value)
    return _all_in_utc(values)


def _all_in_utc(values: Sequence[datetime]) -> tuple[NDArray[Any], bool] | None:
    """Return datetimes as `(values,)`, datetime64[us], and whether only some have an offset.

    None if one is beyond the years that there are.
    """
    import pandas as pd  # noqa: PLC0415 - its import costs half a second, and only training comes here

    zones = set(map(attrgetter("tzinfo"), values))
    try:
        in_utc = pd.Series(values if zones == {None} else list(map(_in_utc, values)), dtype="datetime64[us]")
    except (ValueError, OverflowError):
        return None
    return np.asarray(in_utc, dtype="datetime64[us]"), None in zones and len(zones) > 1


def _without_guess(text: str) -> datetime | None:
    """Read a `_normal` text as ISO 8601, nearly so, or as mail and HTTP have it, with its offset."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    try:
        if match := _NEARLY_ISO.fullmatch(text):
            return _from_parts(*match.groups())
        return parsedate_to_datetime(text) if _RFC_2822.fullmatch(text) else None
    except ValueError:
        return None


def _from_parts(  # noqa: PLR0913, PLR0917 - the parts of a time
    year: str,
    month: str,
    day: str,
    hour: str | None,
    minute: str | None,
    second: str | None,
    fraction: str | None,
    offset: str | None,
) -> datetime:
    """Make a datetime of the parts that `_NEARLY_ISO` finds."""
    clock = f"T{int(hour):02}:{minute}:{second or '00'}.{(fraction or '0')[:6]:0<6}" if hour else ""
    zone = "" if offset is None else "Z" if offset.upper() in ("Z", "UTC", "GMT") else offset
    return datetime.fromisoformat(f"{year}-{int(month):02}-{int(day):02}{clock}{zone}")


def _in_utc(value: datetime) -> datetime:
    """Return a datetime without a zone, in UTC where it has an offset."""
    if value.tzinfo is not None and value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return value if value.tzinfo is None else value.replace(tzinfo=None)


def _by_format(texts: Sequence[str], date_format: str) -> NDArray[Any] | None:
    """Convert texts by a format that all of them match: `(texts,)`, datetime64[us].

    None if a text is no day of the calendar, as the 31st of February.
    """
    import pandas as pd  # noqa: PLC0415 - its import costs half a second, and only training comes here

    try:
        try:
            column = pd.to_datetime(pd.Series(texts, dtype=object), format=date_format)
        except pd.errors.OutOfBoundsDatetime:  # pandas counts nanoseconds, which last for 292 years from 1970
            column = [datetime.strptime(text, date_format) for text in texts]
    except (ValueError, OverflowError):
        return None
    return np.asarray(column, dtype="datetime64[us]")


@cache
def _format_pattern(date_format: str) -> re.Pattern[str]:
    escaped = re.sub("%.|.", lambda part: _DIRECTIVES.get(part[0], re.escape(part[0])), date_format)
    return re.compile(escaped, re.IGNORECASE | re.ASCII)


def _formats_of(texts: Sequence[str]) -> list[str]:
    """Return those of `_FORMATS` that all texts match."""
    first = [each for each in _FORMATS if _format_pattern(each).fullmatch(texts[0])]
    return [each for each in first if all_match(_format_pattern(each), texts)]


def _is_of(date_format: str, text: str) -> bool:
    """Return whether a text is a day of the calendar in a format."""
    if not _format_pattern(date_format).fullmatch(text):
        return False
    try:
        datetime.strptime(text, date_format)
    except ValueError:
        return False
    return True


def _choose(
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
