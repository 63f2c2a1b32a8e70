"""Estimators <-> bytes.

A pickle is a program: it may call whatever it can import. What is loaded here was signed by somebody who is
trusted (`mlapi.artifacts.folder` checks that first). The list of allowed classes is a second wall behind the
signature, for the day when a good key has signed a bad file.

The bytes are never copied. Large arrays of numbers are read-only views of them, so that processes that share
the bytes share the arrays.
"""

import bz2
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from mmap import mmap
from pickle import PicklingError
from typing import Any, BinaryIO

import joblib

from mlapi.artifacts.pickles.calls import CALLS
from mlapi.artifacts.pickles.fitted import states, widths
from mlapi.artifacts.pickles.fitted.invariants import INVARIANTS
from mlapi.artifacts.pickles.named_sets import set_of
from mlapi.artifacts.pickles.parts.names import NotAllowed
from mlapi.artifacts.pickles.parts.sparse_matrices import MATRICES
from mlapi.artifacts.pickles.parts.values import VALUES
from mlapi.artifacts.pickles.unpickling import ONLY_ARGUMENTS, RestrictedUnpickler
from mlapi.errors import BrokenArtifact
from mlapi.wording import reason

ARRAYS = frozenset(
    {
        "builtins.slice",
        "joblib.numpy_pickle.NumpyArrayWrapper",
        "numpy._core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy.dtype",
        "numpy.ndarray",
    }
)
"""What numpy's arrays and numbers are pickled as; each compiled predictor may name these."""

BASE = ARRAYS | {
    "_codecs.encode",
    "builtins.bytearray",
    "builtins.bytes",
    "builtins.complex",
    "builtins.frozenset",
    "builtins.object",
    "builtins.range",
    "builtins.set",
    "collections.OrderedDict",
    "copyreg._reconstructor",
    "numpy._core.numeric._frombuffer",
    "numpy.float64",
}
"""What each pickled estimator may name, whatever its class: Python's own values, and numpy's."""

AUDITED = frozenset({*CALLS, *INVARIANTS, *MATRICES, *ONLY_ARGUMENTS, *VALUES})
"""What every estimator may name although nobody has allowed it: each has a check, or ours takes its place."""

_EXPANDED_BYTES = 1 << 30
"""Bytes that every compressed file may become."""

_MAX_EXPANSION = 100
"""How many times its own size a compressed file may become, if that is more. A few bytes can become any
number of zeros."""


def _from_file(open_: Callable[[BytesIO], Any]) -> Callable[[bytes, int], bytes]:
    def expand(content: bytes, most: int) -> bytes:
        with open_(BytesIO(content)) as file:
            return bytes(file.read(most))

    return expand


def _from_zlib(content: bytes, most: int) -> bytes:
    stream = zlib.decompressobj()
    expanded = stream.decompress(content, most)
    if len(expanded) < most and not stream.eof:
        raise EOFError("it ends too early")
    return expanded


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
"""By the first bytes of a file that `joblib.dump(..., compress=)` writes, what reads at most so many
bytes."""


def dump(estimator: Any, file: BinaryIO) -> None:
    """Write an estimator uncompressed: numbers hardly shrink, and compressed bytes could not be shared."""
    joblib.dump(estimator, file)


def dumps(estimator: Any) -> bytes:
    """Return what `dump` writes."""
    buffer = BytesIO()
    dump(estimator, buffer)
    return buffer.getvalue()


def load(content: bytes | mmap, allowed: Collection[str]) -> Any:
    """Rebuild an estimator from bytes whose digest was checked.

    Args:
        content: The pickle. Large arrays stay views of it.
        allowed: The classes and functions that may be imported beyond `BASE` and `AUDITED`, by full name.

    Raises:
        BrokenArtifact: The bytes name another class, no estimator can be made of them here, or it has parts
            that its class does not make (`mlapi.artifacts.pickles.fitted.states`), or makes too much of a row
            (`mlapi.artifacts.pickles.fitted.widths`).
    """
    estimator = _load(content, AUDITED | BASE | frozenset(allowed))
    with _unusable_where_it_fails():
        states.check(estimator)
        widths.check(estimator)
    return estimator


def dump_predictor(predictor: Any, allowed: Collection[str]) -> bytes | None:
    """Return the pickle of a compiled predictor; None if `load_predictor` would refuse it.

    It is loaded once to find that out, which takes as long as loading it.

    Args:
        allowed: As for `load_predictor`.
    """
    file = BytesIO()
    try:
        joblib.dump(predictor, file)
        load_predictor(file.getvalue(), allowed)
    except (BrokenArtifact, PicklingError, TypeError, AttributeError):  # it holds an estimator's own parts
        return None
    return file.getvalue()


def load_predictor(content: bytes, allowed: Collection[str]) -> Any:
    """Read what `dump_predictor` wrote, from bytes whose digest was checked.

    Args:
        allowed: The classes and functions that may be imported beyond `ARRAYS`, by full name.

    Raises:
        BrokenArtifact: The bytes name anything else, or nothing can be made of them here.
    """
    return _load(content, ARRAYS | frozenset(allowed))


def most_expanded(content: bytes, least: int | None = None) -> int:
    """Return the most bytes that a compressed file may become.

    Args:
        least: What every file may become; None: 1 GiB.
    """
    return max(_EXPANDED_BYTES if least is None else least, _MAX_EXPANSION * len(content))


def decompress(content: bytes) -> bytes:
    """Return the pickle in a file of somebody's own, which joblib may have compressed.

    Raises:
        BrokenArtifact: It is compressed and damaged, or would become much larger than such files do.
    """
    expand = next((expand for start, expand in _DECOMPRESS.items() if content.startswith(start)), None)
    if expand is None:
        return content
    most = most_expanded(content)
    try:
        expanded = expand(content, most + 1)
    except Exception as error:  # whatever a decoder raises of damaged bytes
        raise BrokenArtifact("it is damaged or cut off: it cannot be decompressed") from error
    if len(expanded) > most:
        raise BrokenArtifact(f"it becomes more than {most:,} bytes; dump it without compress")
    return expanded


def _load(content: bytes | mmap, names: Collection[str]) -> Any:
    def permit(name: str) -> None:
        if name not in names:
            raise NotAllowed(f"it names {name}, which is not allowed{_way_out(name)}")

    with _unusable_where_it_fails():
        return RestrictedUnpickler(content, permit).load()


def _way_out(name: str) -> str:
    """Say how a class is allowed; nothing of those of Python and scikit-learn, which no estimator needs."""
    if (library := set_of(name)) is not None:
        return f'; set allowed_sets = ["{library}"] where it is served, and restart the server'
    if name.partition(".")[0] in (*sys.stdlib_module_names, "sklearn", "numpy"):
        return ""
    return "; if you trust it, name it in allowed_classes where it is served, and restart the server"


@contextmanager
def _unusable_where_it_fails() -> Iterator[None]:
    try:
        yield
    except BrokenArtifact:  # raised by a class of ours that checks its own state
        raise
    except NotAllowed as error:
        raise BrokenArtifact(str(error)) from error
    except Exception as error:  # whatever an unpickler raises, these bytes are unusable
        raise BrokenArtifact(f"it cannot be unpickled: {reason(error)}") from error
