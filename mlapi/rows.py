"""Rows as a client sends them -> a batch that a model takes. Fast accept, slow explain.

`Reader.read` accepts with a few checks over whole rows or columns; only when one of them fails does a
walk over the cells name every wrong one. Knows signatures; knows nothing of bytes, marshmallow or HTTP.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import partial
from itertools import chain
from operator import itemgetter
from types import NoneType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlapi.errors import SHOWN, bounded, listed, quoted
from mlapi.signature import Batch, Feature, Kind, Matrix, Signature

Path: TypeAlias = tuple[str | int, ...]
"""Where something stands, from the rows down: `(3, "age")`, or `(3, 2)` in a row that is a list."""

Remark: TypeAlias = tuple[Path, str]
LazyRemark: TypeAlias = tuple[Path, Callable[[], str]]
"""A remark that is put into words only if it is among the few that are shown."""

Cells: TypeAlias = Sequence[Sequence[Any]]


class InvalidRows(Exception):
    """At most 20 remarks, and how many there are in all."""

    def __init__(self, remarks: tuple[Remark, ...], count: int) -> None:
        self.remarks = remarks
        self.count = count
        super().__init__(f"{self.count} problems, the first {self.remarks[:1]}")


@dataclass(frozen=True, slots=True)
class Instances:
    """Accepted rows, with what is unusual about them: at most 20 warnings, and their number."""

    batch: Batch
    warnings: tuple[Remark, ...] = ()
    warning_count: int = 0


class Reader:
    """Reads rows for one signature. Immutable, so threads may share it."""

    def __init__(self, signature: Signature) -> None:
        self._features = signature.features
        self._names = signature.names
        self._known = frozenset(signature.names) | frozenset(signature.ignored)
        self._numeric = signature.is_numeric
        self._pick = itemgetter(*self._names) if len(self._names) > 1 else None
        self._whole = [position for position, entry in enumerate(self._features) if entry.kind == "integer"]
        self._required = np.array([not entry.nullable for entry in self._features])
        self._low = np.array([_bound(entry.minimum, -np.inf) for entry in self._features])
        self._high = np.array([_bound(entry.maximum, np.inf) for entry in self._features])

    def knows(self, names: Iterable[str]) -> bool:
        """Whether every name is a column: a feature, or one that is ignored."""
        return self._known.issuperset(names)

    def read(self, rows: Sequence[Any]) -> Instances:
        """Rows, all of them lists in signature order or all of them records, as a batch.

        Raises:
            InvalidRows: There is no row, or a cell does not fit its feature.
        """
        if not rows:
            raise InvalidRows((((), "no rows: expected at least one"),), 1)
        cells = self._cells(rows)
        batch = None if cells is None else self._accept(cells)
        if cells is None or batch is None:
            raise InvalidRows(*_in_words(self._explain(rows)))
        return Instances(batch, *self._warn(cells, batch, by_name=isinstance(rows[0], dict)))

    def read_one(self, row: Any) -> Instances:
        """`read` of one row; no path has the row's number."""
        try:
            found = self.read([row])
        except InvalidRows as error:
            raise InvalidRows(_without_number(error.remarks), error.count) from None
        return replace(found, warnings=_without_number(found.warnings))

    # Accepting: no Python code runs per cell of a numeric row.

    def _cells(self, rows: Sequence[Any]) -> Cells | None:
        """The cells in signature order, blank ones None; None if a row has the wrong form."""
        forms = set(map(type, rows))
        if forms == {list}:
            return rows if set(map(len, rows)) == {len(self._names)} else None
        if forms != {dict}:
            return None
        if self._pick is not None and set(map(len, rows)) == {len(self._names)}:
            try:
                return list(map(self._pick, rows))
            except KeyError:
                pass
        if not all(map(self._known.issuperset, rows)):
            return None
        return [[row.get(name) for name in self._names] for row in rows]

    def _accept(self, cells: Cells) -> Batch | None:
        if self._numeric:
            return self._accept_matrix(cells)
        columns = {}
        for feature, values in zip(self._features, zip(*cells, strict=True), strict=True):
            if None in values and not feature.nullable:
                return None
            column = _KINDS[feature.kind].accept(feature, values)
            if column is None:
                return None
            columns[feature.name] = column
        return columns

    def _accept_matrix(self, cells: Cells) -> Matrix | None:
        types = set(map(type, chain.from_iterable(cells)))
        if not types <= {int, float, NoneType}:
            return None
        matrix = np.array(cells, dtype=np.float64)
        if NoneType in types and (np.isnan(matrix).any(axis=0) & self._required).any():
            return None
        if self._whole and not _is_whole(matrix[:, self._whole]):
            return None
        return matrix

    # Warning: an accepted value that training never saw.

    def _warn(self, cells: Cells, batch: Batch, *, by_name: bool) -> tuple[tuple[Remark, ...], int]:
        places, count = self._strange(cells, batch)
        remarks = []
        for row, position in places:
            feature = self._features[position]
            path = (row, feature.name if by_name else position)
            remarks.append((path, _novelty(feature, cells[row][position])))
        return tuple(remarks), count

    def _strange(self, cells: Cells, batch: Batch) -> tuple[Sequence[tuple[int, int]], int]:
        """Row and position of the first values outside of their feature's range or categories, and the
        number of all.
        """
        if not isinstance(batch, np.ndarray):
            return bounded(self._strange_cells(cells))
        strange = (batch < self._low) | (batch > self._high)
        count = int(np.count_nonzero(strange))
        if not count:
            return (), 0
        flat = np.flatnonzero(strange)[:SHOWN]
        return [divmod(place, strange.shape[1]) for place in flat.tolist()], count

    def _strange_cells(self, cells: Cells) -> Iterator[tuple[int, int]]:
        for position, feature in enumerate(self._features):
            usual = _usual(feature)
            if usual is not None:
                for row, values in enumerate(cells):
                    if values[position] is not None and not usual(values[position]):
                        yield row, position

    # Explaining: a walk over all cells, only after a refusal.

    def _explain(self, rows: Sequence[Any]) -> Iterator[LazyRemark]:
        as_records = isinstance(rows[0], dict)
        for number, row in enumerate(rows):
            if not isinstance(row, list | dict):
                yield (number,), partial("expected a row, a list or an object, got {}".format, _shown(row))
            elif isinstance(row, dict) is not as_records:
                yield (number,), lambda: "rows of both forms: send either all lists or all objects"
            elif isinstance(row, dict):
                yield from self._explain_record(number, row)
            else:
                yield from self._explain_list(number, row)

    def _explain_list(self, number: int, row: list[Any]) -> Iterator[LazyRemark]:
        if len(row) != len(self._names):
            yield (number,), partial("expected {} values, got {}".format, len(self._names), len(row))
            return
        for position, (feature, value) in enumerate(zip(self._features, row, strict=True)):
            if not _fits(feature, value):
                yield (number, position), partial(_problem, feature, value, prefix=f"{feature.name}: ")

    def _explain_record(self, number: int, row: dict[str, Any]) -> Iterator[LazyRemark]:
        for name in row:
            if name not in self._known:
                yield (number, name), partial(self._unknown, name)
        for feature in self._features:
            if feature.name not in row:
                if not feature.nullable:
                    yield (number, feature.name), partial(_missing, feature)
            elif not _fits(feature, row[feature.name]):
                yield (number, feature.name), partial(_problem, feature, row[feature.name])

    def _unknown(self, name: str) -> str:
        near = get_close_matches(name[:100], self._known, n=1)
        if near:
            return f"unknown feature, did you mean {quoted(near[0])}?"
        return f"unknown feature; known are {listed(self._names)}"


