"""The schema of the JSON that asks for a training job."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from marshmallow import fields

from mlapi.data.rows.violations import wrong_form
from mlapi.formats.decoded import Decoded
from mlapi.schemas.errors import invalid
from mlapi.schemas.parameters import wrong_choice
from mlapi.schemas.tables import TableRequest, column_names, wrong_length
from mlapi.wording import Finding, bounded

_CELLS = frozenset({int, float, str, bool, type(None)})


class JobTable(NamedTuple):
    """The table of a training job, and what to train on it."""

    algorithm: str | None
    parameters: dict[str, Any] | None
    names: list[str]
    """A name for each column of `rows`."""
    rows: list[list[Any]]
    values: list[Any]
    """The target of each row."""


class JobRequest(TableRequest):
    """`{"X": [row, …], "y": [value, …]}`, and perhaps `algorithm`, `parameters` and `feature_names`."""

    purpose = "a job"

    algorithm = fields.Raw(load_default=None)
    parameters = fields.Raw(load_default=dict, allow_none=True)
    feature_names = fields.Raw(load_default=None)

    def read(self, body: Decoded) -> JobTable:
        """Check the body of a job.

        Raises:
            InvalidInput: Something of the body is wrong; the error has all of it.
            TooLarge: It has more rows, columns or classes than the settings allow.
        """
        members, findings = self.members_of(body)
        rows, y = members.get("X"), members.get("y")
        names = members.get("feature_names")
        named_by = "X" if names is None else "feature_names"
        names = list(column_names(rows)) if names is None else names
        self._check_limits(rows, y, names)
        findings += wrong_choice(members.get("algorithm"), members.get("parameters"))
        if rows is not None and y is not None:
            findings += wrong_length(len(rows), len(y))
        first, count = bounded(_wrong_rows(rows, names, named_by) if rows is not None else ())
        if findings or count:
            raise invalid([*findings, *first], count - len(first))
        cells = [[row[name] for name in names] if isinstance(row, dict) else row for row in members["X"]]
        return JobTable(members["algorithm"], members["parameters"], names, cells, members["y"])

    def _check_limits(self, rows: list[Any] | None, y: list[Any] | None, names: Any) -> None:
        if rows is not None:
            self.check_size("X", len(rows), len(names) if isinstance(names, list) else 0)
        if y is not None:
            self.check_classes(len({value for value in y if isinstance(value, str)}))


def _wrong_rows(rows: list[Any], names: Any, named_by: str) -> Iterator[Finding]:
    if not _are_names(names):
        yield Finding((named_by,), "expected names of columns, each once")
        return
    as_records, columns = isinstance(rows[0], dict), set(names)
    for number, row in enumerate(rows):
        wrong = wrong_form(row, as_records=as_records)
        if wrong is not None:
            yield Finding(("X", number), wrong)
        elif not as_records and len(row) != len(names):
            yield Finding(("X", number), f"expected {len(names)} values, got {len(row)}")
        elif as_records and row.keys() != columns:
            yield Finding(("X", number), "expected the same columns in every row")
        elif not _CELLS.issuperset(map(type, row.values() if as_records else row)):
            yield Finding(("X", number), "expected numbers, texts, flags and blanks")


def _are_names(names: Any) -> bool:
    if not isinstance(names, list) or not names:
        return False
    return all(isinstance(name, str) and name for name in names) and len(set(names)) == len(names)
