"""Tables as programs have them in memory -> data frames, dtypes as they are. Nothing is taken for a path.

A frame, a matrix, rows as lists or records, columns by name, a table of Arrow's or of another library that
makes a frame of itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mlapi.errors import DatasetError
from mlapi.training.preparation.columns import check_names
from mlapi.wording import counted, listed

TARGET = "target"
"""What a target without a name is called."""

_WAY_OUT = "a DataFrame, a matrix, a list of rows or of records, or an Arrow table"


def to_frame(table: Any, names: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a table `(rows, columns)` as a frame whose columns are named by texts.

    Args:
        table: What the module's first words list.
        names: How to call columns that have no name, if there are as many; else x0, x1, …

    Raises:
        DatasetError: It is no table, has no rows, or a name stands twice.
    """
    frame = _frame(table, names)
    if isinstance(frame.columns, pd.MultiIndex):
        raise DatasetError("the table has names in levels; give each column one name")
    frame = frame.set_axis(list(map(str, frame.columns)), axis=1)
    check_names(list(frame.columns))
    if frame.empty:
        raise DatasetError("the table has no rows" if len(frame.columns) else "the table has no columns")
    return frame


def with_target(table: Any, target: Any) -> tuple[pd.DataFrame, str]:
    """Return a table `(rows, columns)` with its target as a column, and the name of that.

    Args:
        target: The name of a column; or the target itself `(rows,)`: a Series, whose index says which row
            each value is of, or an array or a list in the order of the rows.

    Raises:
        DatasetError: It is no such table or target, or the two do not go together.
    """
    frame = to_frame(table)
    if isinstance(target, str):
        return frame, target
    values = _as_series(target, frame)
    name = TARGET if values.name is None else str(values.name)
    aligned = _aligned(values, frame)
    if name in frame.columns:
        if not aligned.equals(frame[name]):
            raise DatasetError(
                f"the table has a column {name!r} already, with other values; rename one of them"
            )
        return frame, name
    return frame.assign(**{name: aligned}), name


def _frame(table: Any, names: Sequence[str] | None) -> pd.DataFrame:
    if isinstance(table, pd.DataFrame):
        return table
    if isinstance(table, pd.Series):
        return table.to_frame(None if table.name is None else str(table.name))
    if isinstance(table, np.ndarray):
        return _of_array(table, names)
    if hasattr(table, "to_pandas"):
        return pd.DataFrame(table.to_pandas())
    if hasattr(table, "toarray"):
        raise DatasetError(
            "the matrix is sparse, and clients send all numbers: give a part of it as toarray()"
        )
    if isinstance(table, Mapping):
        return _of_columns(table)
    if isinstance(table, Sequence) and not isinstance(table, str | bytes):
        return _of_rows(list(table), names)
    raise DatasetError(f"a {type(table).__name__} is no table; expected {_WAY_OUT}")


def _of_array(array: "np.ndarray[Any, Any]", names: Sequence[str] | None) -> pd.DataFrame:
    if array.dtype.names:
        return pd.DataFrame.from_records(array)
    if array.ndim > 2:
        raise DatasetError(f"a table has rows and columns; this array has {array.ndim} dimensions")
    matrix = array.reshape(len(array), -1) if array.ndim else array.reshape(1, 1)
    return pd.DataFrame(matrix, columns=_names(matrix.shape[1], names))


def _of_columns(columns: Mapping[Any, Any]) -> pd.DataFrame:
    try:
        return pd.DataFrame(dict(columns))
    except ValueError as error:
        raise DatasetError(
            f"the columns {listed(columns)} are no table: expected a list of as many values for each; for "
            f"one row give a list of one record"
        ) from error


def _of_rows(rows: list[Any], names: Sequence[str] | None) -> pd.DataFrame:
    kinds = {_kind(row) for row in rows}
    if kinds == {"record"}:
        return pd.DataFrame.from_records(rows)
    if kinds == {"text"}:
        return pd.DataFrame({_names(1, names)[0]: rows})
    widths = {len(row) for row in rows} if kinds == {"row"} else set()
    if len(widths) > 1:
        raise DatasetError(f"the rows have {listed(sorted(widths))} cells; expected as many in each")
    if not widths:
        raise DatasetError(f"a list of {listed(sorted(kinds))} is no table; expected {_WAY_OUT}")
    return pd.DataFrame([list(row) for row in rows], columns=_names(widths.pop(), names))


def _kind(row: Any) -> str:
    if isinstance(row, Mapping):
        return "record"
    if isinstance(row, str):
        return "text"
    is_row = isinstance(row, list | tuple) or (isinstance(row, np.ndarray) and row.ndim == 1)
    return "row" if is_row else type(row).__name__


def _names(width: int, names: Sequence[str] | None) -> list[str]:
    return list(names) if names is not None and len(names) == width else [f"x{i}" for i in range(width)]


def _as_series(target: Any, frame: pd.DataFrame) -> pd.Series:
    if isinstance(target, pd.DataFrame) and target.shape[1] == 1:
        target = target.iloc[:, 0]
    if isinstance(target, pd.Series):
        return target
    if hasattr(target, "to_pandas"):
        target = target.to_pandas()
    values = np.asarray(target)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        kind = type(target).__name__
        raise DatasetError(f"a {kind} is no target; expected the name of a column, or a value for each row")
    if len(values) != len(frame):
        raise DatasetError(
            f"the target has {counted(len(values), 'value')}, the table {counted(len(frame), 'row')}"
        )
    return pd.Series(values, index=frame.index)


def _aligned(values: pd.Series, frame: pd.DataFrame) -> pd.Series:
    """Return the target `(rows,)` in the order of the frame's rows, by their labels."""
    if values.index.equals(frame.index):
        return values
    labels = frame.index
    if not (values.index.is_unique and labels.is_unique and labels.isin(values.index).all()):
        raise DatasetError(
            "the index of the target lacks labels of the table's rows, or has some twice, so that nobody can "
            "tell which value belongs to which row; give target.to_numpy() where the order is the same"
        )
    return values.reindex(labels)