@dataclass(frozen=True, slots=True)
class _KindRules:
    """How a column of one kind is accepted (None: refused), and why one value is refused."""

    accept: Callable[[Feature, Sequence[Any]], NDArray[Any] | None]
    fits: Callable[[Feature, Any], bool]
    expected: Callable[[Feature], str]


def _accept_numbers(feature: Feature, values: Sequence[Any]) -> NDArray[Any] | None:
    if not set(map(type, values)) <= {int, float, NoneType}:
        return None
    column = np.array(values, dtype=np.float64)
    return None if feature.kind == "integer" and not _is_whole(column) else column


def _accept_objects(feature: Feature, values: Sequence[Any]) -> NDArray[Any] | None:
    """A column of words or flags, blank as NaN, which is what reading a table gives."""
    fits = _KINDS[feature.kind].fits
    if not all(value is None or fits(feature, value) for value in values):
        return None
    column = np.empty(len(values), dtype=object)
    column[:] = [np.nan if value is None else value for value in values]
    if feature.kind == "boolean":
        return column if None in values else column.astype(bool)
    numbers = set(map(type, feature.categories or ())) == {int}
    return column.astype(np.float64) if numbers else column


def _accept_times(feature: Feature, values: Sequence[Any]) -> NDArray[Any] | None:
    times = [None if value is None else _parse_time(feature, value) for value in values]
    if any(time is None and value is not None for time, value in zip(times, values, strict=True)):
        return None
    return np.array(times, dtype="datetime64[us]")


