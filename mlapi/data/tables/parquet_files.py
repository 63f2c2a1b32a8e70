"""Parquet files, some rows at a time, with the values that JSON has."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

from mlapi.data.tables.packing import PARQUET
from mlapi.errors import DatasetError
from mlapi.wording import how_to_install, reason

_INDEX = "__index_level_"
"""How pandas calls the columns of an index without a name; they are none of the table's."""


def is_parquet(file: Path) -> bool:
    """Return whether this is a file that begins as Parquet does; a pipe is none, and is not read from.

    Raises:
        OSError: It cannot be read.
    """
    if not file.is_file():
        return False
    with file.open("rb") as content:
        return content.read(len(PARQUET)) == PARQUET


def read_batches(file: Path, most: Callable[[int], int]) -> Iterator[list[dict[str, Any]]]:
    """Yield some rows at a time, as records; a missing cell is None, and times are ISO 8601.

    Args:
        most: Takes the number of columns, and returns how many rows are read at a time.

    Raises:
        DatasetError: It is damaged, has values that JSON has not, or pyarrow is not installed.
        OSError: It cannot be read.
    """
    try:
        parquet = import_module("pyarrow.parquet")  # an extra
    except ImportError as error:
        raise DatasetError(
            f"{file} is a Parquet file, which needs pyarrow: {how_to_install('parquet')}"
        ) from error
    try:
        table = parquet.ParquetFile(file)
        names = [name for name in table.schema_arrow.names if not name.startswith(_INDEX)]
        for batch in table.iter_batches(most(max(1, len(names))), columns=names):
            columns = {name: _values(name, batch.column(name).to_pylist()) for name in names}
            yield [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    except (OSError, MemoryError, DatasetError):
        raise
    except Exception as error:  # whatever pyarrow makes of these bytes
        raise DatasetError(f"{file} is a damaged or incomplete Parquet file: {reason(error)}") from error


_CONVERSIONS: Mapping[type, Callable[[Any], Any]] = {
    datetime: datetime.isoformat,
    date: date.isoformat,
    Decimal: float,
    float: lambda number: None if number != number else number,  # noqa: PLR0124 - NaN alone is not itself
    **{kind: lambda value: value for kind in (str, int, bool, type(None))},
}
"""By type of a cell, what makes JSON's value of it."""


def _values(name: str, cells: list[Any]) -> list[Any]:
    kinds = set(map(type, cells))
    others = [kind for kind in kinds if not issubclass(kind, tuple(_CONVERSIONS))]
    if others:
        way_out = (
            "write seconds" if timedelta in others else "leave the column out, or write texts and numbers"
        )
        raise DatasetError(f"column {name!r} holds values of type {others[0].__name__}; {way_out}")
    convert = {
        kind: next(_CONVERSIONS[base] for base in kind.__mro__ if base in _CONVERSIONS) for kind in kinds
    }
    return [convert[type(cell)](cell) for cell in cells]
