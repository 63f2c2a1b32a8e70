"""Estimators <-> bytes. The only room that pickles and unpickles, and it imports only classes named before.

A pickle is a program: it may call whatever it can import. What is loaded here was signed by somebody who is
trusted (`mlapi.artifact` checks that first); the list of classes stands behind that wall, for the day when a
good key has signed a bad file.

The bytes are never copied: large arrays of numbers are read-only views of them, so that processes that
share the bytes share the arrays.
"""

import bz2
import copyreg
import gzip
import lzma
import math
import re
import zlib
from collections.abc import Callable, Collection, Mapping
from io import SEEK_CUR, BytesIO
from mmap import mmap
from pickle import (
    ADDITEMS,
    APPEND,
    APPENDS,
    BUILD,
    BYTEARRAY8,
    DICT,
    FROZENSET,
    NEWOBJ,
    NEWOBJ_EX,
    REDUCE,
    SETITEM,
    SETITEMS,
)
from types import BuiltinFunctionType, FunctionType
from typing import Any, BinaryIO, ClassVar

import joblib
import numpy as np
from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler, Unpickler
from numpy._core import multiarray
from numpy.typing import NDArray

from mlapi.errors import BrokenArtifact, reason

BASE = frozenset(
    {
        "builtins.bytearray",
        "builtins.complex",
        "builtins.frozenset",
        "builtins.object",
        "builtins.range",
        "builtins.set",
        "builtins.slice",
        "collections.OrderedDict",
        "copyreg._reconstructor",
        "joblib.numpy_pickle.NumpyArrayWrapper",
        "numpy._core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy.dtype",
        "numpy.ndarray",
        "sklearn.pipeline.Pipeline",
        "sklearn.preprocessing._data.StandardScaler",
    }
)
"""What every pipeline of this project's training needs; each algorithm declares its own beside these."""

SHARED_BYTES = 1 << 16
"""Arrays from this size on are views of the file's bytes; smaller ones are cheaper as copies.

A tree copies its own once more: a forest of 50 MB takes 60 MB with this size, and 100 MB with 1 MiB.
"""

_DECOMPRESS: Mapping[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ": lzma.decompress,
    b"\x5d\x00": lzma.decompress,
    b"x\x01": zlib.decompress,
    b"x\x5e": zlib.decompress,
    b"x\x9c": zlib.decompress,
    b"x\xda": zlib.decompress,
}
"""By the first bytes: what `joblib.dump(..., compress=)` writes."""


def dump(estimator: Any, file: BinaryIO) -> None:
    """Write an estimator uncompressed: numbers hardly shrink, and only so can memory be shared."""
    joblib.dump(estimator, file)


def load(content: bytes | mmap, allowed: Collection[str]) -> Any:
    """Rebuild an estimator from bytes that were verified.

    Args:
        allowed: The classes that may be imported, as `module.name`, beyond `BASE`.

    Raises:
        BrokenArtifact: The bytes name another class, or no estimator can be made of them here.
    """
    names = BASE | frozenset(allowed)

    def permit(name: str) -> None:
        if name not in names:
            raise _NotAllowed(f"it names {name}, which is not allowed")

    try:
        return _Unpickler(content, permit).load()
    except _NotAllowed as error:
        raise BrokenArtifact(str(error)) from error
    except Exception as error:  # whatever an unpickler raises, these bytes are unusable
        raise BrokenArtifact(f"it cannot be unpickled: {reason(error)}") from error


def decompress(content: bytes) -> bytes:
    """The pickle in somebody's own file, which joblib may have compressed.

    Raises:
        BrokenArtifact: It is compressed, and damaged.
    """
    for start, expand in _DECOMPRESS.items():
        if content.startswith(start):
            try:
                return expand(content)
            except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
                raise BrokenArtifact(f"it cannot be decompressed: {reason(error)}") from error
    return content


def names_in(content: bytes) -> list[str]:
    """The classes and functions beyond `BASE` that a pickle would import. Imports and runs none of them.

    Nor does it call any of `BASE`: what those are given is not trusted here.

    Raises:
        BrokenArtifact: It is no pickle.
    """
    found: dict[str, None] = {}
    try:
        _Walker(BytesIO(content), found).load()
    except Exception as error:  # what stands in for a class cannot do all that it does
        if not found:
            raise BrokenArtifact(f"it is no pickle: {reason(error)}") from error
    return sorted(found.keys() - BASE)


class _NotAllowed(Exception):
    pass


# Loading. numpy's own pickles are programs too: `numpy.ndarray` lays an array over any bytes, the state of a
# dtype says whether these bytes are objects, and both together make objects of numbers. So no pickle gets
# numpy's functions: it gets these, which take what numpy writes, and nothing else.

_CODE = re.compile(r"[biufcOSUVMm][0-9]{1,9}")
_UNIT = re.compile(r"generic|[A-Za-z]{1,2}")


def _reconstruct(kind: Any, shape: Any, _: Any) -> NDArray[Any]:
    if kind is not np.ndarray or shape != (0,):
        raise _NotAllowed("it makes an array of another kind than numpy does")
    return np.empty(0, np.int8)


