"""The outputs that a request's query asks for beside the prediction: `?include=probabilities,decision` and
`?top=3`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from flask import request
from numpy.typing import NDArray

from mlapi.errors import UnknownOutput
from mlapi.inference.model import Prediction
from mlapi.inference.outputs import PROBABILITIES, by_target
from mlapi.wording import quoted

QUERY_PARAMETERS = ("include", "top")
"""The names in a query that are read here."""

_MOST_DIGITS = 9
"""The most digits of a number in a query: Python refuses to read a number of thousands of digits."""


class RequestedOutputs(NamedTuple):
    """The outputs that one request asks for."""

    include: Sequence[str] = ()
    """Names of outputs of the model, each once; nobody has checked yet whether it can give them."""
    top: int | None = None
    """How many of the likeliest classes to list for each row; None for no list."""

    @property
    def of_model(self) -> Sequence[str]:
        """The outputs that the model has to compute: those that are included, and probabilities for `top`."""
        return self.include if self.top is None else list(dict.fromkeys((*self.include, PROBABILITIES)))

    def members(self, prediction: Prediction) -> Mapping[str, Any]:
        """Return the members that these outputs add to the answer, by name.

        Each included output has an entry for each row. `classes` are the columns of the probabilities, and
        `coverage` is that of the intervals. `top` is a list for each row.

        Raises:
            UnknownOutput: `top` is asked for, and the model has several targets.
        """
        members: dict[str, Any] = {name: prediction.outputs[name] for name in self.include}
        if PROBABILITIES in self.include:
            members["classes"] = prediction.classes
            members[PROBABILITIES] = by_target(prediction.outputs[PROBABILITIES], prediction.classes or ())
            if prediction.class_names is not None:
                members["class_names"] = prediction.class_names
        if prediction.coverage is not None:
            members["coverage"] = prediction.coverage
        if self.top is not None:
            if prediction.outputs[PROBABILITIES].ndim > 2:
                raise UnknownOutput("top is of one target, and this model has several; probabilities has all")
            members["top"] = _likeliest(prediction.outputs[PROBABILITIES], prediction.classes or [], self.top)
        return members


NO_OUTPUTS = RequestedOutputs()


def requested_outputs() -> RequestedOutputs:
    """Read the query of the current request.

    Raises:
        UnknownOutput: `top` is no number from 1.
    """
    names = (name.strip() for name in ",".join(request.args.getlist("include")).split(","))
    include = list(dict.fromkeys(name for name in names if name))
    return RequestedOutputs(include, _top(request.args["top"]) if "top" in request.args else None)


def _top(text: str) -> int:
    number = int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else 0
    if number < 1:
        raise UnknownOutput(
            f"top is how many classes to tell: expected a whole number from 1, got {quoted(text)}"
        )
    return number


def _likeliest(probabilities: NDArray[Any], classes: list[Any], top: int) -> list[list[dict[str, Any]]]:
    """The `top` likeliest classes of each row, or all if there are fewer; equals stay in their order.

    Args:
        probabilities: (rows, classes), its columns in the order of `classes`.
    """
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    chances = np.take_along_axis(probabilities, best, axis=1)
    return [
        [{"class": classes[position], "probability": chance} for position, chance in zip(*row, strict=True)]
        for row in zip(best.tolist(), chances.tolist(), strict=True)
    ]
