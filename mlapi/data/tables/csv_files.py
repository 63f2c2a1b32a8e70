"""Read CSV files strictly, row by row, whatever they are written and packed in.

How a file is written is detected, or given as options. A row has to have a cell for every column that has a
name, and no name may stand twice; what is passed over is counted, and said. Training and predicting find the
rows here, both. What the cells mean is for `mlapi.data.tables` to say.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, TypeAlias

from mlapi.data.tables import encodings, packing
from mlapi.data.tables.dialects import (
    NO_OPTIONS,
    SAMPLE,
    CsvOptions,
    Dialect,
    RowOnLine,
    dialect_in,
    reader_of,
)
from mlapi.data.tables.encodings import CHUNK_BYTES, MARK, Encoding
from mlapi.data.tables.headers import cells_needed, column_names, is_word, refuse_numbers
from mlapi.errors import DatasetError
from mlapi.wording import counted, quoted

_NAMED_LINES = 3
"""How many lines a note names."""

_RULE = re.compile(r"[-+|:= ]*--[-+|:= ]*")
"""The line below the names in tables of Markdown and of databases' terminals."""

_FORMULA = '="'
"""What Excel's formula begins with that is nothing but a text: ="00123"."""

Restart: TypeAlias = Callable[[], IO[str]]
"""Gives the text of a file from its start on, without a byte order mark."""


@contextmanager
def open_csv(file: Path, options: CsvOptions = NO_OPTIONS) -> "Iterator[CsvRows]":
    """Open a file, compressed or not: a context with its rows, which are read as they are asked for.

    To detect the encoding, and to see whether quotes have backslashes, the whole file is read before.

    Raises:
        DatasetError: It is no text, or `CsvRows` refuses its header or a row; within the context too.
        OSError: It cannot be read.
    """
    name = str(file)
    with file.open("rb") as raw, packing.readable(name):
        content = packing.unpacked(name, raw if raw.seekable() else io.BytesIO(raw.read()))
        first = content.read(CHUNK_BYTES)
        if not first:
            raise DatasetError(f"{name} is empty")
        if first.startswith(packing.PARQUET):
            raise DatasetError(f"{name} is a Parquet file; save its rows as CSV")
        packing.refuse_foreign(name, first)

        def read() -> Iterator[bytes]:
            content.seek(0)
            return iter(lambda: content.read(CHUNK_BYTES), b"")

        encoding = encoding_in(name, read, options)
        content.seek(0)
        with io.TextIOWrapper(content, encoding.name, newline="") as text:
            # An encoding from the options does not take the mark away, as "utf-8-sig" and "utf-16" do.
            start = text.tell() if text.read(1) == MARK else 0

            def restart() -> IO[str]:
                text.seek(start)
                return text

            yield rows_in(name, restart, encoding, options, has_escapes=_has_escapes(restart()))


def encoding_in(name: str, read: Callable[[], Iterable[bytes]], options: CsvOptions) -> Encoding:
    """Return the encoding that the user says, or the one that a file's bytes are in, all of which are read.

    Raises:
        DatasetError: They are in none that is detected.
    """
    return Encoding(options.encoding) if options.encoding else encodings.encoding_of(name, read)


def rows_in(
    name: str, restart: Restart, encoding: Encoding, options: CsvOptions, *, has_escapes: bool
) -> "CsvRows":
    """Return the rows of a text, in the one reading that all of it agrees with.

    Quotes inside of cells are doubled; where that fits not all rows, but a backslash before each does, they
    are escaped.

    Args:
        has_escapes: Whether a backslash stands before a quote anywhere.

    Raises:
        DatasetError: The header is not as it must be.
    """
    dialect = dialect_in(name, restart().read(SAMPLE), encoding.name, options)
    if has_escapes and (problem := _problem(name, restart, dialect)):
        dialect = dialect_in(name, restart().read(SAMPLE), encoding.name, options, is_escaped=True)
        if _problem(name, restart, dialect):
            raise problem
    return CsvRows(name, restart(), dialect, encoding)


