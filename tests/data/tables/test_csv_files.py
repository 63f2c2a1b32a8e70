"""CSV files row by row: dialects, lines, and reading from what cannot be read twice."""

import gzip
import os
import threading
from pathlib import Path

import pytest

from mlapi.data.tables.csv_files import open_csv
from mlapi.data.tables.dialects import SAMPLE, Dialect
from mlapi.data.tables.encodings import encoding_of
from mlapi.errors import DatasetError


def rows(file: Path) -> tuple[Dialect, list[tuple[int, list[str]]]]:
    """The dialect, and all rows, the names of the columns first."""
    with open_csv(file) as table:
        return table.dialect, [(1, table.names), *table]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


def test_rows_come_with_the_line_that_they_begin_on(file: Path) -> None:
    file.write_text('a;b\n\n1;"x\ny"\n2;3,5\n')

    assert rows(file) == (
        Dialect("utf-8", ";", ","),
        [(1, ["a", "b"]), (3, ["1", "x\ny"]), (5, ["2", "3,5"])],
    )


def test_packed_rows_are_unpacked(file: Path) -> None:
    file.write_bytes(gzip.compress("Straße\té\n1\t2\n".encode("cp1252")))

    assert rows(file) == (Dialect("cp1252", "\t"), [(1, ["Straße", "é"]), (2, ["1", "2"])])


def test_a_pipe_is_read_although_it_can_be_read_only_once(file: Path) -> None:
    os.mkfifo(file)
    writer = threading.Thread(target=file.write_text, args=["a,b\n1,2\n"])
    writer.start()

    found = rows(file)[1]

    writer.join()
    assert found == [(1, ["a", "b"]), (2, ["1", "2"])]


def test_the_encoding_is_found_at_the_end_of_a_long_file_too(file: Path) -> None:
    file.write_bytes(b"a,b\n" + b"1,2\n" * SAMPLE + "é,2\n".encode("cp1252"))

    dialect, found = rows(file)

    assert (dialect.encoding, found[-1][1]) == ("cp1252", ["é", "2"])


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_character_in_two_pieces_is_whole(cut: int) -> None:
    content = "a€".encode()

    assert encoding_of("x", lambda: [content[:cut], content[cut:]]).name == "utf-8"


def test_bytes_that_are_damaged_in_a_later_piece_are_told() -> None:
    with pytest.raises(DatasetError, match="x is UTF-8 only at first"):
        encoding_of("x", lambda: ["é".encode(), b"plain", b"\xe9"])


def test_a_piece_in_the_middle_of_a_character_is_seen() -> None:
    euro = "€".encode()

    assert encoding_of("x", lambda: [b"a" + euro[:1], b"plain", b"b"]).name == "cp1252"


def test_a_character_that_is_cut_off_at_the_end_is_told() -> None:
    with pytest.raises(DatasetError, match="x is UTF-8 only at first"):
        encoding_of("x", lambda: ["é".encode(), "é".encode()[:1]])


@pytest.mark.parametrize(
    ("content", "delimiter", "decimal"),
    [
        ("a,b\n1,2\n", ",", "."),
        ("name;age\nDoe, John;30\nRoe, Ann;31\n", ";", "."),
        ('"a;b",c\n"1;2",3\n"4;5",6\n', ",", "."),
        ("a;b\n1,5;2,5\n3,5;4,5\n", ";", ","),
        ("a\tb\n1,5\tx\n", "\t", ","),
        ("a\tb\n1,500\tx\n", "\t", "."),
        ("a;b\n1,500;x\n", ";", ","),
        ("a;b\n1,500;x\n1,500,000;y\n", ";", "."),
        ("a;b\n1,5;1.5\n", ";", "."),
        ("a;b\n1,5;1.500\n", ";", ","),
        ("a;b\n1.500,5;x\n", ";", ","),
        ("a;b\n1,500.5;2,5\n", ";", "."),
        ("a|b\n1|2\n", "|", "."),
        ("a\n1\n2\n", ",", "."),
        ('a;b\n"x\n;;;\n";1\n', ";", "."),
        ("a;b;c\n1;2\n1;2;3\n", ";", "."),
    ],
)
def test_the_delimiter_and_the_decimal_sign_are_found(
    file: Path, content: str, delimiter: str, decimal: str
) -> None:
    file.write_text(content)

    with open_csv(file) as table:
        assert (table.dialect.delimiter, table.dialect.decimal) == (delimiter, decimal)
