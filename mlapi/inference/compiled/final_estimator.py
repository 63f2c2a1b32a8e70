"""What a compiled final estimator is asked, and what it answers. Knows no pipelines.

scikit-learn's arrays are row by row, `(rows, classes)`. Scores of linear models are kept class by class,
`(classes, rows)`, because numpy compares a few long rows much faster than many short ones. The types
`RowScores` and `ClassScores` say which of the two is meant.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlapi.data.signature import Matrix

PREDICT = "predict"
"""The method that gives the label or the value of each row."""

PREDICT_PROBA = "predict_proba"
"""The method that gives a probability for each class."""

DECISION_FUNCTION = "decision_function"
"""The method that gives a score for each class, or for each pair of classes."""

ERRORS = "errors"
"""What an estimator around others asks for beside methods: a bound of how far the numbers may be off."""

ClassScores: TypeAlias = NDArray[np.float64]
"""`(classes, rows)`, float64: a row of scores for each class, or for each target of a regressor. Of a model
with one score a row, as one of two classes has, `(rows,)`."""

RowScores: TypeAlias = NDArray[np.float64]
"""`(rows, classes)`, float64, as scikit-learn gives scores: a column for each class, or for each pair of
classes. Of a model with one score a row `(rows,)`."""

RowPredictions: TypeAlias = NDArray[Any]
"""`(rows,)`: the label of each row, in the dtype of the training labels; of a regressor the value, float64,
and where it has several targets `(rows, targets)`."""

RowFlags: TypeAlias = NDArray[np.bool_]
"""`(rows,)`, bool: one flag for each row of a batch."""

Margins: TypeAlias = NDArray[np.float64]
"""`(rows,)`, float64: by how much the label of each row won, never negative; or a bound for that."""

MethodOutputs: TypeAlias = dict[str, NDArray[Any]]
"""By the name of scikit-learn's method what it gives, in scikit-learn's own shape and dtype: `(rows,)`,
`(rows, classes)` or `(rows, targets)`."""


class Uncompilable(Exception):
    """Something is not understood exactly: scikit-learn answers for the whole pipeline."""


class Fallback(Exception):
    """The compiled path has no answer to these rows, or none that it is sure of: scikit-learn is asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a batch, as far as the compiled path is sure of it."""

    outputs: MethodOutputs
    uncertain: RowFlags | None
    """True for rows whose label depends on the last digits: scikit-learn is asked for those. None: no row."""
    errors: Margins | float = 0.0
    """How far the numbers of each row can be from scikit-learn's, `(rows,)`, or one bound for all; 0.0 where
    they are the same, or where nobody asked for `ERRORS`."""


class FinalEstimator(Protocol):
    """A final estimator on a dense matrix: what the preprocessing before it gives.

    It is asked with numpy's warnings off.
    """

    methods: frozenset[str]
    """The names of the methods that it has answers for."""

    @property
    def width(self) -> int:
        """How many numbers it makes of one row of the matrix, at most."""
        ...

    def answer(self, matrix: Matrix, methods: Collection[str]) -> Answer:
        """Return the outputs of these methods; those that are not among its own are left out.

        Raises:
            Fallback: It is not sure of any row.
        """
        ...


def logistic(values: ClassScores) -> ClassScores:
    """Return 1 / (1 + exp(-x)) of each value, in a new array of any shape, `(classes, rows)` or `(rows,)`.

    numpy's warnings have to be off. SciPy's `expit` gives the same, but importing SciPy takes memory.
    """
    results = np.exp(-values)
    results += 1
    return np.reciprocal(results, out=results)
