"""Kernels between rows and support vectors, all at once, and how far each may be from libsvm's.

A kernel takes rows `(rows, features)` and gives its values `(rows, vectors)`, with one error for all of them:
an upper bound of how far a sum of a row's values, weighted by coefficients whose sizes add up to 1, can be
from the sum that libsvm computes, which rounds as well. A dot product of n numbers is off by at most n u of
the product of the two lengths (N. J. Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed.,
section 3.1, with Cauchy and Schwarz for the sum of sizes). Knows nothing of classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite, sqrt
from typing import TypeAlias

import numpy as np

from mlapi.data.signature import Matrix
from mlapi.inference.compiled.final_estimator import Fallback

Kernel: TypeAlias = Callable[[Matrix], tuple[Matrix, float]]
"""Rows `(rows, features)` -> values `(rows, vectors)`, and the error of weighted sums of them."""

EPSILON = float(np.finfo(np.float64).eps)
"""Twice the unit roundoff u: so counting operations once allows for libsvm's rounding too."""

EXACT = 1e-10
"""The largest error, of values up to 1, with which a faster formula than libsvm's is used."""


@dataclass(frozen=True, slots=True)
class Product:
    """The linear kernel. Its support vectors are summed beforehand, so its values are the rows themselves."""

    terms: int
    """How many numbers are summed for one decision, here or by libsvm."""

    def __call__(self, rows: Matrix) -> tuple[Matrix, float]:
        """Return the rows, and an error for coefficients of length 1.

        Raises:
            Fallback: A row is not finite.
        """
        return rows, longest(rows, rows) * (self.terms + 8) * EPSILON


class Radial:
    """exp(-gamma |row - vector|^2), from products of rows where these keep the digits."""

    def __init__(self, vectors: Matrix, gamma: float) -> None:
        """
        Args:
            vectors: The support vectors, (vectors, features).
        """
        self.vectors, self.gamma = vectors, gamma
        # What cancels in |x|^2 + |s|^2 - 2xs is the distance of both from the origin: let that be small.
        self.center = vectors.mean(axis=0) if len(vectors) else np.zeros(vectors.shape[1])
        centered = vectors - self.center
        self.factors = np.ascontiguousarray((2 * gamma * centered).T)
        self.constants = gamma * np.vecdot(centered, centered)
        self.reach = longest(centered, centered) if len(vectors) else 0.0
        self.rounding = (vectors.shape[1] + 8) * EPSILON
        self.summing = (len(vectors) + 8) * EPSILON

    def __call__(self, rows: Matrix) -> tuple[Matrix, float]:
        """Return the values, and an error that is at most `EXACT` but for what the sums round.

        Raises:
            Fallback: A row is not finite.
        """
        if len(rows) == 1:
            return self._of_one(rows)
        centered = rows - self.center
        squares = np.vecdot(centered, centered)
        error = self.rounding * self.gamma * (sqrt(_largest(squares, rows)) + self.reach) ** 2
        if not error <= EXACT:  # also if it is not a number
            return self._from_differences(rows)
        exponents = centered.dot(self.factors)
        exponents -= self.constants
        squares *= self.gamma
        exponents -= squares[:, None]
        return np.exp(exponents, out=exponents), error + self.rounding + self.summing

    def _of_one(self, rows: Matrix) -> tuple[Matrix, float]:
        """Compute one row from differences, as libsvm does it: so it takes the fewest calls of numpy."""
        differences = self.vectors - rows
        exponents = np.vecdot(differences, differences)
        exponents *= -self.gamma
        if not isfinite(np.add.reduce(exponents)):
            raise Fallback
        return np.exp(exponents, out=exponents)[None, :], 2 * self.rounding + self.summing

    def _from_differences(self, rows: Matrix) -> tuple[Matrix, float]:
        """Compute the values as libsvm does it.

        Of the exponent d the relative error is `rounding`. The value exp(-d) is then off by d exp(-d) times
        that, and d exp(-d) < 1.
        """
        from scipy.spatial.distance import cdist  # noqa: PLC0415 - seldom used, and SciPy takes 50 MB

        exponents = cdist(rows, self.vectors, "sqeuclidean")
        exponents *= -self.gamma
        return np.exp(exponents, out=exponents), 2 * self.rounding + self.summing


class _OfProducts:
    """A function of gamma (row, vector) + constant."""

    def __init__(self, vectors: Matrix, gamma: float, constant: float) -> None:
        """
        Args:
            vectors: The support vectors, (vectors, features).
        """
        self.factors = np.ascontiguousarray(gamma * vectors.T)
        self.constant = constant
        self.reach = gamma * longest(vectors, vectors) if len(vectors) else 0.0
        self.terms = vectors.shape[1] + 8
        self.summing = (len(vectors) + 8) * EPSILON

    def products(self, rows: Matrix) -> tuple[Matrix, float]:
        """Return gamma (row, vector) + constant, (rows, vectors), and an upper bound of their sizes."""
        products = rows.dot(self.factors)
        products += self.constant
        return products, self.reach * longest(rows, rows) + abs(self.constant)


class Polynomial(_OfProducts):
    """(gamma (row, vector) + constant)^degree."""

    def __init__(self, vectors: Matrix, gamma: float, constant: float, degree: int) -> None:
        super().__init__(vectors, gamma, constant)
        self.degree = degree

    def __call__(self, rows: Matrix) -> tuple[Matrix, float]:
        """Return the values, and their error, which is infinite if it overflows.

        Raises:
            Fallback: A row is not finite.
        """
        products, largest = self.products(rows)
        rounding = (self.degree * self.terms + 8) * EPSILON + self.summing
        try:
            error = largest**self.degree * rounding
        except OverflowError:
            error = inf
        return _power(products, self.degree), error if error < inf else inf  # never NaN


class Sigmoid(_OfProducts):
    """tanh(gamma (row, vector) + constant)."""

    def __call__(self, rows: Matrix) -> tuple[Matrix, float]:
        """Return the values, and their error, which is infinite where libsvm's own values are no better.

        Raises:
            Fallback: A row is not finite.
        """
        products, largest = self.products(rows)
        error = largest * self.terms * EPSILON
        if not error <= EXACT:  # also if it is not a number: libsvm alone can then say what it computes
            return products, inf
        return np.tanh(products, out=products), error + min(largest, 1) * self.summing


def longest(left: Matrix, rows: Matrix) -> float:
    """Return the length of the longest row of `left`; infinite if it overflows.

    Raises:
        Fallback: One of the `rows` is not finite.
    """
    return sqrt(_largest(np.vecdot(left, left), rows))


def _largest(squares: Matrix, rows: Matrix) -> float:
    """Return the largest of some squares `(rows,)`; infinite if it overflows.

    Raises:
        Fallback: A row is not finite: scikit-learn says why it refuses it.
    """
    largest = float(np.maximum.reduce(squares))
    if not isfinite(largest) and not np.isfinite(rows).all():
        raise Fallback
    return largest


def _power(values: Matrix, degree: int) -> Matrix:
    """Return values to a power, by squaring as libsvm's `powi` does. Writes to `values`.

    numpy's power of floats takes 20 times as long.
    """
    result = None
    while degree > 0:
        if degree % 2:
            result = values.copy() if result is None else np.multiply(result, values, out=result)
        degree //= 2
        if degree:
            values *= values
    return np.ones_like(values) if result is None else result
