"""scipy's sparse matrices in a pickle, checked: compiled code goes to the places that they name.

A support vector machine that was fitted on words keeps its vectors in such.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlapi.artifacts.pickles.parts.names import NotAllowed

MATRIX = "scipy.sparse._csr.csr_matrix"

MATRICES = frozenset(
    {
        MATRIX,
        "scipy.sparse._csr.csr_array",
        *(f"scipy.sparse._csc.csc_{kind}" for kind in ("array", "matrix")),
    }
)
"""Those that are kept as rows, or columns, of places and numbers."""

_ARRAYS = ("indptr", "indices", "data")

_STATE = frozenset({"_shape", "maxprint", *_ARRAYS, "_has_sorted_indices", "_has_canonical_format"})
"""What a matrix consists of (scipy 1.17); any other name could take the place of a method."""


def check_matrix(state: Any, *, by_columns: bool = False) -> None:
    """Rows (or columns) begin where they may, and every number is in a column (or row) that there is."""
    if not isinstance(state, Mapping) or not {"_shape", *_ARRAYS} <= state.keys() <= _STATE:
        raise NotAllowed("it describes a sparse matrix in another way than scipy does")
    starts, places, numbers = (state[name] for name in _ARRAYS)
    if not (_is_line(starts, "i") and _is_line(places, "i") and _is_line(numbers, "biuf")):
        raise NotAllowed("it has a sparse matrix of other things than numbers")
    rows, columns = reversed(state["_shape"]) if by_columns else state["_shape"]
    fits = (
        starts.dtype == places.dtype
        and len(starts) == rows + 1
        and len(places) == len(numbers) == starts[-1]
        and starts[0] == 0
        and (starts[:-1] <= starts[1:]).all()
        and ((places >= 0) & (places < columns)).all()
    )
    if not fits:
        raise NotAllowed("it has a sparse matrix that leads out of itself")


def _is_line(array: Any, kinds: str) -> bool:
    return type(array) is np.ndarray and array.ndim == 1 and array.dtype.kind in kinds
