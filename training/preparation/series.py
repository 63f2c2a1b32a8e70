"""A pandas column of any dtype -> one of few sorts, and its different values. Decides nothing."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types


class NoCells(Exception):
    """A column holds what is no cell of a table; the message says what."""


def plain(column: pd.Series) -> pd.Series:  # noqa: PLR0911 - a line for each sort
    """A column of one of these sorts: float64, (u)int64, bool, datetime64 without a zone, words or objects.

    Raises:
        NoCells: It holds lists, bytes or the like.
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


def words_of(column: pd.Series) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Each row's position among the different values, -1 where blank, and these in order of appearance."""
    codes, found = pd.factorize(column)
    words = np.asarray(found, dtype=object)
    blank = np.array([isinstance(word, str) and not word.strip() for word in words], dtype=bool)
    if not blank.any():
        return codes, words
    position = np.append(np.where(blank, -1, np.cumsum(~blank) - 1), -1)
    return position[codes], words[~blank]


def _plain_objects(column: pd.Series) -> pd.Series:
    sorts = set(column.dropna().map(type))
    if sorts <= {str} or sorts <= {bool, np.bool_}:
        return column
    if all(issubclass(sort, int | float | Decimal | np.number) for sort in sorts):
        return pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan))
    strange = [
        sort.__name__ for sort in sorts if issubclass(sort, list | dict | set | tuple | bytes | np.ndarray)
    ]
    if strange:
        raise NoCells(f"values of type {min(strange)}")
    return column.map(str, na_action="ignore")
