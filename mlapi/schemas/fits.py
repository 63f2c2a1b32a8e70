"""marshmallow schemas of the bodies of fits on request, each made from an algorithm's own declaration."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, cast

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from mlapi.data.limits import TableLimits
from mlapi.data.rows.reader import Reader
from mlapi.data.rows.values import shown
from mlapi.data.rows.violations import InvalidRows
from mlapi.data.signature import Feature, Matrix, Signature, Target
from mlapi.errors import Finding, InvalidInput, TooLarge
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import CLASSIFICATION, REGRESSION, Algorithm
from mlapi.estimators.on_request import FitInput
from mlapi.formats.decoded import plain_data
from mlapi.schemas import errors
from mlapi.schemas import parameters as parameter_schemas
from mlapi.wording import counted

_NUMBERS = frozenset({int, float})

_COLUMN = "x{}"
"""What a column is called where rows are lists."""


class Labels(fields.Field[list[Any]]):
    """The target: numbers, words or flags, one sort of them."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> list[Any]:
        if not isinstance(value, list) or not value:
            raise ValidationError("expected a list with a value for each row")
        kinds = set(map(type, value))
        if kinds <= _NUMBERS or kinds in ({str}, {bool}):
            return value
        strange = kinds - _NUMBERS - {str, bool}
        if strange:
            place = next(place for place, entry in enumerate(value) if type(entry) in strange)
            raise ValidationError(
                {place: [f"expected a number, a text or a flag, got {shown(value[place])}"]}
            )
        raise ValidationError("expected numbers, texts or flags, and not several of these")


class FitRequest(Schema):
    """`{"X": [row, …], "y": [value, …]}`, and perhaps `parameters`, `predict`, `scale` and `task`."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "unknown key"}

    X = fields.Raw(required=True)
    y = Labels(required=True)
    parameters = fields.Raw(load_default=dict)
    predict = fields.Raw(load_default=None)
    scale = fields.Boolean(load_default=False, truthy={True}, falsy={False})
    task = fields.String(load_default=None, validate=validate.OneOf((CLASSIFICATION, REGRESSION)))

    def __init__(self, algorithm: Algorithm, limits: TableLimits) -> None:
        super().__init__()
        self._algorithm, self._limits = algorithm, limits

    def read(self, body: Any) -> FitInput:
        """
        Raises:
            InvalidInput: Something of the body is wrong; all of it is told.
            TooLarge: It has more rows, columns or classes than the settings allow.
        """
        body = plain_data(body)
        if not isinstance(body, dict):
            raise InvalidInput([Finding((), 'expected an object: {"X": rows, "y": values}')], 1)
        findings: list[Finding] = []
        try:
            given = self.load(body)
        except ValidationError as error:
            given = error.valid_data
            findings, _ = errors.findings_of(error)
        names = self._names(given.get("X"))
        X = self._matrix("X", given.get("X"), names, findings)
        predict = self._matrix("predict", given.get("predict"), names, findings)
        task = self._task(given.get("y"), given.get("task"), findings)
        findings += self._of_y(given.get("y"), X, task)
        findings += parameter_schemas.wrong(self._algorithm, given.get("parameters", {}), task, bare=True)
        if findings or X is None:
            raise errors.invalid(findings, 0)
        name, parameters = self._algorithm.name, given["parameters"]
        return FitInput(name, task, parameters, given["scale"], names, X, given["y"], predict)

    def _names(self, rows: Any) -> tuple[str, ...]:
        """What the columns are called: by the first row."""
        first = rows[0] if isinstance(rows, list) and rows else None
        if isinstance(first, dict):
            return tuple(first)
        return tuple(map(_COLUMN.format, range(1, len(first) + 1))) if isinstance(first, list) else ()

    def _matrix(self, key: str, rows: Any, names: tuple[str, ...], findings: list[Finding]) -> Matrix | None:
        if rows is None:
            return None
        if not isinstance(rows, list):
            findings.append(Finding((key,), "expected a list of rows"))
            return None
        self._check_size(key, len(rows), len(names))
        if not names:
            findings.append(Finding((key,), "expected rows of numbers: lists, or objects by column"))
            return None
        try:
            return cast("Matrix", _reader(names).read_rows(rows).batch)
        except InvalidRows as error:
            findings += [finding.below(key) for finding in error.findings]
            return None

    def _check_size(self, key: str, rows: int, columns: int) -> None:
        most = self._limits
        if rows > most.rows or columns > most.columns:
            raise TooLarge(
                f"{key}: {rows:,} rows of {columns:,} columns; a fit on request takes "
                f"{most.rows:,} rows and {most.columns:,} columns at most"
            )
        bearable = self._algorithm.bare_rows
        if key == "X" and bearable is not None and rows > bearable:
            raise TooLarge(
                f"{key}: {rows:,} rows; {self._algorithm.name} that is not approximated takes {bearable:,} "
                "at most: a training job approximates it (POST /models/<model>/versions)"
            )

    def _task(self, y: Any, told: str | None, findings: list[Finding]) -> str:
        able = tuple(self._algorithm.bare)
        if told is not None and told not in able:
            findings.append(Finding(("task",), f"{self._algorithm.name} does {' and '.join(able)} only"))
        if len(able) == 1:
            return able[0]
        if told is not None:
            return told
        return CLASSIFICATION if y is not None and _are_labels(y) else REGRESSION

    def _of_y(self, y: Any, X: Matrix | None, task: str) -> Iterator[Finding]:
        if y is None:
            return
        if X is not None and len(y) != len(X):
            yield Finding(
                ("y",), f"expected a value for each of the {counted(len(X), 'row')}, got {len(y):,}"
            )
        if task == REGRESSION and not set(map(type, y)) <= _NUMBERS:
            yield Finding(("y",), f"expected numbers, for a regression, got {shown(y[0])}")
        if task == CLASSIFICATION:
            classes = set(y)
            if len(classes) < 2:
                yield Finding(("y",), f"expected two classes or more, got {shown(y[0])} in every row")
            if set(map(type, y)) == {float} and not all(value.is_integer() for value in y):
                yield Finding(("y",), "expected labels: texts, flags or whole numbers, got fractions")
            if len(classes) > self._limits.classes:
                raise TooLarge(
                    f"y: {len(classes):,} classes; a fit on request takes {self._limits.classes:,} at most"
                )


def _are_labels(y: list[Any]) -> bool:
    return all(type(value) is not float or value.is_integer() for value in y)


@lru_cache(maxsize=64)
def _reader(names: tuple[str, ...]) -> Reader:
    features = tuple(Feature(name, "number") for name in names)
    return Reader(Signature(features, Target("y", "number")))


@lru_cache
def fit_request(algorithm: str, limits: TableLimits) -> FitRequest:
    """The schema of one algorithm's fits."""
    return FitRequest(ALGORITHMS[algorithm], limits)
