"""How a CSV file is written, detected from its start, as far as the user does not say it.

A table is recognized by its shape: rows of as many cells as the names above them, and a column of numbers
under a word. Only a file that shows it is read otherwise than from its first line on, or by spaces; any
other is left to the strict reader, which refuses what it cannot read. Reads no file.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from mlapi.data.tables.cells import is_marker
from mlapi.data.tables.headers import cells_needed, is_word
from mlapi.errors import DatasetError
from mlapi.wording import counted, quoted

SAMPLE = 256 * 1024
"""How many characters at the start of a file the dialect is detected in."""

DELIMITERS = (";", "\t", "|", ",")
"""The delimiters that are detected. The comma is the last, because it stands in numbers and sentences too:
where another fits as well, the other is taken."""

SPACES = " "
"""The delimiter of tables whose cells are set apart by one space or more."""

LONGEST_CELL = 16 * 1024 * 1024
"""The most characters of one cell."""

_MOST_SKIPPED = 1000
"""The most lines above the names of the columns that a user may leave out."""

_MOST_ABOVE = 10
"""The most rows above the names of the columns that are left out without being told."""

_FEWEST = 3
"""The fewest columns of a table where two are too few to know it by."""

_WITH_POINT = re.compile(r"[+-]?(?:\d*|\d{1,3}(?:,\d{3})+)\.\d+")
"""A number with a decimal point: 1.5, .5, 1,234.5."""

_WITH_COMMA = re.compile(r"[+-]?(?:\d*|\d{1,3}(?:\.\d{3})+),\d+")
"""A number with a decimal comma: 1,5, ,5, 1.234,5."""

_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:[.,]\d{3})+")
"""A number whose commas or points may separate thousands: 1,234, 1.234."""

_MILLIONS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3}){2,}")
"""A number whose commas can only separate thousands: 1,234,567."""

_NUMBER = re.compile(r"[+-]?(?:\d[\d.,']*|[.,]\d+)(?:[eE][+-]?\d+)?")
"""Whatever is written like a number in some style."""

_NUMBER_OR_DATE = re.compile(rf"{_NUMBER.pattern}|\d+(?:[-/.:T ]\d+)+Z?")
"""Whatever is written like a number, or like a date."""

_RUN = re.compile(r"\S {2,}\S")
"""Several spaces between two signs, which people write between cells."""

_EXCEL = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)
"""The line by which Excel tells the delimiter."""

_SIGNS = re.compile(r"""[^\w\s"',.+-]+""")
"""Signs that may set cells apart."""

RowOnLine: TypeAlias = tuple[int, list[str]]
"""A row's cells, after a line of the file that they stand on."""


@dataclass(frozen=True, slots=True)
class CsvOptions:
    """What a user says about how a file is written; what is None is detected.

    Raises:
        DatasetError: An option is none that a CSV file can have, or two exclude each other.
    """

    delimiter: str | None = None
    """The one character between two cells; a space stands for any number of them."""
    encoding: str | None = None
    """A name that Python knows, as "cp1252"."""
    decimal: str | None = None
    """The decimal sign, "." or ","."""
    thousands: str | None = None
    """The thousands separator, "" for none; for `mlapi.data.tables`."""
    skip_lines: int | None = None
    """How many lines stand before the one with the names of the columns."""

    def __post_init__(self) -> None:
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n\0'):
            raise DatasetError(f"the delimiter is one character, not {quoted(self.delimiter)}")
        if self.decimal not in (None, ".", ","):
            raise DatasetError(f'the decimal sign is "." or ",", not {quoted(self.decimal)}')
        if self.thousands not in (None, "", ",", ".", " ", "'"):
            raise DatasetError(f'thousands are set apart by one of , . \' or a space, not "{self.thousands}"')
        if self.decimal is not None and self.decimal == self.thousands:
            raise DatasetError(f'"{self.decimal}" cannot be both the decimal sign and between thousands')
        if self.skip_lines is not None and not 0 <= self.skip_lines <= _MOST_SKIPPED:
            raise DatasetError(f"0 to {_MOST_SKIPPED:,} lines can be skipped, not {self.skip_lines:,}")
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
    skipped: int = 0
    """How many lines stand before the one with the names of the columns, and are no part of the table."""
    above: str = ""
    """The first text on these lines, where nobody has told to skip them."""
    is_escaped: bool = False
    """Whether a quote inside a cell has a backslash before it, and is not doubled."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was detected and may be wrong, a phrase each."""
        notes = []
        if self.above:
            what = f"{counted(self.skipped, 'line')} above the names of the columns ({quoted(self.above)})"
            notes.append(f"left out: {what}")
        if self.delimiter == SPACES:
            notes.append("its cells are set apart by spaces")
        if self.is_escaped:
            notes.append('a backslash before a quote is taken for its escape: \\" is a quote')
        if self.decimal == ",":
            notes.append('"," is its decimal sign')
        return tuple(notes)


