"""What a pickle may call, by name, and with which arguments: the table that the unpickler asks.

An estimator's class is never called: it is made empty, and its state is looked at
(`mlapi.artifacts.pickles.fitted.states`).
"""

import copyreg
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

from mlapi.artifacts.pickles.fitted.invariants import INVARIANTS
from mlapi.artifacts.pickles.named_sets import MADE_EMPTY
from mlapi.artifacts.pickles.parts import arrays, random_states
from mlapi.artifacts.pickles.parts.names import Name, NotAllowed, name_of
from mlapi.artifacts.pickles.parts.neighbor_trees import DISTANCES, METRICS, NEIGHBOR_TREES
from mlapi.artifacts.pickles.parts.sparse_matrices import MATRICES
from mlapi.artifacts.pickles.parts.trees import TREE, tree
from mlapi.artifacts.pickles.parts.values import is_value

_KEY_DEPTH = 3
"""How deep tuples may lie in tuples in a key."""

_KEY_PARTS = 64
"""The most parts that a key may have, all tuples in it together."""

_MOST_ALIKE = 1000
"""The most keys that may have one hash: each is compared with all before it."""

_DISTINCT = 2**61 - 1
"""Whole numbers below it have hashes of their own (CPython's modulus for numbers)."""

_MOST_BITS = 64
"""The most bits of a whole number in a key or a range."""

_PLAIN = frozenset({str, int, float, bool, bytes, complex, type(None)})
"""Types of values that are hashed and compared quickly."""

_METHODS_OF_TEXTS = (
    *(
        "capitalize",
        "casefold",
        "lower",
        "lstrip",
        "rstrip",
        "split",
        "splitlines",
        "strip",
        "swapcase",
        "title",
    ),
    "upper",
)
"""The methods of `str` that make words of one text, about as long as the text. Others look into what a text
names (`format`, `format_map`), or make a text of any length."""

_LONGEST_RANGE = 10**7
"""The most numbers of a range, which says which columns a part of an estimator takes."""


class Keys:
    """The keys of a pickle's dictionaries and sets, checked before Python hashes and compares them."""

    def __init__(self) -> None:
        self._known: dict[int, Any] = {}
        """By hash: the first key that has it."""
        self._alike: dict[int, set[Any]] = {}
        """By hash: the others."""

    def check(self, keys: Iterable[Any]) -> None:
        """Refuse keys that could take for ever.

        Raises:
            NotAllowed: They are large tuples in tuples, whose hash is computed anew each time; or too many
                have the same hash, so that each is compared with all others.
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
    """Return how many parts are hashed with a key.

    Raises:
        NotAllowed: They are too many, or too deep, or of a kind that takes long.
    """
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
    """How many bytes and entries a pickle may copy: as many as it has, since whoever wrote it had each
    once."""

    def __init__(self, most: int) -> None:
        """
        Args:
            most: The size of the pickle in bytes.
        """
        self._left = most

    def spend(self, *parts: Any) -> None:
        """Count the entries of what a call copies.

        Raises:
            NotAllowed: The pickle copies the same parts again and again, to take more memory than it has.
        """
        self.take(sum(len(part) for part in parts if isinstance(part, _COPIED)))

    def take(self, count: int) -> None:
        """Count so many entries.

        Raises:
            NotAllowed: As `spend`.
        """
        self._left -= count
        if self._left < 0:
            raise NotAllowed("it makes copies of its parts without end")


_COPIED = (str, bytes, bytearray, list, tuple)
"""Types of arguments that a call copies."""


def _set(members: Any = ()) -> set[Any]:
    """Return a set, once its members are known to be hashed and compared quickly."""
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


def _latin_1(text: Any, encoding: Any) -> bytes:
    """Return the bytes that protocols 0 to 2 write as a text, in place of `codecs.encode`."""
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise NotAllowed("it makes bytes in another way than pickle does")
    return text.encode("latin-1")


def _no_bytes() -> bytes:
    """Return no bytes, as protocols 0 to 2 write them."""
    return b""


def _complex(real: float, imaginary: float) -> complex:
    return complex(real, imaginary)


def _method_of_texts(*arguments: Any) -> Any:
    """Return a method of `str`, as a vectorizer has `str.split` for its tokenizer, in place of `getattr`."""
    kind, name = arguments if len(arguments) == 2 else (None, None)
    if kind is not str or type(name) is not str or name not in _METHODS_OF_TEXTS:
        raise NotAllowed(
            "it calls builtins.getattr, which can run any code: a fitted estimator needs no such thing, but "
            "for methods of texts, such as str.split. Do not load this file, unless you know who made it; a "
            "function of a module can take the place of a method"
        )
    return getattr(str, name)


def _range(*limits: int) -> range:
    """Return a range of at most `_LONGEST_RANGE` numbers."""
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


def _default_dict(factory: Any = None) -> "defaultdict[Any, Any]":
    """Return an empty dictionary of ordered dictionaries, as LightGBM keeps scores in."""
    if not isinstance(factory, Name) or factory.full != "collections.OrderedDict":
        raise NotAllowed("it makes a dictionary of something else than ordered dictionaries")
    return defaultdict(OrderedDict)


def _loss(full: str) -> Callable[[], Any]:
    """Return what makes a loss of scikit-learn's, by its full name."""

    def make() -> Any:
        from sklearn._loss import _loss  # noqa: PLC0415 - only with scikit-learn's estimators

        return getattr(_loss, full.rpartition(".")[2])()

    return make


