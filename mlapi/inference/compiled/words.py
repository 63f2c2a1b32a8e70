"""Tables for columns of categories: for each category the numbers that a pipeline makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.data.signature import Matrix
from mlapi.inference.compiled.final_estimator import Fallback


class Codes(dict[Any, int]):
    """By category its row in a table. Missing values have a row of their own, and so have all unknown
    categories together, where the pipeline takes these."""

    def __init__(self, known: Mapping[Any, int], blank: int | None, other: int | None) -> None:
        """
        Args:
            blank: The row of missing values; None if there is none.
            other: The row of all categories that are not in `known`; None if there is none.
        """
        super().__init__(known)
        self.blank, self.other = blank, other

    def moved(self, start: int) -> "Codes":
        """Return the codes of the same categories in a table that begins `start` rows further down."""
        known = {category: code + start for category, code in self.items()}
        blank, other = (None if code is None else code + start for code in (self.blank, self.other))
        return type(self)(known, blank, other)

    def __missing__(self, category: Any) -> int:
        """Return the row of a missing value, which is NaN, or of an unknown category.

        Raises:
            Fallback: The pipeline refuses it; scikit-learn says why.
        """
        code = self.blank if category != category else self.other  # noqa: PLR0124 - NaN
        if code is None:
            raise Fallback
        return code


class TrimmedCodes(Codes):
    """Codes that find a category with blanks around it, as `mlapi.estimators.preprocessing.Frequent` does."""

    def __missing__(self, category: Any) -> int:
        trimmed = category.strip() if isinstance(category, str) else category
        return self[trimmed] if trimmed in self else super().__missing__(category)


@dataclass(frozen=True, slots=True)
class Table:
    """What one column of categories becomes."""

    column: int
    """The position of the column in its block."""
    codes: Codes
    rows: Matrix
    """`(codes, numbers)`: the numbers that each code becomes."""
    places: NDArray[np.intp]
    """`(numbers,)`: the columns of the result that these numbers go to."""

    def look_up(self, categories: NDArray[Any]) -> list[int]:
        """Return the code of each category of a column, `(rows,)`, object or of any other dtype.

        Raises:
            Fallback: The pipeline refuses one.
        """
        return list(map(self.codes.__getitem__, categories.tolist()))
