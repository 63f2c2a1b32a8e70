"""The bytes of a CSV file -> a data frame, nearly as fast as by pandas, but as strict as our own reader.

Accepting costs a few passes in C over the bytes; only what they cast doubt on is read again, by column or
by line. Which rows there are, and what is refused, is decided as by `mlapi.data.tables.csv_files`. Unlike by
pandas, leading zeros and the digits of long whole numbers are not lost.
"""

import csv
import io
import re
import warnings
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from mlapi.data.tables import csv_files, packing
from mlapi.data.tables.csv_files import CsvRows
from mlapi.data.tables.dialects import CsvOptions, Dialect
from mlapi.data.tables.encodings import CHUNK_BYTES, MARK, Encoding
from mlapi.data.tables.headers import INDEX, cells_needed, is_word
from mlapi.data.tables.numbers import parse_numbers
from mlapi.errors import DatasetError
from mlapi.training.tables.lines import lines_of_rows
from mlapi.training.tables.plain_csv import PIECE, is_plain, pieces
from mlapi.training.tables.totals import totals
from mlapi.wording import listed, reason

INEXACT = 2.0**53
"""Whole numbers from here on have neighbors that a float64 cannot tell from them."""

_FIRST_ROWS = 10_000
"""Rows by whose texts it is decided how the numbers of a column are written."""

_UNREADABLE = (ValueError, OverflowError, pd.errors.ParserWarning)
"""What pandas raises; its parser errors are ValueErrors."""


@dataclass(frozen=True)
class CsvFrame:
    """The rows of a CSV file `(rows, columns)`, the decimal sign, and what to say in parts of sentences.

    A column of numbers is float64 or an integer column, any other has the texts as they stand there; a blank
    cell is NaN. `notes` say what was assumed or left out, `warnings` what seems to be wrong. `lines` has the
    line that each row begins on. `texts` has columns of numbers `(rows,)` by name, as they are written, where
    that says more.
    """

    frame: pd.DataFrame
    decimal: str
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    lines: Sequence[int]
    texts: Mapping[str, pd.Series]


def parse(name: str, content: bytes, options: CsvOptions) -> CsvFrame:
    """Parse the bytes of a file.

    Args:
        name: What messages call the file.

    Raises:
        DatasetError: It is not CSV, or its header or a row is not as it must be; the message has the line.
    """
    content, encoding = _as_utf_8(name, content, options)
    text = partial(_text, content)
    plain = _read_plain(name, content, encoding, options)
    if plain is not None:
        rows, frame = plain
        dialect = rows.dialect
        lines = lines_of_rows(content, len(frame), lambda: _strict(name, content, dialect))
    else:
        rows = csv_files.rows_in(name, text, encoding, options, has_escapes=b'\\"' in content)
        content, dialect, lines = _rewritten(rows)
        frame = _frame(name, content, dialect)
    frame = frame.set_axis(rows.names, axis=1)
    exact, exact_notes = _exact(name, frame, content, dialect)
    texts = _as_written(name, frame, content, dialect, options)
    frame, left_out = _without_nameless(frame.assign(**exact), rows.header)
    texts = {column: texts[column] for column in texts if column in frame and column not in exact}
    notes = (*rows.notes, *exact_notes, *left_out)
    warnings = (*rows.warnings, *totals(frame, lines))
    return CsvFrame(frame, dialect.decimal, notes, warnings, lines, texts)


def _as_utf_8(name: str, content: bytes, options: CsvOptions) -> tuple[bytes, Encoding]:
    """Return the content in UTF-8 without a byte order mark, and the encoding that it was in."""

    def read() -> Iterator[bytes]:
        size = len(content) if content.isascii() else CHUNK_BYTES  # a copy of each piece takes its time
        return (content[start : start + size] for start in range(0, len(content), size))

    encoding = csv_files.encoding_in(name, read, options)
    if options.encoding or encoding.name != "utf-8":
        with packing.readable(name):
            content = content.decode(encoding.name).removeprefix(MARK).encode("utf-8", "surrogatepass")
    return content, encoding


def _text(content: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(content), "utf-8", newline="")


def _read_plain(
    name: str, content: bytes, encoding: Encoding, options: CsvOptions
) -> tuple[CsvRows, pd.DataFrame] | None:
    """Read the rows `(rows, columns)` by pandas, with what is known of the header.

    None where pandas may read others than are written, or something is wrong.
    """
    try:
        rows = csv_files.rows_in(name, partial(_text, content), encoding, options, has_escapes=False)
    except DatasetError:
        return None
    if not _is_plain(content, rows):
        return None
    try:
        frame = _by_pandas(content, rows.dialect)
    except _UNREADABLE:
        return None
    return (rows, frame) if _has_same_rows(name, frame, content, rows) else None


def _is_plain(content: bytes, rows: CsvRows) -> bool:
    """Whether nothing in the bytes is for the strict reader alone."""
    dialect = rows.dialect
    if dialect.skipped or rows.blank.count or b"\0" in content or _is_ruled(content):
        return False
    if not content.isascii() and MARK.encode() in content:
        return False
    return is_plain(content, dialect.delimiter, padded=dialect.padded, columns=cells_needed(rows.header))


def _is_ruled(content: bytes) -> bool:
    """Whether the second line in the bytes is one of dashes, which is no row."""
    second = content.find(b"\n") + 1
    return csv_files.is_rule(
        content[second : second + 10_000].partition(b"\n")[0].strip().decode("utf-8", "replace")
    )