def dialect_in(
    name: str, sample: str, encoding: str, options: CsvOptions = NO_OPTIONS, *, is_escaped: bool = False
) -> Dialect:
    """Detect from its first `SAMPLE` characters what the options leave open about a file.

    Args:
        name: What messages call the file.
        is_escaped: Whether quotes have a backslash before them.

    Raises:
        DatasetError: Its cells are set apart by something that is no delimiter of a CSV file.
    """
    excel = _EXCEL.match(sample) if options.skip_lines is None else None
    skipped = int(bool(excel)) if options.skip_lines is None else options.skip_lines
    is_cut = len(sample) >= SAMPLE
    lines = io.StringIO(sample, newline="")
    for _ in range(skipped):
        lines.readline()
    body = lines.read()
    delimiter = options.delimiter or (excel and excel[1])
    if delimiter:
        rows = complete_rows(body, delimiter, is_cut=is_cut, is_escaped=is_escaped)
    else:
        delimiter, rows = _delimited(name, body, options, is_cut=is_cut, is_escaped=is_escaped)
    above = excel[0].strip() if excel else ""
    if options.skip_lines is None and (number := _rows_above(rows)):
        above = above or next(cell for cell in rows[0][1] if cell.strip()).strip()
        skipped += rows[number - 1][0]
        rows = rows[number:]
    cells = [cell.strip() for _, row in rows[1:] for cell in row]
    return Dialect(
        encoding,
        delimiter,
        options.decimal
        or _DECIMAL_BY_THOUSANDS.get(options.thousands or "")
        or ("." if delimiter == "," else _decimal(cells, delimiter)),
        delimiter == SPACES or _is_padded([row for _, row in rows]),
        skipped,
        above,
        is_escaped,
    )


def reader_of(
    lines: Iterable[str],
    delimiter: str,
    *,
    padded: bool = False,
    is_escaped: bool = False,
    strict: bool = True,
) -> Any:
    """Return Python's reader of CSV over lines."""
    csv.field_size_limit(LONGEST_CELL)
    return csv.reader(
        map(_escape_others, lines) if is_escaped else lines,
        delimiter=delimiter,
        skipinitialspace=padded,
        escapechar="\\" if is_escaped else None,
        strict=strict,
    )


_ESCAPE = re.compile(r'\\["\\]?')


def _escape_others(line: str) -> str:
    """Double each backslash that escapes neither a quote nor a backslash: \\N is MySQL's NULL, and no N."""
    return _ESCAPE.sub(lambda match: match[0] if len(match[0]) > 1 else "\\\\", line)


def complete_rows(text: str, delimiter: str, *, is_cut: bool, is_escaped: bool = False) -> list[RowOnLine]:
    """Return the rows of a text that are not blank, each with the line that it ends on.

    The last one is left out where the text may have cut it.
    """
    lines = io.StringIO(text, newline="")
    reader = reader_of(lines, delimiter, padded=delimiter == SPACES, is_escaped=is_escaped, strict=False)
    rows = [
        (reader.line_num, cells)
        for cells in reader
        if cells and (cells[0].strip() or any(map(str.strip, cells)))
    ]
    return rows[:-1] if is_cut else rows


def _delimited(
    name: str, text: str, options: CsvOptions, *, is_cut: bool, is_escaped: bool
) -> tuple[str, list[RowOnLine]]:
    """Return the delimiter by which most rows have as many cells as the header, and the rows; among equals,
    the delimiter that makes more cells.

    Raises:
        DatasetError: There is none, and something else sets the cells apart.
    """
    by_delimiter = {
        sign: complete_rows(text, sign, is_cut=is_cut, is_escaped=is_escaped)
        for sign in DELIMITERS
        if sign in text
    }
    shares = {
        sign: _regularity(rows if options.skip_lines is not None else rows[_rows_above(rows) :])
        for sign, rows in by_delimiter.items()
    }
    delimiter = max(shares, key=shares.__getitem__, default=",")
    if delimiter in shares:
        _refuse_long_delimiter(name, by_delimiter[delimiter], delimiter)
        if shares[delimiter][0]:
            return delimiter, by_delimiter[delimiter]
    spaced = complete_rows(text, SPACES, is_cut=is_cut, is_escaped=is_escaped) if SPACES in text else []
    if _is_set_apart_by_spaces(text, [row for _, row in spaced]):
        return SPACES, spaced
    whole = complete_rows(text, ",", is_cut=is_cut, is_escaped=is_escaped)
    _refuse_other_delimiter(name, whole)
    return ",", whole


