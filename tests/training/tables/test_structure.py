"""Where rows, cells and names begin and end in the files that people have.

Each file is read by training and by predicting. Nothing of it is lost or joined in silence: what is no row
is said, or refused with its line.
"""

import math
import pickle
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlapi.data.tables.csv_files import open_csv
from mlapi.data.tables.dialects import SAMPLE, CsvOptions
from mlapi.data.tables.headers import INDEX
from mlapi.errors import DatasetError
from mlapi.training.tables.files import read

ROWS = "area,rooms,city\n65.4,1,Riga\n112.4,3,Turku\n59,3,Riga\n"
NAMES = ["area", "rooms", "city"]
CELLS = [["65.4", "1", "Riga"], ["112.4", "3", "Turku"], ["59", "3", "Riga"]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rows.csv"


class Reading:
    """What both read in a file: the names, the cells of each row, its line, and what is said."""

    def __init__(self, file: Path, content: bytes | str, **told: Any) -> None:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        options = CsvOptions(**told)
        with open_csv(file, options) as table:
            rows = list(table)
        self.names, self.notes, self.warnings = table.names, table.notes, table.warnings
        self.lines = [line for line, _ in rows]
        self.cells = [cells for _, cells in rows]
        trained = read(str(file), options)
        assert set(table.notes) <= set(trained.notes)
        assert trained.warnings == table.warnings
        assert trained.lines is not None
        assert list(trained.lines) == list(pickle.loads(pickle.dumps(trained.lines))) == self.lines
        assert len(trained.frame) == len(rows)
        for name in trained.frame:
            place = table.names.index(str(name))
            for cells, value in zip(self.cells, trained.frame[name].tolist(), strict=True):
                assert is_same(cells[place], value, table.dialect.decimal)


def is_same(cell: str, value: Any, decimal: str) -> bool:
    """Whether training's value is what stands in a cell."""
    if cell == "" or pd.isna(value):
        return bool(cell == "" and pd.isna(value))
    if isinstance(value, str):
        return cell == value
    return math.isclose(float(cell.replace(decimal, ".")), value)


def refusal(file: Path, content: bytes | str, **told: Any) -> str:
    """What training and predicting say of a file that both refuse in the same words, without its name."""
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DatasetError) as trained:
        read(str(file), CsvOptions(**told))
    with pytest.raises(DatasetError) as predicted, open_csv(file, CsvOptions(**told)) as table:
        list(table)
    assert str(trained.value) == str(predicted.value)
    return str(trained.value).removeprefix(str(file)).lstrip(": ")


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (
            "Sales report 2024\n" + ROWS,
            'left out: 1 line above the names of the columns ("Sales report 2024")',
        ),
        ("Sales\n" + ROWS + ROWS, 'left out: 1 line above the names of the columns ("Sales")'),
        ("Sales\n\n" + ROWS, 'left out: 1 line above the names of the columns ("Sales")'),
        ("Sales,,\n,,\n" + ROWS, 'left out: 1 line above the names of the columns ("Sales")'),
        ("# by us, for you\n# 2024\n" + ROWS, 'left out: 2 lines above the names of the columns ("# by us")'),
        (
            '"A title\nin quotes"\n' + ROWS,
            'left out: 2 lines above the names of the columns ("A title\\nin quotes")',
        ),
        ("sep=,\n" + ROWS, 'left out: 1 line above the names of the columns ("sep=,")'),
        ("sep=|\r\n" + ROWS.replace(",", "|"), 'left out: 1 line above the names of the columns ("sep=|")'),
        ("sep=^\n" + ROWS.replace(",", "^"), 'left out: 1 line above the names of the columns ("sep=^")'),
        (ROWS + ROWS, "left out: 1 row that repeats the header (line 5)"),
        (ROWS + ROWS + "\n" + ROWS, "left out: 2 rows that repeat the header (lines 5, 10)"),
        (
            ROWS + ROWS.replace("area,rooms", '"area","rooms"'),
            "left out: 1 row that repeats the header (line 5)",
        ),
        (ROWS + ROWS.replace("city\n", "city,\n"), "left out: 1 row that repeats the header (line 5)"),
        (ROWS + "\ufeff" + ROWS, "left out: 1 byte order mark within the file (line 5)"),
        (ROWS + "\ufeff" + ROWS, "left out: 1 row that repeats the header (line 5)"),
        (ROWS + "\ufeff65,1,Riga\n", "left out: 1 byte order mark within the file (line 5)"),
        (ROWS + ",,\n" * 2, "passed over: 2 blank rows of nothing but delimiters (lines 5, 6)"),
        (ROWS + ',"",\n , \t,\n', "passed over: 2 blank rows of nothing but delimiters (lines 5, 6)"),
        (",,\n" + ROWS, "passed over: 1 blank row of nothing but delimiters (line 1)"),
        (
            (ROWS + ",,\n" * 5).replace(".", ";").replace(",", "\t"),
            "passed over: 5 blank rows of nothing but delimiters (lines 5, 6, 7 and 2 more)",
        ),
    ],
)
def test_what_is_no_row_is_left_out_and_said(file: Path, content: str, note: str) -> None:
    found = Reading(file, content)

    assert found.names == NAMES
    assert [cells[2] for cells in found.cells[:3]] == ["Riga", "Turku", "Riga"]
    assert "area" not in {cells[0].strip("\ufeff") for cells in found.cells}
    assert all(any(cells) for cells in found.cells)
    assert note in found.notes


