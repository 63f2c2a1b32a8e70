"""CSV files: how one is written, and its rows, read strictly.

The dialect (encoding, delimiter, decimal sign) is found by looking, or told. Every row has a cell for every
named column, and no name stands twice. What the cells mean is the business of `mlapi.data.tables.cells`.
"""

import bz2
import codecs
import csv
import gzip
import io
import lzma
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any, BinaryIO

from mlapi.errors import DatasetError
from mlapi.wording import quoted

SAMPLE = 256 * 1024
"""Characters at the start of a file that the delimiter and the decimal sign are found in."""

DELIMITERS = (";", "\t", "|", ",")
"""The comma last, because it stands in numbers and sentences too: where all fits as well, it is not it."""

_PIECE = 1024 * 1024
_MARK = "\ufeff"
_LONGEST_CELL = 16 * 1024 * 1024
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_COMPRESSED: Mapping[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
"""What a file begins with that is read through which opener, whatever its name ends in."""

_WITH_POINT = re.compile(r"[+-]?(?:\d*|\d{1,3}(?:,\d{3})+)\.\d+")
_WITH_COMMA = re.compile(r"[+-]?(?:\d*|\d{1,3}(?:\.\d{3})+),\d+")
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:[.,]\d{3})+")
_TWICE_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3}){2,}")


@dataclass(frozen=True, slots=True)
class CsvOptions:
    """What somebody says about a file; None is to be found out. `thousands` is for
    `mlapi.data.tables.cells`."""

    delimiter: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    thousands: str | None = None

    def __post_init__(self) -> None:
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n\0'):
            raise DatasetError(f"the delimiter is one character, not {quoted(self.delimiter)}")
        if self.decimal not in (None, ".", ","):
            raise DatasetError(f'the decimal sign is "." or ",", not {quoted(self.decimal)}')
        if self.thousands not in (None, "", ",", ".", " ", "'"):
            raise DatasetError(f'thousands are set apart by one of , . \' or a space, not "{self.thousands}"')
        if self.decimal is not None and self.decimal == self.thousands:
            raise DatasetError(f'"{self.decimal}" cannot be both the decimal sign and between thousands')
        if self.encoding is not None:
            try:
                " ".encode(self.encoding)
            except LookupError as error:
                raise DatasetError(f"there is no encoding {quoted(self.encoding)}") from error


NO_OPTIONS = CsvOptions()

