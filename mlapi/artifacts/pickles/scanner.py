"""Which names a pickle would import, read from a file that nobody has signed.

Nothing is imported, and nothing is called. Only plain values are made of what is read, and they are neither
hashed nor compared: the hash of a tuple of tuples of tuples alone can take for ever, or end the process.
"""

import math
import re
import struct
from collections.abc import Mapping
from io import SEEK_CUR, BytesIO
from pickle import (
    ADDITEMS,
    APPEND,
    APPENDS,
    BUILD,
    BYTEARRAY8,
    DICT,
    FROZENSET,
    PROTO,
    SETITEM,
    SETITEMS,
    STOP,
    UnpicklingError,
)
from typing import Any, ClassVar, NamedTuple

import numpy as np
from joblib.numpy_pickle import Unpickler

from mlapi.artifacts.pickles.parts.arrays import CODE
from mlapi.artifacts.pickles.parts.names import NotAllowed, current_name
from mlapi.artifacts.pickles.pickling import BASE
from mlapi.errors import BrokenArtifact


class Contents(NamedTuple):
    """What a pickle says of itself."""

    modules: Mapping[str, str]
    """The module of each class and function beyond `BASE` that it would import, by full name, sorted."""
    versions: tuple[str, ...]
    """The versions of scikit-learn that its estimators say were there when they were saved, the oldest
    first."""


def names_in(content: bytes) -> list[str]:
    """Return the classes and functions beyond `BASE` that a pickle would import, by full name, sorted.

    Raises:
        BrokenArtifact: As `scan`.
    """
    return list(scan(content).modules)


def scan(content: bytes) -> Contents:
    """Return what a pickle names, and which scikit-learn has saved it.

    No class that it names is imported or called, and nor are those of `BASE`: their arguments are not trusted
    here.

    Raises:
        BrokenArtifact: It is damaged or cut off, or no pickle.
    """
    walker = _Walker(BytesIO(content), {}, set())
    try:
        walker.load()
    except Exception as error:  # what stands in for a class cannot do all that the class does
        ends_early = isinstance(error, _ENDS_EARLY) or not content.endswith(STOP)
        if ends_early or not walker.modules:
            is_damaged = walker.modules or content.startswith(PROTO)
            raise BrokenArtifact(DAMAGED if is_damaged else NO_PICKLE) from error
    modules = {name: walker.modules[name] for name in sorted(walker.modules.keys() - BASE)}
    return Contents(modules, tuple(sorted(walker.versions, key=_in_order)))


DAMAGED = "it is damaged or cut off"
"""The problem of a file that begins as a pickle does, and cannot be read to its end."""

NO_PICKLE = "it is no joblib or pickle file"
"""The problem of any other file."""

_ENDS_EARLY = (EOFError, UnpicklingError, struct.error)
"""What Python's unpickler raises where a pickle ends too early; what stands in for a class raises others."""

_VERSION = re.compile(r"[0-9]{1,4}(\.[0-9a-z+]{1,20}){1,6}")
"""How a version of scikit-learn is written."""


def _in_order(version: str) -> list[int]:
    """Return a version's numbers, to sort by: 1.10 comes after 1.9."""
    return [int(number) for number in re.findall(r"[0-9]{1,9}", version)]


class _Inert:
    """Stands in for a class that is not imported: takes anything, does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> "_Inert":
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> "_Inert":
        return self


class _InertDtype(_Inert):
    """Stands in for a dtype: knows the size of its entries, if it is one of numbers or texts."""

    def __init__(self, code: Any = "", *_: Any) -> None:
        self.size, self.hasobject = 0, False
        if type(code) is str and CODE.fullmatch(code):
            dtype = np.dtype(code)
            self.size, self.hasobject = dtype.itemsize, dtype.hasobject


class _InertWrapper(_Inert):
    """Stands in for joblib's description of an array, whose bytes follow in the file."""