@pytest.mark.parametrize(
    "content",
    [
        ROWS.replace("1,Riga\n", "1,Riga,\n"),
        ROWS.replace("3,Turku\n", "3,Turku,,\n"),
        ROWS.replace("\n", ",\n"),
        ROWS.replace("city\n", "city,,\n"),
        ROWS.replace("\n", ",,\n"),
        ROWS.replace("city\n", "city, ,\n"),
    ],
)
def test_blank_cells_behind_the_last_name_count_for_nothing(file: Path, content: str) -> None:
    found = Reading(file, content)

    assert found.names[:3] == NAMES
    assert [cells[:3] for cells in found.cells] == CELLS


@pytest.mark.parametrize(
    "content",
    [
        ROWS.replace(",", "   "),
        ROWS.replace(",", " "),
        "area   rooms  city\n65.4   1      Riga\n112.4  3      Turku\n59     3      Riga\n",
        " area rooms   city\n 65.4     1   Riga\n112.4     3  Turku\n   59     3   Riga  \n",
    ],
)
def test_cells_that_are_set_apart_by_spaces_are_read_and_that_is_said(file: Path, content: str) -> None:
    found = Reading(file, content)

    assert [cells[:3] for cells in found.cells] == CELLS
    assert found.notes[0] == "its cells are set apart by spaces"


def test_a_backslash_before_a_quote_is_its_escape_where_all_of_the_file_agrees(file: Path) -> None:
    found = Reading(file, 'item,n\n"Monitor 24\\"",1\n"a ""b"", c",2\n"\\\\",3\n\\N,4\n5\\" pipe,5\n"x",6\n')

    assert [cells[0] for cells in found.cells] == ['Monitor 24"', 'a "b", c', "\\", "\\N", '5" pipe', "x"]
    assert found.notes == ('a backslash before a quote is taken for its escape: \\" is a quote',)


def test_a_backslash_stays_where_quotes_are_doubled(file: Path) -> None:
    found = Reading(file, 'path,n\n"C:\\dir\\",1\nC:\\x\\" y,2\n')

    assert [cells[0] for cells in found.cells] == ["C:\\dir\\", 'C:\\x\\" y']
    assert found.notes == ()


