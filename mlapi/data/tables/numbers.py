"""Read the texts of a column as numbers, in the style that all of them share.

People write the same number as 1234.5, 1,234.50, 1.234,5, 12,34,567 or $1 234.50.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlapi.data.tables.cells import (
    LONGEST,
    UNDECIDED,
    CellOptions,
    all_match,
    are_markers,
    is_marker,
    markers_among,
    plainly,
    spread,
)
from mlapi.data.tables.currencies import CURRENCIES, CURRENCY


class _Marks(NamedTuple):
    """The decimal sign, the thousands separator, and whether 12,34,567 is grouped as in India."""

    decimal: str
    thousands: str
    is_indian: bool = False


_MARKS = (
    *(
        _Marks(".", ""),
        _Marks(".", ","),
        _Marks(".", ",", is_indian=True),
        _Marks(".", " "),
        _Marks(".", "'"),
    ),
    *(_Marks(",", ""), _Marks(",", "."), _Marks(",", " "), _Marks(",", "'")),
)
"""The likeliest first: 1234.5, 1,234.5, 12,34,567.5, 1 234.5, 1'234.5, then 1234,5, 1.234,5, 1 234,5,
1'234,5."""

_SEPARATORS = {",": ",", ".": r"\.", " ": "[ \u00a0\u202f\u2009]", "'": "['’]"}
"""The pattern of each thousands separator: there are several kinds of spaces and of apostrophes."""

_IGNORED = "'’ \u00a0\u202f\u2009"
"""Separators that mean nothing in any style."""

_PLAIN = set("0123456789.,+-−()%eE" + _IGNORED)
"""The characters of numbers without a currency."""

_ENDS_IN_ZERO = re.compile(r"\.[0-9]{2}0(?![0-9])")

_MANY = 30
"""Distinct numbers with three digits behind a point, of which none would end in 0 once in twenty cases."""

_BEGIN = re.compile(rf"'?[-+−( ]*(?:{CURRENCY})?[-+−(\s]*(?:\.?[0-9]|,[0-9])|(?i:[-+−]?inf(?:inity)?$)")
"""How each number begins, in any style: one quick test that rules out most columns of text."""


@dataclass(frozen=True, slots=True)
class Style:
    """How the numbers of a column are written."""

    decimal: str = "."
    """The decimal sign, "." or ","."""
    thousands: str = ""
    """What separates thousands: "" for nothing, else a comma, a point, a space or an apostrophe."""
    is_indian: bool = False
    """Whether hundreds of thousands are set apart as well, as in 12,34,567."""
    currency: str = ""
    """The currency that some of the numbers have, as it is written; "" for none."""
    percent: bool = False
    """Whether every number has a percent sign; 12% is read as 12."""
    has_minus_behind: bool = False
    """Whether a number has its minus at the end, as in 5-."""
    unit: str = ""
    """What stands behind every number, as "kg"; "" for nothing."""
    has_quotes: bool = False
    """Whether an apostrophe stands before some numbers, by which Excel knows a text, or one at both ends."""
    assumed: bool = False
    """Whether the commas or points could have had the other meaning, as in 1,234 alone."""

    @property
    def is_plain(self) -> bool:
        """Whether numbers are written as Python writes them."""
        return self == Style()

    @property
    def example(self) -> str:
        """How 1234.5 is written, without currency and per cent: "1.234,5"."""
        return f"1{self.thousands}234{self.decimal}5"

    def __str__(self) -> str:
        """Return the style in words, as a note about a column has it."""
        parts = []
        if self.thousands:
            parts.append(f'thousands set apart by "{self.thousands}"' + self._way_out)
        if self.is_indian:
            parts.append("grouped as in India (12,34,567)")
        if self.decimal == "," or (self.assumed and not self.thousands):
            parts.append(f'decimal sign "{self.decimal}"' + self._way_out * (not self.thousands))
        if self.currency:
            parts.append(f'currency "{self.currency}"')
        if self.percent:
            parts.append("per cent (12% is 12)")
        if self.has_minus_behind:
            parts.append("minus behind (5- is -5)")
        if self.unit:
            parts.append(f'unit "{self.unit}"')
        if self.has_quotes:
            parts.append("without the apostrophes (')")
        return ", ".join(parts) or "plain numbers"

    @property
    def _way_out(self) -> str:
        """Say which option reads the texts in the other way, where there is one."""
        if not self.assumed:
            return ""
        other = f"--decimal {self.thousands}" if self.thousands else f"--thousands {self.decimal}"
        return f" (assumed; {other} reads them otherwise)"


