"""Estimators <-> bytes. The only room that pickles and unpickles, and it imports only classes named before.

A pickle is a program: it may call whatever it can import. What is loaded here was signed by somebody who is
trusted (`mlapi.artifacts.folder` checks that first); the list of classes stands behind that wall, for the day
when a good key has signed a bad file.

The bytes are never copied: large arrays of numbers are read-only views of them, so that processes that
share the bytes share the arrays.
"""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from mmap import mmap
from pickle import PicklingError
from typing import Any, BinaryIO

import joblib

from mlapi.artifacts.pickles.fitted import states, widths
from mlapi.artifacts.pickles.parts.names import NotAllowed
from mlapi.artifacts.pickles.unpickling import Limited
from mlapi.errors import BrokenArtifact
from mlapi.wording import reason

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
        "mlapi.estimators.preprocessing.CalendarParts",
        "mlapi.estimators.preprocessing.Frequent",
        "mlapi.estimators.preprocessing.Flags",
        "mlapi.estimators.preprocessing.Splines",
        "mlapi.estimators.preprocessing.Texts",
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
        "mlapi.inference.compiled.columns.Moments",
        "mlapi.inference.compiled.columns.NumberBlock",
        "mlapi.inference.compiled.columns.Numbers",
        "mlapi.inference.compiled.columns.Preparation",
        "mlapi.inference.compiled.columns.WordBlock",
        "mlapi.inference.compiled.kernels.Polynomial",
        "mlapi.inference.compiled.kernels.Product",
        "mlapi.inference.compiled.kernels.Radial",
        "mlapi.inference.compiled.kernels.Sigmoid",
        "mlapi.inference.compiled.linear.Linear",
        "mlapi.inference.compiled.linear.ManyClasses",
        "mlapi.inference.compiled.linear.TwoClasses",
        "mlapi.inference.compiled.linear.Values",
        "mlapi.inference.compiled.linear.shares",
        "mlapi.inference.compiled.linear.softmax",
        "mlapi.inference.compiled.network.Network",
        "mlapi.inference.compiled.one_row.OneRow",
        "mlapi.inference.compiled.predictor.Additive",
        "mlapi.inference.compiled.predictor.Dense",
        "mlapi.inference.compiled.predictor.Terms",
        "mlapi.inference.compiled.predictor.Unscaled",
        "mlapi.inference.compiled.steps.Clip",
        "mlapi.inference.compiled.steps.Fill",
        "mlapi.inference.compiled.steps.Products",
        "mlapi.inference.compiled.steps.Scale",
        "mlapi.inference.compiled.svm.Calibrated",
        "mlapi.inference.compiled.svm.Classifier",
        "mlapi.inference.compiled.svm.Decisions",
        "mlapi.inference.compiled.svm.Regressor",
        "mlapi.inference.compiled.votes.OneVsOne",
        "mlapi.inference.compiled.votes.highest",
        "mlapi.inference.compiled.votes.of_two",
        "mlapi.inference.compiled.words.Codes",
        "mlapi.inference.compiled.words.Table",
        "numpy._core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy.dtype",
        "numpy.ndarray",
    }
)
"""What a compiled predictor is made of: no class of another package but numpy's arrays."""

_LARGE, _TIMES = 1 << 30, 100
"""Bytes that any compressed file may become, and how many times its own: a few become any number of zeros."""


def _from_file(open_: Callable[[BytesIO], Any]) -> Callable[[bytes, int], bytes]:
    def expand(content: bytes, most: int) -> bytes:
        with open_(BytesIO(content)) as file:
            return bytes(file.read(most))

    return expand


def _from_zlib(content: bytes, most: int) -> bytes:
    stream = zlib.decompressobj()
    found = stream.decompress(content, most)
    if len(found) < most and not stream.eof:
        raise EOFError("it ends too early")
    return found


_DECOMPRESS: Mapping[bytes, Callable[[bytes, int], bytes]] = {
    b"\x1f\x8b": _from_file(gzip.open),
    b"BZh": _from_file(bz2.open),
    b"\xfd7zXZ": _from_file(lzma.open),
    b"\x5d\x00": _from_file(lzma.open),
    b"x\x01": _from_zlib,
    b"x\x5e": _from_zlib,
    b"x\x9c": _from_zlib,
    b"x\xda": _from_zlib,
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
        BrokenArtifact: The bytes name another class, no estimator can be made of them here, or it has parts
            that its class does not make (`mlapi.artifacts.pickles.fitted.states`), or makes too much of a row
            (`mlapi.artifacts.pickles.fitted.widths`).
    """
    estimator = _load(content, BASE | frozenset(allowed))
    with _unusable_where_it_fails():
        states.check(estimator)
        widths.check(estimator)
    return estimator


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
        BrokenArtifact: It is compressed, and damaged, or would become far more than files like it do.
    """
    expand = next((expand for start, expand in _DECOMPRESS.items() if content.startswith(start)), None)
    if expand is None:
        return content
    most = max(_LARGE, _TIMES * len(content))
    try:
        found = expand(content, most + 1)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise BrokenArtifact(f"it cannot be decompressed: {reason(error)}") from error
    if len(found) > most:
        raise BrokenArtifact(f"it becomes more than {most:,} bytes; dump it without compress")
    return found


def _load(content: bytes | mmap, names: Collection[str]) -> Any:
    def permit(name: str) -> None:
        if name not in names:
            raise NotAllowed(f"it names {name}, which is not allowed")

    with _unusable_where_it_fails():
        return Limited(content, permit).load()


@contextmanager
def _unusable_where_it_fails() -> Iterator[None]:
    try:
        yield
    except BrokenArtifact:  # what a class of ours says of its own state
        raise
    except NotAllowed as error:
        raise BrokenArtifact(str(error)) from error
    except Exception as error:  # whatever an unpickler raises, these bytes are unusable
        raise BrokenArtifact(f"it cannot be unpickled: {reason(error)}") from error
