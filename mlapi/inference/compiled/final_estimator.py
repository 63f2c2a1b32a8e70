"""What a compiled final estimator is asked, and what it answers. Knows no pipelines."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlapi.data.signature import Matrix


class Uncompilable(Exception):
    """Something that is not understood exactly: the whole pipeline stays with scikit-learn."""


class Fallback(Exception):
    """The compiled path has no answer to these rows, or none that it is sure of: scikit-learn is asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Outputs by scikit-learn's method name, shaped and typed as scikit-learn gives them.

    `uncertain` marks rows whose label hangs on the last digits: scikit-learn is asked for those.
    """

    outputs: dict[str, NDArray[Any]]
    uncertain: NDArray[np.bool_] | None


class FinalEstimator(Protocol):
    """A final estimator on a dense float64 matrix, what the preprocessing before it gives.

    It is asked with numpy's warnings off, and raises `Fallback` for what it is not sure of.
    """

    methods: frozenset[str]

    @property
    def width(self) -> int:
        """How many numbers it makes of one row of the matrix."""
        ...

    def answer(self, matrix: Matrix, methods: Collection[str]) -> Answer: ...


def logistic(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)), with numpy's warnings off; SciPy's `expit` is the same, and takes SciPy."""
    found = np.exp(-values)
    found += 1
    return np.reciprocal(found, out=found)