def test_what_fits_neither_is_refused_with_the_line_of_the_first_quote(file: Path) -> None:
    words = refusal(file, 'item,n\n"a",1\n"24\\"",2\n"24"",3\n"b",4\n')

    assert words.startswith("line 3 has a quote inside a quoted cell that is not doubled")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("text\nhello, world\nwell, well\n", "line 2 has 2 cells where the header has 1"),
        ("Sales, 2024\n" + ROWS, "line 2 has 3 cells where the header has 2"),
        ("text\nhello, world\n", "leave out what is above them (--skip-lines 1)"),
        (
            ROWS + "Total\n",
            "line 5 has 1 cell where the header has 3, between ','; if it is no row of the table",
        ),
        (ROWS + "(3 rows)\n", "line 5 has 1 cell where the header has 3"),
        (ROWS + '"a\nb",2,x\n7,8,9,10\n', "line 7 has 4 cells where the header has 3"),
        (ROWS.replace(",", "~|~"), 'its cells are set apart by "~|~"; write one character between them'),
        (ROWS.replace(",", "::"), 'its cells seem to be set apart by "::"; write one character between them'),
        (ROWS.replace(",", "^"), 'its cells seem to be set apart by "^"; --delimiter "^" reads it'),
        (ROWS.replace(",", "  ") + "7  8\n", 'no delimiter is found in the first line ("area  rooms  city")'),
        ("65.4,1\n112.4,3\n59,3\n", "the first line is a row (65.4, 1); put the columns' names before it"),
        ("\n\n65.4,1\n112.4,3\n", "line 3, where the names are expected, is a row (65.4, 1)"),
        (ROWS + "1,\x00,3\n", "is no text file: line 5 has a NUL"),
        ("a,a\n1,2\n", "two columns are called 'a'; rename one"),
        ("PK\x03\x04", "is an archive that cannot be unpacked"),
        ("<!doctype html>\n<p>", "is a web page"),
        ("", "is empty"),
        ("\n,,\n", "has no rows"),
        ("é,b\n1,2\n".encode() + b"3,4\n\xff,5\n", "is UTF-8 only at first: line 4 is not"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line_and_the_way_out(
    file: Path, content: bytes | str, words: str
) -> None:
    assert words in refusal(file, content)


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (ROWS, [2, 3, 4]),
        (ROWS.replace("\n", "\r\n").rstrip(), [2, 3, 4]),
        ("\n" + ROWS, [3, 4, 5]),
        (ROWS.replace("65.4", "\n65.4"), [3, 4, 5]),
        (ROWS.replace("Turku", '"Tur\nku"'), [2, 3, 5]),
        (ROWS.replace("\n", "\r"), [2, 3, 4]),
        (ROWS.replace("65.4", ",,\n65.4"), [3, 4, 5]),
    ],
)
def test_rows_have_the_line_that_they_begin_on(file: Path, content: str, lines: list[int]) -> None:
    assert Reading(file, content).lines == lines


def test_lines_that_are_told_to_be_skipped_are_no_part_of_the_table(file: Path) -> None:
    content = "Vendor;Test\nStart;06/02/2024\nDay;Price\n06/19;14,5\n06/20;15,5\n"

    found = Reading(file, content, skip_lines=2)

    assert (found.names, found.cells, found.lines) == (
        ["Day", "Price"],
        [["06/19", "14,5"], ["06/20", "15,5"]],
        [4, 5],
    )
    assert refusal(file, "Sales\n" + ROWS, skip_lines=0).startswith(
        "line 2 has 3 cells where the header has 1"
    )


def test_a_hash_before_names_is_a_part_of_the_first(file: Path) -> None:
    """Not a comment: a row of words would be taken for the names in its place."""
    found = Reading(file, "#city,country,people\nRiga,Latvia,n/a\nTurku,Finland,5\n")

    assert found.names == ["#city", "country", "people"]
    assert len(found.cells) == 2


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (",score\nAnn,NA\nBob,5\nEve,7\n", ["unnamed_1", "score"]),
        ("who,\nAnn,low\nBob,5\nEve,7\n", ["who", "unnamed_2"]),
        ("city\ncity\nRiga\n", ["city"]),
        ('="code",n\n="01",1\n', ["code", "n"]),
        ("a;b\nx;2024-01-05\n", ["a", "b"]),
        ("pickup time\n2024-01-05 10:00\n2024-01-06 11:00\n", ["pickup time"]),
        ("pick up time\n2024-01-05 10:00 PM\n2024-01-06 11:00 AM\n", ["pick up time"]),
    ],
)
def test_a_header_is_no_title(file: Path, content: str, names: list[str]) -> None:
    found = Reading(file, content)

    assert found.names == names
    assert len(found.cells) == content.count("\n") - 1


