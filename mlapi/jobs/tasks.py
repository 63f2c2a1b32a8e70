"""What children of the pool do for a request: fit, list what can be fitted, read what a job is asked with.

Workers leave it to them because it takes scikit-learn, which they need for nothing else, and so that rows to
be fitted are never more than bytes in a worker.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlapi.data.limits import TableLimits
from mlapi.errors import AlgorithmNotFound
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import CLASSIFICATION, REGRESSION, Algorithm, Parameter
from mlapi.estimators.on_request import FitInput, answer
from mlapi.formats import negotiation
from mlapi.formats.strict_json import encode_json
from mlapi.jobs import submission
from mlapi.jobs.pool.child import ReportProgress
from mlapi.jobs.pool.messages import Message
from mlapi.schemas import parameters as parameter_schemas
from mlapi.schemas.fits import fit_request
from mlapi.wording import listed, quoted

FITTED: Mapping[str, Algorithm] = {name: entry for name, entry in ALGORITHMS.items() if entry.bare}
"""The algorithms that are fitted on request: those for tables."""


def fit(limits: TableLimits, message: Message, _: ReportProgress) -> Message:
    """Fit what a request asks for.

    Args:
        message: The request's body; `algorithm` and `content_type` in the head, each may be None.

    Returns:
        The body of the response, JSON, and in the head how many `rows` were fitted.

    Raises:
        AlgorithmNotFound: There is none of this name, or none is named.
        MalformedBody, UnsupportedFormat, InvalidInput, TooLarge: As any request.
        Unfittable: scikit-learn refuses the rows, or parameters that do not go together.
    """
    name = _known(message.head["algorithm"])
    data = negotiation.decode(message.head["content_type"], message.body)
    fit_input = fit_request(name, limits).read(data)
    return Message({"rows": len(fit_input.X)}, encode_json(answer(fit_input)))


def short_task(limits: TableLimits, message: Message, _: ReportProgress) -> Message:
    """Do what the member `do` of the head names: `describe` the algorithms, or read a submission.

    Each takes a moment. The message that asks to read a submission has `order` there.

    Args:
        limits: Those of a job.
    """
    return describe(message) if message.head["do"] == "describe" else read_submission(limits, message)


def describe(message: Message) -> Message:
    """Return the algorithms with their parameters, or the one that `algorithm` in the head names.

    Raises:
        AlgorithmNotFound: There is none of this name.
    """
    name = message.head["algorithm"]
    if name is not None:
        return Message(_described(_known(name)))
    return Message({"algorithms": [_described(name) for name in FITTED]})


def read_submission(limits: TableLimits, message: Message) -> Message:
    """Read what a job is asked with.

    Returns:
        The `recipe` and the name of a file, `source`, in the head; the content of the file is the body.

    Raises:
        MalformedBody, UnsupportedFormat, InvalidInput, TooLarge: As any request.
    """
    recipe, source, content = submission.parse(message.head["content_type"], message.body, limits)
    return Message({"recipe": recipe, "source": source}, content)


def warm_up() -> None:
    """Fit something small, so that the libraries that the next fit needs are in memory."""
    X = np.arange(20.0).reshape(10, 2)
    for name, task in (("linear_regression", REGRESSION), ("logistic_regression", CLASSIFICATION)):
        encode_json(answer(FitInput(name, task, {}, True, ("a", "b"), X, [0, 1] * 5)))


def _known(name: str | None) -> str:
    if name is None:
        raise AlgorithmNotFound(f"no algorithm is named: POST to /fit/ and one of {listed(FITTED)}")
    if name not in FITTED:
        raise AlgorithmNotFound(f"no algorithm {quoted(name)} is fitted here; there are {listed(FITTED)}")
    return name


def _described(name: str) -> dict[str, Any]:
    entry = FITTED[name]
    parameters = parameter_schemas.parameters_of(entry, bare=True)
    return {
        "name": name,
        "path": f"/fit/{name}",
        "tasks": list(entry.bare),
        "parameters": {key: _range(parameter) for key, parameter in parameters.items()},
    }


def _range(parameter: Parameter) -> dict[str, Any]:
    return {"help": parameter.help, "expected": parameter.expected, "tasks": list(parameter.tasks)}
