"""What one value of a request may be, by the kind of its feature, and how a message names it.

One value at a time: to explain what is wrong, and for the few kinds of columns that have no check of all
cells at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlapi.data.signature import Feature, Kind
from mlapi.data.tables.datetimes import read_datetime
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
        return f"{text_of(value)} is a category that training did not see"
    if feature.kind == "integer" and not float(value).is_integer():
        return f"{text_of(value)} is a fraction, and training saw whole numbers alone"
    return f"{text_of(value)} is outside of what training saw, {feature.minimum} to {feature.maximum}"


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


_KINDS: Mapping[Kind, _KindRules] = {
    "number": _KindRules(_accepts_number, lambda _: "a number"),
    "integer": _KindRules(
        _accepts_integer, lambda feature: "a number" if feature.fractions else "a whole number"
    ),
    "boolean": _KindRules(lambda _, value: type(value) is bool, lambda _: "true or false"),
    "category": _KindRules(_accepts_category, _one_of),
    "datetime": _KindRules(
        lambda feature, value: parse_time(feature, value) is not None, lambda _: "a date or time in ISO 8601"
    ),
    "text": _KindRules(lambda _, value: type(value) is str, lambda _: "a text"),
}
