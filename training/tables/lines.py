"""The line of a CSV file that each row begins on, for messages about cells."""

from array import array
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from mlapi.data.tables.dialects import RowOnLine
from mlapi.training.tables.plain_csv import pieces


def lines_of_rows(content: bytes, count: int, read: Callable[[], Iterable[RowOnLine]]) -> Sequence[int]:
    """Return the lines of so many rows that stand below a header.

    Where each is a line, these need not be looked for. Else the file is read again, when one is asked for.

    Args:
        content: The file, whose lines end with a line feed.
        read: Reads the rows, each with its line.
    """
    ends = sum(np.count_nonzero(piece == ord("\n")) for piece in pieces(content))
    is_row_a_line = ends + (not content.endswith(b"\n")) == count + 1
    return range(2, count + 2) if is_row_a_line else _LinesInFile(count, read)


class _LinesInFile(Sequence[int]):
    """Lines that are found when one is asked for, which is seldom and takes its time."""

    def __init__(self, count: int, read: Callable[[], Iterable[RowOnLine]]) -> None:
        self._count = count
        self._read = read

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, row: Any) -> Any:
        return self._lines[row]

    def __reduce__(self) -> tuple[Any, ...]:
        return array, ("q", self._lines)  # another process gets no copy of the file

    @cached_property
    def _lines(self) -> "array[int]":
        return array("q", (line for line, _ in self._read()))
