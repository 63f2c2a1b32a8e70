"""Why rows are refused: a walk over all cells that names every wrong one. Slow, and only after a refusal.

`mlapi.data.rows.validation` has decided before that something is wrong; a test holds the two together.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

from mlapi.data.rows.values import accepts, expected, text_of, way_out
from mlapi.data.signature import Feature, Signature
from mlapi.wording import SHOWN, Finding, Place, bounded, did_you_mean

LazyFinding: TypeAlias = tuple[Place, Callable[[], str]]
"""A place, counted from the rows on, and a function that writes the message. It is called only for the few
that are shown: to find the most similar name takes a millisecond."""

_MOST_NAMES = 100
"""How many sets of names are remembered while records are counted: most records have the same names."""


class InvalidRows(Exception):
    """Rows that do not fit a signature.

    `findings` are the first 20 at most, their places counted from the rows on; `count` counts all.
    """

    def __init__(self, findings: tuple[Finding, ...], count: int) -> None:
        self.findings = findings
        self.count = count
        first = tuple((finding.place, finding.detail) for finding in findings[:1])
        super().__init__(f"{self.count} problems, the first {first}")


def violations(rows: Sequence[Any], signature: Signature) -> InvalidRows:
    """Return the error for rows that a signature does not take: the first 20 findings, and the number of all.

    Only those findings are worded; the rest is counted in a tenth of the time.
    """
    if not rows:
        return InvalidRows((Finding((), "no rows: expected at least one"),), 1)
    as_records = isinstance(rows[0], dict)
    first: list[LazyFinding] = []
    total, rest = 0, iter(enumerate(rows))
    while total < SHOWN and (numbered := next(rest, None)) is not None:
        shown_of_row, count = bounded(_of_row(*numbered, signature, as_records=as_records))
        first += shown_of_row
        total += count
    total += sum(map(_counter(signature, as_records=as_records), (row for _, row in rest)))
    return InvalidRows(_worded(first[:SHOWN]), total)


def all_findings(rows: Sequence[Any], signature: Signature) -> Iterator[LazyFinding]:
    """Give all findings about at least one row, in order: one for each wrong cell, or for a row of the wrong
    form; none if the rows are right."""
    as_records = isinstance(rows[0], dict)
    for number, row in enumerate(rows):
        yield from _of_row(number, row, signature, as_records=as_records)


def _of_row(number: int, row: Any, signature: Signature, *, as_records: bool) -> Iterator[LazyFinding]:
    """A finding for each wrong cell, or for a row of the wrong form; none if the row is right."""
    wrong = wrong_form(row, as_records=as_records)
    if wrong is not None:
        yield (number,), partial(str, wrong)
    elif isinstance(row, dict):
        yield from _of_record(number, row, signature)
    else:
        yield from _of_list(number, row, signature.features)


def wrong_form(row: Any, *, as_records: bool) -> str | None:
    """Return what is wrong with a row that is neither a list nor a record, or not what the first row is; None
    if nothing is."""
    if not isinstance(row, list | dict):
        return f"expected a row, a list or an object, got {text_of(row)}"
    if isinstance(row, dict) is not as_records:
        return "rows of both forms: send either all lists or all objects"
    return None


def _counter(signature: Signature, *, as_records: bool) -> Callable[[Any], int]:
    """Make a function that gives the number of findings that `_of_row` has about a row.

    It takes a tenth of the time; a body of a megabyte can have a million findings.
    """
    form = dict if as_records else list
    features = signature.features
    counted_names: dict[tuple[str, ...], tuple[int, list[Feature]]] = {}

    def count(row: Any) -> int:
        if not isinstance(row, form):
            return 1
        if isinstance(row, dict):
            names = tuple(row)
            of_names = counted_names.get(names)
            if of_names is None:
                of_names = _of_names(names, signature)
                if len(counted_names) < _MOST_NAMES:
                    counted_names[names] = of_names
            wrong, known = of_names
            return wrong + sum([not accepts(feature, row[feature.name]) for feature in known])
        if len(row) != len(features):
            return 1
        return sum([not accepts(feature, value) for feature, value in zip(features, row, strict=True)])

    return count


def _of_names(names: Sequence[str], signature: Signature) -> tuple[int, list[Feature]]:
    """For a record with these names: how many findings are about the names, and which features it has."""
    present = set(names)
    known = [feature for feature in signature.features if feature.name in present]
    missing = [feature for feature in signature.features if feature.name not in present]
    return len(present - signature.known_columns) + sum(not feature.nullable for feature in missing), known


def in_words(findings: Iterable[LazyFinding]) -> tuple[tuple[Finding, ...], int]:
    """Word the findings that are shown; return them, and the number of all."""
    first, count = bounded(findings)
    return _worded(first), count


def _worded(findings: Iterable[LazyFinding]) -> tuple[Finding, ...]:
    return tuple(Finding(place, word()) for place, word in findings)


def _of_list(number: int, row: list[Any], features: Sequence[Feature]) -> Iterator[LazyFinding]:
    if len(row) != len(features):
        nested = ": a list within the row is too many" if len(row) == 1 and isinstance(row[0], list) else ""
        yield (number,), partial("expected {} values, got {}{}".format, len(features), len(row), nested)
        return
    for position, (feature, value) in enumerate(zip(features, row, strict=True)):
        if not accepts(feature, value):
            yield (number, position), partial(_problem, feature, value, prefix=f"{feature.name}: ")


def _of_record(number: int, row: dict[str, Any], signature: Signature) -> Iterator[LazyFinding]:
    for name in row:
        if name not in signature.known_columns:
            yield (number, name), partial(_unknown, name, signature)
    for feature in signature.features:
        if feature.name not in row:
            if not feature.nullable:
                yield (number, feature.name), partial(_missing, feature)
        elif not accepts(feature, row[feature.name]):
            yield (number, feature.name), partial(_problem, feature, row[feature.name])


def _unknown(name: str, signature: Signature) -> str:
    return f"unknown feature{did_you_mean(name, signature.names)}"


def _problem(feature: Feature, value: Any, prefix: str = "") -> str:
    return f"{prefix}expected {expected(feature)}, got {text_of(value)}{way_out(feature, value)}"


def _missing(feature: Feature) -> str:
    return f"missing, expected {expected(feature)}"
