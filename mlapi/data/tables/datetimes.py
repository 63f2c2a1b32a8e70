"""Read the texts of a column as dates and times, in the format that all of them share.

People write the same day as 3/12/2024, 12.3.2024 or 3 Dec 2024. `read_datetime` reads one text, as a server
does, `parse_datetimes` the texts of a column; both read each text to the same value.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from operator import attrgetter, methodcaller
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.data.tables.cells import (
    LONGEST,
    UNDECIDED,
    CellOptions,
    are_markers,
    is_marker,
    markers_among,
    spread,
)
from mlapi.data.tables.date_formats import (
    DIRECTIVES,
    date_part,
    format_pattern,
    formats_of,
    formats_of_some,
    is_of,
)
from mlapi.data.tables.date_forms import in_ascii, in_english, offset_of, read_form
from mlapi.data.tables.day_order import choose

_NEARLY_ISO = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:[T ]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?"
    r" ?(Z|[A-Z]{3,4}|[+-][0-9]{2}(?::?[0-9]{2})?)?(?:\[[A-Za-z0-9_/+-]+\])?)?",
    re.IGNORECASE,
)
"""ISO 8601 as databases and people write it: 2024-1-5 9:05, `2024-01-05 09:05:00 UTC` (BigQuery),
`2024-01-05 09:05:00 +0100` (Ruby), `2024-01-05T09:05+01:00[Europe/Berlin]` (Java), `2024-01-05 09:05 CET`."""

_WEEKDAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?"

_RFC_2822 = re.compile(
    rf"(?:{_WEEKDAY},? )?[0-9]{{1,2}} {DIRECTIVES['%b']} [0-9]{{4}} [0-9]{{2}}:[0-9]{{2}}(?::[0-9]{{2}})?"
    r" (?:[+-][0-9]{4}|UT|UTC|GMT|[ECMP][SD]T)(?: \([A-Za-z ]+\))?",
    re.IGNORECASE,
)
"""Dates of mail and HTTP: `Thu, 23 Mar 2023 08:15:00 -0500`, `Thu, 23 Mar 2023 13:15:00 GMT`."""

_LEADING_WEEKDAY = re.compile(rf"{_WEEKDAY},? (?=\S)", re.IGNORECASE)

_ZERO_DATE = re.compile(r"0000([-/.])00\1?00(?:[T ][0:.]+)?|00([-/.])00\2?0000(?:[T ][0:.]+)?")
"""The date that MySQL shows for none: 0000-00-00, 0000-00-00 00:00:00."""


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
    if len(text) > LONGEST:
        return None
    text = _normal(text)
    value = _without_guess(text)
    try:
        if value is None and date_format is not None:
            value = _read_by(date_format, text)
        return value and _in_utc(value)
    except (ValueError, OverflowError):
        return None


def _read_by(date_format: str, text: str) -> datetime:
    """Read a `_normal` text by a format of `strptime`'s; one without its time of day is midnight.

    Raises:
        ValueError: It is not in that format.
    """
    try:
        return datetime.strptime(_LEADING_WEEKDAY.sub("", text, count=1), date_format)
    except ValueError:
        text = in_english(text)
        date_alone = date_part(date_format)
        if date_alone is not None and format_pattern(date_alone).fullmatch(text):
            return datetime.strptime(text, date_alone)
        return datetime.strptime(text, date_format)


def is_blank_date(text: str) -> bool:
    """Return whether a text marks a missing value among dates: a marker, or MySQL's 0000-00-00."""
    if is_marker(text):
        return True
    text = text.strip()
    return text.startswith("00") and _ZERO_DATE.fullmatch(text) is not None