def test_a_title_above_dates_is_left_out(file: Path) -> None:
    assert Reading(file, "Sales\nday;kind\n2024-01-05;x\n2024-01-06;y\n").names == ["day", "kind"]


def test_a_row_is_no_header_where_the_names_are_numbers(file: Path) -> None:
    assert len(Reading(file, "0,1,2\n0,1,2\n3,4,5\n").cells) == 2


def test_excel_s_formulas_of_a_text_are_that_text(file: Path) -> None:
    found = Reading(file, 'code,n\n="00123",1\n"=""0045""",2\n="",3\nx="y",4\n')

    assert [cells[0] for cells in found.cells] == ["00123", "0045", "", 'x="y"']
    assert found.notes == ('cells that are written ="…" are taken for their text (lines 2, 3, 4)',)


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (",area,city\n7,65,Riga\n3,112,Turku\n", ["area", "city"]),
        (",area,city\n7,65,Riga\n7,112,Turku\n", ["unnamed_1", "area", "city"]),
        (",area,city\n7.5,65,Riga\n3,112,Turku\n", ["unnamed_1", "area", "city"]),
        ("area,,city\n7,65,Riga\n3,112,Turku\n", ["area", "unnamed_2", "city"]),
        ('"","area"\n"1",65\n"2",112\n', ["area"]),
        ("id,area\n7,65\n3,112\n", ["id", "area"]),
    ],
)
def test_a_nameless_first_column_of_different_whole_numbers_is_pandas_index(
    file: Path, content: str, names: list[str]
) -> None:
    file.write_text(content)

    found = read(str(file))

    assert list(found.frame) == names
    note = f"left out: the first column, {INDEX}"
    assert (note in found.notes) == (len(names) < content.splitlines()[0].count(",") + 1)


REPORTED = {
    "duckdb 15576, a title": (
        "Estrazione del 2025-01-06\nidImpianto;Gestore;Prezzo\n3464;ENI;1,5\n3465;IP;1,7\n",
        ["idImpianto", "Gestore", "Prezzo"],
        [["3464", "ENI", "1,5"], ["3465", "IP", "1,7"]],
    ),
    "duckdb 14883, a quote within a cell": (
        'stop_id,stop_name,lat\n1,Main "A" stop,47.5\n2,"B, C",48.5\n',
        ["stop_id", "stop_name", "lat"],
        [["1", 'Main "A" stop', "47.5"], ["2", "B, C", "48.5"]],
    ),
    "duckdb 16760, a line end in a name": (
        ',,\r\nx,y,"test\n123"\r\na,b,c\r\n1,2,3\r\n',
        ["x", "y", "test\n123"],
        [["a", "b", "c"], ["1", "2", "3"]],
    ),
    "duckdb 11403, one column": ('col1\n"cell with\nnewline"\n', ["col1"], [["cell with\nnewline"]]),
    "duckdb 16215, other quotes": (
        'datecol,textcol\n1/1/19,"text"\n1/6/19,"text, with comma"\n1/9/19,\'text\'\n',
        ["datecol", "textcol"],
        [["1/1/19", "text"], ["1/6/19", "text, with comma"], ["1/9/19", "'text'"]],
    ),
    "duckdb 19578, a decimal comma": (
        'Country;Location;Count;Date\nChina;"35.86166;104.19397";97100,7;04/07/20\n',
        ["Country", "Location", "Count", "Date"],
        [["China", "35.86166;104.19397", "97100,7", "04/07/20"]],
    ),
    "pandas 27515, a comma at the end": (
        "a,b,c\n1,2,3,\n4,5,6,\n",
        ["a", "b", "c"],
        [["1", "2", "3"], ["4", "5", "6"]],
    ),
    "csvkit 426, commas after the names": (
        "a,b,,\n1,2,,\n",
        ["a", "b", "unnamed_3", "unnamed_4"],
        [["1", "2", "", ""]],
    ),
    "pandas 55105, formulas": (
        'a,b\n="00123",1\n="(text)",2\n',
        ["a", "b"],
        [["00123", "1"], ["(text)", "2"]],
    ),
    "duckdb 25827, another delimiter below": ("c0\nv0\na;b\n", ["c0"], [["v0"], ["a;b"]]),
    "duckdb 17225, a comment": (
        "skip this line\n# comment\nx,y,z\n1,2,3\n",
        ["x", "y", "z"],
        [["1", "2", "3"]],
    ),
    "duckdb 8231, a comma after a row": (
        "id,name,lat\n1,name,0,\n2,x,1\n",
        ["id", "name", "lat"],
        [["1", "name", "0"], ["2", "x", "1"]],
    ),
    "duckdb 7196, a comma after the names": (
        "a,b,c,\n1,2,3\n",
        ["a", "b", "c", "unnamed_4"],
        [["1", "2", "3", ""]],
    ),
    "duckdb 15970, semicolons at the end": (
        '"WP";"Sija";\n"GCA";"1,7";\n"GCB";"2,5";\n',
        ["WP", "Sija", "unnamed_3"],
        [["GCA", "1,7", ""], ["GCB", "2,5", ""]],
    ),
    "duckdb 7706, a quote after a line end": (
        'a,b\n1,"value = 1\n"\n2,x\n',
        ["a", "b"],
        [["1", "value = 1\n"], ["2", "x"]],
    ),
    "duckdb 13859, other line ends within one column": ('"1st"\r\n1\r\n', ["1st"], [["1"]]),
}