def _loss_of_number(module: str, name: str) -> Callable[..., Any]:
    """Return what makes a loss of scikit-learn's with at most one number of its own, by its class."""

    def make(*numbers: Any) -> Any:
        if len(numbers) > 1 or any(type(number) not in (int, float) for number in numbers):
            raise NotAllowed("it makes a loss in another way than scikit-learn does")
        return getattr(import_module(module), name)(*map(float, numbers))

    return make


def _empty(kinds: Collection[str]) -> Callable[[Any], Any]:
    """Return what makes an object of one of these classes, whose state comes next."""

    def make(kind: Any) -> Any:
        is_known = isinstance(kind, Name) and kind.full in kinds
        is_allowed = isinstance(kind, type) and name_of(kind).startswith(METRICS)  # by somebody in particular
        if not (is_known or is_allowed):
            raise NotAllowed("it makes an object in another way than scikit-learn does")
        real = kind.real if is_known else kind
        return real.__new__(real)

    return make


def _multinomial_loss(kind: Any, checksum: Any, state: Any = None) -> Any:
    """Return a loss, which has no state, in place of `__pyx_unpickle_CyHalfMultinomialLoss`."""
    if (
        not isinstance(kind, Name)
        or kind.full != f"{_LOSSES}.CyHalfMultinomialLoss"
        or state not in (None, ())
    ):
        raise NotAllowed("it makes a loss in another way than scikit-learn does")
    return _loss(kind.full)()


def _reconstructor(kind: Any, base: Any, state: Any) -> Any:
    """Return an empty object, in place of `copyreg._reconstructor`, by which protocols 0 and 1 make one."""
    if isinstance(kind, Name):
        if kind.full not in (*INVARIANTS, *MATRICES, *MADE_EMPTY) or base is not object or state is not None:
            raise NotAllowed(f"it makes a {kind.full} in another way than pickle does")
        return object.__new__(kind.real)
    if any(not isinstance(cls, type) or issubclass(cls, np.ndarray) for cls in (kind, base)):
        raise NotAllowed("it makes an array in another way than numpy does")
    if is_value(kind) or (is_value(base) and base is not object):  # numpy's numbers take lists of lists apart
        raise NotAllowed("it makes a number in another way than numpy does")
    return copyreg._reconstructor(kind, base, state)  # type: ignore[attr-defined]


_SGD_LOSSES = "sklearn.linear_model._sgd_fast"
"""The module of the losses of stochastic gradient descent."""

ENCODE = "_codecs.encode"
"""The function by which protocols 0 to 2 make bytes of a text. What it copies is counted apart: an array
copies it once more."""

_LOSSES = "sklearn._loss._loss"
"""The module of scikit-learn's compiled losses."""

CALLS: Mapping[str, Callable[..., Any]] = {
    "builtins.bytearray": _bytearray,
    "builtins.bytes": _no_bytes,
    "builtins.complex": _complex,
    "builtins.frozenset": _frozenset,
    "builtins.getattr": _method_of_texts,
    "builtins.range": _range,
    "builtins.set": _set,
    "builtins.slice": _slice,
    "collections.OrderedDict": _ordered_dict,
    "collections.defaultdict": _default_dict,
    "copyreg._reconstructor": _reconstructor,
    "numpy.ma.core._mareconstruct": arrays.masked_array,
    ENCODE: _latin_1,
    "numpy._core.multiarray._reconstruct": arrays.reconstruct,
    "numpy._core.multiarray.scalar": arrays.scalar,
    "numpy.dtype": arrays.dtype,
    "numpy._core.numeric._frombuffer": arrays.from_buffer,
    random_states.CONSTRUCTOR: random_states.bit_generator,
    "numpy.random._pickle.__generator_ctor": random_states.generator,
    "numpy.random._pickle.__randomstate_ctor": random_states.random_state,
    "numpy.random.bit_generator.__pyx_unpickle_SeedSequence": random_states.seed_sequence,
    **{
        f"{_LOSSES}.{name}": _loss(name)
        for name in (
            *("CyAbsoluteError", "CyExponentialLoss", "CyHalfBinomialLoss", "CyHalfGammaLoss"),
            *("CyHalfMultinomialLoss", "CyHalfPoissonLoss", "CyHalfSquaredError"),
        )
    },
    **{
        f"{_LOSSES}.{name}": _loss_of_number(_LOSSES, name)
        for name in ("CyHalfTweedieLoss", "CyHalfTweedieLossIdentity", "CyHuberLoss", "CyPinballLoss")
    },
    **{
        f"{_SGD_LOSSES}.{name}": _loss_of_number(_SGD_LOSSES, name)
        for name in (
            *("EpsilonInsensitive", "Hinge", "ModifiedHuber", "SquaredEpsilonInsensitive", "SquaredHinge"),
        )
    },
    **{
        f"sklearn.{module}.newObj": _empty(kinds)
        for module, kinds in (
            ("metrics._dist_metrics", DISTANCES),
            ("neighbors._ball_tree", NEIGHBOR_TREES),
            ("neighbors._kd_tree", NEIGHBOR_TREES),
        )
    },
    f"{_LOSSES}.__pyx_unpickle_CyHalfMultinomialLoss": _multinomial_loss,
    TREE: tree,
}
"""By the name of a function that a pickle may call, ours that is called in its place. Each takes the
arguments that pickle itself writes, and raises NotAllowed for any other."""
