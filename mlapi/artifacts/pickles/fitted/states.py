"""Whether a loaded estimator is made of nothing but data and allowed classes, each as its class makes it.

A pickle gives an object any attributes. One that is called as a method is would run in its place; one that
compiled code follows leads it out of an array (`mlapi.artifacts.pickles.fitted.invariants`); parts that are
shared or hold themselves take for ever. So all that was loaded is walked through before anybody asks it
anything.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from mlapi.artifacts.pickles.fitted.attributes import FittedAttributes
from mlapi.artifacts.pickles.fitted.invariants import INVARIANTS
from mlapi.artifacts.pickles.parts.names import Name, NotAllowed, name_of
from mlapi.artifacts.pickles.parts.sparse_matrices import MATRICES, check_matrix
from mlapi.artifacts.pickles.parts.trees import TREE, check_grown

_SCALARS = (str, bytes, bytearray, bool, float, complex, np.generic, np.dtype, slice, range, type(None))

_LEAVES = frozenset(
    {
        "numpy.random._generator.Generator",
        "scipy.interpolate._bsplines.BSpline",
        "sklearn._loss._loss.CyHalfBinomialLoss",
        "sklearn._loss._loss.CyHalfMultinomialLoss",
        "sklearn._loss._loss.CyHalfSquaredError",
        TREE,
    }
)
"""Made by compiled code, which keeps what they are made of to itself."""

_MOST_WAYS = 32
"""In which a part that has parts of its own is reached: `svc_` of a CalibratedSVC is asked in two places."""

_DEEPEST = 100

_COSTLY = frozenset({TREE, "scipy.interpolate._bsplines.BSpline", *MATRICES})
"""Leaves that are followed anew in each way that leads to them."""

_MOST_COPIES, _MOST_AT_HAND = 32, 10**7
"""How many entries lists and arrays may have once each is counted in every way that leads to it, as numpy
makes an array of lists of the same lists: so many times what they have, or so many in all."""

_NESTED = frozenset(
    {
        "mlapi.estimators.algorithms.svm.CalibratedSVC",
        "sklearn.compose._target.TransformedTargetRegressor",
        "sklearn.pipeline.Pipeline",
    }
)
_MOST_NESTED = 6
"""Of these within each other: each asks those within two or three times, pipelines for 40 ms in all."""

_NO_WORDS = (tuple, frozenset, range, slice, complex, np.complexfloating, np.void, np.dtype)
"""What no column of words and numbers has. Their hashes can be made alike: then all are compared with all."""

_SHARED = "it has parts that are shared too often"

_MOST_EMPTY = 10**6
"""Entries of an array that takes no memory: a list of them does."""


class _Walk:
    """Visits each part once, those within before the part that they are in."""

    def __init__(self) -> None:
        self._parts: dict[int, list[int] | None] = {}
        """By identity: the parts of each, which come before the one they are in; None while it is open."""
        self._nested: dict[int, int] = {}
        """By identity: how many of `_NESTED` are within each other there, where there are any."""
        self._entries: dict[int, int] = {}
        """By identity: how many entries a list or an array has."""
        self._costly: set[int] = set()
        self._checks: list[Callable[[], None]] = []
        self._alive: list[Any] = []

    def visit(self, part: Any, depth: int = 0) -> None:
        """Check one part, and all within.

        Raises:
            NotAllowed: Something is not as its class makes it.
        """
        if isinstance(part, _SCALARS):
            return
        if type(part) is int:
            _require(-(2**63) <= part < 2**64, "it has a number of too many digits")
            return
        if id(part) in self._parts:
            is_open = self._parts[id(part)] is None
            _require(not is_open or not self._is_known(part), "it has a part that holds itself")
            return
        _require(depth < _DEEPEST, "it has parts within parts, too many of them")
        self._alive.append(part)
        self._parts[id(part)] = None
        parts = list(self._within(part))
        for inner in parts:
            self.visit(inner, depth + 1)
        del self._parts[id(part)]  # its place is behind those within
        self._parts[id(part)] = [id(inner) for inner in parts if id(inner) in self._parts]
        self._nest(part, parts)

    def check_ways(self) -> None:
        """Count in how many ways each part is reached from the whole, which is the last.

        Raises:
            NotAllowed: It is asked again and again for one question: each level may double that.
        """
        ways = dict.fromkeys(self._parts, 0) | {next(reversed(self._parts)): 1} if self._parts else {}
        at_hand = 0
        for part, within in reversed(self._parts.items()):
            is_costly = within or part in self._costly
            at_hand += ways[part] * self._entries.get(part, 0)
            _require(not is_costly or ways[part] <= _MOST_WAYS, _SHARED)
            for inner in within or ():
                ways[inner] += ways[part]
        _require(at_hand <= _MOST_AT_HAND + _MOST_COPIES * sum(self._entries.values()), _SHARED)

    def check_values(self) -> None:
        """Check what compiled code takes on trust; numpy may be asked of any part now.

        Raises:
            NotAllowed: See `mlapi.artifacts.pickles.fitted.invariants`.
        """
        for each in self._checks:
            each()

    def _nest(self, part: Any, within: list[Any]) -> None:
        nested = max((self._nested.get(id(inner), 0) for inner in within), default=0)
        nested += name_of(type(part)) in _NESTED
        _require(nested <= _MOST_NESTED, f"it has more than {_MOST_NESTED} pipelines within each other")
        if nested:
            self._nested[id(part)] = nested

    def _is_known(self, part: Any) -> bool:
        return (
            isinstance(part, list | tuple | dict | set | frozenset | np.ndarray)
            or name_of(type(part)) in INVARIANTS
        )

    def _within(self, part: Any) -> Iterable[Any]:
        if isinstance(part, list | tuple | set | frozenset):
            self._entries[id(part)] = len(part)
            return part
        if isinstance(part, dict):
            return [*part.keys(), *part.values()]
        if isinstance(part, np.ndarray):
            self._entries[id(part)] = part.size
            return _within_array(part)
        if isinstance(part, Name):
            raise NotAllowed(f"it has {part.full} where a value should be")
        return self._within_object(part, name_of(type(part)))

    def _within_object(self, part: Any, kind: str) -> Iterable[Any]:
        if kind in _COSTLY:
            self._costly.add(id(part))
        if kind in MATRICES:
            self._checks.append(partial(check_matrix, vars(part), by_columns="_csc." in kind))
        if kind == TREE:
            self._checks.append(partial(check_grown, part))
        if kind in INVARIANTS:
            return self._attributes(part, kind)
        if kind in MATRICES or kind in _LEAVES or isinstance(part, type):
            return ()
        return list(getattr(part, "__dict__", {}).values())  # of a class that somebody has allowed

    def _attributes(self, part: Any, kind: str) -> Iterable[Any]:
        attributes = vars(part)
        for name in attributes:
            _require(
                type(name) is str and not hasattr(type(part), name),
                f"it has a {type(part).__name__} whose {name!r:.40} takes the place of the class's own",
            )
        self._checks += [
            partial(INVARIANTS[kind], FittedAttributes(attributes)),
            partial(_check_words, attributes),
        ]
        return list(attributes.values())


def check(estimator: Any) -> None:
    """Refuse what is not as its class makes it. Costs some microseconds a part; an array of numbers is one.

    Raises:
        NotAllowed: The message says what is wrong.
    """
    if isinstance(estimator, Name):
        raise NotAllowed(f"it is {estimator.full} itself, and no fitted estimator")
    walk = _Walk()
    walk.visit(estimator)
    walk.check_ways()
    walk.check_values()


def _check_words(attributes: Mapping[str, Any]) -> None:
    names = attributes.get("feature_names_in_")
    are_words = type(names) is np.ndarray and names.ndim == 1 and all(type(each) is str for each in names)
    _require(names is None or are_words, "it has names of features that are no words")
    for value in attributes.values():
        for array in value if isinstance(value, list | tuple) else (value,):
            if isinstance(array, np.ndarray) and array.dtype.hasobject:
                others = _others(array.ravel().tolist())
                _require(
                    not any(isinstance(each, _NO_WORDS) for each in others),
                    "it has a column of other things than words and numbers",
                )


def _within_array(array: Any) -> Iterable[Any]:
    _require(array.nbytes or _entries(array) <= _MOST_EMPTY, "it has an array of too much nothing")
    return _others(array.ravel().tolist()) if array.dtype.hasobject else ()


def _entries(array: Any) -> int:
    """How many entries an array has in all but its empty axes."""
    return math.prod(length or 1 for length in array.shape)


def _others(values: list[Any]) -> list[Any]:
    """What is no plain value: most arrays of objects are words, and many."""
    return [value for value in values if type(value) not in (str, float, bool, type(None))]


def _require(condition: Any, problem: str) -> None:
    if not condition:
        raise NotAllowed(problem)