@dataclass(frozen=True, slots=True)
class ParsedNumbers:
    """What `parse_numbers` makes of a column."""

    values: NDArray[np.float64]
    """`(texts,)`, one number for each text, NaN for a marker."""
    style: Style
    markers: tuple[str, ...]
    """The texts that mark a missing value."""
    has_points: bool
    """Whether a number is written with a decimal sign, if only as 31.0."""


def options_as_in(example: str) -> CellOptions:
    """Return what makes texts that can be read in two ways be read as in a `Style` with this `example`."""
    return CellOptions(decimal=example[-2], thousands=example[1:-5])


def parse_numbers(texts: Sequence[str], options: CellOptions = UNDECIDED) -> ParsedNumbers | None:
    """Read the texts of a column as numbers; return None if some are neither of one style nor markers.

    Args:
        texts: The distinct texts of the column's cells.
        options: The signs to prefer where texts can be read in two ways.

    Example:
        ["1,234"] is [1234], assumed; with decimal="," it is [1.234]. ["1.234"] is [1.234], assumed.
        ["1.234,5", "1.234"] is [1234.5, 1234], ["($5)", "NA"] is [-5, NaN], ["12%"] is [12].
        ["12 kg"] and ["'12"] are [12]. ["1,5", "1.5"], ["007"], ["1_000"], ["$1", "€2"] are None.
    """
    is_long = max(map(len, texts), default=0) > LONGEST
    first = None if is_long else next((text for text in texts if not is_marker(text)), None)
    if first is None or _way(_without_quotes(plainly(first))) is None:
        return None  # as most columns of texts, which may have a million different ones
    missing = are_markers(texts)
    present = [text.strip() for text, is_missing in zip(texts, missing, strict=True) if not is_missing]
    if not "".join(present).isascii():
        present = list(map(plainly, present))
    if not all(map(_BEGIN.match, present)):
        return None
    has_quotes = any(text[0] == "'" for text in present)
    if has_quotes:
        present = list(map(_without_quotes, present))
    signs = set("".join(present))
    fitting = [marks for marks in _candidates(signs, options) if all_match(_number(marks), present)]
    unit = "" if fitting else _unit(present)
    if unit:
        present = [text.removesuffix(unit).rstrip() for text in present]
        signs = set("".join(present))
        fitting = [marks for marks in _candidates(signs, options) if all_match(_number(marks), present)]
    if not fitting:
        return None
    currencies = set(_currencies(present, signs)) - {""}
    percents = sum("%" in text for text in present) if "%" in signs else 0
    if len(currencies) > 1 or percents not in (0, len(present)):
        return None
    marks, is_sure = _choose(fitting, present, options)
    style = Style(
        decimal=marks.decimal,
        thousands=marks.thousands,
        is_indian=marks.is_indian,
        currency="".join(currencies),
        percent=percents > 0,
        has_minus_behind=bool(signs & set("-−")) and any(text[-1] in "-−" for text in present),
        unit=unit,
        has_quotes=has_quotes,
        assumed=not is_sure,
    )
    has_points = marks.decimal in signs and any(marks.decimal in text for text in present)
    values = spread(_floats(present, style), missing, np.nan)
    return ParsedNumbers(values, style, markers_among(texts, missing), has_points)


