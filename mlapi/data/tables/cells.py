"""What the words in a column's cells mean: numbers or times, written in one style, with markers for blanks.

Every function takes the different words of a column and answers for the column as a whole: one word that does
not fit, and it is a column of words. Knows nothing of files, columns' names or models.
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
"""Words that stand for a blank in columns of numbers and times, in lower case.

They are what spreadsheets, databases (\\N is MySQL's) and R write, and what pandas takes for one by default
(`pandas._libs.parsers.STR_NA_VALUES`).
"""

_CURRENCIES = "$€£¥₹₽₩₺₴₫₪฿₦₱₿"

_SIGNS = tuple(product(".", ("", ",", " ", "'"))) + tuple(product(",", ("", ".", " ", "'")))
"""Decimal sign and what sets thousands apart, the likeliest first."""

_GROUPS = {"": None, ",": ",", ".": r"\.", " ": "[ \u00a0\u202f\u2009]", "'": "['’]"}

_BETWEEN = "'’ \u00a0\u202f\u2009"

_ANY_NUMBER = re.compile(
    rf"(?i:[-+−]?inf(?:inity)?|[-+−({_CURRENCIES} ]*[0-9.,][0-9.,{_BETWEEN}e+){_CURRENCIES}%-]*)"
)
"""Whatever could be a number in some style: one look that tells words from it."""

_DATES = (
    *("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d"),
    *("%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%d-%m-%y", "%m-%d-%y"),
    *("%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%b %d, %Y", "%b %d %Y", "%d %B %Y", "%B %d, %Y", "%B %d %Y"),
)
"""Of several that fit the first is taken: a slash is American more often than not, a dash is not."""

_CLOCKS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M%p", "%I:%M:%S %p")

_FORMS = (
    *_DATES,
    *map(" ".join, product(_DATES, _CLOCKS)),
    *map(", ".join, product(_DATES, _CLOCKS)),
    *_CLOCKS,
)

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)

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
"""Narrower than `strptime`: what is taken here is taken there, and nothing odd is taken for a date."""


def is_marker(word: str) -> bool:
    """Whether a word stands for a blank where numbers or times are expected."""
    return word.strip().lower() in MARKERS


@dataclass(frozen=True, slots=True)
class Style:
    """How numbers are written. `assumed`: their commas or points could have been read in the other way."""

    decimal: str = "."
    thousands: str = ""
    currency: str = ""
    percent: bool = False
    assumed: bool = False

    @property
    def is_plain(self) -> bool:
        return self == Style()

    def __str__(self) -> str:
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
    """float64, one for each word, NaN for a marker; and the markers that occurred."""

    values: NDArray[np.float64]
    style: Style
    markers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParsedDatetimes:
    """datetime64[us], one for each word, NaT for a marker; and the markers that occurred.

    `form` is what `strptime` takes, None for ISO 8601. `assumed` says in words what was chosen where day and
    month can be swapped in all of them, and is empty where they cannot.
    """

    values: NDArray[np.datetime64]
    form: str | None
    assumed: str
    markers: tuple[str, ...]

    @property
    def is_ambiguous(self) -> bool:
        return bool(self.assumed)


def parse_numbers(
    words: Sequence[str], *, decimal: str | None = None, thousands: str | None = None
) -> ParsedNumbers | None:
    """The words as numbers; None if one is neither a number of the others' style nor a marker.

    Args:
        decimal, thousands: The signs to prefer where words can be read in more than one way. Without them
            "1,234" is more than a thousand, and "1.234" less than two.
    """
    blank = list(map(is_marker, words))
    rest = [word.strip() for word, is_blank in zip(words, blank, strict=True) if not is_blank]
    if not rest or not _all_fit(_ANY_NUMBER, rest):
        return None
    signs = set("".join(rest))
    fitting = [style for style in _styles(signs, decimal, thousands) if _all_fit(_number(*style), rest)]
    currencies = signs.intersection(_CURRENCIES)
    percents = sum("%" in word for word in rest) if "%" in signs else 0
    if not fitting or len(currencies) > 1 or percents not in (0, len(rest)):
        return None
    point, group = fitting[0]
    is_double = bool(group) and len({point for point, _ in fitting}) > 1
    style = Style(
        decimal=point,
        thousands=group,
        currency="".join(currencies),
        percent=percents > 0,
        assumed=is_double and point != decimal and not thousands,
    )
    return ParsedNumbers(_spread(_floats(rest, style), blank, np.nan), style, _markers(words, blank))


def parse_datetimes(words: Sequence[str]) -> ParsedDatetimes | None:
    """The words as moments, in UTC if they have an offset; None if one is neither of one form nor a marker.

    A server later reads each of these words in the same way (`mlapi.data.rows.reader`): ISO 8601 first, then
    by the form.
    """
    blank = list(map(is_marker, words))
    rest = [word for word, is_blank in zip(words, blank, strict=True) if not is_blank]
    if not rest or any(map(str.isdecimal, rest)):
        return None
    found, forms = _moments(rest, None), list[str]()
    if found is None:
        forms = [form for form in _forms_of(rest[0]) if _all_fit(_time(form), rest)]
        found = _moments(rest, forms[0]) if forms else None
    if found is None:
        return None
    form = forms[0] if forms else None
    values = _spread(found, blank, np.datetime64("NaT", "us"))
    return ParsedDatetimes(values, form, _assumption(forms), _markers(words, blank))


def _markers(words: Sequence[str], blank: Sequence[bool]) -> tuple[str, ...]:
    return tuple(word for word, is_blank in zip(words, blank, strict=True) if is_blank)


def _all_fit(pattern: re.Pattern[str], words: Iterable[str]) -> bool:
    return all(map(pattern.fullmatch, words))


def _spread(values: NDArray[Any], blank: Sequence[bool], filler: Any) -> NDArray[Any]:
    """The values in the places that are not blank."""
    spread = np.full(len(blank), filler, dtype=values.dtype)
    spread[~np.array(blank)] = values
    return spread


# Numbers.


def _styles(signs: set[str], decimal: str | None, thousands: str | None) -> list[tuple[str, str]]:
    """The styles that can differ where these signs occur, the ones that are asked for first."""

    def doubts(style: tuple[str, str]) -> tuple[bool, bool]:
        return bool(thousands) and style[1] not in ("", thousands), bool(decimal) and style[0] != decimal

    spaces = {" "} if signs & {"\u00a0", "\u202f", "\u2009"} else set()
    used = {"", *signs, *spaces, *({"'"} if "’" in signs else ())}
    points = {",", "."} if signs & {",", "."} else {"."}
    return sorted((style for style in _SIGNS if style[0] in points and style[1] in used), key=doubts)


@cache
def _number(decimal: str, thousands: str) -> re.Pattern[str]:
    group = _GROUPS[thousands]
    whole = "(?:0|[1-9][0-9]*" + (f"|[1-9][0-9]{{0,2}}(?:{group}[0-9]{{3}})+" if group else "") + ")"
    point = re.escape(decimal)
    number = f"(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+)"
    sign, currency = "[-+−]", f"[{_CURRENCIES}]"
    after = f" ?(?:{currency}|%)?"
    before = f"(?:{sign}?{currency}? ?|{currency} ?{sign})"
    plain = f"{sign}?(?:{number}(?:[eE][-+]?[0-9]+)?|(?i:inf|infinity))"
    return re.compile(rf"{plain}|{before}{number}{after}|\({currency}? ?{number}{after}\)")


def _floats(words: Iterable[str], style: Style) -> NDArray[np.float64]:
    table: dict[int, str | None] = dict.fromkeys(map(ord, f"{_CURRENCIES}{_BETWEEN}%)"))
    table |= {ord("("): "-", ord("−"): "-"}
    table |= {ord(sign): None for sign in style.thousands} | {ord(style.decimal): "."}
    return np.array([float(word.translate(table)) for word in words], dtype=np.float64)


# Times.


def _moments(words: Sequence[str], form: str | None) -> NDArray[Any] | None:
    """As ISO 8601 or of a form that all of them fit; None if a word is no day of the calendar."""
    import pandas as pd  # noqa: PLC0415 - its import costs half a second, and only training comes here

    try:
        if form is None:
            moments = pd.Series(list(map(_iso, words)), dtype="datetime64[us]")
        else:
            moments = _by_form(pd, pd.Series(words, dtype=object), form)
    except (ValueError, OverflowError):
        return None
    return np.asarray(moments, dtype="datetime64[us]")


def _by_form(pd: Any, column: Any, form: str) -> Any:
    try:
        return pd.to_datetime(column, format=form)  # 8 times as fast as `strptime`
    except pd.errors.OutOfBoundsDatetime:  # pandas 2 counts nanoseconds, which last for 292 years from 1970
        return [datetime.strptime(word, form) for word in column]


def _iso(word: str) -> datetime:
    moment = datetime.fromisoformat(word)
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


@cache
def _time(form: str) -> re.Pattern[str]:
    escaped = re.sub("%.|.", lambda part: _DIRECTIVES.get(part[0], re.escape(part[0])), form)
    return re.compile(escaped, re.IGNORECASE | re.ASCII)


def _forms_of(word: str) -> list[str]:
    return [form for form in _FORMS if _time(form).fullmatch(word)]


def _assumption(forms: Sequence[str]) -> str:
    """What was chosen, if not all forms that fit are the same but for the length of a month's name."""
    if not forms or not {"%m", "%d"} <= set(re.findall("%.", forms[0])):
        return ""
    if len(forms) < 2:
        return ""
    return "the month stands first" if forms[0].startswith("%m") else "the day stands first"
