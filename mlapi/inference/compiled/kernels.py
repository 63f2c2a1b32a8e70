"""Kernels between rows and support vectors, all at once, and how far each may be from libsvm's.

A kernel takes rows and gives a column for each support vector, with one bound for all of them: how far a sum
of these, weighted by coefficients whose sizes add up to 1, may be from libsvm's, which rounds as well.
Knows nothing of classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite, sqrt

import numpy as np

from mlapi.data.signature import Matrix
from mlapi.inference.compiled.final_estimator import Fallback

Kernel = Callable[[Matrix], tuple[Matrix, float]]

EPSILON = float(np.finfo(np.float64).eps)
"""Twice the rounding of one operation, so that counting operations once allows for libsvm's rounding too."""

EXACT = 1e-10
"""How far a faster formula may be off, of 1."""


@dataclass(frozen=True, slots=True)
class Product:
    """The linear kernel, whose support vectors are summed beforehand: the rows themselves.

    `terms` counts what is summed for one decision.
    """

    terms: int

    def __call__(self, rows: Matrix) -> tuple[Matrix, float]:
        return rows, longest(rows, rows) * (self.terms + 8) * EPSILON


class Radial:
    """exp(-gamma |row - vector|^2), from products of rows where these keep the digits."""

    def __init__(self, vectors: Matrix, gamma: float) -> None:
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
        """From differences too, which for one row takes the fewest calls."""
        differences = self.vectors - rows
        exponents = np.vecdot(differences, differences)
        exponents *= -self.gamma
        if not isfinite(np.add.reduce(exponents)):
            raise Fallback
        return np.exp(exponents, out=exponents)[None, :], 2 * self.rounding + self.summing

    def _from_differences(self, rows: Matrix) -> tuple[Matrix, float]:
        """As libsvm does it; an error of the distance d shrinks with exp(-d), to d exp(-d) < 1 of it."""
        from scipy.spatial.distance import cdist  # noqa: PLC0415 - seldom used, and SciPy takes 50 MB

        exponents = cdist(rows, self.vectors, "sqeuclidean")
        exponents *= -self.gamma
        return np.exp(exponents, out=exponents), 2 * self.rounding + self.summing


class _OfProducts:
    """A function of gamma (row, vector) + constant."""

    def __init__(self, vectors: Matrix, gamma: float, constant: float) -> None:
        self.factors = np.ascontiguousarray(gamma * vectors.T)
        self.constant = constant
        self.reach = gamma * longest(vectors, vectors) if len(vectors) else 0.0
        self.terms = vectors.shape[1] + 8
        self.summing = (len(vectors) + 8) * EPSILON

    def products(self, rows: Matrix) -> tuple[Matrix, float]:
        """And how large they can be."""
        products = rows.dot(self.factors)
        products += self.constant
        return products, self.reach * longest(rows, rows) + abs(self.constant)


class Polynomial(_OfProducts):
    """(gamma (row, vector) + constant)^degree."""

    def __init__(self, vectors: Matrix, gamma: float, constant: float, degree: int) -> None:
        super().__init__(vectors, gamma, constant)
        self.degree = degree

    def __call__(self, rows: Matrix) -> tuple[Matrix, float]:
        products, largest = self.products(rows)
        rounding = (self.degree * self.terms + 8) * EPSILON + self.summing
        try:
            error = largest**self.degree * rounding
        except OverflowError:
            error = inf
        return _power(products, self.degree), error if error < inf else inf  # nor not a number


class Sigmoid(_OfProducts):
    """tanh(gamma (row, vector) + constant)."""

    def __call__(self, rows: Matrix) -> tuple[Matrix, float]:
        products, largest = self.products(rows)
        error = largest * self.terms * EPSILON
        if not error <= EXACT:  # libsvm's own values are no better: what it says is then known only to itself
            return products, inf
        return np.tanh(products, out=products), error + min(largest, 1) * self.summing


def longest(left: Matrix, rows: Matrix) -> float:
    """The length of the longest row."""
    return sqrt(_largest(np.vecdot(left, left), rows))


def _largest(squares: Matrix, rows: Matrix) -> float:
    """The largest square; infinite if it overflows.

    Raises:
        Unanswered: A row is not finite: scikit-learn says why it refuses it.
    """
    largest = float(np.maximum.reduce(squares))
    if not isfinite(largest) and not np.isfinite(rows).all():
        raise Fallback
    return largest


def _power(values: Matrix, degree: int) -> Matrix:
    """By squaring, as libsvm's `powi`; numpy's power of floats takes 20 times as long."""
    result = None
    while degree > 0:
        if degree % 2:
            result = values.copy() if result is None else np.multiply(result, values, out=result)
        degree //= 2
        if degree:
            values *= values
    return np.ones_like(values) if result is None else result
