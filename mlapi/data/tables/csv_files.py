"""Read CSV files: detect how a file is written, then read its rows strictly.

The dialect (encoding, delimiter, decimal sign) is detected, or is given as options. A row has to have a cell
for every column that has a name, and no name may stand twice. What the cells mean is for
`mlapi.data.tables` to say.
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
"""How many characters at the start of a file the delimiter and the decimal sign are detected in."""

DELIMITERS = (";", "\t", "|", ",")
"""The delimiters that are detected. The comma is the last, because it stands in numbers and sentences too:
where another fits as well, the other is taken."""

_CHUNK_BYTES = 1024 * 1024
"""How many bytes are decoded at once while the encoding is detected."""

_BYTE_ORDER_MARK = "\ufeff"
"""The character that may stand before everything else, and is no part of the text."""

_LONGEST_CELL = 16 * 1024 * 1024
"""The most characters of one cell."""

_ENCODINGS_BY_MARK = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""The encoding of a file, by the byte order mark that it begins with."""

_OPENERS: Mapping[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
"""What opens a compressed file, by its first bytes; what the file's name ends in does not matter."""

_WITH_POINT = re.compile(r"[+-]?(?:\d*|\d{1,3}(?:,\d{3})+)\.\d+")
"""A number with a decimal point: 1.5, .5, 1,234.5."""

_WITH_COMMA = re.compile(r"[+-]?(?:\d*|\d{1,3}(?:\.\d{3})+),\d+")
"""A number with a decimal comma: 1,5, ,5, 1.234,5."""

_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:[.,]\d{3})+")
"""A number whose commas or points may separate thousands: 1,234, 1.234."""

_MILLIONS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3}){2,}")
"""A number whose commas can only separate thousands: 1,234,567."""


@dataclass(frozen=True, slots=True)
class CsvOptions:
    """What a user says about how a file is written; what is None is detected.

    Raises:
        DatasetError: An option is none that a CSV file can have, or two exclude each other.
    """

    delimiter: str | None = None
    """The one character between two cells."""
    encoding: str | None = None
    """A name that Python knows, as "cp1252"."""
    decimal: str | None = None
    """The decimal sign, "." or ","."""
    thousands: str | None = None
    """The thousands separator, "" for none; for `mlapi.data.tables`."""

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
"""The options of a user who says nothing: everything is detected."""

_DECIMAL_BY_THOUSANDS = {".": ",", ",": "."}
"""The decimal sign that goes with a thousands separator: where 1.234 is above a thousand, no point is a
decimal sign."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a CSV file is written."""

    encoding: str = "utf-8-sig"
    delimiter: str = ","
    decimal: str = "."
    padded: bool = False
    """Whether a space follows every delimiter; it belongs to no cell."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was detected and may be wrong, a phrase each."""
        notes = []
        if self.encoding == "cp1252":
            notes.append("it is not UTF-8, so it was read as cp1252 (Windows, Western Europe)")
        if self.decimal == ",":
            notes.append('"," is its decimal sign')
        return tuple(notes)


@contextmanager
def open_csv(
    file: Path, options: CsvOptions = NO_OPTIONS
) -> Iterator[tuple[Dialect, Iterator[tuple[int, list[str]]]]]:
    """Open a file, compressed or not: a context with its dialect and an iterator over the rows of `rows_of`.

    The rows are read as they are asked for; to detect the encoding the whole file is read once before.

    Raises:
        DatasetError: It is no text, or `rows_of` refuses a row; within the context too.
        OSError: It cannot be read.
    """
    name = str(file)
    with file.open("rb") as raw, readable(name):
        content = decompressed(raw if raw.seekable() else io.BytesIO(raw.read()))
        encoding = options.encoding or encoding_of(name, iter(lambda: content.read(_CHUNK_BYTES), b""))
        content.seek(0)
        with io.TextIOWrapper(content, encoding, newline="") as text:
            # An encoding from the options does not take the mark away, as "utf-8-sig" and "utf-16" do.
            start = text.tell() if text.read(1) == _BYTE_ORDER_MARK else 0
            text.seek(start)
            dialect = dialect_in(text.read(SAMPLE), encoding, options)
            text.seek(start)
            yield dialect, rows_of(name, text, dialect)


def decompressed(content: BinaryIO) -> BinaryIO:
    """Return the stream, or one that decompresses it if it begins as gzip, bzip2 or xz does."""
    start = content.read(max(map(len, _OPENERS)))
    content.seek(0)
    opener = next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)
    return opener(content) if opener else content


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Turn the errors of decompressing and decoding into one that names the file.

    Raises:
        DatasetError: The content could not be decompressed or decoded.
        OSError: The system could not read the file. Such errors have a number; those of bzip2 and gzip about
            the content have none.
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
    """Detect the encoding of a file from all of its bytes, in pieces of any size.

    A byte order mark decides if there is one. Else the encoding is UTF-8, else cp1252.

    Raises:
        DatasetError: It is neither, or it is UTF-8 up to some byte that is damaged.
    """
    first = next(rest := iter(pieces), b"")
    marked = next((encoding for mark, encoding in _ENCODINGS_BY_MARK.items() if first.startswith(mark)), None)
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


def dialect_in(sample: str, encoding: str, options: CsvOptions = NO_OPTIONS) -> Dialect:
    """Detect from its first `SAMPLE` characters what the options leave open about a file."""
    delimiter = options.delimiter or _delimiter(sample)
    rows = _complete_rows(sample, delimiter)
    cells = [cell.strip() for row in rows[1:] for cell in row]
    return Dialect(
        encoding,
        delimiter,
        options.decimal
        or _DECIMAL_BY_THOUSANDS.get(options.thousands or "")
        or ("." if delimiter == "," else _decimal(cells, delimiter)),
        _is_padded(rows),
    )


