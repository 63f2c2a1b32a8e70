"""Steps from one float64 matrix to the next, each what a transformer of scikit-learn does to numbers."""

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlapi.data.signature import Matrix
from mlapi.inference.compiled.final_estimator import Fallback, Uncompilable

Owners: TypeAlias = NDArray[np.intp]
"""`(columns,)`: for each column of a matrix the number of the input column that it was made of."""


class Step(Protocol):
    """One step; `apply` gives a new matrix, or the same one where nothing changes."""

    def apply(self, matrix: Matrix) -> Matrix:
        """Return what becomes of a matrix, `(rows, columns)` -> `(rows, columns of the result)`.

        Raises:
            Fallback: scikit-learn has to say what is wrong with these numbers.
        """
        ...

    def owners(self, owners: Owners) -> Owners:
        """Return the owner of each column of the result, given those of the columns that come in.

        Raises:
            Uncompilable: A column of the result is made of several.
        """
        ...


@dataclass(frozen=True, slots=True)
class Scale:
    """`(x - subtract) / divide * multiply + add`, each `(columns,)`; None leaves an operation out."""

    subtract: NDArray[np.float64] | None = None
    divide: NDArray[np.float64] | None = None
    multiply: NDArray[np.float64] | None = None
    add: NDArray[np.float64] | None = None

    def apply(self, matrix: Matrix) -> Matrix:
        """Return the scaled matrix."""
        if self.subtract is not None:
            matrix = matrix - self.subtract
        if self.divide is not None:
            matrix = matrix / self.divide
        if self.multiply is not None:
            matrix = matrix * self.multiply
        return matrix if self.add is None else matrix + self.add

    def owners(self, owners: Owners) -> Owners:
        """Return them as they are."""
        return owners


@dataclass(frozen=True, slots=True)
class Clip:
    """Each number within `low` and `high`."""

    low: float
    high: float

    def apply(self, matrix: Matrix) -> Matrix:
        """Return the clipped matrix; NaN stays.

        Raises:
            Fallback: A number is infinite: scikit-learn refuses that, and clipping would hide it.
        """
        if np.isinf(matrix).any():
            raise Fallback
        return np.minimum(np.maximum(matrix, self.low), self.high)

    def owners(self, owners: Owners) -> Owners:
        """Return them as they are."""
        return owners


@dataclass(frozen=True, slots=True)
class Fill:
    """Missing values get a number; after all columns come missing indicators, 1.0 where one was missing."""

    values: NDArray[np.float64]
    """`(columns,)`: what each column's missing values become."""
    marked: NDArray[np.intp]
    """`(indicators,)`: the columns that have an indicator."""

    def apply(self, matrix: Matrix) -> Matrix:
        """Return the filled matrix, `(rows, columns + indicators)`."""
        missing = np.isnan(matrix)
        filled = np.where(missing, self.values, matrix)
        if not self.marked.size:
            return filled
        return np.concatenate((filled, missing.take(self.marked, axis=1)), axis=1)

    def owners(self, owners: Owners) -> Owners:
        """Return them, and those of the columns with an indicator once more."""
        return np.concatenate((owners, owners[self.marked]))


@dataclass(frozen=True, slots=True)
class Products:
    """Products of columns, degree by degree: each is a product of the degree below times one column.

    The factors are multiplied in scikit-learn's order, from the last column of a term to its first.
    """

    factors: tuple[tuple[NDArray[np.intp], NDArray[np.intp]], ...]
    """For each degree from 2 on, of each product `(products,)`: the product of the degree below, and the
    column."""
    kept: slice
    """Which of all products, the columns themselves first, are in the result."""
    bias: bool
    """Whether a column of ones comes before them."""

    @property
    def columns(self) -> int:
        """How many products are computed, also those that are not in the result."""
        return sum(len(below) for below, _ in self.factors)

    def apply(self, matrix: Matrix) -> Matrix:
        """Return the products, `(rows, columns of the result)`."""
        terms = [matrix]
        for below, column in self.factors:
            terms.append(terms[-1].take(below, axis=1) * matrix.take(column, axis=1))
        products = np.concatenate(terms, axis=1)[:, self.kept]
        return np.concatenate((np.ones((len(products), 1)), products), axis=1) if self.bias else products

    def owners(self, owners: Owners) -> Owners:
        """
        Raises:
            Uncompilable: Always, as products are made of several columns.
        """
        raise Uncompilable