def _has_escapes(text: IO[str]) -> bool:
    last = ""
    for piece in iter(lambda: text.read(CHUNK_BYTES), ""):
        if '\\"' in last + piece:
            return True
        last = piece[-1:]
    return False


def _problem(name: str, restart: Restart, dialect: Dialect) -> DatasetError | None:
    """Return why a file cannot be read in a dialect; None if it can."""
    try:
        for _ in CsvRows(name, restart(), dialect):
            pass
    except DatasetError as error:
        return error
    return None


class CsvRows:
    """The rows of a CSV file, once, each with the line of the file that it begins on.

    Every row has as many cells as there are names: empty ones are added to short rows, and blank ones behind
    the last name are ignored. Passed over are blank rows, and those that repeat the header.

    Raises:
        DatasetError: There is no header, or it is not as it must be; and, when the rows are asked for, the
            file is not CSV, or a row does not match the header. The message has the line.
    """

    def __init__(self, name: str, text: IO[str], dialect: Dialect, encoding: Encoding | None = None) -> None:
        self.dialect = dialect
        self._name = name
        self._encoding = encoding or Encoding(dialect.encoding)
        self.blank, self.repeated, self._marks = Lines(), Lines(), Lines()
        self._formulas, self._has_formulas = Lines(), False
        self._rule: int | None = None  # the line below the names that is no row, once it is known; 0 for none
        self._rows = self._read(text)
        first = next(self._rows, None)
        if first is None:
            raise DatasetError(f"{name} has no rows")
        self._header_line, self.header = first[0], self._without_formulas(*first)
        refuse_numbers(name, self.header, self._header_line)
        if len(self.header) == 1 and self.header[0].count(dialect.delimiter) > 1:
            raise DatasetError(
                f"{name}: line {self._header_line} stands in quotes as a whole ({quoted(self.header[0])}); "
                f"take the quotes around each line away"
            )
        self.names = column_names(name, self.header)

    def __iter__(self) -> Iterator[RowOnLine]:
        width, fewest = len(self.names), cells_needed(self.header)
        first, header = self.header[0], self.header[:fewest]
        may_repeat = fewest > 1 and any(map(is_word, self.header))  # one word may well be a cell
        for line, raw in self._rows:
            if self._rule is None:
                self._rule = line if is_rule("".join(raw)) else 0
                if self._rule:
                    continue
            cells = self._without_formulas(line, raw) if self._has_formulas else raw
            is_full = len(cells) == width
            if not is_full and (len(cells) < fewest or any(map(str.strip, cells[width:]))):
                raise DatasetError(self._ragged(line, cells))
            if (
                may_repeat
                and cells[0] == first
                and cells[:fewest] == header
                and cells_needed(cells) == fewest
            ):
                self.repeated.add(line)
                continue
            yield line, cells if is_full else (cells + [""] * width)[:width]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed and passed over in the rows that were read so far, in parts of sentences."""
        repeated = f"that {'repeats' if self.repeated.count == 1 else 'repeat'} the header"
        entries = (
            (self.repeated, "left out: {} " + repeated, "row"),
            (self.blank, "passed over: {} of nothing but delimiters", "blank row"),
            (self._marks, "left out: {} within the file", "byte order mark"),
        )
        counts = [
            f"{words.format(counted(lines.count, noun))} ({lines})"
            for lines, words, noun in entries
            if lines.count
        ]
        formulas = [f'cells that are written ="…" are taken for their text ({self._formulas})']
        rule = [f"left out: the line below the names (line {self._rule})"] if self._rule else []
        return (
            *self._encoding.notes,
            *self.dialect.notes,
            *rule,
            *counts,
            *(formulas if self._formulas.count else ()),
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What seems to be wrong with the file's letters, in parts of sentences."""
        return self._encoding.warnings

    def _read(self, text: IO[str]) -> Iterator[RowOnLine]:
        """Yield every row that is not blank."""
        dialect, skipped = self.dialect, self.dialect.skipped
        reader = reader_of(
            self._lines(text), dialect.delimiter, padded=dialect.padded, is_escaped=dialect.is_escaped
        )
        begin = skipped + 1
        try:
            for cells in reader:
                line, begin = begin, skipped + reader.line_num + 1
                # nearly every row has a first cell: it is not asked about the others
                if (cells and cells[0].strip(" \t")) or not _is_blank(cells, padded=dialect.padded):
                    yield line, cells
                elif len(cells) > 1:
                    self.blank.add(line)
        except csv.Error as error:
            raise DatasetError(_broken(self._name, error, begin)) from error

    def _lines(self, text: IO[str]) -> Iterator[str]:
        """Yield the lines as Python's reader takes them, from the one on that may have the names."""
        skipped = self.dialect.skipped
        for number, line in enumerate(islice(text, skipped, None), start=skipped + 1):
            if "\0" in line:
                raise DatasetError(
                    f"{self._name} is no text file: line {number} has a NUL; if it is UTF-16, tell its "
                    f"encoding"
                )
            if line.startswith(MARK):
                self._marks.add(number)
            if _FORMULA in line:
                self._has_formulas = True
            yield line.lstrip(MARK)

    def _without_formulas(self, line: int, cells: list[str]) -> list[str]:
        texts = list(map(_text_of, cells))
        if texts != cells:
            self._formulas.add(line)
        return texts

    def _ragged(self, line: int, cells: list[str]) -> str:
        """Return what to say about a row that does not match the header."""
        way_out, sign = "", self.dialect.delimiter
        if len(cells) == 1 and cells[0].count(sign) >= cells_needed(self.header) - 1 > 0:
            way_out = "; it stands in quotes as a whole: take the quotes around it away"
        elif len(cells) > len(self.names) and line == self._header_line + 1 and cells[0] in {"0", "1"}:
            way_out = (
                "; if its first cell is its number, as R writes it, put a name for that before the others"
            )
        elif len(cells) > len(self.names) > 1:
            way_out = f"; a cell with {sign!r} in it has to stand in quotes"
        elif cells_needed(cells) == 1:
            way_out = "; if it is no row of the table, remove it"
        elif cells_needed(self.header) == 1:
            way_out = (
                f"; if the names of the columns do not stand on line {self._header_line}, leave out what is "
                f"above them (--skip-lines {line - 1})"
            )
        return (
            f"{self._name}: line {line} has {counted(len(cells), 'cell')} where the header has "
            f"{len(self.names)}, between {self.dialect.delimiter!r}{way_out}"
        )


