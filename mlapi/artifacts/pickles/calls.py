"""What a pickle may call, by name, and with which arguments: the table that the unpickler asks.

An estimator's class is never called: it is made empty, and its state is looked at
(`mlapi.artifacts.pickles.fitted.states`).
"""

import copyreg
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from mlapi.artifacts.pickles.fitted.invariants import INVARIANTS
from mlapi.artifacts.pickles.parts import arrays
from mlapi.artifacts.pickles.parts.names import Name, NotAllowed
from mlapi.artifacts.pickles.parts.sparse_matrices import MATRIX
from mlapi.artifacts.pickles.parts.trees import TREE, tree

_KEY_DEPTH, _KEY_PARTS = 3, 64

_MOST_ALIKE = 1000
"""Keys that have one hash: each is compared with all before it."""

_DISTINCT = 2**61 - 1
"""Whole numbers below it have hashes of their own."""

_MOST_BITS = 64

_PLAIN = frozenset({str, int, float, bool, bytes, complex, type(None)})

_LONGEST_RANGE = 10**7
"""Columns; a range that is longer only costs time."""


class Keys:
    """The keys of a pickle's dictionaries and sets, looked at before Python hashes and compares them."""

    def __init__(self) -> None:
        self._known: dict[int, Any] = {}
        """By hash: the first key that has it."""
        self._alike: dict[int, set[Any]] = {}
        """By hash: the others."""

    def check(self, keys: Iterable[Any]) -> None:
        """
        Raises:
            NotAllowed: Their hashes could take for ever: tuples in tuples are hashed anew each time, and so
                are all that have the same hash compared.
        """
        for key in keys:
            kind = type(key)
            if kind not in _PLAIN or kind is complex or (kind is int and abs(key) >= _DISTINCT):
                _parts_of(key, _KEY_DEPTH)
                self._compare(key)

    def _compare(self, key: Any) -> None:
        place = hash(key)
        if self._known.setdefault(place, key) != key:
            alike = self._alike.setdefault(place, set())
            alike.add(key)
            if len(alike) > _MOST_ALIKE:
                raise NotAllowed("it has too many keys that are found at the same place")


def _parts_of(key: Any, depth: int) -> int:
    """How many parts are hashed with a key."""
    if type(key) is int and key.bit_length() > _MOST_BITS:
        raise NotAllowed("it has a key that is a number of too many digits")
    if isinstance(key, np.void):
        raise NotAllowed("it has a key that is a record")
    if not isinstance(key, tuple | frozenset):
        return 1
    if depth == 0 or len(key) > _KEY_PARTS:
        raise NotAllowed("it has a key of too many parts")
    parts = sum(_parts_of(part, depth - 1) for part in key)
    if parts > _KEY_PARTS:
        raise NotAllowed("it has a key of too many parts")
    return parts


class Allowance:
    """How many bytes and entries may be copied: each of a pickle's own once, as whoever wrote it had them."""

    def __init__(self, most: int) -> None:
        self._left = most

    def spend(self, *given: Any) -> None:
        """
        Raises:
            NotAllowed: A pickle makes a thing anew time and again, which takes memory that it does not have.
        """
        self.take(sum(len(each) for each in given if isinstance(each, _COPIED)))

    def take(self, count: int) -> None:
        """As `spend`, for so many entries."""
        self._left -= count
        if self._left < 0:
            raise NotAllowed("it makes copies of its parts without end")


_COPIED = (str, bytes, bytearray, list, tuple)


def _set(members: Any = ()) -> set[Any]:
    if not isinstance(members, list | tuple):
        raise NotAllowed("it makes a set of something else than a list")
    Keys().check(members)
    return set(members)


def _frozenset(members: Any = ()) -> frozenset[Any]:
    return frozenset(_set(members))


def _bytearray(content: Any = b"", encoding: Any = None) -> bytearray:
    if isinstance(content, str) and encoding == "latin-1":
        return bytearray(content, encoding)
    if type(content) is not bytes or encoding is not None:
        raise NotAllowed("it makes a bytearray of something else than bytes")
    return bytearray(content)


def _complex(real: float, imaginary: float) -> complex:
    return complex(real, imaginary)


def _range(*limits: int) -> range:
    if not all(type(limit) is int and limit.bit_length() < _MOST_BITS for limit in limits):
        raise NotAllowed("it has a range of numbers of too many digits")
    made = range(*limits)
    if len(made) > _LONGEST_RANGE:
        raise NotAllowed("it has a range of too many numbers")
    return made


def _slice(*limits: Any) -> slice:
    if not all(type(limit) in _PLAIN for limit in limits):
        raise NotAllowed("it makes a slice of something else than numbers and names")
    return slice(*limits)


def _ordered_dict() -> OrderedDict[Any, Any]:
    return OrderedDict()


def _loss(full: str) -> Callable[[], Any]:
    def make() -> Any:
        from sklearn._loss import _loss  # noqa: PLC0415 - only with scikit-learn's estimators

        return getattr(_loss, full.rpartition(".")[2])()

    return make


def _multinomial_loss(kind: Any, checksum: Any, state: Any = None) -> Any:
    """In place of `__pyx_unpickle_CyHalfMultinomialLoss`: it has no state."""
    if (
        not isinstance(kind, Name)
        or kind.full != f"{_LOSSES}.CyHalfMultinomialLoss"
        or state not in (None, ())
    ):
        raise NotAllowed("it makes a loss in another way than scikit-learn does")
    return _loss(kind.full)()


def _reconstructor(kind: Any, base: Any, state: Any) -> Any:
    """In place of `copyreg._reconstructor`, by which older protocols make an empty object."""
    if isinstance(kind, Name):
        if kind.full not in (*INVARIANTS, MATRIX) or base is not object or state is not None:
            raise NotAllowed(f"it makes a {kind.full} in another way than pickle does")
        return object.__new__(kind.real)
    if any(not isinstance(cls, type) or issubclass(cls, np.ndarray) for cls in (kind, base)):
        raise NotAllowed("it makes an array in another way than numpy does")
    return copyreg._reconstructor(kind, base, state)  # type: ignore[attr-defined]


_LOSSES = "sklearn._loss._loss"

CALLS: Mapping[str, Callable[..., Any]] = {
    "builtins.bytearray": _bytearray,
    "builtins.complex": _complex,
    "builtins.frozenset": _frozenset,
    "builtins.range": _range,
    "builtins.set": _set,
    "builtins.slice": _slice,
    "collections.OrderedDict": _ordered_dict,
    "copyreg._reconstructor": _reconstructor,
    "numpy.ma.core._mareconstruct": arrays.masked,
    "numpy._core.multiarray._reconstruct": arrays.reconstruct,
    "numpy._core.multiarray.scalar": arrays.scalar,
    "numpy.dtype": arrays.dtype,
    "numpy.random._pickle.__bit_generator_ctor": arrays.bit_generator,
    "numpy.random._pickle.__generator_ctor": arrays.generator,
    "numpy.random.bit_generator.__pyx_unpickle_SeedSequence": arrays.seed_sequence,
    **{
        f"{_LOSSES}.{name}": _loss(name)
        for name in ("CyHalfBinomialLoss", "CyHalfMultinomialLoss", "CyHalfSquaredError")
    },
    f"{_LOSSES}.__pyx_unpickle_CyHalfMultinomialLoss": _multinomial_loss,
    TREE: tree,
}
