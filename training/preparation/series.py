"""A pandas column of any dtype -> a column of one of a few dtypes, and its distinct values."""

from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types


class NoCells(Exception):
    """A column holds what is no cell of a table; the message says what."""


def plain(column: pd.Series) -> pd.Series:  # noqa: PLR0911 - a line for each type
    """Return a column `(rows,)` with one of a few dtypes.

    These are float64, int64, uint64, bool, datetime64 without a zone, pandas' str, and object. A datetime
    with a zone becomes its time in UTC, a timedelta its seconds, a period its begin. An integer column with
    missing cells becomes float64. Objects are strings, or bools and NaN; a column that mixes strings and
    numbers becomes strings.

    Raises:
        NoCells: The column holds complex numbers, lists, bytes or the like.
    """
    dtype = column.dtype
    if isinstance(dtype, pd.StringDtype):
        return column if dtype.na_value is not pd.NA else column.astype(object).where(column.notna(), np.nan)
    if isinstance(dtype, pd.CategoricalDtype):
        return plain(column.astype(object if column.isna().any() else dtype.categories.dtype))
    if isinstance(dtype, pd.PeriodDtype):
        return column.dt.to_timestamp()
    if types.is_timedelta64_dtype(dtype):
        return column.dt.total_seconds()
    if types.is_datetime64_any_dtype(dtype):
        return column if column.dt.tz is None else column.dt.tz_convert("UTC").dt.tz_localize(None)
    if types.is_complex_dtype(dtype):
        raise NoCells("complex numbers")
    has_missing = bool(column.isna().any())
    if types.is_bool_dtype(dtype):
        return column.astype(object if has_missing else bool)
    if types.is_numeric_dtype(dtype):
        is_whole = types.is_integer_dtype(dtype) and not has_missing
        whole = np.uint64 if types.is_unsigned_integer_dtype(dtype) else np.int64
        return column.astype(whole if is_whole else np.float64)
    return _plain_objects(column.astype(object))


class Factorized(NamedTuple):
    """The distinct values of a column, and which of them each row has."""

    codes: NDArray[np.intp]
    """`(rows,)`, each row's position among the distinct values, -1 where the cell is missing."""
    uniques: NDArray[Any]
    """`(values,)`, of dtype object, in order of appearance."""
    stripped_count: int
    """How many cells had blanks around their text, which are no part of it."""


def factorize(column: pd.Series) -> Factorized:
    """Return the distinct values of a column `(rows,)`, as `pandas.factorize`, without blanks around texts.

    A text of nothing but blanks counts as missing.
    """
    codes, distinct = pd.factorize(column)
    uniques = np.asarray(distinct, dtype=object)
    if _are_stripped(uniques.tolist()):
        return Factorized(codes, uniques, 0)
    stripped = [value.strip() if isinstance(value, str) else value for value in uniques]
    has_blanks = np.array(
        [isinstance(value, str) and value != text for value, text in zip(uniques, stripped, strict=True)],
        dtype=bool,
    )
    is_blank = np.array([isinstance(text, str) and not text for text in stripped], dtype=bool)
    places = {
        text: place for place, text in enumerate(dict.fromkeys(text for text in stripped if text != ""))
    }
    position = np.array([*(places.get(text, -1) for text in stripped), -1], dtype=np.intp)
    counts = np.bincount(codes[codes >= 0], minlength=len(uniques))
    return Factorized(
        position[codes],
        np.array([*places, None], dtype=object)[:-1],
        int(counts[has_blanks & ~is_blank].sum()),
    )


def _are_stripped(values: list[Any]) -> bool:
    """Return whether no value is a text with blanks around it, or of nothing else."""
    texts = values if set(map(type, values)) <= {str} else [each for each in values if isinstance(each, str)]
    return "" not in texts and list(map(str.strip, texts)) == texts


def _plain_objects(column: pd.Series) -> pd.Series:
    """Leave strings and bools as they are, make numbers float64, and any mixture strings."""
    cell_types = set(column.dropna().map(type))
    if cell_types <= {str} or cell_types <= {bool, np.bool_}:
        return column
    if all(issubclass(each, int | float | Decimal | np.number) for each in cell_types):
        return pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan))
    containers = [
        each.__name__
        for each in cell_types
        if issubclass(each, list | dict | set | tuple | bytes | np.ndarray)
    ]
    if containers:
        raise NoCells(f"values of type {min(containers)}")
    return column.map(str, na_action="ignore")
