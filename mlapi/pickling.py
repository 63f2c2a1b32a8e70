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
from functools import partial
from io import BytesIO
from mmap import mmap
from pickle import BUILD, NEWOBJ, NEWOBJ_EX, REDUCE, PicklingError
from types import BuiltinFunctionType, FunctionType
from typing import Any, BinaryIO

import joblib
import numpy as np
from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler, Unpickler

from mlapi.errors import BrokenArtifact, reason
from mlapi.numpy_pickles import (
    NotAllowed,
    bit_generator,
    dtype,
    generator,
    give_state,
    reconstruct,
    reconstructor,
    scalar,
)
from mlapi.sparse_pickles import MATRIX, check_matrix
from mlapi.tree_pickles import check_nodes, tree

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
        "mlapi.preprocessing.CalendarParts",
        "mlapi.preprocessing.Frequent",
        "mlapi.preprocessing.Flags",
        "mlapi.preprocessing.Splines",
        "mlapi.preprocessing.Texts",
        "numpy._core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy.dtype",
        "numpy.float64",
        "numpy.ndarray",
        "sklearn.compose._column_transformer.ColumnTransformer",
        "sklearn.feature_extraction.text.TfidfTransformer",
        "sklearn.feature_extraction.text.TfidfVectorizer",
        "sklearn.impute._base.MissingIndicator",
        "sklearn.impute._base.SimpleImputer",
        "sklearn.pipeline.Pipeline",
        "sklearn.preprocessing._data.StandardScaler",
        "sklearn.preprocessing._encoders.OneHotEncoder",
        "sklearn.preprocessing._polynomial.PolynomialFeatures",
    }
)
"""What every pipeline of this project's training needs; each algorithm declares its own beside these."""

COMPILED = frozenset(
    {
        "builtins.slice",
        "joblib.numpy_pickle.NumpyArrayWrapper",
        "mlapi.compiled.columns.Moments",
        "mlapi.compiled.columns.NumberBlock",
        "mlapi.compiled.columns.Numbers",
        "mlapi.compiled.columns.Preparation",
        "mlapi.compiled.columns.WordBlock",
        "mlapi.compiled.kernels.Polynomial",
        "mlapi.compiled.kernels.Product",
        "mlapi.compiled.kernels.Radial",
        "mlapi.compiled.kernels.Sigmoid",
        "mlapi.compiled.linear.Linear",
        "mlapi.compiled.linear.ManyClasses",
        "mlapi.compiled.linear.TwoClasses",
        "mlapi.compiled.linear.Values",
        "mlapi.compiled.linear.shares",
        "mlapi.compiled.linear.softmax",
        "mlapi.compiled.network.Network",
        "mlapi.compiled.one_row.OneRow",
        "mlapi.compiled.predictor.Additive",
        "mlapi.compiled.predictor.Dense",
        "mlapi.compiled.predictor.Terms",
        "mlapi.compiled.predictor.Unscaled",
        "mlapi.compiled.steps.Clip",
        "mlapi.compiled.steps.Fill",
        "mlapi.compiled.steps.Products",
        "mlapi.compiled.steps.Scale",
        "mlapi.compiled.svm.Calibrated",
        "mlapi.compiled.svm.Classifier",
        "mlapi.compiled.svm.Decisions",
        "mlapi.compiled.svm.Regressor",
        "mlapi.compiled.votes.OneVsOne",
        "mlapi.compiled.votes.highest",
        "mlapi.compiled.votes.of_two",
        "mlapi.compiled.words.Codes",
        "mlapi.compiled.words.Table",
        "numpy._core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy.dtype",
        "numpy.ndarray",
    }
)
"""What a compiled predictor is made of: no class of another package but numpy's arrays."""

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
    return _load(content, BASE | frozenset(allowed))


def dump_predictor(predictor: Any) -> bytes | None:
    """A compiled predictor and plain values; None if there is more in it than `load_predictor` takes."""
    file = BytesIO()
    try:
        joblib.dump(predictor, file)
        _load(file.getvalue(), COMPILED)
    except (BrokenArtifact, PicklingError, TypeError, AttributeError):  # it holds an estimator's own parts
        return None
    return file.getvalue()


def load_predictor(content: bytes) -> Any:
    """What `dump_predictor` wrote, from bytes that were verified.

    Raises:
        BrokenArtifact: The bytes name anything but compiled parts, or nothing can be made of them here.
    """
    return _load(content, COMPILED)


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


def _load(content: bytes | mmap, names: Collection[str]) -> Any:
    def permit(name: str) -> None:
        if name not in names:
            raise NotAllowed(f"it names {name}, which is not allowed")

    try:
        return _Unpickler(content, permit).load()
    except NotAllowed as error:
        raise BrokenArtifact(str(error)) from error
    except Exception as error:  # whatever an unpickler raises, these bytes are unusable
        raise BrokenArtifact(f"it cannot be unpickled: {reason(error)}") from error


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
            raise NotAllowed("it describes an array in another way than joblib does")
        self.__dict__.update(state)


_WRITTEN = frozenset({"subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"})

_OURS: Mapping[str, Any] = {
    "copyreg._reconstructor": reconstructor,
    "joblib.numpy_pickle.NumpyArrayWrapper": _View,
    "numpy._core.multiarray._reconstruct": reconstruct,
    "numpy._core.multiarray.scalar": scalar,
    "numpy.dtype": dtype,
    "numpy.random._pickle.__bit_generator_ctor": bit_generator,
    "numpy.random._pickle.__generator_ctor": generator,
}

_TREE = "sklearn.tree._tree.Tree"

_NEVER_CALLED = (np.ndarray, np.random.SeedSequence)
"""A pickle hands these on; called, one takes any memory for objects, and the other may never end."""


class _Restricted:
    """What an unpickler may do here; mixed into pickle's own, and into joblib's."""

    permit: Callable[[str], None]
    stack: list[Any]

    def find_class(self, module: str, name: str) -> Any:
        self.permit(f"{module}.{name}")
        found = _OURS.get(f"{module}.{name}") or super().find_class(module, name)  # type: ignore[misc]
        return partial(tree, found) if f"{module}.{name}" == _TREE else found

    def load_reduce(self) -> None:
        self._check_call(self.stack[-2])
        super().load_reduce()  # type: ignore[misc]

    def load_newobj(self) -> None:
        if _name(self.stack[-2]) != MATRIX or self.stack[-1] != ():  # one without content is filled by BUILD
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
        if any(function is kind for kind in _NEVER_CALLED):
            raise NotAllowed(f"it calls numpy's {function.__name__} itself")
        if _name(function) == MATRIX:
            raise NotAllowed("it makes a sparse matrix, which would not be checked")

    def load_build(self) -> None:
        state, inst = self.stack[-1], self.stack[-2]
        if isinstance(inst, np.dtype):
            give_state(inst, self.stack.pop())
            return
        if isinstance(inst, type | FunctionType | BuiltinFunctionType):
            raise NotAllowed("it alters a class")
        if isinstance(inst, np.ndarray) and not (inst.size == 0 and isinstance(state[2], np.dtype)):
            raise NotAllowed("it alters an array")
        if _name(type(inst)) == _TREE:
            check_nodes(inst.n_features, state)
        if _name(type(inst)) == MATRIX:
            check_matrix(state)
        super().load_build()  # type: ignore[misc]

    def persistent_load(self, _: Any) -> Any:
        raise NotAllowed("it refers to objects outside of itself")

    def get_extension(self, _: Any) -> Any:
        raise NotAllowed("it refers to copyreg's extension registry")


def _name(kind: Any) -> str:
    return f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', '')}"


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