_BESIDE = {".": ",", ",": "."}
"""The decimal sign beside a sign between thousands: where 1.234 is above a thousand, no point is decimal."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a CSV file is written. `padded`: a space after every delimiter, which belongs to no cell."""

    encoding: str = "utf-8-sig"
    delimiter: str = ","
    decimal: str = "."
    padded: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed and may be wrong."""
        notes = []
        if self.encoding == "cp1252":
            notes.append("it is not UTF-8, so it was read as cp1252 (Windows, Western Europe)")
        if self.decimal == ",":
            notes.append('"," is its decimal sign')
        return tuple(notes)


@contextmanager
def open_csv(
    file: Path, told: CsvOptions = NO_OPTIONS
) -> Iterator[tuple[Dialect, Iterator[tuple[int, list[str]]]]]:
    """How a file is written, and its rows as `rows_of` gives them, decompressed and decoded.

    Raises:
        DatasetError: It is no text, or the rows are not as `rows_of` wants them.
        OSError: It cannot be read.
    """
    name = str(file)
    with file.open("rb") as raw, readable(name):
        content = decompressed(raw if raw.seekable() else io.BytesIO(raw.read()))
        encoding = told.encoding or encoding_of(name, iter(lambda: content.read(_PIECE), b""))
        content.seek(0)
        with io.TextIOWrapper(content, encoding, newline="") as text:
            start = text.tell() if text.read(1) == _MARK else 0  # a mark, where the encoding is told
            text.seek(start)
            dialect = dialect_in(text.read(SAMPLE), encoding, told)
            text.seek(start)
            yield dialect, rows_of(name, text, dialect)


def decompressed(content: BinaryIO) -> BinaryIO:
    """The stream, or what gzip, bzip2 or xz packed in it, whatever the file's name ends in."""
    start = content.read(max(map(len, _COMPRESSED)))
    content.seek(0)
    opener = next((opener for magic, opener in _COMPRESSED.items() if start.startswith(magic)), None)
    return opener(content) if opener else content


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Errors of decompressing and decoding as one that names the file.

    Raises:
        DatasetError: What is inside could not be read.
        OSError: The system's own, which have a number: bzip2 and gzip raise such without.
    """
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DatasetError(f"{name} is a damaged or incomplete compressed file; get it again") from error
    except UnicodeError as error:
        raise DatasetError(f"{name} is not in the encoding {error.args[0]}: {error}") from error


def encoding_of(name: str, pieces: Iterable[bytes]) -> str:
    """The encoding of all pieces together: by their byte order mark, else UTF-8, else cp1252.

    Raises:
        DatasetError: They are neither, or UTF-8 only at first: then some bytes are damaged.
    """
    first = next(rest := iter(pieces), b"")
    marked = next((encoding for mark, encoding in _BOMS.items() if first.startswith(mark)), None)
    if marked:
        return marked
    utf_8, cp1252 = codecs.getincrementaldecoder("utf-8")(), codecs.getincrementaldecoder("cp1252")()
    is_utf_8 = is_ascii = True
    for piece in chain([first], rest, [b""]):
        if piece.isascii() and piece and not utf_8.getstate()[0]:
            continue  # 15 times as fast as decoding it
        try:
            if is_utf_8:
                is_ascii = utf_8.decode(piece, final=not piece).isascii() and is_ascii
        except UnicodeDecodeError as error:
            if not (is_ascii and piece[: error.start].isascii()):
                raise DatasetError(f"{name} is UTF-8 only at first; mend it, or tell its encoding") from error
            is_utf_8 = False
            utf_8.reset()
        try:
            if not is_utf_8:
                cp1252.decode(piece)
        except UnicodeDecodeError as error:
            raise DatasetError(f"{name} is neither UTF-8 nor cp1252; tell its encoding") from error
    return "utf-8" if is_utf_8 else "cp1252"


def dialect_in(sample: str, encoding: str, told: CsvOptions = NO_OPTIONS) -> Dialect:
    """The dialect of a file that begins so."""
    delimiter = told.delimiter or _delimiter(sample)
    rows = _complete_rows(sample, delimiter)
    cells = [cell.strip() for row in rows[1:] for cell in row]
    return Dialect(
        encoding,
        delimiter,
        told.decimal
        or _BESIDE.get(told.thousands or "")
        or ("." if delimiter == "," else _decimal(cells, delimiter)),
        _is_padded(rows),
    )


def rows_of(name: str, text: IO[str], dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """The columns' names, then every row that is not blank, each with the line in the file that it ends on.

    Raises:
        DatasetError: It is not CSV, or a row does not match the header; the message has the line.
    """
    rows = _reader(_without_nul(name, text), dialect)
    line, width, names, needed = 0, 0, list[str](), 0
    try:
        for cells in rows:
            line = rows.line_num
            if _is_blank(cells, dialect):
                continue
            if not names:
                names, needed = column_names(name, cells), cells_needed(cells)
                yield line, names
                continue
            width = width or max(len(cells), len(names))  # a delimiter at the end of all rows
            if not needed <= len(cells) <= width or any(cells[len(names) :]):
                raise DatasetError(
                    f"{name}: line {line} has {len(cells)} cells where the header has {len(names)}, "
                    f"between {dialect.delimiter!r}"
                )
            yield line, (cells + [""] * len(names))[: len(names)]
    except csv.Error as error:
        raise DatasetError(_broken(name, error, line + 1)) from error


def header_of(name: str, text: IO[str], dialect: Dialect) -> list[str]:
    """The first row that is not blank, as it stands there.

    Raises:
        DatasetError: There is none.
    """
    rows, line = _reader(text, dialect), 0
    try:
        for cells in rows:
            line = rows.line_num
            if not _is_blank(cells, dialect):
                return list(cells)
    except csv.Error as error:
        raise DatasetError(_broken(name, error, line + 1)) from error
    raise DatasetError(f"{name} has no rows")


def column_names(name: str, header: list[str]) -> list[str]:
    """What a header calls the columns: no space around a name, and a nameless one has its number.

    Raises:
        DatasetError: One name stands twice, or these are no names.
    """
    names = [cell.strip() or f"unnamed_{position}" for position, cell in enumerate(header, start=1)]
    if names[0].lower().startswith("sep="):
        raise DatasetError(
            f"{name}: the first line is Excel's {names[0]!r}; remove it, so that the names are first"
        )
    twice = next((column for column, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise DatasetError(f"{name}: two columns are called {twice!r}; rename one")
    return names


def _reader(lines: Iterable[str], dialect: Dialect) -> Any:
    csv.field_size_limit(_LONGEST_CELL)
    return csv.reader(lines, delimiter=dialect.delimiter, skipinitialspace=dialect.padded, strict=True)


def cells_needed(header: list[str]) -> int:
    """How many cells a row needs: up to the last column that has a name."""
    return max((position for position, cell in enumerate(header, start=1) if cell.strip()), default=0)


def _is_blank(cells: list[str], dialect: Dialect) -> bool:
    """Of spaces and tabs, as for pandas: a space of another kind is a cell. The reader takes those away that
    follow a delimiter, and where there is one, a row has more than one cell."""
    if len(cells) != 1:
        return not cells
    return not cells[0].strip(" \t") and (cells[0] != "" or dialect.padded)


def _without_nul(name: str, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if "\0" in line:
            raise DatasetError(nul_message(name, number))
        yield line


def nul_message(name: str, line: int) -> str:
    """The refusal of a file that has a NUL."""
    return f"{name} is no text file: line {line} has a NUL; if it is UTF-16, tell its encoding"


def _broken(name: str, error: csv.Error, line: int) -> str:
    """The refusal of a file whose quotes are wrong in the row that begins on this line."""
    told = str(error)
    if "unexpected end" in told or "field larger" in told:
        return f"{name} is not a CSV file: a quote is never closed, in the row that begins on line {line}"
    if "expected after" in told:
        return (
            f"{name}: line {line} has a quote inside a quoted cell that is not doubled; write two quotes for "
            f"one inside of a cell, and nothing between the one that closes it and the delimiter"
        )
    return f"{name} is not a CSV file: {told}, in the row that begins on line {line}"


def _complete_rows(sample: str, delimiter: str) -> list[list[str]]:
    """The sample's rows, without the last one where the sample may have cut it."""
    csv.field_size_limit(_LONGEST_CELL)
    rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if row]
    return rows[:-1] if len(sample) >= SAMPLE else rows


