"""What a linear model says of one row, in plain floats.

For a row of 30 numbers numpy's own calls cost several times what they compute: in a server, where other
processes take the caches between two requests, 60 us in place of 15.
"""

import math
from collections.abc import Sequence
from operator import add, mul
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.data.signature import Matrix
from mlapi.inference.compiled.final_estimator import Fallback
from mlapi.inference.compiled.linear import Linear
from mlapi.inference.compiled.words import Codes

Words = Sequence[tuple[int, Codes, Matrix]]
"""For each column of words its place in a row, and the codes and the rows of scores of its words."""


class OneRow:
    """The scores of `model` for a row, whose numbers stand at `places`, in the order of its weights."""

    def __init__(self, model: Linear, places: Sequence[int], words: Words) -> None:
        self._places = tuple(places)
        self._is_plain = self._places == tuple(range(len(places))) and not words
        self._weights = model.weights[:, : len(places)].tolist()
        self._starts = model.bias.tolist()
        self._reach = np.abs(model.weights[:, : len(places)]).max(axis=0).tolist()
        self._roundings, self._least = model.roundings, model.least
        self._words = [(place, codes, rows.tolist()) for place, codes, rows in words]
        self._reading = model.reading

    def predict(self, cells: Sequence[Any]) -> NDArray[Any]:
        """The prediction for a row in signature order, none of whose numbers is blank.

        Raises:
            Unanswered: It is not finite, or hangs on rounding, or a word is not taken.
        """
        numbers = cells if self._is_plain else [cells[place] for place in self._places]
        scores = [
            sum(map(mul, weights, numbers), start)
            for weights, start in zip(self._weights, self._starts, strict=True)
        ]
        for place, codes, rows in self._words:
            cell = cells[place]
            scores = list(map(add, scores, rows[codes[math.nan if cell is None else cell]]))
        found, margin = self._reading.of_row(scores)
        sizes = sum(map(abs, map(mul, self._reach, numbers)))
        if not (math.isfinite(sum(scores)) and margin > sizes * self._roundings + self._least):
            raise Fallback
        return found