def most_frequent_style(texts: Sequence[str], counts: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which texts are numbers of the style that most cells have, or mark a missing value.

    For a column that `parse_numbers` does not read as a whole: of what is chosen it reads all, unless it is
    nothing but markers.

    Args:
        texts: The distinct texts of the column's cells.
        counts: How many cells have each text, `(texts,)`.

    Returns: flags `(texts,)`.
    """
    stripped = [_without_quotes(plainly(text)) if len(text) <= LONGEST else "" for text in texts]
    is_missing = np.array(are_markers(texts), dtype=bool)
    best = _of_one_style(stripped, is_missing, counts)
    units = [match[2] if (match := _WITH_UNIT.fullmatch(text)) else "" for text in stripped]
    cells = Counter(dict.fromkeys(units, 0))
    for unit, count in zip(units, counts.tolist(), strict=True):
        cells[unit] += count
    del cells[""]
    for unit, _ in cells.most_common(1):
        numbers = [
            text.removesuffix(unit).rstrip() if own == unit else ""
            for text, own in zip(stripped, units, strict=True)
        ]
        best = max(
            best, _of_one_style(numbers, is_missing, counts), key=lambda flags: int(counts[flags].sum())
        )
    return best


def _of_one_style(
    stripped: Sequence[str], is_missing: NDArray[np.bool_], counts: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Return which texts without a unit are numbers of the style of most cells, or missing: `(texts,)`.

    Args:
        is_missing: Which texts mark a missing value, `(texts,)`.
        counts: How many cells have each text, `(texts,)`.
    """
    signs = set("".join(text for text in stripped if _BEGIN.match(text)))
    currencies = np.array(_currencies(stripped, signs), dtype=object)
    has_percent = np.array(["%" in text for text in stripped], dtype=bool)
    best = is_missing
    for marks in _candidates(signs, UNDECIDED):
        is_number = np.array([_number(marks).fullmatch(text) is not None for text in stripped], dtype=bool)
        for currency, percent in product(set(currencies[is_number]) | {""}, (False, True)):
            is_same = ((currencies == currency) | (currencies == "")) & (has_percent == percent)
            best = max(best, is_missing | (is_number & is_same), key=lambda flags: int(counts[flags].sum()))
    return best


def written_in_several_ways(texts: Sequence[str], counts: NDArray[np.intp]) -> tuple[str, str] | None:
    """Return two texts that show how differently the numbers of a column are written; None where too few of
    its cells are numbers in any way, with any unit.

    For a column that `parse_numbers` does not read.

    Args:
        texts: The distinct texts of the column's cells.
        counts: How many cells have each text, `(texts,)`.
    """
    ways: dict[tuple[str, ...], str] = {}
    total = 0
    for text, count in zip(texts, counts.tolist(), strict=True):
        if is_marker(text) or (way := _way(_without_quotes(plainly(text)))) is None:
            continue
        ways.setdefault(way, text)
        total += count
    if not 1 < len(ways) <= _MOST_WAYS or total < _NEARLY_ALL * int(counts.sum()):
        return None
    first, second, *_ = ways.values()
    return first, second


_MOST_WAYS, _NEARLY_ALL = 8, 0.9
"""In how many ways people write the numbers of one column (house numbers have more letters), and the share of
cells that are numbers then."""

_UNIT = re.compile(r"/-|[°′″‰]|(?:° ?|/)?[^\W\d_][^\W\d_./]{0,14}(?:/[^\W\d_]{1,6})?[²³23]?\.?")
"""What may stand behind a number: kg, km/h, m², °C, Mio., ‰, and /- behind Indian prices."""

_WITH_UNIT = re.compile(rf"(.*?[0-9.)])\s*({_UNIT.pattern})")

_LETTER_OF_CODE = re.compile(r"\S*[0-9][ABCDEFJNOQRXYZ]")
"""A number with a letter that is no unit: of a house, a seat, a class."""


def _unit(texts: Sequence[str]) -> str:
    """Return the unit behind every number, "" where they have none, or several."""
    match = _WITH_UNIT.fullmatch(texts[0])
    return match[2] if match and all(text.endswith(match[2]) for text in texts) else ""


def _way(text: str) -> tuple[str, ...] | None:
    """Return what a number has beside its digits: its unit, currency, decimal sign; None for no number."""
    if len(text) > LONGEST or not _BEGIN.match(text) or _LETTER_OF_CODE.fullmatch(text):
        return None
    signs = set(text)
    unit = ""
    marks = _marks_of(text, signs)
    if marks is None and (match := _WITH_UNIT.fullmatch(text)) is not None:
        text, unit = match[1], match[2]
        marks = _marks_of(text, signs)
    if marks is None:
        return None
    decimal = marks.decimal if marks.decimal in text else ""
    return unit, _currencies([text], signs)[0], decimal, "%" * ("%" in text)


def _marks_of(text: str, signs: set[str]) -> _Marks | None:
    return next((marks for marks in _candidates(signs, UNDECIDED) if _number(marks).fullmatch(text)), None)


def _without_quotes(text: str) -> str:
    """Return a text without an apostrophe before it, and without the one behind that belongs to it."""
    return text[1:].removesuffix("'").strip() if text.startswith("'") else text


def _candidates(signs: set[str], options: CellOptions) -> list[_Marks]:
    """Return those of `_MARKS` that texts with these characters may have, the preferred ones first."""
    decimal = options.decimal or options.decimal_of_file
    thousands = options.thousands

    def is_not_preferred(marks: _Marks) -> tuple[bool, bool, bool]:
        is_other = bool(thousands) and marks.thousands not in ("", thousands)
        return is_other, marks.decimal == thousands, bool(decimal) and marks.decimal != decimal

    spaces = {" "} if signs & {"\u00a0", "\u202f", "\u2009"} else set()
    used = {"", *signs, *spaces, *({"'"} if "’" in signs else ())}
    points = {",", "."} if signs & {",", "."} else {"."}
    fitting = (marks for marks in _MARKS if marks.decimal in points and marks.thousands in used)
    return sorted(fitting, key=is_not_preferred)


def _choose(fitting: Sequence[_Marks], texts: Sequence[str], options: CellOptions) -> tuple[_Marks, bool]:
    """Return the marks to read the texts by, and whether texts and user leave no other reading.

    Where a point could be both, it sets thousands apart if some number has none, and one of the others ends
    in a 0 or they are many: who leaves zeros out at the end writes no 1.230, and 1.2 in one of ten; who does
    not writes no 950.
    """
    first = fitting[0]
    others = [marks for marks in fitting if marks.decimal != first.decimal]
    if not others or first.decimal == options.decimal or options.thousands:
        return first, True
    by_points = next((marks for marks in others if marks.thousands == "."), None)
    if first == _Marks(".", "") and by_points and not all("." in text for text in texts):
        pointed = [text for text in texts if "." in text]
        if len(pointed) >= _MANY or any(map(_ENDS_IN_ZERO.search, pointed)):
            return by_points, False
    return first, False


def _currencies(texts: Sequence[str], signs: set[str]) -> list[str]:
    """Return the currency of each text as it is written, "" where there is none.

    Args:
        signs: The characters of all numbers among the texts.
    """
    if signs <= _PLAIN:
        return [""] * len(texts)
    return [match[0] if match else "" for match in map(CURRENCIES.search, texts)]


@cache
def _number(marks: _Marks) -> re.Pattern[str]:
    """Return the pattern of a number in one style, with its sign, currency, percent sign or brackets."""
    whole = "0|[1-9][0-9]*"
    if marks.is_indian:
        whole += "|[1-9][0-9]?(?:,[0-9]{2})*,[0-9]{3}"
    elif marks.thousands:
        whole += f"|[1-9][0-9]{{0,2}}(?:{_SEPARATORS[marks.thousands]}[0-9]{{3}})+"
    point = re.escape(marks.decimal)
    closed = f"(?:{whole})(?:{point}[0-9]+)?|{point}[0-9]+"
    number = f"(?:{closed}|(?:{whole}){point})"
    sign, blank = "[-+−]", "[ \u00a0\u202f]?"
    after = f"(?:{blank}(?:{CURRENCY}|%))?"
    before = f"(?:{sign}?{blank}(?:{CURRENCY})?{blank}|{CURRENCY}{blank}{sign})"
    plain = f"{sign}?(?:{number}(?:[eE][-+]?[0-9]+)?|(?i:inf|infinity))"
    # A minus behind goes with no bare point: a Swiss price of 70.- is not below zero.
    behind = f"(?:{CURRENCY}{blank})?(?:{closed})(?:{blank}[-−]{after}|{blank}{CURRENCY}[-−])"
    brackets = rf"\((?:{CURRENCY})?{blank}{number}{after}\)|{CURRENCY}{blank}\({number}\)"
    return re.compile(rf"{plain}|{before}{number}{after}|{behind}|{brackets}")


def _floats(texts: Iterable[str], style: Style) -> NDArray[np.float64]:
    """Convert texts that match `_number` of the style to `(texts,)`; brackets make a number negative."""
    table: dict[int, str | None] = dict.fromkeys(map(ord, f"{_IGNORED}%)"))
    table |= {ord("("): "-", ord("−"): "-"}
    table |= {ord(sign): None for sign in style.thousands} | {ord(style.decimal): "."}
    if style.currency:
        texts = (text.replace(style.currency, "") for text in texts)
    plain = (text.translate(table) for text in texts)
    if style.has_minus_behind:
        plain = (f"-{text[:-1]}" if text[-1] == "-" else text for text in plain)
    return np.array(list(map(float, plain)), dtype=np.float64)
