"""The attributes of a fitted estimator, and what is asked of them, for
`mlapi.artifacts.pickles.fitted.invariants`."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlapi.artifacts.pickles.parts.names import NotAllowed, name_of

_LONGEST_DTYPE = 20
"""Letters: "longdouble" is the longest that is usual."""


class FittedAttributes:
    """The attributes of one fitted estimator; one that it does not have is None."""

    __slots__ = ("__attributes",)

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.__attributes = attributes

    def __getattr__(self, name: str) -> Any:
        return self.__attributes.get(name)


def require(condition: Any, problem: str) -> None:
    if not condition:
        raise NotAllowed(problem)


def shown(value: Any) -> str:
    """For messages: the repr of anything but a word or a few numbers may be longer than any memory."""
    are_few = type(value) is tuple and len(value) < 9 and all(type(each) is int for each in value)
    return f"{value!r:.80}" if are_few or type(value) is str else f"a {type(value).__name__}"


def is_integers(array: Any, length: int, high: int) -> bool:
    """Whether it is a line of so many integers from 0 to below `high`."""
    return (
        type(array) is np.ndarray
        and array.dtype.kind in "iu"
        and array.shape == (length,)
        and bool(((array >= 0) & (array < high)).all())
    )


def is_numbers(array: Any, *shape: int) -> bool:
    return type(array) is np.ndarray and array.dtype.kind in "fiu" and array.shape == shape


def is_count(value: Any, most: int) -> bool:
    """Whether it is a whole number from 0 to `most`; a search leaves numpy's in parameters."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(0 <= value <= most)


def is_finite(value: Any) -> bool:
    """Whether it is one number that is finite."""
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return is_number and bool(abs(value) < math.inf)


def is_plain(dtype: Any) -> bool:
    """Whether it is a dtype of numbers, flags or objects: those of words take any number of bytes a cell."""
    if not isinstance(dtype, np.dtype | type) and not (type(dtype) is str and len(dtype) <= _LONGEST_DTYPE):
        return False
    try:
        return np.dtype(dtype).kind in "biufcO"
    except TypeError:
        return False


def is_code(value: Any) -> bool:
    """Whether it is a function, which somebody has allowed in particular: there is none otherwise."""
    is_loss = name_of(type(value)).startswith(
        "sklearn._loss."
    )  # the one thing to be called that needs no leave
    return callable(value) and not isinstance(value, type) and not is_loss


def width_of(fitted: FittedAttributes) -> int:
    """How many features it checks its rows for; scikit-learn checks nothing where that is missing."""
    width = fitted.n_features_in_
    require(type(width) is int and width >= 0, "it does not say how many features it takes")
    return int(width)