def _parse_time(feature: Feature, value: Any) -> datetime | None:
    """ISO 8601, or the training file's own form; with an offset, the same moment in UTC."""
    if not isinstance(value, str):
        return None
    parsers = [datetime.fromisoformat]
    if feature.format:
        parsers.append(partial(_strptime, feature.format))
    for parse in parsers:
        try:
            time = parse(value)
            return time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)
        except (ValueError, OverflowError):
            continue
    return None


def _strptime(form: str, text: str) -> datetime:
    return datetime.strptime(text, form)


def _fits_category(feature: Feature, value: Any) -> bool:
    categories = feature.categories or ()
    kinds = {type(category) for category in categories}
    return type(value) in kinds or (int in kinds and _fits_integer(feature, value))


def _fits_number(_: Feature, value: Any) -> bool:
    return type(value) in (int, float)


def _fits_integer(_: Feature, value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


def _one_of(feature: Feature) -> str:
    return "one of " + listed(_shown(category) for category in feature.categories or ())


_KINDS: Mapping[Kind, _KindRules] = {
    "number": _KindRules(_accept_numbers, _fits_number, lambda _: "a number"),
    "integer": _KindRules(_accept_numbers, _fits_integer, lambda _: "a whole number"),
    "boolean": _KindRules(_accept_objects, lambda _, value: type(value) is bool, lambda _: "true or false"),
    "category": _KindRules(_accept_objects, _fits_category, _one_of),
    "datetime": _KindRules(
        _accept_times,
        lambda feature, value: _parse_time(feature, value) is not None,
        lambda _: "a date or time in ISO 8601",
    ),
    "text": _KindRules(_accept_objects, lambda _, value: type(value) is str, lambda _: "a text"),
}


def _fits(feature: Feature, value: Any) -> bool:
    return feature.nullable if value is None else _KINDS[feature.kind].fits(feature, value)


def _problem(feature: Feature, value: Any, prefix: str = "") -> str:
    why = ": training saw no blank" if value is None else ""
    return f"{prefix}expected {_expected(feature)}, got {_shown(value)}{why}"


def _missing(feature: Feature) -> str:
    return f"missing, expected {_expected(feature)}"


def _expected(feature: Feature) -> str:
    return _KINDS[feature.kind].expected(feature)


def _usual(feature: Feature) -> Callable[[Any], bool] | None:
    """Whether training saw such a value; None where there is nothing to compare with."""
    if feature.kind in ("number", "integer"):
        low, high = _bound(feature.minimum, -np.inf), _bound(feature.maximum, np.inf)
        return lambda value: bool(low <= value <= high)
    if feature.kind == "category":
        return frozenset(feature.categories or ()).__contains__
    return None


def _novelty(feature: Feature, value: Any) -> str:
    if feature.kind == "category":
        return f"{_shown(value)} is a category that training did not see"
    return f"{_shown(value)} is outside of what training saw, {feature.minimum} to {feature.maximum}"


def _shown(value: Any) -> str:
    """A value in JSON's words, shortened; a list or an object only by its kind."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def _without_number(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    return tuple((path[1:], detail) for path, detail in remarks)


def _is_whole(numbers: NDArray[np.float64]) -> bool:
    return bool(((numbers == np.floor(numbers)) | np.isnan(numbers)).all())


def _bound(value: float | None, default: float) -> float:
    return default if value is None else value


def _in_words(remarks: Iterable[LazyRemark]) -> tuple[tuple[Remark, ...], int]:
    """The remarks that are shown, and the number of all."""
    shown, count = bounded(remarks)
    return tuple((path, tell()) for path, tell in shown), count
