"""The bytes of a CSV file -> a data frame, nearly as fast as by pandas, but as strict as our own reader.

Accepting costs a few passes in C over the bytes; only what they cast doubt on is read again, by column or
by line. Which rows there are, and what is refused, is decided as by `mlapi.data.tables.csv_files`. Unlike by
pandas, leading zeros and the digits of long whole numbers are not lost.
"""

import csv
import io
import re
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from mlapi.data.tables import csv_files
from mlapi.data.tables.csv_files import CsvOptions, Dialect
from mlapi.data.tables.numbers import parse_numbers
from mlapi.errors import DatasetError
from mlapi.training.tables.plain_csv import PIECE, is_plain, pieces
from mlapi.wording import listed, reason

INEXACT = 2.0**53
"""Whole numbers from here on have neighbors that a float64 cannot tell from them."""

_UNREADABLE = (ValueError, OverflowError, pd.errors.ParserWarning)
"""What pandas raises; its parser errors are ValueErrors."""


def parse(name: str, content: bytes, options: CsvOptions) -> tuple[pd.DataFrame, str, tuple[str, ...]]:
    """Parse the rows `(rows, columns)`, the decimal sign, and notes on what was assumed or left out.

    A column of numbers is float64 or an integer column, any other has the texts as they stand there; a blank
    cell is NaN.

    Args:
        name: What messages call the file.

    Raises:
        DatasetError: It is not CSV, or its header or a row is not as it must be; the message has the line.
    """
    content, encoding = _as_utf_8(name, content, options)
    dialect = csv_files.dialect_in(_sample(content), encoding, options)
    header = csv_files.header_of(name, _text(content), dialect)
    _refuse_numbers(name, header)
    names = csv_files.column_names(name, header)
    frame = _read_plain(name, content, dialect, header)
    if frame is None:
        content, dialect = _rewritten(name, content, dialect)
        frame = _frame(name, content, dialect)
    frame = frame.set_axis(names, axis=1)
    exact, exact_notes = _exact(name, frame, content, dialect)
    frame, left_out = _without_nameless(frame.assign(**exact), header)
    return frame, dialect.decimal, (*dialect.notes, *exact_notes, *left_out)


def _as_utf_8(name: str, content: bytes, options: CsvOptions) -> tuple[bytes, str]:
    """Return the content in UTF-8 without a byte order mark, and the encoding that it was in."""
    encoding = options.encoding or csv_files.encoding_of(name, (content,))
    if options.encoding or encoding != "utf-8":
        with csv_files.readable(name):
            content = content.decode(encoding).removeprefix("\ufeff").encode()
    place = content.find(b"\0")
    if place >= 0:
        raise DatasetError(csv_files.nul_message(name, content.count(b"\n", 0, place) + 1))
    return content, encoding


def _sample(content: bytes) -> str:
    """Return as many characters as `csv_files.open_csv` decides on the dialect by."""
    return content[: 4 * csv_files.SAMPLE].decode("utf-8", "ignore")[: csv_files.SAMPLE]


def _text(content: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(content), "utf-8", newline="")


def _refuse_numbers(name: str, header: list[str]) -> None:
    """Refuse a first line that is a row: mostly numbers, unless these are evenly spaced or in order.

    Years, pixels and wavelengths are names: evenly spaced, or many in order, which rows of data hardly are.
    """
    numbers = [read.values[0] for cell in header if (read := parse_numbers([cell])) is not None]
    steps = np.diff(numbers)
    is_even = len(steps) > 0 and bool(np.isclose(steps, steps[0]).all()) and (len(steps) > 1 or steps[0] == 1)
    is_long = len(steps) > 4 and bool((steps > 0).all() or (steps < 0).all())
    is_data = len(numbers) == len(header) or (
        2 * len(numbers) > len(header) and (np.mod(numbers, 1) != 0).any()
    )
    if is_data and not is_even and not is_long:
        raise DatasetError(
            f"{name}: the first line is a row ({listed(header)}); put the columns' names before it"
        )


def _read_plain(name: str, content: bytes, dialect: Dialect, header: list[str]) -> pd.DataFrame | None:
    """Read the rows by pandas; None where it may read others than are written.

    Raises:
        DatasetError: A row is wrong; the message has its line.
    """
    if not is_plain(
        content, dialect.delimiter, padded=dialect.padded, columns=csv_files.cells_needed(header)
    ):
        return None
    try:
        frame = _by_pandas(content, dialect)
    except _UNREADABLE:
        return None
    if frame.shape[1] != len(header):
        return None
    if _may_lack_cells(frame, header, content, dialect) and _count_rows(name, content, dialect) != len(frame):
        return None
    return frame


