"""numpy's random generators in a pickle: made without a seed of the pickle's, and their states checked.

Estimators keep one where they were given it as `random_state`. Compiled code takes the next number from the
place that the state says.
"""

from typing import Any

import numpy as np
from numpy.random import BitGenerator, Generator, RandomState

from mlapi.artifacts.pickles.parts.names import Name, NotAllowed, name_of

SEEDS = "numpy.random.bit_generator.SeedSequence"
"""The name of the class that random generators are seeded from."""

BIT_GENERATORS = frozenset(
    {
        "numpy.random._mt19937.MT19937",
        *(f"numpy.random._pcg64.{name}" for name in ("PCG64", "PCG64DXSM")),
        "numpy.random._philox.Philox",
        "numpy.random._sfc64.SFC64",
    }
)
"""The generators whose states are looked at."""

_NAMES = frozenset(name.rpartition(".")[2] for name in BIT_GENERATORS)
"""The names of these classes alone, as states have them."""

_CLASSES = {name: name for name in _NAMES} | {name: name.rpartition(".")[2] for name in BIT_GENERATORS}
"""By either name of a class the shorter one."""

_KEYS = 624
"""How many numbers the state of an MT19937 has."""

_BUFFERED = 4
"""How many numbers Philox makes at once."""

_PROBLEM = "it makes random numbers in another way than numpy does"


def bit_generator(kind: Any = "MT19937") -> BitGenerator:
    """Return a bit generator of this class, in place of `numpy.random._pickle.__bit_generator_ctor`.

    Args:
        kind: A class, or as numpy 1 wrote it the name of one.
    """
    name = kind if type(kind) is str else kind.full if isinstance(kind, Name) else name_of(kind)
    if name not in _CLASSES:
        raise NotAllowed(_PROBLEM)
    made: BitGenerator = getattr(np.random, _CLASSES[name])()
    return made


def generator(bits: Any, make: Any = None) -> Generator:
    """Return a random generator, in place of `numpy.random._pickle.__generator_ctor`."""
    return Generator(_bits(bits, make))


def random_state(bits: Any, make: Any = None) -> RandomState:
    """Return a `RandomState`, in place of `numpy.random._pickle.__randomstate_ctor`.

    numpy's own takes a function as well, and calls it.
    """
    return RandomState(_bits(bits, make))


def _bits(bits: Any, make: Any) -> BitGenerator:
    """Return the bit generator itself; numpy 1 wrote its name, and the function that makes it."""
    if type(bits) is str and (make is None or (isinstance(make, Name) and make.full == CONSTRUCTOR)):
        return bit_generator(bits)
    if not isinstance(bits, BitGenerator) or make is not None:
        raise NotAllowed(_PROBLEM)
    return bits


CONSTRUCTOR = "numpy.random._pickle.__bit_generator_ctor"
"""The name of the function that makes a bit generator."""


def seed_sequence(kind: Any, checksum: Any, state: Any = None) -> Any:
    """Return a seed sequence, whose state comes next, in place of numpy's `__pyx_unpickle_SeedSequence`."""
    if not (isinstance(kind, Name) and kind.full == SEEDS) or type(checksum) is not int or state is not None:
        raise NotAllowed(_PROBLEM)
    make = vars(np.random.bit_generator)["__pyx_unpickle_SeedSequence"]
    return make(kind.real, checksum, None)


def check_random_state(state: Any) -> None:
    """Check the state of a bit generator, or of a `RandomState`, which has its generator's (numpy 2.4).

    Raises:
        NotAllowed: It is in no form of numpy's, or the next number would be read outside of the generator's.
    """
    document = state[0] if type(state) is tuple and len(state) == 2 else state
    if type(document) is not dict or document.get("bit_generator") not in _NAMES:
        raise NotAllowed(_PROBLEM)
    if document["bit_generator"] == "MT19937":
        key, place = document["state"]["key"], document["state"]["pos"]
        is_whole = type(key) is np.ndarray and key.dtype == np.uint32 and key.shape == (_KEYS,)
        is_whole = is_whole and _is_place(place, _KEYS)
    else:
        is_whole = _is_place(document.get("buffer_pos", 0), _BUFFERED)
    if not is_whole:
        raise NotAllowed("it has random numbers that are read outside of their generator")


def _is_place(value: Any, last: int) -> bool:
    return type(value) is int and 0 <= value <= last
