"""scipy's sparse matrices in a pickle, checked: compiled code goes to the places that they name.

A support vector machine that was fitted on words keeps its vectors in such.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlapi.artifacts.pickles.parts.names import NotAllowed

MATRIX = "scipy.sparse._csr.csr_matrix"
"""The class that support vector machines hold."""

MATRICES = frozenset(
    {
        MATRIX,
        "scipy.sparse._csr.csr_array",
        *(f"scipy.sparse._csc.csc_{kind}" for kind in ("array", "matrix")),
    }
)
"""The classes that store, row by row or column by column, positions and numbers."""

_ARRAYS = ("indptr", "indices", "data")
"""Where each row begins `(rows + 1,)`, and the column and the value of each number `(numbers,)`."""

_STATE = frozenset({"_shape", "maxprint", *_ARRAYS, "_has_sorted_indices", "_has_canonical_format"})
"""The attributes of a matrix (scipy 1.17). Any other name could take the place of a method."""


def check_matrix(state: Any, *, by_columns: bool = False) -> None:
    """Check the attributes of a sparse matrix.

    Args:
        by_columns: Whether it is stored column by column.

    Raises:
        NotAllowed: A row does not begin within the numbers, or a number is in no column; of a matrix stored
            by
            columns the other way round.
    """
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
