"""What a linear model predicts for one row, in plain floats.

For a row of 30 numbers numpy's own calls cost several times what they compute: in a server, where other
processes take the caches between two requests, 60 us in place of 15.
"""

import math
from collections.abc import Sequence
from operator import add, mul
from typing import Any, TypeAlias

from mlapi.data.signature import Matrix
from mlapi.inference.compiled.final_estimator import Fallback, RowPredictions
from mlapi.inference.compiled.linear import Linear
from mlapi.inference.compiled.words import Codes

CategoryScores: TypeAlias = Sequence[tuple[int, Codes, Matrix]]
"""For each column of categories its position in a row, the code of each category, and what each adds to the
scores, `(codes, classes)`."""


class OneRow:
    """A linear model for single rows: `weights . numbers + bias`, and what the categories of the row add."""

    def __init__(self, model: Linear, places: Sequence[int], categories: CategoryScores) -> None:
        """
        Args:
            places: The positions in a row of the numbers, in the order of the model's weights.
            categories: What the columns of categories add to the scores.
        """
        self._places = tuple(places)
        self._is_plain = self._places == tuple(range(len(places))) and not categories
        self._weights = model.weights[:, : len(places)].tolist()
        self._starts = model.bias.tolist()
        self._reach = model.reach[: len(places)].tolist()
        self._roundings, self._least = model.roundings, model.least
        self._words = [(place, codes, rows.tolist()) for place, codes, rows in categories]
        self._reading = model.reading

    def predict(self, cells: Sequence[Any]) -> RowPredictions:
        """Return the prediction for one row, `(1,)` or `(1, targets)`.

        Args:
            cells: In signature order; no number is missing.

        Raises:
            Fallback: It is not finite, or rounding could turn it, or a category is not known.
        """
        numbers = cells if self._is_plain else [cells[place] for place in self._places]
        scores = [
            sum(map(mul, weights, numbers), start)
            for weights, start in zip(self._weights, self._starts, strict=True)
        ]
        for place, codes, rows in self._words:
            cell = cells[place]
            scores = list(map(add, scores, rows[codes[math.nan if cell is None else cell]]))
        prediction, margin = self._reading.of_row(scores)
        sizes = sum(map(abs, map(mul, self._reach, numbers)))
        if not (math.isfinite(sum(scores)) and margin > sizes * self._roundings + self._least):
            raise Fallback
        return prediction
