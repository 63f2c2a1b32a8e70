"""Read the texts of a column as numbers, in the style that all of them share.

People write the same number as 1234.5, 1,234.50, 1.234,5 or $1 234.50.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from mlapi.data.tables.cells import all_match, is_marker, markers_among, spread

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
    if not present or not all_match(_ANY_NUMBER, present):
        return None
    signs = set("".join(present))
    fitting = [style for style in _styles(signs, decimal, thousands) if all_match(_number(*style), present)]
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
    return ParsedNumbers(
        spread(_floats(present, style), missing, np.nan), style, markers_among(texts, missing)
    )


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
