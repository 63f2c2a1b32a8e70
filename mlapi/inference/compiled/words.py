"""Tables for columns of words: for each word the numbers that a pipeline makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.data.signature import Matrix
from mlapi.inference.compiled.final_estimator import Fallback


class Codes(dict[Any, int]):
    """A word's row in a table; one for blanks and one for all other words, where these are taken."""

    def __init__(self, known: Mapping[Any, int], blank: int | None, other: int | None) -> None:
        super().__init__(known)
        self.blank, self.other = blank, other

    def moved(self, start: int) -> "Codes":
        """The same words in a table that begins `start` rows further down."""
        known = {word: code + start for word, code in self.items()}
        blank, other = (None if code is None else code + start for code in (self.blank, self.other))
        return Codes(known, blank, other)

    def __missing__(self, word: Any) -> int:
        code = self.blank if word != word else self.other  # noqa: PLR0124 - NaN
        if code is None:
            raise Fallback
        return code


@dataclass(frozen=True, slots=True)
class Table:
    """What one column of words becomes: `rows` (codes, numbers), which go to the `places` of the result."""

    column: int
    codes: Codes
    rows: Matrix
    places: NDArray[np.intp]

    def look_up(self, words: NDArray[Any]) -> list[int]:
        return list(map(self.codes.__getitem__, words.tolist()))