def _has_same_rows(name: str, frame: pd.DataFrame, content: bytes, rows: CsvRows) -> bool:
    """Whether a frame `(rows, columns)` has the rows that the strict reader finds."""
    header, dialect = rows.header, rows.dialect
    if frame.shape[1] != len(header):
        return False
    if _may_hold_blank_rows(frame, content, dialect) or _may_repeat_header(frame, header):
        return False
    may_lack_cells = _may_lack_cells(frame, header, content, dialect)
    return not may_lack_cells or _count_rows(name, content, dialect) == len(frame)


def _may_hold_blank_rows(frame: pd.DataFrame, content: bytes, dialect: Dialect) -> bool:
    """Whether rows may be nothing but delimiters: none is, where a column has a number in each row."""
    if any(_is_numeric(column) and not column.hasnans for _, column in frame.items()):
        return False
    sign = re.escape(dialect.delimiter.encode())
    return re.search(rb'\n[ \t"]*%s[ \t"%s]*(?:\r?\n|\Z)' % (sign, sign), content) is not None


def _may_repeat_header(frame: pd.DataFrame, header: list[str]) -> bool:
    """Whether a row may repeat the header, of which one word is not in its column then."""
    words = [place for place, cell in enumerate(header) if is_word(cell)]
    if not words or any(_is_numeric(frame.iloc[:, place]) for place in words):
        return False
    return bool((frame.iloc[:, words[0]] == header[words[0]]).any())


def _is_numeric(column: pd.Series) -> bool:
    return bool(types.is_numeric_dtype(column.dtype))  # which includes true and false


def _rewritten(rows: CsvRows) -> tuple[bytes, Dialect, Sequence[int]]:
    """Return the rows, written so that pandas cannot read others; and the line that each begins on.

    Raises:
        DatasetError: A row is wrong; the message has its line.
    """
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(rows.names)
    lines = array("q")
    for line, cells in rows:
        lines.append(line)
        writer.writerow(cells)
    plain = Dialect(rows.dialect.encoding, ";", rows.dialect.decimal)
    return written.getvalue().encode("utf-8", "surrogatepass"), plain, lines


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


def _strict(name: str, content: bytes, dialect: Dialect) -> CsvRows:
    return CsvRows(name, _text(content), dialect)


def _count_rows(name: str, content: bytes, dialect: Dialect) -> int:
    """Count the rows by the strict reader; -1 where it refuses one."""
    try:
        return sum(1 for _ in _strict(name, content, dialect))
    except DatasetError:
        return -1


def _may_lack_cells(frame: pd.DataFrame, header: list[str], content: bytes, dialect: Dialect) -> bool:
    """Whether rows may be too short, which pandas fills with missing cells.

    If so, some are in the last column. Without quotes, counting tells more: every row has as many
    delimiters as the header.
    """
    named = cells_needed(header)
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


def _as_written(
    name: str, frame: pd.DataFrame, content: bytes, dialect: Dialect, options: CsvOptions
) -> dict[str, pd.Series]:
    """Return as texts the columns of `frame` `(rows, columns)` whose texts say more than their floats.

    Beside blanks 31 and 31.0 are one float, and 1.234 may be above a thousand. The first rows tell.
    """
    floats = [column for column in frame if types.is_float_dtype(frame[column])]
    whole = [column for column in floats if frame[column].hasnans and _is_whole(frame[column])]
    may_be_grouped = not options.decimal and dialect.decimal == "."
    grouped = [column for column in floats if may_be_grouped and _is_of_thousandths(frame[column])]
    if not whole and not grouped:
        return {}

    def texts(columns: list[Any], **more: Any) -> pd.DataFrame:
        places = sorted(frame.columns.get_loc(column) for column in columns)
        read = _frame(name, content, dialect, usecols=places, dtype=str, **more)
        return read.set_axis([frame.columns[place] for place in places], axis=1)

    first = texts([*whole, *grouped], nrows=_FIRST_ROWS)
    more = [column for column in whole if first[column].str.contains(dialect.decimal, regex=False).any()]
    more += [column for column in grouped if _may_set_thousands_apart(first[column])]
    return dict(texts(more).items()) if more else {}


def _is_of_thousandths(column: pd.Series) -> bool:
    """Whether the first numbers `(rows,)` are below a thousand and have up to three places, some of them."""
    values = column.to_numpy()[:_FIRST_ROWS]
    values = values[~np.isnan(values)]
    if not len(values) or np.abs(values).max() >= 1000 or (values == np.floor(values)).all():
        return False
    thousandths = values * 1000
    return bool((np.abs(thousandths - np.rint(thousandths)) < 1e-6).all())


def _may_set_thousands_apart(texts: pd.Series) -> bool:
    """Whether the points in these texts `(rows,)` may stand between thousands, which has to be said then."""
    numbers = parse_numbers(texts.dropna().unique().tolist())
    return numbers is not None and numbers.style.assumed


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
    """Leave out columns without a name that are blank, and a first one that is pandas' index."""
    nameless = [column for column, cell in zip(frame.columns, header, strict=True) if not cell.strip()]
    empty = [column for column in nameless if frame[column].isna().all()]
    index = [column for column in nameless if column == frame.columns[0] and _is_index(frame)]
    filled = [column for column in nameless if column not in (*empty, *index)]
    notes = [f"{len(empty)} columns with neither name nor value are left out"] if empty else []
    notes += [f"left out: the first column, {INDEX}"] if index else []
    notes += [f"columns without a name are called {listed(filled)}"] if filled else []
    return frame.drop(columns=[*empty, *index]), notes


def _is_index(frame: pd.DataFrame) -> bool:
    first = frame.iloc[:, 0]
    return frame.shape[1] > 1 and types.is_integer_dtype(first.dtype) and bool(first.is_unique)
