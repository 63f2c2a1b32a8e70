"""Estimators that answer by their own methods, on the matrix that compiled steps make.

Most of what a row costs in scikit-learn is spent on tables and checks before the last step. So where only one
step is not known, it alone is asked: it gets the same numbers, to the last bit, in the same form as from the
steps before it. None of this is ever stored: it needs the estimator.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.decomposition import NMF, FactorAnalysis, FastICA, KernelPCA
from sklearn.impute import KNNImputer
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.preprocessing import PowerTransformer, QuantileTransformer, SplineTransformer

from mlapi.artifacts.pickles.fitted.widths import size_of
from mlapi.data.signature import Matrix
from mlapi.estimators.preprocessing import Splines
from mlapi.inference.compiled.final_estimator import (
    DECISION_FUNCTION,
    PREDICT,
    PREDICT_PROBA,
    Answer,
    Fallback,
    Uncompilable,
)
from mlapi.inference.compiled.steps import Owners, Step
from mlapi.inference.compiling.forms import Form
from mlapi.inference.estimator_calls import call

TRANSFORMERS: frozenset[type[BaseEstimator]] = frozenset(
    {
        *(SplineTransformer, Splines, PowerTransformer, QuantileTransformer, KNNImputer),
        *(FactorAnalysis, FastICA, KernelPCA, KMeans, MiniBatchKMeans, NMF, Nystroem, RBFSampler),
    }
)
"""Transformers of numbers whose own `transform` is quick, and has many cases."""


@dataclass(frozen=True, slots=True)
class OwnTransform:
    """A transformer of numbers, by its own `transform`."""

    transformer: Any

    def apply(self, matrix: Matrix) -> Matrix:
        """Return what it makes of the matrix, `(rows, columns of the result)`.

        Raises:
            Fallback: That is no matrix of float64.
        """
        result = self.transformer.transform(matrix)
        if not (isinstance(result, np.ndarray) and result.ndim == 2 and result.dtype == np.float64):
            raise Fallback
        return result

    def owners(self, owners: Owners) -> Owners:
        """
        Raises:
            Uncompilable: Always: which columns become which is not known.
        """
        raise Uncompilable


class OwnMethods:
    """A final estimator, by its own methods."""

    def __init__(self, estimator: Any, form: Form) -> None:
        """
        Args:
            form: The form of the rows that it gets in its pipeline.
        """
        methods = (PREDICT, PREDICT_PROBA, DECISION_FUNCTION)
        self.methods = frozenset(method for method in methods if hasattr(estimator, method))
        self._estimator, self._form = estimator, form

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return size_of(self._estimator).width

    def answer(self, matrix: Matrix, methods: Collection[str]) -> Answer:
        """Return what its methods give.

        Raises:
            Fallback: A number is infinite, which a step before it may have refused.
            Exception: What the estimator raises.
        """
        if np.isinf(matrix).any():
            raise Fallback
        # Each method gets rows of its own: an estimator may change them.
        asked = [method for method in methods if method in self.methods]
        return Answer({name: call(self._estimator, name, self._form(matrix.copy())) for name in asked}, None)


def own_transform(transformer: Any) -> tuple[Step, ...]:
    """Return the step of a transformer that is one of `TRANSFORMERS`.

    Raises:
        Uncompilable: It gives sparse matrices.
    """
    if getattr(transformer, "sparse_output", False):
        raise Uncompilable
    nameless = type(transformer)()
    vars(nameless).update(vars(transformer))
    vars(nameless).pop("feature_names_in_", None)  # else it would warn that the matrix has no names
    vars(nameless).pop("_sklearn_output_config", None)
    if hasattr(nameless, "copy"):
        nameless.copy = True  # the rows are the request's
    return (OwnTransform(nameless),)
