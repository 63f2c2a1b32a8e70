"""Columns as requests make them -> the dtypes of the fit, where the signature says some.

An estimator can take `13` and `13.0` for two things, and boosters tell categories by the dtype alone. Imports
pandas.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlapi.data.signature import Batch, Feature, Signature
from mlapi.errors import Unanswerable

CATEGORY = "category"
"""The dtype of a column with a fixed set of categories."""


WITH_NONE = "object"
"""The dtype of a column of words in which a missing one is None, and not NaN."""


def typed_input(signature: Signature, batch: Batch, *, as_table: bool) -> pd.DataFrame | NDArray[Any]:
    """Return a batch `(rows, features)` whose columns have the signature's dtypes.

    Args:
        as_table: Whether a table is returned, or else a matrix `(rows, features)`: of the dtype that all
            columns share, or of objects.

    Raises:
        Unanswerable: A number does not fit its dtype.
    """
    columns: Mapping[str, Any] = _columns(signature, batch)
    typed = {feature.name: typed_column(feature, columns[feature.name]) for feature in signature.typed}
    frame = pd.DataFrame({**columns, **typed}, columns=list(signature.names), copy=False)
    return frame if as_table else frame.to_numpy()


def typed_column(feature: Feature, values: NDArray[Any]) -> pd.Series:
    """Return a column `(rows,)` in the feature's dtype; a value that is none of its categories is missing.

    Raises:
        Unanswerable: A number does not fit the dtype.
    """
    if feature.dtype == CATEGORY:
        known = pd.Index(list(feature.categories or ()))
        codes = known.get_indexer(pd.Index(values))
        return pd.Series(pd.Categorical.from_codes(codes, known, ordered=bool(feature.ordered)))
    column = pd.Series(values)
    if feature.dtype == WITH_NONE:
        return column.astype(object).where(column.notna(), None)
    dtype = pd.api.types.pandas_dtype(feature.dtype)
    if isinstance(dtype, pd.DatetimeTZDtype):
        return column.dt.tz_localize("UTC").astype(dtype)
    with np.errstate(invalid="ignore"):  # a number beyond the dtype, which is refused below
        typed = column.astype(dtype)
    if pd.api.types.is_integer_dtype(dtype) and not (typed.isna() | (typed == column)).all():
        raise Unanswerable(f"feature {feature.name!r} has a number that does not fit {feature.dtype}")
    return typed


def _columns(signature: Signature, batch: Batch) -> Mapping[str, NDArray[Any]]:
    """Return the columns of a batch by name, `(rows,)` each."""
    if not isinstance(batch, np.ndarray):
        return batch
    return {name: batch[:, place] for place, name in enumerate(signature.names)}
