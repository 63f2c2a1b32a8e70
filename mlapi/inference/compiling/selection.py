"""Fitted selectors and projections -> `mlapi.inference.compiled.selection`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import (
    RFE,
    RFECV,
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)

from mlapi.data.signature import Matrix
from mlapi.inference.compiled.final_estimator import Uncompilable
from mlapi.inference.compiled.functions import Finite
from mlapi.inference.compiled.selection import Project, Take
from mlapi.inference.compiled.steps import Scale, Step


def _selector(selector: Any) -> tuple[Step, ...]:
    """Return what takes the chosen columns; where missing numbers are refused, those of all others too."""
    chosen = np.flatnonzero(selector.get_support())
    if not chosen.size:
        raise Uncompilable
    allows_missing = selector.__sklearn_tags__().input_tags.allow_nan
    take = Take(chosen, len(selector.get_support()))
    return (take,) if allows_missing else (Finite(), take)


def _components(transformer: PCA | IncrementalPCA) -> tuple[Step, ...]:
    return (Finite(), Project(*_principal(transformer)))


def _sparse_components(transformer: PCA) -> tuple[Step, ...]:
    return (Finite(), SparseProject(*_principal(transformer)))


def _principal(transformer: PCA | IncrementalPCA) -> tuple[Any, ...]:
    """Return weights, what is subtracted and what divides (scikit-learn 1.9,
    `sklearn.decomposition._base._BasePCA`).

    Raises:
        Uncompilable: They are not float64.
    """
    weights = transformer.components_.T
    subtract = np.reshape(transformer.mean_, (1, -1)) @ weights
    divide = None
    if transformer.whiten:
        smallest = np.finfo(transformer.explained_variance_.dtype).eps
        divide = np.maximum(np.sqrt(transformer.explained_variance_), smallest)
    return _float64(weights, subtract, divide)


def _singular_vectors(transformer: TruncatedSVD) -> tuple[Step, ...]:
    return (Finite(), Project(*_float64(transformer.components_.T, None, None)))


def _discriminants(transformer: LinearDiscriminantAnalysis) -> tuple[Step, ...]:
    if transformer.solver not in ("svd", "eigen"):
        raise Uncompilable
    mean = (Scale(subtract=transformer.xbar_),) if transformer.solver == "svd" else ()
    columns = transformer.scalings_.shape[1]
    chosen = np.arange(min(transformer._max_components, columns))
    return (Finite(), *mean, Project(*_float64(transformer.scalings_, None, None)), Take(chosen, columns))


@dataclass(frozen=True, slots=True)
class SparseProject(Project):
    """The same sums of a sparse matrix, which SciPy adds in an order of its own. It is never stored."""

    def apply(self, matrix: Matrix) -> Matrix:
        """Return the sums, `(rows, columns of the result)`."""
        return self.moved(sparse.csr_matrix(matrix) @ self.weights)


def _sparse_singular_vectors(transformer: TruncatedSVD) -> tuple[Step, ...]:
    return (Finite(), SparseProject(*_float64(transformer.components_.T, None, None)))


def _float64(*arrays: Any) -> tuple[Any, ...]:
    """Return these arrays, of any shape.

    Raises:
        Uncompilable: One is not float64: scikit-learn would compute otherwise.
    """
    if any(array is not None and array.dtype != np.float64 for array in arrays):
        raise Uncompilable
    return arrays


_SELECTORS: tuple[type[BaseEstimator], ...] = (
    *(GenericUnivariateSelect, SelectFdr, SelectFpr, SelectFwe, SelectKBest, SelectPercentile),
    *(RFE, RFECV, SelectFromModel, SequentialFeatureSelector, VarianceThreshold),
)

STEPS: Mapping[type, Callable[[Any], tuple[Step, ...]]] = {
    **dict.fromkeys(_SELECTORS, _selector),
    IncrementalPCA: _components,
    LinearDiscriminantAnalysis: _discriminants,
    PCA: _components,
    TruncatedSVD: _singular_vectors,
}
"""By exact class, what makes the steps of a fitted transformer."""

SPARSE_STEPS: Mapping[type, Callable[[Any], tuple[Step, ...]]] = {
    PCA: _sparse_components,
    TruncatedSVD: _sparse_singular_vectors,
}
"""The same of those that have another order of sums for a sparse matrix."""

DENSE = frozenset({PCA, TruncatedSVD})
"""Those of them that make a dense matrix of a sparse one."""

SPARSE = frozenset({*_SELECTORS, *DENSE})
"""Those of them that do to a sparse matrix just what they do to a dense one."""