def parse_datetimes(texts: Sequence[str], options: CellOptions = UNDECIDED) -> ParsedDatetimes | None:
    """Read the texts of a column as dates and times; None if some are neither of one format nor markers.

    All have to be written so that they need no guess (ISO 8601, or as mail and HTTP have it), or all in one
    of `FORMATS`. A time with an offset becomes UTC; one without stays as it is. Where day and month could be
    swapped in every text, the user's word decides, else the dates themselves: if they are in order of time in
    one way alone, or are one day of every month in one way alone; else other columns, else habit.

    Args:
        texts: The distinct texts of the column's cells, in order of appearance.

    Example:
        ["2024-12-31T23:30:00-01:00"] is 2025-01-01 00:30. ["3/12/2024"] is the 12th of March, assumed;
        ["3/12/2024", "31/12/2024"] are the 3rd and the 31st of December. ["20241231"] is None: a number.
    """
    is_long = max(map(len, texts), default=0) > LONGEST
    first = "" if is_long else next((_normal(text) for text in texts if not is_blank_date(text)), "")
    if not first or (read_datetime(first) is None and not formats_of([in_english(first)])):
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
    formats = formats_of(present)
    if not formats:
        present = list(map(in_english, present))
        formats = formats_of(present)
    have_all_a_clock = bool(formats)
    readings = [
        (each, values)
        for each in formats or formats_of_some(present)
        if (values := _by_format(present, each, have_all_a_clock=have_all_a_clock)) is not None
    ]
    if not readings:
        return None
    date_format, day_first, reason = choose(readings, options)
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
    present = [in_english(_normal(text)) for text in texts]
    formats = {date_format for text in present[:_TRIED] for date_format in formats_of([text])}
    best: NDArray[np.bool_] = is_missing | np.array(needs_no_guess, dtype=bool)
    for date_format in formats:
        fits = np.array([is_of(date_format, text) for text in present], dtype=bool)
        best = max(best, is_missing | fits, key=lambda flags: int(counts[flags].sum()))
    return best


_TRIED = 20
"""Texts whose formats are tried on all others."""


def _normal(text: str) -> str:
    """Return a text without blanks around it, with one where there are several, with am for a.m., and with
    the digits 0 to 9."""
    text = " ".join((text if text.isascii() else in_ascii(text)).split())
    return re.sub(r"([ap])\.m\.", r"\1m", text, flags=re.IGNORECASE) if text.endswith("m.") else text


def _all_normal(texts: Sequence[str]) -> list[str]:
    """Return `_normal` of each text; no Python code runs for one where none has a.m. or other letters."""
    single = list(map(" ".join, map(str.split, texts)))
    is_plain = "".join(single).isascii() and not any(map(methodcaller("endswith", "m."), single))
    return single if is_plain else list(map(_normal, single))


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
        return parsedate_to_datetime(text) if _RFC_2822.fullmatch(text) else read_form(text)
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
    zone = "" if offset is None else offset_of(offset)
    return datetime.fromisoformat(f"{year}-{int(month):02}-{int(day):02}{clock}{zone}")


def _in_utc(value: datetime) -> datetime:
    """Return a datetime without a zone, in UTC where it has an offset."""
    if value.tzinfo is not None and value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return value if value.tzinfo is None else value.replace(tzinfo=None)


def _by_format(texts: Sequence[str], date_format: str, *, have_all_a_clock: bool) -> NDArray[Any] | None:
    """Convert texts by a format that all of them match: `(texts,)`, datetime64[us].

    None if a text is no day of the calendar, as the 31st of February.

    Args:
        have_all_a_clock: Whether none lacks the time of day that the format has.
    """
    import pandas as pd  # noqa: PLC0415 - its import costs half a second, and only training comes here

    try:
        if not have_all_a_clock:
            column: Any = [_read_by(date_format, text) for text in texts]
        else:
            try:
                column = pd.to_datetime(pd.Series(texts, dtype=object), format=date_format)
            except pd.errors.OutOfBoundsDatetime:  # pandas counts nanoseconds, for 292 years from 1970
                column = [datetime.strptime(text, date_format) for text in texts]
    except (ValueError, OverflowError):
        return None
    return np.asarray(column, dtype="datetime64[us]")
