"""What a pickle may call, by name, and with which arguments: the table that the unpickler asks.

An estimator's class is never called: it is made empty, and its state is looked at (`mlapi.fitted_states`).
"""

import copyreg
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from mlapi import numpy_pickles
from mlapi.fitted_invariants import INVARIANTS
from mlapi.pickle_names import Name, NotAllowed
from mlapi.sparse_pickles import MATRIX
from mlapi.tree_pickles import TREE, tree

_KEY_DEPTH, _KEY_WIDTH = 3, 64

_PLAIN = frozenset({str, int, float, bool, bytes, complex, type(None)})

_LONGEST_RANGE = 10**7
"""Columns; a range that is longer only costs time."""


def check_keys(keys: Iterable[Any]) -> None:
    """
    Raises:
        NotAllowed: A key's hash could take for ever: tuples in tuples in tuples are hashed anew each time.
    """
    for key in keys:
        if type(key) not in _PLAIN:
            _check_key(key, _KEY_DEPTH)


def _check_key(key: Any, depth: int) -> None:
    if isinstance(key, tuple | frozenset):
        if depth == 0 or len(key) > _KEY_WIDTH:
            raise NotAllowed("it has a key of too many parts")
        for part in key:
            _check_key(part, depth - 1)


def _set(members: Any = ()) -> set[Any]:
    if not isinstance(members, list | tuple):
        raise NotAllowed("it makes a set of something else than a list")
    check_keys(members)
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
    "numpy.ma.core._mareconstruct": numpy_pickles.masked,
    "numpy._core.multiarray._reconstruct": numpy_pickles.reconstruct,
    "numpy._core.multiarray.scalar": numpy_pickles.scalar,
    "numpy.dtype": numpy_pickles.dtype,
    "numpy.random._pickle.__bit_generator_ctor": numpy_pickles.bit_generator,
    "numpy.random._pickle.__generator_ctor": numpy_pickles.generator,
    "numpy.random.bit_generator.__pyx_unpickle_SeedSequence": numpy_pickles.seed_sequence,
    **{
        f"{_LOSSES}.{name}": _loss(name)
        for name in ("CyHalfBinomialLoss", "CyHalfMultinomialLoss", "CyHalfSquaredError")
    },
    f"{_LOSSES}.__pyx_unpickle_CyHalfMultinomialLoss": _multinomial_loss,
    TREE: tree,
}
