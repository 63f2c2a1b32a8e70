"""Estimators <-> bytes. The only room that pickles and unpickles, and it imports only classes named before.

A pickle is a program: it may call whatever it can import. What is loaded here was signed by somebody who is
trusted (`mlapi.artifact` checks that first); the list of classes stands behind that wall, for the day when a
good key has signed a bad file.

The bytes are never copied: large arrays of numbers are read-only views of them, so that processes that
share the bytes share the arrays.
"""

import bz2
import gzip
import lzma
import math
import zlib
from collections.abc import Callable, Collection, Mapping
from io import BytesIO
from mmap import mmap
from typing import Any, BinaryIO

import joblib
import numpy as np
from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler

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

    def permit(name: str) -> bool:
        if name not in names:
            raise _NotAllowed(f"it names {name}, which is not allowed")
        return True

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

    Raises:
        BrokenArtifact: It is no pickle.
    """
    found: dict[str, None] = {}

    def permit(name: str) -> bool:
        if name in BASE:
            return True
        found[name] = None
        return False

    try:
        _Unpickler(content, permit).load()
    except Exception as error:  # what stands in for a class cannot do all that it does
        if not found:
            raise BrokenArtifact(f"it is no pickle: {reason(error)}") from error
    return sorted(found)


class _NotAllowed(Exception):
    pass


class _Inert:
    """Stands in for a class that is not imported: takes anything, does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> "_Inert":
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass

    def __setitem__(self, *_: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> "_Inert":
        return self

    def append(self, _: Any) -> None:
        pass

    def extend(self, _: Any) -> None:
        pass

    def add(self, _: Any) -> None:
        pass


class _View(NumpyArrayWrapper):  # type: ignore[misc]
    """Reads a large array in place, and any other as joblib does."""

    def read_array(self, unpickler: "_Unpickler", ensure_native_byte_order: bool) -> Any:
        shape = tuple(int(length) for length in self.shape)
        size = math.prod(shape) * self.dtype.itemsize
        if self.dtype.hasobject or not self.dtype.isnative or size < SHARED_BYTES:
            return super().read_array(unpickler, ensure_native_byte_order)
        file = unpickler.file_handle
        if self.safe_get_numpy_array_alignment_bytes() is not None:
            file.read(file.read(1)[0])
        start = file.tell()
        flat = np.frombuffer(unpickler.content, self.dtype, size // self.dtype.itemsize, start)
        file.seek(start + size)
        return flat.reshape(shape[::-1]).T if self.order == "F" else flat.reshape(shape)


class _Unpickler(NumpyUnpickler):  # type: ignore[misc]
    """joblib's own, which hands nested pickles to the same `find_class`."""

    def __init__(self, content: bytes | mmap, permit: Callable[[str], bool]) -> None:
        file = content if isinstance(content, mmap) else BytesIO(content)
        file.seek(0)
        super().__init__("", file, ensure_native_byte_order=True)
        self.content = content
        self._permit = permit

    def find_class(self, module: str, name: str) -> Any:
        if not self._permit(f"{module}.{name}"):
            return _Inert
        if (module, name) == (NumpyArrayWrapper.__module__, NumpyArrayWrapper.__name__):
            return _View
        return super().find_class(module, name)

    def persistent_load(self, _: Any) -> Any:
        raise _NotAllowed("it refers to objects outside of itself")

    def get_extension(self, _: Any) -> Any:
        raise _NotAllowed("it refers to copyreg's extension registry")