def _rewritten(name: str, content: bytes, dialect: Dialect) -> tuple[bytes, Dialect]:
    """Read the rows by `mlapi.data.tables.csv_files`, and write them so that pandas cannot read others.

    Raises:
        DatasetError: A row is wrong; the message has its line.
    """
    written = io.StringIO(newline="")
    rows = (cells for _, cells in csv_files.rows_of(name, _text(content), dialect))
    csv.writer(written, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return written.getvalue().encode(), replace(dialect, delimiter=";", padded=False)


def _frame(name: str, content: bytes, dialect: Dialect, **options: Any) -> pd.DataFrame:
    try:
        return _by_pandas(content, dialect, **options)
    except _UNREADABLE as error:
        raise DatasetError(f"{name} is not a CSV file: {reason(error)}") from error


def _by_pandas(content: bytes, dialect: Dialect, **options: Any) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # of cells that it would leave out
        warnings.simplefilter("error", pd.errors.DtypeWarning)
        try:
            return _read(content, dialect, **options)
        except pd.errors.DtypeWarning:  # numbers in one part of a column, words in another: words, then
            return _read(content, dialect, low_memory=False, **options)


def _read(content: bytes, dialect: Dialect, **options: Any) -> pd.DataFrame:
    return pd.read_csv(
        io.BytesIO(content),
        sep=dialect.delimiter,
        decimal=dialect.decimal,
        skipinitialspace=dialect.padded,
        index_col=False,
        keep_default_na=False,
        na_values=[""],
        **options,
    )


def _count_rows(name: str, content: bytes, dialect: Dialect) -> int:
    """Count the rows by the strict reader, which refuses the first that is wrong by its line."""
    return sum(1 for _ in csv_files.rows_of(name, _text(content), dialect)) - 1


def _may_lack_cells(frame: pd.DataFrame, header: list[str], content: bytes, dialect: Dialect) -> bool:
    """Whether rows may be too short, which pandas fills with missing cells.

    If so, some are in the last column. Without quotes, counting tells more: every row has as many
    delimiters as the header.
    """
    named = csv_files.cells_needed(header)
    if not named or not frame.iloc[:, named - 1].hasnans:
        return False
    count = sum(np.count_nonzero(piece == ord(dialect.delimiter)) for piece in pieces(content))
    return b'"' in content or count != (len(frame) + 1) * (len(header) - 1)


def _exact(
    name: str, frame: pd.DataFrame, content: bytes, dialect: Dialect
) -> tuple[dict[str, pd.Series], list[str]]:
    """Read anew the columns whose texts say more than the numbers that pandas made of them; with notes."""
    whole = [column for column in frame if _is_whole(frame[column])]
    large = {column for column in whole if _is_inexact(frame[column])}
    suspects = whole if large or _has_leading_zero(content, dialect.delimiter) else []
    if not suspects:
        return {}, []
    places = [frame.columns.get_loc(column) for column in suspects]
    texts = _frame(name, content, dialect, usecols=places, dtype=str).set_axis(suspects, axis=1)
    zeros = {column for column in suspects if texts[column].str.match(r"\s*[-+]?0[0-9]").any()}
    digits = {
        column: _integers(texts[column])
        for column in large - zeros
        if texts[column].dropna().str.fullmatch(r"\s*[-+]?[0-9]+\s*").all()
    }
    notes = [f"column {column!r} holds words: as numbers they would lose leading zeros" for column in zeros]
    return {column: texts[column] for column in zeros} | digits, sorted(notes)


def _is_whole(column: pd.Series) -> bool:
    if types.is_integer_dtype(column.dtype):
        return True
    if not types.is_float_dtype(column.dtype):
        return False
    values = column.to_numpy()
    return all(_are_whole(values[start : start + PIECE]) for start in range(0, len(values), PIECE))


def _are_whole(values: NDArray[np.float64]) -> bool:
    return bool(((values == np.floor(values)) | np.isnan(values)).all())


def _is_inexact(column: pd.Series) -> bool:
    return types.is_float_dtype(column.dtype) and bool(column.abs().max() >= INEXACT)


def _integers(texts: pd.Series) -> pd.Series:
    """Keep every digit of whole numbers: as integers, missing where blank, if 64 bits do; else as texts."""
    whole = [None if text is None else int(text) for text in texts.astype(object).where(texts.notna(), None)]
    try:
        return pd.Series(pd.array(whole, dtype="Int64"), index=texts.index)
    except (OverflowError, TypeError):
        return texts


def _has_leading_zero(content: bytes, delimiter: str) -> bool:
    """Whether a cell may be a whole number that begins with a zero and another digit."""
    cell = re.compile(rb"0[0-9]+[\s\"%s]" % re.escape(delimiter.encode()))
    octets = np.frombuffer(content, np.uint8)
    for start in range(0, len(octets), PIECE):
        piece = octets[start : start + PIECE + 2]
        before, after = piece[:-2], piece[2:]
        is_leading = (piece[1:-1] == ord("0")) & (after - np.uint8(ord("0")) < 10)
        is_leading &= (
            (before == ord(delimiter)) | (before == ord("\n")) | (before == ord('"')) | (before == ord(" "))
        )
        places = np.flatnonzero(is_leading) + start + 1
        if any(cell.match(content, place) for place in places.tolist()):
            return True
    return False


def _without_nameless(frame: pd.DataFrame, header: list[str]) -> tuple[pd.DataFrame, list[str]]:
    nameless = [column for column, cell in zip(frame.columns, header, strict=True) if not cell.strip()]
    empty = [column for column in nameless if frame[column].isna().all()]
    filled = [column for column in nameless if column not in empty]
    notes = [f"{len(empty)} columns with neither name nor value are left out"] if empty else []
    notes += [f"columns without a name are called {listed(filled)}"] if filled else []
    return frame.drop(columns=empty), notes
