"""The schema of the body of a fit on request, made from an algorithm's own declaration."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, cast

from marshmallow import ValidationError, fields, validate

from mlapi.data.limits import TableLimits
from mlapi.data.rows.reader import Reader
from mlapi.data.rows.values import text_of
from mlapi.data.rows.violations import InvalidRows
from mlapi.data.signature import Feature, Matrix, Signature, Target
from mlapi.errors import TooLarge
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import CLASSIFICATION, REGRESSION, Algorithm
from mlapi.estimators.on_request import FitInput
from mlapi.formats.decoded import Decoded
from mlapi.schemas import parameters as parameter_schemas
from mlapi.schemas.errors import invalid
from mlapi.schemas.tables import TableRequest, TableRowsField, TargetField, column_names, wrong_length
from mlapi.wording import Finding

_NUMBERS = frozenset({int, float})


class LabelsField(TargetField):
    """The target of a fit: a number, a text or a flag for each row, all of one sort."""

    types = _NUMBERS | {str, bool}

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
        labels = super()._deserialize(value, *args, **kwargs)
        sorts = set(map(type, labels))
        if sorts <= _NUMBERS or len(sorts) == 1:
            return labels
        raise ValidationError("expected numbers, texts or flags, and not several of these")


class FitRequest(TableRequest):
    """`{"X": [row, …], "y": [value, …]}`, and perhaps `parameters`, `predict`, `scale` and `task`."""

    purpose = "a fit on request"

    y = LabelsField(required=True)
    parameters = fields.Raw(load_default=dict, allow_none=True)
    predict = TableRowsField(load_default=None)
    scale = fields.Boolean(load_default=False, truthy={True}, falsy={False})
    task = fields.String(load_default=None, validate=validate.OneOf((CLASSIFICATION, REGRESSION)))

    def __init__(self, algorithm: Algorithm, limits: TableLimits) -> None:
        super().__init__(limits)
        self._algorithm = algorithm

    def read(self, body: Decoded) -> FitInput:
        """Check the body of a fit, and make matrices (rows, features) of its rows.

        Raises:
            InvalidInput: Something of the body is wrong; the error has all of it.
            TooLarge: It has more rows, columns or classes than the settings allow.
        """
        members, findings = self.members_of(body)
        y = members.get("y")
        names = column_names(members.get("X"))
        X, in_X = self._matrix("X", members.get("X"), names)
        predict, in_predict = self._matrix("predict", members.get("predict"), names)
        task, in_task = self._task(y, members.get("task"))
        findings += [*in_X, *in_predict, *in_task, *self._wrong_target(y, X, task)]
        findings += parameter_schemas.wrong(self._algorithm, members.get("parameters", {}), task, bare=True)
        if findings or X is None:
            raise invalid(findings)
        parameters, scale = members["parameters"], members["scale"]
        return FitInput(self._algorithm.name, task, parameters, scale, names, X, members["y"], predict)

    def _matrix(
        self, member: str, rows: list[Any] | None, names: tuple[str, ...]
    ) -> tuple[Matrix | None, list[Finding]]:
        """The rows as a matrix, or None and what is wrong with them: nothing where there are no rows."""
        if rows is None:
            return None, []
        self.check_size(member, len(rows), len(names))
        self._check_fittable(member, len(rows))
        if not names:
            return None, [Finding((member,), "expected rows of numbers: lists, or objects by column")]
        try:
            return cast("Matrix", _reader(names).read_rows(rows).batch), []
        except InvalidRows as error:
            return None, [finding.below(member) for finding in error.findings]

    def _check_fittable(self, member: str, rows: int) -> None:
        most = self._algorithm.bare_rows
        if member == "X" and most is not None and rows > most:
            raise TooLarge(
                f"{member}: {rows:,} rows; {self._algorithm.name} that is not approximated takes {most:,} "
                "at most: a training job approximates it (POST /models/<model>/versions)"
            )

    def _task(self, y: list[Any] | None, named: str | None) -> tuple[str, list[Finding]]:
        """The task that is named, or that fits the values; and a finding if the algorithm cannot do it."""
        tasks = tuple(self._algorithm.bare)
        wrong = f"{self._algorithm.name} does {' and '.join(tasks)} only"
        findings = [] if named is None or named in tasks else [Finding(("task",), wrong)]
        if len(tasks) == 1:
            return tasks[0], findings
        if named is not None:
            return named, findings
        return CLASSIFICATION if y is not None and _are_labels(y) else REGRESSION, findings

    def _wrong_target(self, y: list[Any] | None, X: Matrix | None, task: str) -> Iterator[Finding]:
        if y is None:
            return
        if X is not None:
            yield from wrong_length(len(X), len(y))
        if task == REGRESSION and not set(map(type, y)) <= _NUMBERS:
            yield Finding(("y",), f"expected numbers, for a regression, got {text_of(y[0])}")
        if task == CLASSIFICATION:
            classes = set(y)
            if len(classes) < 2:
                yield Finding(("y",), f"expected two classes or more, got {text_of(y[0])} in every row")
            if set(map(type, y)) == {float} and not all(value.is_integer() for value in y):
                yield Finding(("y",), "expected labels: texts, flags or whole numbers, got fractions")
            self.check_classes(len(classes))


def _are_labels(y: list[Any]) -> bool:
    return all(type(value) is not float or value.is_integer() for value in y)


@lru_cache(maxsize=64)
def _reader(names: tuple[str, ...]) -> Reader:
    features = tuple(Feature(name, "number") for name in names)
    return Reader(Signature(features, Target("y", "number")))


@lru_cache
def fit_request(algorithm: str, limits: TableLimits) -> FitRequest:
    """Return the schema of one algorithm's fits, made once."""
    return FitRequest(ALGORITHMS[algorithm], limits)
