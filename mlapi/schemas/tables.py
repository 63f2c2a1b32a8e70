"""`{"X": rows, "y": values}`: the table in the body of a fit on request and of a training job.

One schema reads both, with the same words for what is wrong. What a cell may be differs: fits take
numbers alone, jobs also texts and flags.
"""

from typing import Any, ClassVar, cast

from marshmallow import RAISE, Schema, ValidationError, fields

from mlapi.data.limits import TableLimits
from mlapi.data.rows.values import text_of
from mlapi.errors import InvalidInput, TooLarge
from mlapi.formats.decoded import Decoded, plain_data
from mlapi.schemas.errors import findings_of
from mlapi.wording import Finding, counted

_COLUMN = "x{}"
"""The name of a column where rows are lists without names: x1, x2, …"""

_EXPECTED_ROWS = "expected rows: a list of lists, or of objects"
_EXPECTED_VALUES = "expected a list with a value for each row"

_VALUES: frozenset[type] = frozenset({int, float, str, bool, type(None)})


class TableRowsField(fields.Field[list[Any]]):
    """A list of rows, which nobody has looked into yet."""

    default_error_messages = {"required": f"missing, {_EXPECTED_ROWS}", "null": _EXPECTED_ROWS}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> list[Any]:
        if not isinstance(value, list) or not value:
            raise ValidationError(_EXPECTED_ROWS)
        return value


class TargetField(fields.Field[list[Any]]):
    """The target, a value for each row: numbers, texts or flags, and null where it is missing."""

    default_error_messages = {"required": f"missing, {_EXPECTED_VALUES}", "null": _EXPECTED_VALUES}
    types: ClassVar[frozenset[type]] = _VALUES

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> list[Any]:
        if not isinstance(value, list) or not value:
            raise ValidationError(_EXPECTED_VALUES)
        if not self.types.issuperset(map(type, value)):
            place = next(place for place, entry in enumerate(value) if type(entry) not in self.types)
            words = f"expected a number, a text or a flag, got {text_of(value[place])}"
            raise ValidationError({place: [words]})
        return value


class TableRequest(Schema):
    """A body with a table. `purpose` says in messages what the table is for: what takes no larger one."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "unknown key"}
    purpose: ClassVar[str]

    X = TableRowsField(required=True)
    y = TargetField(required=True)

    def __init__(self, limits: TableLimits) -> None:
        super().__init__()
        self.limits = limits

    def members_of(self, body: Decoded) -> tuple[dict[str, Any], list[Finding]]:
        """Return the members that are right, as they were loaded, and the findings about all others.

        Raises:
            InvalidInput: The body is no object.
        """
        data = plain_data(body)
        if not isinstance(data, dict):
            raise InvalidInput([Finding((), 'expected an object: {"X": rows, "y": values}')], 1)
        try:
            return self.load(data), []
        except ValidationError as error:
            return cast("dict[str, Any]", error.valid_data), findings_of(error)[0]

    def check_size(self, member: str, rows: int, columns: int) -> None:
        """Refuse a table of so many rows and columns if the settings allow no such one.

        Raises:
            TooLarge: There are more rows or columns than the settings allow.
        """
        most = self.limits
        if rows > most.rows or columns > most.columns:
            raise TooLarge(
                f"{member}: {rows:,} rows of {columns:,} columns; {self.purpose} takes "
                f"{most.rows:,} rows and {most.columns:,} columns at most"
            )

    def check_classes(self, classes: int) -> None:
        """Refuse a target of so many classes if the settings allow no such one.

        Raises:
            TooLarge: There are more classes than the settings allow.
        """
        if classes > self.limits.classes:
            raise TooLarge(f"y: {classes:,} classes; {self.purpose} takes {self.limits.classes:,} at most")


def column_names(rows: list[Any] | None) -> tuple[str, ...]:
    """Return the names of the columns by the first row: an object's own names, or x1, x2, … for a list.

    Return no names if there is no row, or if the first row is neither a list nor an object.
    """
    first = rows[0] if rows else None
    if isinstance(first, dict):
        return tuple(first)
    return tuple(map(_COLUMN.format, range(1, len(first) + 1))) if isinstance(first, list) else ()


def wrong_length(rows: int, values: int) -> list[Finding]:
    """Return a finding at `y` if its number of values is not the number of rows; else an empty list."""
    if rows == values:
        return []
    return [Finding(("y",), f"expected a value for each of the {counted(rows, 'row')}, got {values:,}")]