def _delimiter(sample: str) -> str:
    """The one by which most rows have as many cells as the header; of equals, the one with more cells."""
    found = [(_regularity(_complete_rows(sample, delimiter)), delimiter) for delimiter in DELIMITERS]
    (share, _), delimiter = max(found, key=lambda entry: entry[0])
    return delimiter if share else ","


def _regularity(rows: list[list[str]]) -> tuple[float, int]:
    """The share of rows with the header's number of cells, or a blank more, and that number."""
    width = len(rows[0]) if rows else 0
    if width < 2:
        return 0.0, width
    regular = sum(len(row) == width or (len(row) == width + 1 and not row[-1]) for row in rows)
    return regular / len(rows), width


def _decimal(cells: list[str], delimiter: str) -> str:
    """A comma, where numbers have commas and none has a point.

    `1,234` can be a fraction or more than a thousand. A semicolon is chosen where the comma is taken, so
    there it is a fraction.
    """
    commas = [cell for cell in cells if _WITH_COMMA.fullmatch(cell)]
    if delimiter != ";" or any(map(_TWICE_GROUPED.fullmatch, cells)):
        commas = [cell for cell in commas if not _GROUPED.fullmatch(cell)]
    has_point = any(_WITH_POINT.fullmatch(cell) and not _GROUPED.fullmatch(cell) for cell in cells)
    return "," if commas and not has_point else "."


def _is_padded(rows: list[list[str]]) -> bool:
    cells = [cell for row in rows[1:] or rows for cell in row[1:] if cell]
    return bool(cells) and all(cell[0] == " " for cell in cells)
