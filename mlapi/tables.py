"""CSV files, read strictly: every row has a cell for every column, and no column's name stands twice."""

import csv
from collections.abc import Iterator
from pathlib import Path

from mlapi.errors import DatasetError

_LONGEST_CELL = 16 * 1024 * 1024


def csv_rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """The header, then every row that is not blank, each with the line in the file that it ends on.

    Raises:
        DatasetError: It is not CSV in UTF-8, or a row does not match the header; the message has the line.
        OSError: It cannot be read.
    """
    csv.field_size_limit(_LONGEST_CELL)
    line = 0
    header: list[str] = []
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text, strict=True)
            for cells in rows:
                line = rows.line_num
                if not header:
                    header = cells
                    _check_names(file, header)
                if cells and len(cells) != len(header):
                    raise DatasetError(
                        f"{file}: line {line} has {len(cells)} cells where the header has {len(header)}"
                    )
                if cells:
                    yield line, cells
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{file} is not a CSV file in UTF-8: {error}, after line {line}") from error


def _check_names(file: Path, header: list[str]) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DatasetError(f"{file}: two columns are called {twice[0]!r}; rename one")
