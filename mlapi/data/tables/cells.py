"""Read the texts of a column's cells as numbers, or as dates and times, in the style that all of them share.

People write the same number as 1234.5, 1,234.50, 1.234,5 or $1 234.50, and the same day as 3/12/2024 or
12.3.2024. Every function takes the distinct texts of one column and decides for the whole column: if a single
text does not fit, and does not mark a missing value, the answer is None, and the column holds categories or
text. Knows nothing of files, names of columns, or models.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

MARKERS = frozenset(
    (
        *(
            "",
            "?",
            "-",
            "--",
            "—",
            ".",
            "n/a",
            "na",
            "n.a.",
            "#n/a",
            "#na",
            "<na>",
            "null",
            "none",
            "nil",
            "nan",
        ),
        *("-nan", "nat", "missing", "\\n", "#value!", "#div/0!", "#ref!", "#null!", "1.#qnan", "1.#ind"),
    )
)
"""Texts that mark a missing value in columns of numbers, dates and times, in lower case.

They are what spreadsheets, databases (\\N is MySQL's) and R write, and what pandas reads as missing by
default (`pandas._libs.parsers.STR_NA_VALUES`).
"""

_CURRENCIES = "$€£¥₹₽₩₺₴₫₪฿₦₱₿"
"""The currency signs that may stand before or after a number."""

_STYLES = tuple(product(".", ("", ",", " ", "'"))) + tuple(product(",", ("", ".", " ", "'")))
"""Pairs of a decimal sign and a thousands separator, the likeliest first: 1234.5, 1,234.5, 1 234.5, 1'234.5,
then 1234,5, 1.234,5, 1 234,5, 1'234,5."""

_SEPARATORS = {"": None, ",": ",", ".": r"\.", " ": "[ \u00a0\u202f\u2009]", "'": "['’]"}
"""The pattern of each thousands separator: there are several kinds of spaces and of apostrophes."""

_IGNORED = "'’ \u00a0\u202f\u2009"
"""Separators that mean nothing in any style."""

_ANY_NUMBER = re.compile(
    rf"(?i:[-+−]?inf(?:inity)?|[-+−({_CURRENCIES} ]*[0-9.,][0-9.,{_IGNORED}e+){_CURRENCIES}%-]*)"
)
"""Whatever could be a number in some style: one quick test that rules out most columns of text."""

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


def is_marker(text: str) -> bool:
    """Return whether a text marks a missing value among numbers, dates and times: "", "NA", " n/a ", "?"."""
    return text.strip().lower() in MARKERS


@dataclass(frozen=True, slots=True)
class Style:
    """How the numbers of a column are written."""

    decimal: str = "."
    """The decimal sign, "." or ","."""
    thousands: str = ""
    """What separates thousands: "" for nothing, else a comma, a point, a space or an apostrophe."""
    currency: str = ""
    """The currency sign that some of the numbers have; "" for none."""
    percent: bool = False
    """Whether every number has a percent sign; 12% is read as 12."""
    assumed: bool = False
    """Whether the commas or points could have had the other meaning, as in 1,234 alone."""

    @property
    def is_plain(self) -> bool:
        """Whether numbers are written as Python writes them."""
        return self == Style()

    def __str__(self) -> str:
        """Return the style in words, as a note about a column has it."""
        parts = []
        if self.thousands:
            parts.append(
                f'thousands set apart by "{self.thousands}"' + (" (assumed)" if self.assumed else "")
            )
        if self.decimal == ",":
            parts.append('decimal sign ","' + (" (assumed)" if self.assumed else ""))
        if self.currency:
            parts.append(f'currency "{self.currency}"')
        if self.percent:
            parts.append("per cent (12% is 12)")
        return ", ".join(parts) or "plain numbers"


@dataclass(frozen=True, slots=True)
class ParsedNumbers:
    """What `parse_numbers` makes of a column."""

    values: NDArray[np.float64]
    """`(texts,)`, one number for each text, NaN for a marker."""
    style: Style
    markers: tuple[str, ...]
    """The texts that mark a missing value."""


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


def parse_numbers(
    texts: Sequence[str], *, decimal: str | None = None, thousands: str | None = None
) -> ParsedNumbers | None:
    """Read the texts of a column as numbers; return None if some are neither of one style nor markers.

    Args:
        texts: The distinct texts of the column's cells.
        decimal: The decimal sign to prefer where texts can be read in two ways.
        thousands: The thousands separator to prefer there.

    Example:
        ["1,234"] is [1234], assumed; with decimal="," it is [1.234]. ["1.234"] is [1.234].
        ["1.234,5", "1.234"] is [1234.5, 1234], ["($5)", "NA"] is [-5, NaN], ["12%"] is [12].
        ["1,5", "1.5"], ["007"], ["1_000"] and ["$1", "€2"] are None.
    """
    missing = list(map(is_marker, texts))
    present = [text.strip() for text, is_missing in zip(texts, missing, strict=True) if not is_missing]
    if not present or not _all_match(_ANY_NUMBER, present):
        return None
    signs = set("".join(present))
    fitting = [style for style in _styles(signs, decimal, thousands) if _all_match(_number(*style), present)]
    currencies = signs.intersection(_CURRENCIES)
    percents = sum("%" in text for text in present) if "%" in signs else 0
    if not fitting or len(currencies) > 1 or percents not in (0, len(present)):
        return None
    point, separator = fitting[0]
    is_double = bool(separator) and len({point for point, _ in fitting}) > 1
    style = Style(
        decimal=point,
        thousands=separator,
        currency="".join(currencies),
        percent=percents > 0,
        assumed=is_double and point != decimal and not thousands,
    )
    return ParsedNumbers(_spread(_floats(present, style), missing, np.nan), style, _markers(texts, missing))


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
        formats = [each for each in _formats_of(present[0]) if _all_match(_format_pattern(each), present)]
        datetimes = _datetimes(present, formats[0]) if formats else None
    if datetimes is None:
        return None
    values = _spread(datetimes, missing, np.datetime64("NaT", "us"))
    return ParsedDatetimes(
        values, formats[0] if formats else None, _assumption(formats), _markers(texts, missing)
    )


def _markers(texts: Sequence[str], missing: Sequence[bool]) -> tuple[str, ...]:
    return tuple(text for text, is_missing in zip(texts, missing, strict=True) if is_missing)


def _all_match(pattern: re.Pattern[str], texts: Iterable[str]) -> bool:
    return all(map(pattern.fullmatch, texts))


def _spread(values: NDArray[Any], missing: Sequence[bool], filler: Any) -> NDArray[Any]:
    """Put the values, in order, into the places that are not missing, and the filler into the others."""
    spread = np.full(len(missing), filler, dtype=values.dtype)
    spread[~np.array(missing)] = values
    return spread


# Numbers.


def _styles(signs: set[str], decimal: str | None, thousands: str | None) -> list[tuple[str, str]]:
    """Return the pairs of `_STYLES` that texts with these characters may have, the preferred ones first."""

    def is_not_preferred(style: tuple[str, str]) -> tuple[bool, bool]:
        return bool(thousands) and style[1] not in ("", thousands), bool(decimal) and style[0] != decimal

    spaces = {" "} if signs & {"\u00a0", "\u202f", "\u2009"} else set()
    used = {"", *signs, *spaces, *({"'"} if "’" in signs else ())}
    points = {",", "."} if signs & {",", "."} else {"."}
    styles = (style for style in _STYLES if style[0] in points and style[1] in used)
    return sorted(styles, key=is_not_preferred)


@cache
def _number(decimal: str, thousands: str) -> re.Pattern[str]:
    """Return the pattern of a number in one style, with its sign, currency, percent sign or brackets."""
    separator = _SEPARATORS[thousands]
    whole = "(?:0|[1-9][0-9]*" + (f"|[1-9][0-9]{{0,2}}(?:{separator}[0-9]{{3}})+" if separator else "") + ")"
    point = re.escape(decimal)
    number = f"(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+)"
    sign, currency = "[-+−]", f"[{_CURRENCIES}]"
    after = f" ?(?:{currency}|%)?"
    before = f"(?:{sign}?{currency}? ?|{currency} ?{sign})"
    plain = f"{sign}?(?:{number}(?:[eE][-+]?[0-9]+)?|(?i:inf|infinity))"
    return re.compile(rf"{plain}|{before}{number}{after}|\({currency}? ?{number}{after}\)")


def _floats(texts: Iterable[str], style: Style) -> NDArray[np.float64]:
    """Convert texts that match `_number` of the style; brackets make a number negative."""
    table: dict[int, str | None] = dict.fromkeys(map(ord, f"{_CURRENCIES}{_IGNORED}%)"))
    table |= {ord("("): "-", ord("−"): "-"}
    table |= {ord(sign): None for sign in style.thousands} | {ord(style.decimal): "."}
    return np.array([float(text.translate(table)) for text in texts], dtype=np.float64)


# Dates and times.


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