@pytest.mark.parametrize("report", REPORTED)
def test_what_others_misread_is_read(file: Path, report: str) -> None:
    content, names, cells = REPORTED[report]

    found = Reading(file, content)

    assert (found.names, found.cells) == (names, cells)


def test_more_cells_than_names_in_all_rows_lose_no_header(file: Path) -> None:
    """As reported: duckdb 18403."""
    content = "id,time,price\n1,17,0.5,0\n2,18,0.6,0\n"

    assert refusal(file, content).startswith("line 2 has 4 cells where the header has 3")


def test_a_quote_that_comes_late_is_one_as_well(file: Path) -> None:
    """As reported: duckdb 21000, 11838."""
    found = Reading(file, "a,b\n" + f"{'x' * 1024},0\n" * (SAMPLE // 1024) + '"x,y",1\n')

    assert found.cells[-1] == ["x,y", "1"]


def test_a_table_of_markdown_has_no_row_of_dashes(file: Path) -> None:
    rows = "| area | city |\n|-----:|------|\n| 65.4 | Riga |\n| 112.4 | Turku |\n"

    found = Reading(file, rows)

    assert [cells[1:3] for cells in found.cells] == [[" 65.4 ", " Riga "], [" 112.4 ", " Turku "]]
    assert "left out: the line below the names (line 2)" in found.notes


def test_a_row_of_dashes_further_down_is_a_row(file: Path) -> None:
    found = Reading(file, "area,city\n65.4,Riga\n--,--\n")

    assert found.cells == [["65.4", "Riga"], ["--", "--"]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('area,rooms,city\n"65.4,1,Riga"\n', "line 2 .* it stands in quotes as a whole: take the quotes"),
        ('"area,rooms,city"\n"65.4,1,Riga"\n', "line 1 stands in quotes as a whole"),
        ("area,rooms\n1,65.4,1\n2,59,3\n", "as R writes it, put a name for that before"),
        ("city,area\nRiga,65,4\nTurku,59,5\n", "a cell with ',' in it has to stand in quotes"),
    ],
)
def test_rows_that_do_not_match_the_names_are_refused_with_what_they_seem_to_be(
    file: Path, content: str, words: str
) -> None:
    with pytest.raises(DatasetError, match=words):
        Reading(file, content)


def test_a_last_row_that_is_a_total_is_named(file: Path) -> None:
    file.write_text("city,area\nRiga,65.4\nTurku,59\nTotal,124.4\n")
    assert read(str(file)).warnings == ('line 4 seems to be no row, but a total ("Total"): remove it',)

    file.write_text("word,area\nTotal,65.4\nTurku,59\nTotal,124.4\n")
    assert read(str(file)).warnings == ()
