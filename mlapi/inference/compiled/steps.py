"""Steps from one float64 matrix to the next, each what a transformer of scikit-learn does to numbers."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mlapi.data.signature import Matrix
from mlapi.inference.compiled.final_estimator import Fallback, Uncompilable


class Step(Protocol):
    def apply(self, matrix: Matrix) -> Matrix: ...

    def owners(self, owners: NDArray[np.intp]) -> NDArray[np.intp]:
        """The column that each resulting one is made of, if it is made of one.

        Raises:
            Uncompilable: It is made of several.
        """
        ...


@dataclass(frozen=True, slots=True)
class Scale:
    """`(x - subtract) / divide * multiply + add`, what of it there is."""

    subtract: NDArray[np.float64] | None = None
    divide: NDArray[np.float64] | None = None
    multiply: NDArray[np.float64] | None = None
    add: NDArray[np.float64] | None = None

    def apply(self, matrix: Matrix) -> Matrix:
        if self.subtract is not None:
            matrix = matrix - self.subtract
        if self.divide is not None:
            matrix = matrix / self.divide
        if self.multiply is not None:
            matrix = matrix * self.multiply
        return matrix if self.add is None else matrix + self.add

    def owners(self, owners: NDArray[np.intp]) -> NDArray[np.intp]:
        return owners


@dataclass(frozen=True, slots=True)
class Clip:
    low: float
    high: float

    def apply(self, matrix: Matrix) -> Matrix:
        if np.isinf(matrix).any():  # which scikit-learn refuses, and this would hide
            raise Fallback
        return np.minimum(np.maximum(matrix, self.low), self.high)

    def owners(self, owners: NDArray[np.intp]) -> NDArray[np.intp]:
        return owners


@dataclass(frozen=True, slots=True)
class Fill:
    """Blanks get `values`; columns of marks say where the `marked` ones were blank."""

    values: NDArray[np.float64]
    marked: NDArray[np.intp]

    def apply(self, matrix: Matrix) -> Matrix:
        blank = np.isnan(matrix)
        filled = np.where(blank, self.values, matrix)
        return (
            np.concatenate((filled, blank.take(self.marked, axis=1)), axis=1) if self.marked.size else filled
        )

    def owners(self, owners: NDArray[np.intp]) -> NDArray[np.intp]:
        return np.concatenate((owners, owners[self.marked]))


@dataclass(frozen=True, slots=True)
class Products:
    """Products of columns, by degree: each is one of the degree below times a column; then those `kept`.

    The factors are multiplied in scikit-learn's order, from the last column of a term to its first.
    """

    factors: tuple[tuple[NDArray[np.intp], NDArray[np.intp]], ...]
    kept: slice
    bias: bool

    @property
    def columns(self) -> int:
        """All products, also those that are not kept."""
        return sum(len(below) for below, _ in self.factors)

    def apply(self, matrix: Matrix) -> Matrix:
        terms = [matrix]
        for below, column in self.factors:
            terms.append(terms[-1].take(below, axis=1) * matrix.take(column, axis=1))
        found = np.concatenate(terms, axis=1)[:, self.kept]
        return np.concatenate((np.ones((len(found), 1)), found), axis=1) if self.bias else found

    def owners(self, owners: NDArray[np.intp]) -> NDArray[np.intp]:
        raise Uncompilable
