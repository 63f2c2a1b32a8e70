"""One column of a table as it is decided on: its cells, its distinct values, and where they stand."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlapi.data.tables.cells import UNDECIDED, CellOptions
from mlapi.training.preparation.series import Factorized, factorize, plain


def row_number(row: int) -> str:
    """Name a row of a table that has no lines: "row 1" is the first."""
    return f"row {row + 1:,}"


@dataclass(frozen=True)
class ColumnView:
    """One column that is decided on. Its distinct values are computed when they are first asked for.

    `raw` is the column `(rows,)` as the table has it, `options` decide where texts can be read in two ways,
    and `place_of` names a row for people, by its position: "line 9".
    """

    name: str
    raw: pd.Series
    options: CellOptions = UNDECIDED
    place_of: Callable[[int], str] = row_number

    @cached_property
    def column(self) -> pd.Series:
        """The column `(rows,)` in one of the dtypes of `mlapi.training.preparation.series.plain`.

        Raises:
            NoCells: It holds what is no cell of a table.
        """
        return plain(self.raw)

    @cached_property
    def _factorized(self) -> Factorized:
        return factorize(self.column)

    @property
    def uniques(self) -> NDArray[Any]:
        """The distinct values `(values,)`, in order of appearance, without missing ones."""
        return self._factorized.uniques

    @property
    def codes(self) -> NDArray[np.intp]:
        """Each row's position `(rows,)` among the distinct values, -1 where the cell is missing."""
        return self._factorized.codes

    @cached_property
    def counts(self) -> NDArray[np.intp]:
        """How many cells have each distinct value, `(values,)`."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.uniques))

    @property
    def present_count(self) -> int:
        """How many cells are not missing."""
        return int((self.codes >= 0).sum())

    @property
    def stripped_count(self) -> int:
        """How many cells had blanks around their text, which are no part of it."""
        return self._factorized.stripped_count

    @property
    def texts(self) -> NDArray[Any] | pd.Series:
        """The cells as texts `(rows,)`, NaN where missing; the column itself where it holds nothing else."""
        is_as_it_is = not self.stripped_count and self.present_count == self.column.count()
        if is_as_it_is and isinstance(self.column.dtype, pd.StringDtype):
            return self.column.reset_index(drop=True)
        return self.spread(np.array(list(map(str, self.uniques)), dtype=object), np.nan)

    def first_place(self, value: int) -> str:
        """Name the first row that has a distinct value, by the value's position: "line 9"."""
        return self.place_of(int(np.argmax(self.codes == value)))

    def spread(self, values: NDArray[Any], missing: Any) -> NDArray[Any]:
        """Return a value for each row `(rows,)`, from one for each distinct value `(values,)`.

        Args:
            missing: The value of rows whose cell is missing.
        """
        return np.append(values, np.array([missing], dtype=values.dtype))[self.codes]
