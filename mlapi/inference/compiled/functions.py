"""Steps that make other numbers of each number: functions, bins, flags, and rows of one length."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlapi.data.signature import Matrix
from mlapi.inference.compiled.final_estimator import Fallback, Uncompilable
from mlapi.inference.compiled.steps import Owners

FUNCTIONS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        function.__name__: function
        for function in (
            *(np.log, np.log1p, np.log2, np.log10, np.exp, np.expm1, np.exp2, np.sqrt, np.cbrt, np.square),
            *(
                np.absolute,
                np.fabs,
                np.negative,
                np.reciprocal,
                np.sign,
                np.floor,
                np.ceil,
                np.rint,
                np.trunc,
            ),
            *(np.sin, np.cos, np.tan, np.arcsin, np.arccos, np.arctan, np.sinh, np.cosh, np.tanh, np.arcsinh),
        )
    }
)
"""By name, numpy's functions of one float that give a float: what a `FunctionTransformer` can be made of."""

Norm: TypeAlias = Literal["l1", "l2", "max"]
"""The length of a row, as scikit-learn's `Normalizer` names it."""

_NEARLY_ZERO = 10 * float(np.finfo(np.float64).eps)
"""scikit-learn takes a length below it for zero, and divides by one (`_handle_zeros_in_scale`)."""


@dataclass(frozen=True, slots=True)
class Finite:
    """No change: what comes next refuses missing and infinite numbers."""

    def apply(self, matrix: Matrix) -> Matrix:
        """Return the matrix itself, `(rows, columns)`.

        Raises:
            Fallback: A number is not finite.
        """
        if not math.isfinite(matrix.sum()):
            raise Fallback
        return matrix

    def owners(self, owners: Owners) -> Owners:
        """Return them as they are."""
        return owners


@dataclass(frozen=True, slots=True)
class Function:
    """One of numpy's functions of each number."""

    name: str
    """Its name in `FUNCTIONS`."""

    def apply(self, matrix: Matrix) -> Matrix:
        """Return the values of the function, `(rows, columns)`.

        Raises:
            Fallback: A number is infinite, which the function could hide from what refuses it.
        """
        if np.isinf(matrix).any():
            raise Fallback
        values: Matrix = FUNCTIONS[self.name](matrix)
        return values

    def owners(self, owners: Owners) -> Owners:
        """Return them as they are."""
        return owners


@dataclass(frozen=True, slots=True)
class Above:
    """1.0 for each number above a threshold, else 0.0."""

    threshold: float

    def apply(self, matrix: Matrix) -> Matrix:
        """Return the flags as numbers, `(rows, columns)`."""
        return (matrix > self.threshold).astype(np.float64)

    def owners(self, owners: Owners) -> Owners:
        """Return them as they are."""
        return owners


@dataclass(frozen=True, slots=True)
class Missing:
    """1.0 for each number that is missing in some of the columns, else 0.0."""

    chosen: NDArray[np.intp]
    """`(columns of the result,)`: the positions of these columns."""
    others: NDArray[np.intp]
    """The positions of columns in which a missing number is refused."""

    def apply(self, matrix: Matrix) -> Matrix:
        """Return the flags as numbers, `(rows, columns of the result)`.

        Raises:
            Fallback: A number is infinite, or missing where it is refused.
        """
        missing = np.isnan(matrix)
        if np.isinf(matrix).any() or missing.take(self.others, axis=1).any():
            raise Fallback
        return missing.take(self.chosen, axis=1).astype(np.float64)

    def owners(self, owners: Owners) -> Owners:
        """Return those of the chosen columns."""
        return owners[self.chosen]


@dataclass(frozen=True, slots=True)
class Bins:
    """The number of the interval that each number lies in, or a column for each interval."""

    edges: tuple[NDArray[np.float64], ...]
    """For each column the bounds between its intervals: one fewer than there are intervals."""
    starts: NDArray[np.intp] | None
    """`(columns,)`: where the intervals of each column begin in the result; None for their numbers alone."""

    @property
    def columns(self) -> int:
        """How many columns the result has."""
        return sum(len(edges) + 1 for edges in self.edges) if self.starts is not None else len(self.edges)

    def apply(self, matrix: Matrix) -> Matrix:
        """Return the numbers of the intervals, `(rows, columns)`, or `(rows, intervals of all columns)` with
        1.0 in the intervals that hold the numbers."""
        numbers = [edges.searchsorted(matrix[:, j], side="right") for j, edges in enumerate(self.edges)]
        places = np.array(numbers, dtype=np.intp).reshape(len(self.edges), len(matrix)).T
        if self.starts is None:
            return places.astype(np.float64)
        flags = np.zeros((len(matrix), self.columns))
        np.put_along_axis(flags, places + self.starts, 1.0, axis=1)
        return flags

    def owners(self, owners: Owners) -> Owners:
        """Return the owner of each column, once for each of its intervals if these have columns."""
        return owners if self.starts is None else owners.repeat([len(edges) + 1 for edges in self.edges])


@dataclass(frozen=True, slots=True)
class UnitRows:
    """Rows divided by their lengths."""

    norm: Norm

    def apply(self, matrix: Matrix) -> Matrix:
        """Return the divided rows, `(rows, columns)`; one of length zero stays."""
        if self.norm == "l2":
            lengths = np.sqrt(np.einsum("ij,ij->i", matrix, matrix))
        else:
            sizes = np.abs(matrix)
            lengths = sizes.sum(axis=1) if self.norm == "l1" else sizes.max(axis=1)
        lengths[lengths < _NEARLY_ZERO] = 1.0
        divided: Matrix = matrix / lengths[:, None]
        return divided

    def owners(self, owners: Owners) -> Owners:
        """
        Raises:
            Uncompilable: Always, as a length is made of all columns.
        """
        raise Uncompilable
