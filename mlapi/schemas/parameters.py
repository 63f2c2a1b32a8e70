"""The schemas of algorithms' parameters, each made from the algorithm's own declaration."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, cast

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from mlapi.data.rows.values import text_of
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import Algorithm, Parameter
from mlapi.schemas import errors
from mlapi.wording import Finding, did_you_mean

KEY = "parameters"


class OneParameter(fields.Field[Any]):
    """A parameter, checked by its declaration."""

    def __init__(self, parameter: Parameter) -> None:
        super().__init__(allow_none=True)
        self.parameter = parameter

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        problem = self.parameter.problem(value)
        if problem:
            raise ValidationError(problem)
        return value


def parameters_of(algorithm: Algorithm, *, bare: bool) -> dict[str, Parameter]:
    """Return the parameters that may be sent: with `bare` only those of scikit-learn's own estimator."""
    return {name: entry for name, entry in algorithm.parameters.items() if not (bare and entry.ours)}


def wrong_choice(algorithm: Any, parameters: Any) -> list[Finding]:
    """Return what is wrong with the algorithm that a training job names, and with its parameters."""
    trained = [name for name, entry in ALGORITHMS.items() if entry.bare]
    if algorithm is None:
        return [Finding((KEY,), "whose? name an algorithm")] if parameters else []
    if algorithm not in trained:
        return [Finding(("algorithm",), f"expected one of {', '.join(trained)}, got {text_of(algorithm)}")]
    return wrong(ALGORITHMS[algorithm], parameters, bare=False)


def wrong(algorithm: Algorithm, parameters: Any, task: str | None = None, *, bare: bool) -> list[Finding]:
    """Return all that is wrong with the parameters of a request, for a task if that is known."""
    if not isinstance(parameters, dict):
        return [Finding((KEY,), f"expected an object, got {text_of(parameters)}")]
    schema = _schema(algorithm.name, bare=bare)
    out_of_range, _ = errors.findings_in(schema.validate(parameters))
    return [
        *_unknown(parameters, schema.fields),
        *_of_other_tasks(algorithm, parameters, task),
        *(finding.below(KEY) for finding in out_of_range),
    ]


@lru_cache
def _schema(algorithm: str, *, bare: bool) -> Schema:
    own = {
        name: OneParameter(entry) for name, entry in parameters_of(ALGORITHMS[algorithm], bare=bare).items()
    }
    return Schema.from_dict(cast("dict[str, Any]", own))(unknown=EXCLUDE)


def _unknown(parameters: Mapping[str, Any], fields: Mapping[str, Any]) -> Iterator[Finding]:
    for name in parameters:
        if name not in fields:
            yield Finding((KEY, name), f"unknown parameter{did_you_mean(name, fields)}")


def _of_other_tasks(
    algorithm: Algorithm, parameters: Mapping[str, Any], task: str | None
) -> Iterator[Finding]:
    for name, entry in algorithm.parameters.items():
        if name in parameters and task is not None and task not in entry.tasks:
            yield Finding((KEY, name), f"is for {' and '.join(entry.tasks)} only, and this is {task}")
