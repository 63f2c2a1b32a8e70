"""In which form scikit-learn hands prepared rows to the last step of a pipeline.

The numbers alone do not say it: for XGBoost a zero that a sparse matrix leaves out is missing, and other
estimators look at the names of a table's columns.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.impute import MissingIndicator
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    OneHotEncoder,
    RobustScaler,
    StandardScaler,
)

from mlapi.data.signature import Matrix
from mlapi.inference.compiled.columns import Names
from mlapi.inference.compiled.final_estimator import Uncompilable
from mlapi.inference.compiling import selection

Form: TypeAlias = Callable[[Matrix], Any]
"""Makes of prepared rows, `(rows, columns)`, what the last step gets."""

SPARSE = frozenset({MaxAbsScaler, RobustScaler, StandardScaler, *selection.SPARSE})
"""Transformers that do to a sparse matrix just what they do to a dense one."""


def dense(matrix: Matrix) -> Matrix:
    """Return the matrix itself, `(rows, columns)`: the form of most rows."""
    return matrix


def table(names: Names) -> Form:
    """Return what makes a table of pandas' with these names of columns."""

    def form(matrix: Matrix) -> Any:
        import pandas as pd  # noqa: PLC0415 - only for such a model: its import costs half a second and 60 MB

        return pd.DataFrame(matrix, columns=list(names), copy=False)

    return form


def form_after(transformers: Iterable[Any], form: Form) -> Form:
    """Return the form of what a chain of transformers gives.

    Args:
        form: The form of what comes in.

    Raises:
        Uncompilable: It is none of the forms here, or its numbers are not all float64.
    """
    for transformer in transformers:
        if not all(map(_gives_float64, _parts(transformer))):
            raise Uncompilable
        form = _form_after(transformer, form)
    return form


def output_form(transformer: Any) -> str:
    """Return the name of the form that a transformer is set up to give: `default`, `pandas` or `polars`."""
    return str(getattr(transformer, "_sklearn_output_config", {}).get("transform") or "default")


def gives_sparse(transformer: Any, is_sparse: bool) -> bool:
    """Return whether a transformer gives a sparse matrix.

    Args:
        is_sparse: Whether it gets one.
    """
    says = _GIVES_SPARSE.get(type(transformer))
    if says is not None:
        return says(transformer, is_sparse)
    keeps = type(transformer) in SPARSE - selection.DENSE
    return is_sparse and (keeps or (isinstance(transformer, str) and transformer == "passthrough"))


def _chain_gives_sparse(chain: Pipeline, is_sparse: bool) -> bool:
    for _, step in chain.steps:
        is_sparse = gives_sparse(step, is_sparse)
    return is_sparse


_GIVES_SPARSE: Mapping[type, Callable[[Any, bool], bool]] = {
    ColumnTransformer: lambda divided, _: bool(divided.sparse_output_),
    CountVectorizer: lambda _, __: True,
    FeatureUnion: lambda union, is_sparse: any(
        gives_sparse(part, is_sparse) for _, part in union.transformer_list
    ),
    KBinsDiscretizer: lambda bins, _: bool(bins.encode == "onehot"),
    OneHotEncoder: lambda encoder, _: bool(encoder.sparse_output),
    Pipeline: _chain_gives_sparse,
    TfidfTransformer: lambda _, __: True,
    TfidfVectorizer: lambda _, __: True,
}
"""By class, whether a transformer gives a sparse matrix, if it gets one or not."""


def _form_after(transformer: Any, form: Form) -> Form:
    is_function = type(transformer) is FunctionTransformer
    if output_form(transformer) == "pandas" and not is_function:
        return table(tuple(transformer.get_feature_names_out()))
    if output_form(transformer) != "default":
        raise Uncompilable
    if is_function:
        return dense if transformer.validate else form
    return sparse.csr_matrix if gives_sparse(transformer, form is sparse.csr_matrix) else dense


def _parts(transformer: Any) -> Iterator[Any]:
    """Yield a transformer and all that it is made of."""
    yield transformer
    if isinstance(transformer, ColumnTransformer):
        inner = [part for _, part, _ in transformer.transformers_]
    else:
        steps = (*getattr(transformer, "steps", ()), *getattr(transformer, "transformer_list", ()))
        inner = [part for _, part in steps]
    for part in inner:
        yield from _parts(part)


def _gives_float64(transformer: Any) -> bool:
    if isinstance(transformer, MissingIndicator):
        return False  # it gives booleans
    return getattr(transformer, "dtype", None) in (None, np.float64)