class _Walker(Unpickler):  # type: ignore[misc]
    """Reads a pickle of joblib's to its end, and adds what it names to `modules`, and by which scikit-learn
    it was saved to `versions`.

    The opcodes that alter or fill something are overridden: they take their arguments from the stack and do
    nothing, but for dictionaries with texts as keys. The state of an array's description is such a one.
    """

    proto = 0

    def __init__(self, file: BytesIO, modules: dict[str, str], versions: set[str]) -> None:
        super().__init__(file)
        self.file = file
        self.modules = modules
        self.versions = versions

    def find_class(self, module: str, name: str) -> Any:
        """Note a name, and return what stands in for it."""
        module, name = current_name(module, name, self.proto)
        full = f"{module}.{name}"
        self.modules[full] = module
        return {
            "joblib.numpy_pickle.NumpyArrayWrapper": _InertWrapper,
            "numpy.dtype": _InertDtype,
        }.get(full, _Inert)

    def persistent_load(self, _: Any) -> Any:
        """Refuse PERSID and BINPERSID, which ask for an object that is not in the pickle."""
        raise NotAllowed("it refers to objects outside of itself")

    def get_extension(self, _: Any) -> Any:
        """Refuse EXT1, EXT2 and EXT4, which name a class by a number."""
        raise NotAllowed("it refers to copyreg's extension registry")

    def load_build(self) -> None:
        """Drop the state that BUILD gives; after that of an array's description its numbers follow."""
        state, inst = self.stack.pop(), self.stack[-1]
        if isinstance(inst, _InertWrapper) and type(state) is dict:
            self._pass_over(state)
        if type(state) is dict:
            version = state.get("_sklearn_version")
            if type(version) is str and _VERSION.fullmatch(version):
                self.versions.add(version)

    def _pass_over(self, state: dict[str, Any]) -> None:
        """Go to the end of an array's numbers, or through the pickle that an array of objects is."""
        dtype, shape = state["dtype"], state["shape"]
        if dtype.hasobject:
            _Walker(self.file, self.modules, self.versions).load()
            return
        if state.get("numpy_array_alignment_bytes") is not None:
            self.file.seek(self.file.read(1)[0], SEEK_CUR)
        self.file.seek(math.prod(int(length) for length in shape) * dtype.size, SEEK_CUR)

    def load_setitem(self) -> None:
        """Add the pair of SETITEM to a dictionary, if its key is a text."""
        value, key = self.stack.pop(), self.stack.pop()
        self._add_pairs([key, value])

    def load_setitems(self) -> None:
        """Add the pairs of SETITEMS to a dictionary, if their keys are texts."""
        self._add_pairs(self.pop_mark())

    def _add_pairs(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is dict:
            pairs = zip(items[::2], items[1::2], strict=True)
            self.stack[-1].update({key: value for key, value in pairs if type(key) is str})

    def load_dict(self) -> None:
        """Make the dictionary of DICT, of the pairs whose keys are texts."""
        items = self.pop_mark()
        self.stack.append({})
        self._add_pairs(items)

    def load_append(self) -> None:
        """Drop the entry that APPEND adds to a list."""
        self.stack.pop()

    def load_many(self) -> None:
        """Drop the entries that APPENDS or ADDITEMS adds to a list or a set."""
        self.pop_mark()

    def load_frozenset(self) -> None:
        """Drop the members of FROZENSET, and put None in its place."""
        self.pop_mark()
        self.stack.append(None)

    def load_bytearray8(self) -> None:
        """Read the bytes of BYTEARRAY8, no more than there are, and put None in their place."""
        self.read(int.from_bytes(self.read(8), "little"))
        self.stack.append(None)

    dispatch: ClassVar[Mapping[int, Any]] = {
        **Unpickler.dispatch,
        BUILD[0]: load_build,
        SETITEM[0]: load_setitem,
        SETITEMS[0]: load_setitems,
        DICT[0]: load_dict,
        APPEND[0]: load_append,
        APPENDS[0]: load_many,
        ADDITEMS[0]: load_many,
        FROZENSET[0]: load_frozenset,
        BYTEARRAY8[0]: load_bytearray8,
    }