def _regularity(rows: list[RowOnLine]) -> tuple[float, int]:
    """Return the share of rows with as many cells as the header, or an empty one more; and the header's."""
    width = len(rows[0][1]) if rows else 0
    if width < 2:
        return 0.0, width
    regular = sum(len(row) == width or (len(row) == width + 1 and not row[-1]) for _, row in rows)
    return regular / len(rows), width


def _rows_above(rows: list[RowOnLine]) -> int:
    """Return how many rows stand above the names of the columns: titles and comments, of one cell each.

    None does unless what is below them is a table, and they are no part of it.
    """
    number = next((n for n, (_, row) in enumerate(rows[: _MOST_ABOVE + 1]) if not _is_title(row)), 0)
    below = rows[number:]
    if not number or not _is_table([row for _, row in below]):
        return 0
    width = cells_needed(below[0][1])
    above = [row for _, row in rows[:number]]
    if any(cells_needed(row) == width for row in above):  # "#id,name" are names themselves
        return 0
    if any(len(row) > 1 for row in above) and width < _FEWEST:  # of two columns one may lack a name
        return 0
    return number


def _is_title(cells: list[str]) -> bool:
    return cells_needed(cells) == 1 or cells[0].startswith("#")


def _is_set_apart_by_spaces(text: str, rows: list[list[str]]) -> bool:
    """Whether rows that were divided at spaces are a table.

    A single column may have a name of two words, and hold dates with a time.
    """
    if len({cells_needed(row) for row in rows}) != 1:
        return False
    if _RUN.search(text):
        return _is_table(rows)
    return cells_needed(rows[0]) >= _FEWEST and _is_table(rows, _NUMBER)


def _is_table(all_rows: Sequence[list[str]], number: re.Pattern[str] = _NUMBER_OR_DATE) -> bool:
    """Whether the first row holds words, all others as many cells, and one column of these numbers."""
    rows = [*all_rows[:1], *(row for row in all_rows[1:] if row != all_rows[0])]
    if len(rows) < 2:
        return False
    width = cells_needed(rows[0])
    names = [cell.strip() for cell in rows[0][:width]]
    if width < 2 or len(set(names)) < width or not all(map(is_word, names)) or any(map(is_marker, names)):
        return False
    if any(len(row) < width or cells_needed(row) > width for row in rows[1:]):
        return False
    columns = zip(*(row[:width] for row in rows[1:]), strict=True)
    return any(
        any(map(str.strip, column)) and all(number.fullmatch(cell.strip()) for cell in column if cell.strip())
        for column in columns
    )


def _refuse_long_delimiter(name: str, rows: list[RowOnLine], delimiter: str) -> None:
    """Refuse a file whose delimiter is several signs, as ~|~: cells that all end and begin with one."""
    sign = rows[0][1][0][-1:] if rows else ""
    if not _SIGNS.fullmatch(sign):
        return
    if all(
        len(row) > 1
        and all(cell.endswith(sign) for cell in row[:-1])
        and all(cell.startswith(sign) for cell in row[1:])
        for _, row in rows
    ):
        raise DatasetError(
            f"{name}: its cells are set apart by {quoted(sign + delimiter + sign)}; write one character "
            f"between them, as a comma"
        )


def _refuse_other_delimiter(name: str, rows: list[RowOnLine]) -> None:
    """Refuse a file whose header and rows are all divided by the same signs, which are not looked for."""
    lines = [row[0] for _, row in rows if len(row) == 1]
    if len(lines) < 2 or len(lines) < len(rows):
        return
    for sign in dict.fromkeys(_SIGNS.findall(lines[0])):
        split = [line.split(sign) for line in lines]
        if _is_table(split) and len({len(cells) for cells in split}) == 1:
            way_out = (
                f"--delimiter {quoted(sign)} reads it"
                if len(sign) == 1
                else "write one character between them, as a comma"
            )
            raise DatasetError(f"{name}: its cells seem to be set apart by {quoted(sign)}; {way_out}")
    if all(map(_RUN.search, lines)):
        raise DatasetError(
            f"{name}: no delimiter is found in the first line ({quoted(lines[0])}); its cells seem to be set "
            f"apart by spaces, but not each row has as many; write a comma between them"
        )


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