def _reconstructor(kind: Any, base: Any, state: Any) -> Any:
    if any(isinstance(cls, type) and issubclass(cls, np.ndarray) for cls in (kind, base)):
        raise _NotAllowed("it makes an array in another way than numpy does")
    return copyreg._reconstructor(kind, base, state)  # type: ignore[attr-defined]


def _scalar(dtype: Any, content: Any = b"") -> Any:
    if not isinstance(dtype, np.dtype) or dtype.hasobject or len(content) != dtype.itemsize:
        raise _NotAllowed("it makes a number of something else")
    return multiarray.scalar(dtype, content)


def _dtype(code: Any, align: Any = False, _: Any = True) -> "np.dtype[Any]":
    if type(code) is not str or not _CODE.fullmatch(code) or align:
        raise _NotAllowed("it names a dtype in another way than numpy does")
    return np.dtype(code, align=False, copy=True)  # a copy: its state comes next


def _give_state(dtype: "np.dtype[Any]", state: Any) -> None:
    """The state that numpy gives to a dtype like this one: the pickle's own words are not taken for it."""
    _, order, within, names, fields, size, *rest = state
    if order not in ("<", ">", "=", "|") or size not in (-1, dtype.itemsize):
        raise _NotAllowed("it has a dtype of another size than it says")
    if within is not None:
        made = np.dtype(within)
    elif names is not None:
        parts = [fields[name] for name in names]
        made = np.dtype(
            {
                "names": list(names),
                "formats": [np.dtype(part[0]) for part in parts],
                "offsets": [part[1] for part in parts],
                "titles": [part[2] if len(part) > 2 else None for part in parts],
                "itemsize": dtype.itemsize,
            },
            align=bool(rest and rest[1] & _ALIGNED),
        )
    elif dtype.kind in "mM":
        unit, number = rest[2][1][:2]
        unit = unit.decode() if isinstance(unit, bytes) else unit
        if not _UNIT.fullmatch(unit) or type(number) is not int:
            raise _NotAllowed("it has a unit of time that numpy does not know")
        made = np.dtype(f"{dtype.kind}8" + ("" if unit == "generic" else f"[{number}{unit}]"))
    else:
        made = np.dtype(dtype.str)
    if (made.kind, made.itemsize) != (dtype.kind, dtype.itemsize) or (made.hasobject and made.kind != "O"):
        raise _NotAllowed("it has a dtype that holds objects beside other things, or of another kind")
    dtype.__setstate__(made.newbyteorder(order).__reduce__()[2])  # type: ignore[attr-defined]


_ALIGNED = 0x80
"""The flag of a dtype that is laid out as C does; of no consequence here but for what numpy shows."""


