"""The formats of dates and times that are tried on columns, as `strptime` takes them."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import product

from mlapi.data.tables.cells import all_match

_DATES = (
    *("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d"),
    *("%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%m-%y", "%m-%d-%y"),
    *("%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%b %d, %Y", "%b %d %Y", "%d %B %Y", "%B %d, %Y", "%B %d %Y"),
)
"""Formats of dates. Where several fit all texts and nothing else tells, the first is taken: 3/12/2024 is the
12th of March, since a slash is American more often than not; 3-12-2024 and 3.12.2024 are in December."""

_MONTHS_ALONE = (
    "%b-%y",
    "%b-%Y",
    "%b %Y",
    "%b/%Y",
    "%B %Y",
    "%B-%Y",
    "%m/%Y",
    "%Y-%m",
    "%Y/%m",
    "%m.%Y",
    "%m-%Y",
)
"""Formats of months, which stand for their first day: Jan-24, January 2024, 01/2024, 2024-01."""

_CLOCKS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M%p", "%I:%M:%S %p", "%I%p", "%I %p", "%Hh%M")
"""Formats of times of the day: 23:59, 23:59:58, 23:59:58.5, 11:59 PM, 11PM, 23h59."""

FORMATS = (
    *_DATES,
    *map(" ".join, product(_DATES, _CLOCKS)),
    *map(", ".join, product(_DATES, _CLOCKS)),
    *_CLOCKS,
    *_MONTHS_ALONE,
)
"""All formats that are tried beside those that need no guess: dates, dates with a time, times alone."""

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
"""Names of months, which are read in English only, in full or as their first three letters."""

DIRECTIVES: Mapping[str, str] = {
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


@cache
def date_part(date_format: str) -> str | None:
    """Return what is left of a format without the time of day; None where nothing is, or no time is in it."""
    return next((each for each in _DATES if re.match(re.escape(each) + ",? %[HI]", date_format)), None)


@cache
def format_pattern(date_format: str) -> re.Pattern[str]:
    escaped = re.sub("%.|.", lambda part: DIRECTIVES.get(part[0], re.escape(part[0])), date_format)
    return re.compile(escaped, re.IGNORECASE | re.ASCII)


def formats_of(texts: Sequence[str]) -> list[str]:
    """Return those of `FORMATS` that all texts match."""
    first = [each for each in FORMATS if format_pattern(each).fullmatch(texts[0])]
    return [each for each in first if all_match(format_pattern(each), texts)]


def formats_of_some(texts: Sequence[str]) -> list[str]:
    """Return those of `FORMATS` that texts match with or without a time of day: Excel shows no midnight."""
    with_clock = next((text for text in texts if ":" in text), None)
    if with_clock is None:
        return []
    return [
        each
        for each in formats_of([with_clock])
        if (date_alone := date_part(each))
        and all(
            format_pattern(each).fullmatch(text) or format_pattern(date_alone).fullmatch(text)
            for text in texts
        )
    ]


def is_of(date_format: str, text: str) -> bool:
    """Return whether a text is a day of the calendar in a format."""
    if not format_pattern(date_format).fullmatch(text):
        return False
    try:
        datetime.strptime(text, date_format)
    except ValueError:
        return False
    return True