class Lines:
    """How many lines there are of a kind, and the first ones."""

    def __init__(self) -> None:
        self.count = 0
        self._first: list[int] = []

    def add(self, line: int) -> None:
        self.count += 1
        if self.count <= _NAMED_LINES:
            self._first.append(line)

    def __str__(self) -> str:
        rest = self.count - len(self._first)
        named = ", ".join(map(str, self._first))
        return f"line{'' if self.count == 1 else 's'} {named}{f' and {rest:,} more' if rest else ''}"


def is_rule(text: str) -> bool:
    """Return whether a line is nothing but dashes and signs between columns: |---|---|."""
    return _RULE.fullmatch(text) is not None


def _text_of(cell: str) -> str:
    """Return the text of a formula that is nothing but a text; any other cell as it is."""
    is_text = cell.startswith(_FORMULA) and cell.endswith('"') and len(cell) > len(_FORMULA)
    return cell[len(_FORMULA) : -1].replace('""', '"') if is_text else cell


def _is_blank(cells: list[str], *, padded: bool) -> bool:
    """Return whether a row is blank: nothing but spaces, tabs and delimiters; other spaces count.

    The one cell of a row without a delimiter may be quoted, and is one then. The reader removes the spaces
    after a delimiter.
    """
    if len(cells) == 1:
        return not cells[0].strip(" \t") and (cells[0] != "" or padded)
    return not any(cell.strip(" \t") for cell in cells)


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
