"""Steps that put columns together: some of them, several results side by side, and weighted sums."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlapi.data.signature import Matrix
from mlapi.inference.compiled.final_estimator import Uncompilable
from mlapi.inference.compiled.steps import Owners, Step


@dataclass(frozen=True, slots=True)
class Take:
    """Some of the columns."""

    chosen: NDArray[np.intp]
    """`(columns of the result,)`: their positions."""
    columns: int
    """How many columns there are to take them from."""

    def apply(self, matrix: Matrix) -> Matrix:
        """Return these columns, `(rows, columns of the result)`."""
        # Not `take`: as its result lies in memory, products would add in another order than scikit-learn's.
        return matrix[:, self.chosen]

    def owners(self, owners: Owners) -> Owners:
        """Return those of the chosen columns."""
        return owners[self.chosen]


@dataclass(frozen=True, slots=True)
class Beside:
    """What several chains of steps make of the same matrix, side by side."""

    branches: tuple[tuple[Step, ...], ...]
    columns: int
    """How many columns the result has, or any branch in between."""

    def apply(self, matrix: Matrix) -> Matrix:
        """Return the results side by side, `(rows, columns of all results)`."""
        return np.concatenate([run(matrix, branch) for branch in self.branches], axis=1)

    def owners(self, owners: Owners) -> Owners:
        """Return the owners of all results, one after the other."""
        results = []
        for branch in self.branches:
            result = owners
            for step in branch:
                result = step.owners(result)
            results.append(result)
        return np.concatenate(results)


@dataclass(frozen=True, slots=True)
class Project:
    """Weighted sums of the columns: `(x . weights - subtract) / divide`.

    scikit-learn makes the same product of the same arrays. So the digits are the same for as many rows.
    """

    weights: Matrix
    """`(columns, columns of the result)`, as the estimator holds it."""
    subtract: Matrix | None
    """`(1, columns of the result)`; None for nothing."""
    divide: NDArray[np.float64] | None
    """`(columns of the result,)`; None for nothing."""

    def apply(self, matrix: Matrix) -> Matrix:
        """Return the sums, `(rows, columns of the result)`."""
        return self.moved(matrix @ self.weights)

    def moved(self, sums: Matrix) -> Matrix:
        """Return weighted sums less what is subtracted, divided, `(rows, columns of the result)`."""
        if self.subtract is not None:
            sums -= self.subtract
        if self.divide is not None:
            sums /= self.divide
        return sums

    def owners(self, owners: Owners) -> Owners:
        """
        Raises:
            Uncompilable: Always, as sums are made of several columns.
        """
        raise Uncompilable


def run(matrix: Matrix, steps: Sequence[Step]) -> Matrix:
    """Return what the steps make of a matrix, one after the other: `(rows, columns of the last result)`."""
    for step in steps:
        matrix = step.apply(matrix)
    return matrix


def widest(steps: Sequence[Step]) -> int:
    """Return how many columns a step has in between or in its result, where it says so."""
    return max((getattr(step, "columns", 0) for step in steps), default=0)
