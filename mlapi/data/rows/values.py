"""What one value of a request may be, by the kind of its feature, and how a message names it.

One value at a time: to explain what is wrong, and for the few kinds of columns that have no check of all
cells at once.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any

from mlapi.data.signature import NUMERIC, Feature, Kind
from mlapi.data.tables.datetimes import is_blank_date, read_datetime
from mlapi.data.tables.numbers import parse_numbers
from mlapi.wording import listed, quoted


def accepts(feature: Feature, value: Any) -> bool:
    """Return whether a feature takes a value; None stands for a missing one."""
    return feature.nullable if value is None else _KINDS[feature.kind].accepts(feature, value)


def expected(feature: Feature) -> str:
    """Return what a feature takes, for a message: `a whole number`, `one of "a", "b"`."""
    return _KINDS[feature.kind].expected(feature)


def unseen_warning(feature: Feature, value: Any) -> str:
    """Return the warning for a value that a feature takes, but that training did not see."""
    if feature.kind == "category":
        near = _written_otherwise(value, feature.categories or ())
        meant = "" if near is None else f", did you mean {text_of(near)}?"
        return f"{text_of(value)} is a category that training did not see{meant}"
    if feature.kind == "integer" and not float(value).is_integer():
        return f"{text_of(value)} is a fraction, and training saw whole numbers alone"
    return f"{text_of(value)} is outside of what training saw, {feature.minimum} to {feature.maximum}"


def way_out(feature: Feature, value: Any) -> str:
    """Return what to send in place of a value that a feature does not take, as the end of a message; "" where
    nobody knows."""
    if value is None or (isinstance(value, str) and is_blank_date(value) and feature.kind in _WITHOUT_WORDS):
        return ": a blank is null" if feature.nullable else ": training saw no blank"
    if feature.kind == "datetime" and type(value) in (int, float):
        return ": a date is a text, such as 2024-01-31T09:30:00Z"
    if feature.kind == "integer" and type(value) is float:
        return ": training saw no fraction"
    if type(value) in (int, float) and _takes_words(feature):
        instead = f'write "{value}" in quotes, or train with --numeric {feature.name}'
        return f": training read words here; {instead}"
    meant = _value_in_quotes(feature, value) if isinstance(value, str) else ""
    return f": write {meant}" if meant else ""


def _takes_words(feature: Feature) -> bool:
    """Return whether training read texts in the column."""
    return feature.kind == "text" or set(map(type, feature.categories or ())) == {str}


def _value_in_quotes(feature: Feature, text: str) -> str:
    """Return what a text says that stands for a number, or for true or false; "" for another text."""
    word = text.strip().lower()
    if feature.kind == "boolean":
        return f"{word}, without quotes" if word in ("true", "false") else ""
    parsed = parse_numbers([text]) if feature.kind in NUMERIC else None
    if parsed is None or not isfinite(parsed.values[0]):
        return ""
    return f"{parsed.values[0]:.15g}" + ", without quotes" * parsed.style.is_plain


_WITHOUT_WORDS = (*NUMERIC, "datetime", "boolean")
"""The kinds of features of which no word can be a value."""


_LONGEST_COMPARED = 1000
"""Letters of a word that is compared with the categories, which takes a moment for each letter."""


def _written_otherwise(value: Any, categories: Sequence[Any]) -> Any | None:
    """Return the category that a word is but for capitals, blanks and unseen signs; None where none is."""
    if not isinstance(value, str) or len(value) > _LONGEST_COMPARED:
        return None
    plain = _folded(value)
    return next((each for each in categories if _folded(each) == plain), None)


def _folded(value: Any) -> Any:
    if not isinstance(value, str):
        return None
    seen = "".join(sign for sign in value if unicodedata.category(sign) != "Cf")
    return unicodedata.normalize("NFKC", " ".join(seen.split())).casefold()


def text_of(value: Any) -> str:
    """Return a value as JSON writes it, shortened; a list or an object is only named so: "a list"."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def parse_time(feature: Feature, value: Any) -> datetime | None:
    """Read a datetime in ISO 8601, as mail and HTTP have it, or in the feature's own format; None otherwise.

    The result has no time zone: a value with an offset is converted to UTC.
    """
    return read_datetime(value, feature.format) if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class _KindRules:
    """What features of one kind take: as a check of a value that is not None, and in words."""

    accepts: Callable[[Feature, Any], bool]
    expected: Callable[[Feature], str]


def _accepts_category(feature: Feature, value: Any) -> bool:
    kinds = {type(category) for category in feature.categories or ()}
    return type(value) in kinds or (int in kinds and _is_whole(value))


def _accepts_number(_: Feature, value: Any) -> bool:
    return type(value) in (int, float)


def _accepts_integer(feature: Feature, value: Any) -> bool:
    return _accepts_number(feature, value) if feature.fractions else _is_whole(value)


def _is_whole(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


def _one_of(feature: Feature) -> str:
    return "one of " + listed(text_of(category) for category in feature.categories or ())


def _date_forms(feature: Feature) -> str:
    own = f", or as {_EXAMPLE.strftime(feature.format)}" if feature.format else ""
    return f"a date or time in ISO 8601{own}"


_EXAMPLE = datetime(2024, 1, 31, 9, 30)

_KINDS: Mapping[Kind, _KindRules] = {
    "number": _KindRules(_accepts_number, lambda _: "a number"),
    "integer": _KindRules(
        _accepts_integer, lambda feature: "a number" if feature.fractions else "a whole number"
    ),
    "boolean": _KindRules(lambda _, value: type(value) is bool, lambda _: "true or false"),
    "category": _KindRules(_accepts_category, _one_of),
    "datetime": _KindRules(lambda feature, value: parse_time(feature, value) is not None, _date_forms),
    "text": _KindRules(lambda _, value: type(value) is str, lambda _: "a text"),
}
