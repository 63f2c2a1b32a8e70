"""People's files -> data frames: CSV in any dialect and Parquet, plain or compressed, here or elsewhere.

Only a blank cell is missing here, and a column holds numbers where every cell is one that is plainly
written. What other texts mean ("n/a", "1,234", "31.12.2024") is decided later, by `mlapi.data.tables`.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from mlapi.data.tables import packing
from mlapi.data.tables.dialects import NO_OPTIONS, CsvOptions
from mlapi.data.tables.headers import column_names
from mlapi.data.tables.packing import PARQUET
from mlapi.errors import DatasetError
from mlapi.storage import remote
from mlapi.training.tables import csv_frames
from mlapi.wording import how_to_install, reason


@dataclass(frozen=True)
class RawTable:
    """A file's rows as they stand there, `(rows, columns)`.

    `decimal` is the decimal sign, for `mlapi.data.tables`; `notes` say what was assumed or left out,
    `warnings` what seems to be wrong. `lines` has the line that each row begins on, of a file that has lines.
    `is_exact` says that the file tells dtypes, as Parquet does. `texts` has columns of numbers `(rows,)` by
    name, as they are written, where that says more: whether they take fractions, or are thousands.
    """

    frame: pd.DataFrame
    decimal: str = "."
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    lines: Sequence[int] | None = None
    is_exact: bool = False
    texts: Mapping[str, pd.Series] = field(default_factory=dict)


def read(source: str, options: CsvOptions = NO_OPTIONS, called: str | None = None) -> RawTable:
    """Read a path or a URL that fsspec knows; its content decides what kind of file it is.

    Args:
        options: What the user says of a CSV file; a Parquet file needs none.
        called: What messages call the file; None: its path or URL.

    Raises:
        DatasetError: It is no table that can be read, or a column or row of it is not as it must be.
        OSError: It cannot be reached; the message tells no credentials.
    """
    name = called or without_credentials(source)
    content = _content(source, name)
    table = _parquet(name, content) if content.startswith(PARQUET) else _csv(name, content, options)
    if table.frame.empty:
        raise DatasetError(f"{name} has no rows")
    return table


def without_credentials(source: str) -> str:
    """Return a path or URL as messages may repeat it: without a user, a password, a query."""
    if "://" not in source:
        return source
    return re.sub(r"(?<=://)[^/@]*@", "", re.sub(r"[?#].*", "", source))


def _content(source: str, name: str) -> bytes:
    """Read all bytes of a file, unpacked."""
    try:
        raw = remote.fetch(source) if "://" in source else Path(source).read_bytes()
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), name) from error
    if not raw:
        raise DatasetError(f"{name} is empty")
    with packing.readable(name):
        stream = io.BytesIO(raw)
        plain = packing.unpacked(name, stream)
        return raw if plain is stream else _bounded(name, plain, len(raw))


_LARGE = 1 << 30
"""Bytes that any compressed file may become."""

_TIMES = 100
"""How many times its size a compressed file may become, if that is more."""


def _bounded(name: str, content: IO[bytes], packed: int) -> bytes:
    """Read all that was packed in so many bytes, unless it is far more than tables become."""
    most = max(_LARGE, _TIMES * packed)
    plain = content.read(most + 1)
    if len(plain) > most:
        raise DatasetError(f"{name} becomes more than {most:,} bytes; decompress it first")
    return plain


def _csv(name: str, content: bytes, options: CsvOptions) -> RawTable:
    packing.refuse_foreign(name, content)
    read = csv_frames.parse(name, content, options)
    return RawTable(read.frame, read.decimal, read.notes, read.warnings, read.lines, texts=read.texts)


def _parquet(name: str, content: bytes) -> RawTable:
    try:
        pa, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")  # an extra
    except ImportError as error:
        raise DatasetError(
            f"{name} is a Parquet file, which needs pyarrow: {how_to_install('parquet')}"
        ) from error
    try:
        table = parquet.read_table(pa.BufferReader(content))
        exact = {pa.int64(): pd.Int64Dtype(), pa.uint64(): pd.UInt64Dtype()}.get
        frame = table.to_pandas(date_as_object=False, types_mapper=exact)
        index = [level for level in frame.index.names if level is not None]
        frame = (frame.reset_index(index) if index else frame).reset_index(drop=True)
        names = [*map(str, frame.columns)]
    except MemoryError:
        raise
    except Exception as error:  # whatever pyarrow and pandas make of these bytes
        raise DatasetError(f"{name} is a damaged or incomplete Parquet file: {reason(error)}") from error
    if not names:
        raise DatasetError(f"{name} has no columns")
    frame = frame.set_axis(column_names(name, names), axis=1).apply(_plain_integers)
    return RawTable(frame, is_exact=True)


def _plain_integers(column: pd.Series) -> pd.Series:
    """Turn pandas' nullable integers into numpy's numbers, where these hold the same."""
    if not isinstance(column.dtype, pd.Int64Dtype | pd.UInt64Dtype):
        return column
    if not column.hasnans:
        return column.astype(column.dtype.numpy_dtype)
    return column if column.abs().max() >= csv_frames.INEXACT else column.astype(np.float64)
