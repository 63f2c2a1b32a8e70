"""Whether a loaded estimator consists of nothing but data and allowed classes, each as its class makes it.

A pickle can give an object any attributes. One with the name of a method would be called in its place; one
that compiled code follows could lead it out of an array (`mlapi.artifacts.pickles.fitted.invariants`); parts
that are shared many times, or hold themselves, take for ever. So all parts are visited before any method of
the estimator is called.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from mlapi.artifacts.pickles.fitted.attributes import FittedAttributes
from mlapi.artifacts.pickles.fitted.invariants import INVARIANTS, SET_INVARIANTS
from mlapi.artifacts.pickles.parts.names import Name, NotAllowed, name_of
from mlapi.artifacts.pickles.parts.sparse_matrices import MATRICES, check_matrix
from mlapi.artifacts.pickles.parts.trees import TREE, check_grown

_CHECKS = {**INVARIANTS, **SET_INVARIANTS}
"""By class the check of its attributes."""

_SCALARS = (str, bytes, bytearray, bool, float, complex, np.generic, np.dtype, slice, range, type(None))
"""Types of values that have no parts."""

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
"""Classes of compiled code, whose parts cannot be seen from Python."""

_BIRCH = "sklearn.cluster._birch."

_UNREAD = {
    f"{_BIRCH}_CFNode": frozenset(
        {
            *("threshold", "branching_factor", "is_leaf", "n_features", "subclusters_", "init_centroids_"),
            *("init_sq_norm_", "squared_norm_", "prev_leaf_", "next_leaf_", "centroids_"),
        }
    ),
    f"{_BIRCH}_CFSubcluster": frozenset(
        {"n_samples_", "squared_sum_", "linear_sum_", "centroid_", "sq_norm_", "child_"},
    ),
}
"""Classes that no answer reads, and their attributes, none of which is visited: leaves know each other."""

_MOST_WAYS = 32
"""The most ways in which a part that has parts is reached from the estimator. There are several in honest
ones: `svc_` of a CalibratedSVC lies in two places."""

_DEEPEST = 100
"""The most parts that lie within each other."""

_COSTLY = frozenset({TREE, "scipy.interpolate._bsplines.BSpline", *MATRICES})
"""Classes without visible parts that are computed anew for each way that leads to them."""

_MOST_COPIES = 32
"""How often, on average, the entries of lists and arrays may be reached, beside `_MOST_ENTRIES`: numpy makes
an array of lists of the same lists by copying them each time."""

_MOST_ENTRIES = 10**7
"""How many entries may be reached in any case, each counted in every way that leads to it."""

_NESTED = frozenset(
    {
        "imblearn.pipeline.Pipeline",
        "mlapi.estimators.algorithms.svm.CalibratedSVC",
        "sklearn.compose._target.TransformedTargetRegressor",
        "sklearn.pipeline.Pipeline",
    }
)
"""Classes that ask the estimator within them two or three times."""

_MOST_NESTED = 6
"""The most of these within each other. So many pipelines take 40 ms."""

_NO_CATEGORIES = (tuple, frozenset, range, slice, complex, np.complexfloating, np.void, np.dtype)
"""Types of values that no column of texts and numbers has. Their hashes can be made equal: then all are
compared with all."""

_SHARED = "it has parts that are shared too often"
"""The problem of an estimator whose parts are reached in too many ways."""

_MOST_EMPTY = 10**6
"""The most entries of an array that takes no memory: a list of them would take some."""


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
        """Count in how many ways each part is reached from the estimator, which is the last part.

        Raises:
            NotAllowed: A part is reached too often: it would be asked so often for one answer, and each level
                can double that.
        """
        ways = dict.fromkeys(self._parts, 0) | {next(reversed(self._parts)): 1} if self._parts else {}
        entries = 0
        for part, within in reversed(self._parts.items()):
            is_costly = within or part in self._costly
            entries += ways[part] * self._entries.get(part, 0)
            _require(not is_costly or ways[part] <= _MOST_WAYS, _SHARED)
            for inner in within or ():
                ways[inner] += ways[part]
        _require(entries <= _MOST_ENTRIES + _MOST_COPIES * sum(self._entries.values()), _SHARED)

    def check_values(self) -> None:
        """Check what compiled code uses without a check. All parts were visited: numpy may look into them
        now.

        Raises:
            NotAllowed: See `mlapi.artifacts.pickles.fitted.invariants`.
        """
        for check_part in self._checks:
            check_part()

    def _nest(self, part: Any, within: list[Any]) -> None:
        nested = max((self._nested.get(id(inner), 0) for inner in within), default=0)
        nested += name_of(type(part)) in _NESTED
        _require(nested <= _MOST_NESTED, f"it has more than {_MOST_NESTED} pipelines within each other")
        if nested:
            self._nested[id(part)] = nested

    def _is_known(self, part: Any) -> bool:
        return (
            isinstance(part, list | tuple | dict | set | frozenset | np.ndarray)
            or name_of(type(part)) in _CHECKS
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
        if kind in _CHECKS:
            return self._attributes(part, kind)
        if kind in MATRICES or kind in _LEAVES or isinstance(part, type):
            return ()
        return list(getattr(part, "__dict__", {}).values())  # of a class that somebody has allowed

    def _attributes(self, part: Any, kind: str) -> Iterable[Any]:
        attributes = vars(part)
        for name in attributes:
            _require(
                type(name) is str and type(getattr(type(part), name, False)) is bool,
                f"it has a {type(part).__name__} whose {name!r:.40} takes the place of the class's own",
            )
        self._checks += [
            partial(_CHECKS[kind], FittedAttributes(attributes)),
            partial(_check_columns, attributes),
        ]
        if kind in _UNREAD:
            _require(
                attributes.keys() <= _UNREAD[kind], f"it has a {type(part).__name__} with other attributes"
            )
            return ()
        return list(attributes.values())


def check(estimator: Any) -> None:
    """Refuse an estimator with parts that are not as their class makes them.

    Costs some microseconds a part; an array of numbers is one part.

    Raises:
        NotAllowed: The message says what is wrong.
    """
    if isinstance(estimator, Name):
        raise NotAllowed(f"it is {estimator.full} itself, and no fitted estimator")
    walk = _Walk()
    walk.visit(estimator)
    walk.check_ways()
    walk.check_values()


def _check_columns(attributes: Mapping[str, Any]) -> None:
    """Refuse names of features that are no texts, and columns of other things than texts and numbers."""
    names = attributes.get("feature_names_in_")
    _require(names is None or _are_texts(names), "it has names of features that are no words")
    for value in attributes.values():
        for array in value if isinstance(value, list | tuple) else (value,):
            if isinstance(array, np.ndarray) and array.dtype.hasobject:
                others = _others(array.ravel().tolist())
                _require(
                    not any(isinstance(value, _NO_CATEGORIES) for value in others),
                    "it has a column of other things than words and numbers",
                )


def _are_texts(names: Any) -> bool:
    """Return whether names of features are texts, in an array or a list.

    scikit-learn has an array of objects; boosters have one of texts, which wrappers around them take over.
    """
    if type(names) is np.ndarray:
        return (
            names.ndim == 1 and names.dtype.kind in "OU" and all(type(name) is str for name in names.tolist())
        )
    return type(names) in (list, tuple) and all(type(name) is str for name in names)


def _within_array(array: Any) -> Iterable[Any]:
    _require(array.nbytes or _entries(array) <= _MOST_EMPTY, "it has an array of too much nothing")
    return _others(array.ravel().tolist()) if array.dtype.hasobject else ()


def _entries(array: Any) -> int:
    """Return how many entries an array has along its axes that are not empty."""
    return math.prod(length or 1 for length in array.shape)


def _others(values: list[Any]) -> list[Any]:
    """Return the values that are no texts, floats, booleans or None, which most arrays of objects consist
    of."""
    return [value for value in values if type(value) not in (str, float, bool, type(None))]


def _require(condition: Any, problem: str) -> None:
    if not condition:
        raise NotAllowed(problem)