class _View(NumpyArrayWrapper):  # type: ignore[misc]
    """Reads a large array in place, and any other as joblib does."""

    def read_array(self, unpickler: "_Unpickler", ensure_native_byte_order: bool) -> Any:
        shape = tuple(int(length) for length in self.shape)
        size = math.prod(shape) * self.dtype.itemsize
        if self.dtype.hasobject:
            return _Inner(unpickler.file_handle, unpickler.permit).load()
        if not self.dtype.isnative or size < SHARED_BYTES:
            return super().read_array(unpickler, ensure_native_byte_order)
        file = unpickler.file_handle
        if self.safe_get_numpy_array_alignment_bytes() is not None:
            file.read(file.read(1)[0])
        start = file.tell()
        flat = np.frombuffer(unpickler.content, self.dtype, size // self.dtype.itemsize, start)
        file.seek(start + size)
        return flat.reshape(shape[::-1]).T if self.order == "F" else flat.reshape(shape)

    def __setstate__(self, state: Any) -> None:
        """Only what joblib writes: any other name could take the place of a method."""
        if not state.keys() <= _WRITTEN or not isinstance(state["dtype"], np.dtype):
            raise _NotAllowed("it describes an array in another way than joblib does")
        self.__dict__.update(state)


_WRITTEN = frozenset({"subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"})

_OURS: Mapping[str, Any] = {
    "copyreg._reconstructor": _reconstructor,
    "joblib.numpy_pickle.NumpyArrayWrapper": _View,
    "numpy._core.multiarray._reconstruct": _reconstruct,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.dtype": _dtype,
}


class _Restricted:
    """What an unpickler may do here; mixed into pickle's own, and into joblib's."""

    permit: Callable[[str], None]
    stack: list[Any]

    def find_class(self, module: str, name: str) -> Any:
        self.permit(f"{module}.{name}")
        return _OURS.get(f"{module}.{name}") or super().find_class(module, name)  # type: ignore[misc]

    def load_reduce(self) -> None:
        self._check_call(self.stack[-2])
        super().load_reduce()  # type: ignore[misc]

    def load_newobj(self) -> None:
        self._check_call(self.stack[-2])
        super().load_newobj()  # type: ignore[misc]

    def load_newobj_ex(self) -> None:
        self._check_call(self.stack[-3])
        super().load_newobj_ex()  # type: ignore[misc]

    def _instantiate(self, kind: Any, arguments: Any) -> None:
        self._check_call(kind)
        super()._instantiate(kind, arguments)  # type: ignore[misc]

    @staticmethod
    def _check_call(function: Any) -> None:
        if function is np.ndarray:
            raise _NotAllowed("it calls numpy.ndarray itself")

    def load_build(self) -> None:
        state, inst = self.stack[-1], self.stack[-2]
        if isinstance(inst, np.dtype):
            _give_state(inst, self.stack.pop())
            return
        if isinstance(inst, type | FunctionType | BuiltinFunctionType):
            raise _NotAllowed("it alters a class")
        if isinstance(inst, np.ndarray) and not (inst.size == 0 and isinstance(state[2], np.dtype)):
            raise _NotAllowed("it alters an array")
        super().load_build()  # type: ignore[misc]

    def persistent_load(self, _: Any) -> Any:
        raise _NotAllowed("it refers to objects outside of itself")

    def get_extension(self, _: Any) -> Any:
        raise _NotAllowed("it refers to copyreg's extension registry")


_LIMITED: Mapping[int, Callable[[Any], None]] = {
    BUILD[0]: _Restricted.load_build,
    NEWOBJ[0]: _Restricted.load_newobj,
    NEWOBJ_EX[0]: _Restricted.load_newobj_ex,
    REDUCE[0]: _Restricted.load_reduce,
}


class _Inner(_Restricted, Unpickler):  # type: ignore[misc]
    """Reads an array of objects, which joblib writes as a pickle within the pickle."""

    dispatch = {**Unpickler.dispatch, **_LIMITED}

    def __init__(self, file: Any, permit: Callable[[str], None]) -> None:
        super().__init__(file)
        self.permit = permit


class _Unpickler(_Restricted, NumpyUnpickler):  # type: ignore[misc]
    """joblib's own, within the limits of ours."""

    dispatch = {**NumpyUnpickler.dispatch, **_LIMITED}

    def __init__(self, content: bytes | mmap, permit: Callable[[str], None]) -> None:
        file = content if isinstance(content, mmap) else BytesIO(content)
        file.seek(0)
        super().__init__("", file, ensure_native_byte_order=True)
        self.content = content
        self.permit = permit


# Looking for names. Nothing is made of what is read but plain values, and these are not looked into either:
# the hash of a tuple of tuples of tuples alone can take for ever, or end the process.


class _Inert:
    """Stands in for a class that is not imported: takes anything, does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> "_Inert":
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> "_Inert":
        return self


class _InertDtype(_Inert):
    def __init__(self, code: Any = "", *_: Any) -> None:
        self.size, self.hasobject = 0, False
        if type(code) is str and _CODE.fullmatch(code):
            dtype = np.dtype(code)
            self.size, self.hasobject = dtype.itemsize, dtype.hasobject


class _InertWrapper(_Inert):
    pass


class _Walker(Unpickler):  # type: ignore[misc]
    """Reads a pickle of joblib's to its end, and notes what it names."""

    def __init__(self, file: BytesIO, found: dict[str, None]) -> None:
        super().__init__(file)
        self.file = file
        self.found = found

    def find_class(self, module: str, name: str) -> Any:
        self.found[f"{module}.{name}"] = None
        return {
            "joblib.numpy_pickle.NumpyArrayWrapper": _InertWrapper,
            "numpy.dtype": _InertDtype,
        }.get(f"{module}.{name}", _Inert)

    def persistent_load(self, _: Any) -> Any:
        raise _NotAllowed("it refers to objects outside of itself")

    def get_extension(self, _: Any) -> Any:
        raise _NotAllowed("it refers to copyreg's extension registry")

    def load_build(self) -> None:
        state, inst = self.stack.pop(), self.stack[-1]
        if isinstance(inst, _InertWrapper) and type(state) is dict:
            self._pass_over(state)

    def _pass_over(self, state: dict[str, Any]) -> None:
        """The numbers of an array, or the pickle within the pickle."""
        dtype, shape = state["dtype"], state["shape"]
        if dtype.hasobject:
            _Walker(self.file, self.found).load()
            return
        if state.get("numpy_array_alignment_bytes") is not None:
            self.file.seek(self.file.read(1)[0], SEEK_CUR)
        self.file.seek(math.prod(int(length) for length in shape) * dtype.size, SEEK_CUR)

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._keep([key, value])

    def load_setitems(self) -> None:
        self._keep(self.pop_mark())

    def _keep(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is dict:
            pairs = zip(items[::2], items[1::2], strict=True)
            self.stack[-1].update({key: value for key, value in pairs if type(key) is str})

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.stack.append({})
        self._keep(items)

    def load_append(self) -> None:
        self.stack.pop()

    def load_many(self) -> None:
        self.pop_mark()

    def load_frozenset(self) -> None:
        self.pop_mark()
        self.stack.append(None)

    def load_bytearray8(self) -> None:
        self.read(int.from_bytes(self.read(8), "little"))  # no more than there is
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