def rows_of(name: str, text: IO[str], dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Yield the names of the columns, then every row that is not blank, each with the line that it ends on.

    Every row has as many cells as there are names: empty ones are added to short rows, and a delimiter at the
    end of rows is ignored.

    Raises:
        DatasetError: It is not CSV, or a row does not match the header; the message has the line.
    """
    rows = _reader(_without_nul(name, text), dialect)
    line, width, names, fewest = 0, 0, list[str](), 0
    try:
        for cells in rows:
            line = rows.line_num
            if _is_blank(cells, dialect):
                continue
            if not names:
                names, fewest = column_names(name, cells), cells_needed(cells)
                yield line, names
                continue
            width = width or max(len(cells), len(names))  # a delimiter at the end of all rows
            if not fewest <= len(cells) <= width or any(cells[len(names) :]):
                raise DatasetError(
                    f"{name}: line {line} has {len(cells)} cells where the header has {len(names)}, "
                    f"between {dialect.delimiter!r}"
                )
            yield line, (cells + [""] * len(names))[: len(names)]
    except csv.Error as error:
        raise DatasetError(_broken(name, error, line + 1)) from error


def header_of(name: str, text: IO[str], dialect: Dialect) -> list[str]:
    """Return the cells of the first row that is not blank, unchanged.

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
    """Return the names of the columns: without spaces around them, and "unnamed_3" for an empty one.

    Raises:
        DatasetError: One name stands twice, or the row is Excel's "sep=;".
    """
    names = [cell.strip() or f"unnamed_{position}" for position, cell in enumerate(header, start=1)]
    if names[0].lower().startswith("sep="):
        raise DatasetError(
            f"{name}: the first line is Excel's {names[0]!r}; remove it, so that the names are first"
        )
    repeated = next((column for column, count in Counter(names).items() if count > 1), None)
    if repeated is not None:
        raise DatasetError(f"{name}: two columns are called {repeated!r}; rename one")
    return names


def _reader(lines: Iterable[str], dialect: Dialect) -> Any:
    csv.field_size_limit(_LONGEST_CELL)
    return csv.reader(lines, delimiter=dialect.delimiter, skipinitialspace=dialect.padded, strict=True)


def cells_needed(header: list[str]) -> int:
    """Return how many cells a row has to have: those up to the last column that has a name."""
    return max((position for position, cell in enumerate(header, start=1) if cell.strip()), default=0)


def _is_blank(cells: list[str], dialect: Dialect) -> bool:
    """Return whether a row is blank, as pandas decides it: nothing but spaces and tabs; other spaces count.

    The reader removes the spaces after a delimiter; but a row with a delimiter has more than one cell.
    """
    if len(cells) != 1:
        return not cells
    return not cells[0].strip(" \t") and (cells[0] != "" or dialect.padded)


def _without_nul(name: str, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if "\0" in line:
            raise DatasetError(nul_message(name, number))
        yield line


def nul_message(name: str, line: int) -> str:
    """Return what to say about a file with a NUL in this line."""
    return f"{name} is no text file: line {line} has a NUL; if it is UTF-16, tell its encoding"


def _broken(name: str, error: csv.Error, line: int) -> str:
    """Return what to say about a file whose quotes are wrong in the row that begins on this line."""
    problem = str(error)
    if "unexpected end" in problem or "field larger" in problem:
        return f"{name} is not a CSV file: a quote is never closed, in the row that begins on line {line}"
    if "expected after" in problem:
        return (
            f"{name}: line {line} has a quote inside a quoted cell that is not doubled; write two quotes for "
            f"one inside of a cell, and nothing between the one that closes it and the delimiter"
        )
    return f"{name} is not a CSV file: {problem}, in the row that begins on line {line}"


def _complete_rows(sample: str, delimiter: str) -> list[list[str]]:
    """Return the rows of a sample, without the last one where the sample may have cut it."""
    csv.field_size_limit(_LONGEST_CELL)
    rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if row]
    return rows[:-1] if len(sample) >= SAMPLE else rows


def _delimiter(sample: str) -> str:
    """Return the delimiter by which most rows have as many cells as the header; among equals, the delimiter
    that makes more cells."""
    candidates = [(_regularity(_complete_rows(sample, delimiter)), delimiter) for delimiter in DELIMITERS]
    (share, _), delimiter = max(candidates, key=lambda entry: entry[0])
    return delimiter if share else ","


def _regularity(rows: list[list[str]]) -> tuple[float, int]:
    """Return the share of rows with as many cells as the header, or an empty one more; and the header's."""
    width = len(rows[0]) if rows else 0
    if width < 2:
        return 0.0, width
    regular = sum(len(row) == width or (len(row) == width + 1 and not row[-1]) for row in rows)
    return regular / len(rows), width


def _decimal(cells: list[str], delimiter: str) -> str:
    """Return a comma where numbers have decimal commas and none has a decimal point, else a point.

    `1,234` can be above one or above a thousand. People delimit cells with semicolons where the comma is the
    decimal sign, so in such a file it is above one.
    """
    commas = [cell for cell in cells if _WITH_COMMA.fullmatch(cell)]
    if delimiter != ";" or any(map(_MILLIONS.fullmatch, cells)):
        commas = [cell for cell in commas if not _THOUSANDS.fullmatch(cell)]
    has_point = any(_WITH_POINT.fullmatch(cell) and not _THOUSANDS.fullmatch(cell) for cell in cells)
    return "," if commas and not has_point else "."


def _is_padded(rows: list[list[str]]) -> bool:
    cells = [cell for row in rows[1:] or rows for cell in row[1:] if cell]
    return bool(cells) and all(cell[0] == " " for cell in cells)
