"""The attributes of a fitted estimator, and the questions that
`mlapi.artifacts.pickles.fitted.invariants` asks about their values."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlapi.artifacts.pickles.parts.names import NotAllowed, name_of
from mlapi.artifacts.pickles.parts.values import is_value

_LONGEST_DTYPE = 20
"""The most characters of a dtype's name: "longdouble" is the longest that is usual."""


class FittedAttributes:
    """The attributes of one fitted estimator. One that it does not have is None."""

    __slots__ = ("__attributes",)

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.__attributes = attributes

    def __getattr__(self, name: str) -> Any:
        return self.__attributes.get(name)


def require(condition: Any, problem: str) -> None:
    """
    Raises:
        NotAllowed: The condition does not hold; the problem is the message.
    """
    if not condition:
        raise NotAllowed(problem)


def repr_of(value: Any) -> str:
    """Return a value as a message shows it: the repr of a text or of a few numbers, else its type.

    The repr of other values could be larger than the memory.
    """
    are_few = type(value) is tuple and len(value) < 9 and all(type(each) is int for each in value)
    return f"{value!r:.80}" if are_few or type(value) is str else f"a {type(value).__name__}"


def is_integers(array: Any, length: int, high: int) -> bool:
    """Return whether this is an array `(length,)` of whole numbers from 0 to below `high`."""
    return (
        type(array) is np.ndarray
        and array.dtype.kind in "iu"
        and array.shape == (length,)
        and bool(((array >= 0) & (array < high)).all())
    )


def is_numbers(array: Any, *shape: int) -> bool:
    """Return whether this is an array of numbers of this shape."""
    return type(array) is np.ndarray and array.dtype.kind in "fiu" and array.shape == shape


def is_count(value: Any, most: int) -> bool:
    """Return whether this is a whole number from 0 to `most`. A search leaves numpy's numbers in
    parameters."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(0 <= value <= most)


def is_finite(value: Any) -> bool:
    """Return whether this is one finite number."""
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return is_number and bool(abs(value) < math.inf)


def is_plain(dtype: Any) -> bool:
    """Return whether this is a dtype of numbers, booleans or objects: one of texts may take any bytes a
    cell."""
    if not isinstance(dtype, np.dtype | type) and not (type(dtype) is str and len(dtype) <= _LONGEST_DTYPE):
        return False
    try:
        return np.dtype(dtype).kind in "biufcO"
    except TypeError:
        return False


def is_code(value: Any) -> bool:
    """Return whether this can be called, is no class, and was allowed by somebody in particular.

    What every pickle may hold is no such code: the values, and scikit-learn's and scipy's own objects.
    """
    kind = name_of(type(value))
    is_theirs = kind.startswith(("sklearn.", "scipy."))
    return callable(value) and not isinstance(value, type) and not is_theirs and not is_value(value)


def width_of(fitted: FittedAttributes) -> int:
    """Return how many features an estimator checks its rows for.

    Raises:
        NotAllowed: It does not say: then scikit-learn checks nothing.
    """
    width = fitted.n_features_in_
    require(type(width) is int and width >= 0, "it does not say how many features it takes")
    return int(width)
