"""What a request asks for beside the prediction: `?include=probabilities,decision` and `?top=3`."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from flask import request
from numpy.typing import NDArray

from mlapi.errors import UnknownOutput
from mlapi.inference.model import PROBABILITIES, Prediction
from mlapi.wording import quoted

_MOST_DIGITS = 9


class Outputs(NamedTuple):
    include: Sequence[str] = ()
    top: int | None = None

    @property
    def needed(self) -> Sequence[str]:
        """What the model has to tell for them."""
        return self.include if self.top is None else list(dict.fromkeys((*self.include, PROBABILITIES)))

    def of(self, prediction: Prediction) -> Mapping[str, Any]:
        """The members of the answer that they are."""
        found: dict[str, Any] = {name: prediction.outputs[name] for name in self.include}
        if PROBABILITIES in self.include:
            found["classes"] = prediction.classes
        if self.top is not None:
            found["top"] = _likeliest(prediction.outputs[PROBABILITIES], prediction.classes or [], self.top)
        return found


NOTHING = Outputs()


def asked() -> Outputs:
    """What this request's query asks for.

    Raises:
        UnknownOutput: `top` is no number from 1.
    """
    names = (name.strip() for name in ",".join(request.args.getlist("include")).split(","))
    include = list(dict.fromkeys(name for name in names if name))
    return Outputs(include, _top(request.args["top"]) if "top" in request.args else None)


def _top(given: str) -> int:
    number = int(given) if given.isdecimal() and len(given) <= _MOST_DIGITS else 0
    if number < 1:
        raise UnknownOutput(
            f"top is how many classes to tell: expected a whole number from 1, got {quoted(given)}"
        )
    return number


def _likeliest(probabilities: NDArray[Any], classes: list[Any], top: int) -> list[list[dict[str, Any]]]:
    """So many classes a row, or all; of equals, the first comes first."""
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    chances = np.take_along_axis(probabilities, best, axis=1)
    return [
        [{"class": classes[place], "probability": chance} for place, chance in zip(*row, strict=True)]
        for row in zip(best.tolist(), chances.tolist(), strict=True)
    ]
