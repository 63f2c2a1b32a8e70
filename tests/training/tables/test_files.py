"""People's files as data frames: dialects, compressions, Parquet, places, and what is refused."""

import bz2
import csv
import gzip
import io
import lzma
import math
import sys
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlapi.data.tables.csv_files import open_csv
from mlapi.data.tables.dialects import DELIMITERS, CsvOptions
from mlapi.errors import DatasetError
from mlapi.training.tables import files
from mlapi.training.tables.files import RawTable, read

TABLE = "name,age,city\nAnn,31,Oslo\nBob,27.5,\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "people.csv"


def read_bytes(file: Path, content: bytes | str, **told: str) -> RawTable:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read(str(file), CsvOptions(**told))


def cells(found: RawTable) -> dict[str, list[Any]]:
    """Column by column, blank ones None."""
    frame = found.frame.astype(object).where(found.frame.notna(), None)
    return {str(name): frame[name].tolist() for name in frame}


PEOPLE = {"name": ["Ann", "Bob"], "age": [31, 27.5], "city": ["Oslo", None]}


@pytest.mark.parametrize(
    "content",
    [
        TABLE,
        "\ufeff" + TABLE,
        pytest.param(TABLE.encode("utf-16"), id="UTF-16"),
        TABLE.replace("\n", "\r\n"),
        TABLE.replace("\n", "\r"),
        TABLE.replace(",", ";"),
        TABLE.replace(",", "\t"),
        TABLE.replace(",", "|"),
        TABLE.replace(",", ", "),
        TABLE.replace("name,age,city", " name ,age , city"),
        TABLE.replace("\n", "\n\n") + "  \n",
        TABLE.replace("\n", ",\n"),
        "name,age,city\nAnn,31,Oslo,\nBob,27.5,,\n",
        "name,age,city,,\nAnn,31,Oslo,,\nBob,27.5,,,\n",
        TABLE.replace(",", ";").replace(".", ","),
        '"name","age","city"\n"Ann","31","Oslo"\n"Bob","27.5",""\n',
        pytest.param(gzip.compress(TABLE.encode()), id="gzip"),
        pytest.param(bz2.compress(TABLE.encode()), id="bzip2"),
        pytest.param(lzma.compress(TABLE.encode()), id="xz"),
    ],
)
def test_a_table_is_the_same_however_it_is_written(file: Path, content: bytes | str) -> None:
    assert cells(read_bytes(file, content)) == PEOPLE


def test_a_zipped_file_is_read_and_two_are_not(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.csv", TABLE)
    assert cells(read(str(file))) == PEOPLE

    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("b.csv", TABLE)
    with pytest.raises(DatasetError, match=r'holds 2 files \("a.csv", "b.csv"\)'):
        read(str(file))


def test_what_is_not_utf_8_is_read_as_cp1252_and_that_is_said(file: Path) -> None:
    found = read_bytes(file, "city;n\nZürich;1,5\n€;2\n".encode("cp1252"))

    assert cells(found) == {"city": ["Zürich", "€"], "n": [1.5, 2.0]}
    assert found.decimal == ","
    assert found.notes == (
        "it is not UTF-8, so it was read as cp1252 (Windows, Western Europe)",
        '"," is its decimal sign',
    )


def test_what_is_told_is_not_looked_for(file: Path) -> None:
    content = "a;b\n1,5;3\n2,5;4\n"

    assert cells(read_bytes(file, content)) == {"a": [1.5, 2.5], "b": [3, 4]}
    assert cells(read_bytes(file, content, decimal=".")) == {"a": ["1,5", "2,5"], "b": [3, 4]}
    assert cells(read_bytes(file, content, delimiter="|")) == {"a;b": ["1,5;3", "2,5;4"]}
    assert cells(read_bytes(file, content.encode("utf-16-le"), encoding="utf-16-le")) == {
        "a": [1.5, 2.5],
        "b": [3, 4],
    }


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"delimiter": ";;"}, "the delimiter is one character"),
        ({"encoding": "klingon"}, 'there is no encoding "klingon"'),
        ({"encoding": "rot13"}, 'there is no encoding "rot13"'),
        ({"decimal": "x"}, "the decimal sign is"),
        ({"thousands": "x"}, "thousands are set apart by"),
        ({"decimal": ",", "thousands": ","}, "cannot be both"),
    ],
)
def test_nonsense_that_is_told_is_refused(told: dict[str, str], words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        CsvOptions(**told)


def test_an_encoding_that_does_not_fit_is_refused(file: Path) -> None:
    with pytest.raises(DatasetError, match="is not in the encoding ascii"):
        read_bytes(file, "a,b\nZürich,1\n", encoding="ascii")
    with pytest.raises(DatasetError, match="is not in the encoding utf-8"):
        read_bytes(file, b"a,b\n\xe9,1\n", encoding="utf-8")


def test_a_mark_is_no_part_of_a_name_where_the_encoding_is_told(file: Path) -> None:
    assert cells(read_bytes(file, "\ufeff" + TABLE, encoding="utf-8")) == PEOPLE


@pytest.mark.parametrize("word", ["NA", "n/a", "null", "None", "nan", "-", "?", " "])
def test_only_a_blank_cell_is_blank(file: Path, word: str) -> None:
    found = cells(read_bytes(file, f"a,b,c\n1,x,7\n{word},,8\n"))

    assert found == {"a": ["1", word], "b": ["x", None], "c": [7, 8]}


def test_words_that_are_not_plainly_numbers_stay_words(file: Path) -> None:
    words = ["1.234,5", "12%", "1_000", "0x10", "12.05.2024", "$3"]

    for word in words:
        assert cells(read_bytes(file, f"a;b\n{word};1\n2;2\n"))["a"] == [word, "2"]


def test_leading_zeros_are_kept(file: Path) -> None:
    rows = "\n".join(f"{number},{number:05}" for number in range(12, 60_000, 7))

    found = read_bytes(file, f"n,zip\n{rows}\n")

    assert found.frame["n"].dtype == np.int64
    assert found.frame["zip"].tolist()[:2] == ["00012", "00019"]
    assert found.notes == ("column 'zip' holds words: as numbers they would lose leading zeros",)


def test_leading_zeros_are_kept_beside_blanks_and_in_quotes(file: Path) -> None:
    found = cells(read_bytes(file, 'zip,phone,day\n01234,"004912",01/02/2024\n,12,02/02/2024\n'))

    assert found["zip"] == ["01234", None]
    assert found["phone"] == ["004912", "12"]


def test_long_whole_numbers_keep_their_digits(file: Path) -> None:
    long, longer = 2**53 + 1, 2**70 + 1

    found = cells(read_bytes(file, f"a,b,c\n{long},{long},{longer}\n1,,\n"))

    assert found["a"] == [long, 1]
    assert found["b"] == [long, None]
    assert int(found["c"][0]) == longer


def test_numbers_in_one_part_of_a_column_and_words_in_another_are_all_words(file: Path) -> None:
    """pandas reads in parts, and lets a column be numbers in one and words in the next."""
    rows = "\n".join(f"{number}.50,b" for number in range(200_000))

    found = read_bytes(file, f"a,b\n{rows}\nend,b\n")

    assert found.frame["a"].tolist()[-2:] == ["199999.50", "end"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n\n", "has no rows"),
        ("a,b\n", "has no rows"),
        ("a,b\n1,2\n3,4,5\n", "line 3 has 3 cells where the header has 2"),
        ("a,b\n1,2,3\n3,4,5\n", "line 2 has 3 cells where the header has 2"),
        ("a,b,c\n1,2,3\n3,4\n", "line 3 has 2 cells where the header has 3"),
        ('a,b,c\n"1\n1",2,3\n3,4\n', "line 4 has 2 cells where the header has 3"),
        ("a,b,c\n1,2,3\n3,4,\n5,\n", "line 4 has 2 cells where the header has 3"),
        ("a,b, a\n1,2,3\n", "two columns are called 'a'"),
        ("a;b\n1;2;3,4\n5;6;7,8\n", "line 2 has 3 cells where the header has 2, between ';'"),
        ("5.1,3.5\n4.9,3.0\n", "the first line is a row"),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", "the first line is a row"),
        ('a,b\n1,"2\n3,4\n', "a quote is never closed"),
        (b"a,b\n1,\x002\n", "line 2 has a NUL"),
        (b"\x00\x01\x02" * 1000, "NUL"),
        ("a,b\nZürich,1\n".encode() + b"\xfc,2\n", "UTF-8 only at first"),
        (b"a,b\n\x81,1\n", "neither UTF-8 nor cp1252"),
        ("<!DOCTYPE html>\n<html><body>a,b</body>", "a web page"),
        ('[{"a": 1}]', "JSON"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel"),
        pytest.param(gzip.compress(TABLE.encode() * 99)[:-20], "damaged or incomplete", id="gzip"),
        pytest.param(bz2.compress(TABLE.encode() * 99)[:-20], "damaged or incomplete", id="bzip2"),
        pytest.param(lzma.compress(TABLE.encode() * 99)[:-20], "damaged or incomplete", id="xz"),
        (b"PK\x03\x04nothing", "cannot be unpacked"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line_that_names_the_file(
    file: Path, content: bytes | str, words: str
) -> None:
    with pytest.raises(DatasetError, match=words) as refusal:
        read_bytes(file, content)

    assert str(file) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_spreadsheet_is_told_what_to_become(file: Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "")
        archive.writestr("xl/workbook.xml", "")

    with pytest.raises(DatasetError, match="Excel file or another archive; save its sheet as CSV"):
        read(str(file))


@pytest.mark.parametrize("source", ["{}/nothing.csv", "{}", "memory://nothing/at/all.csv", "no://thing.csv"])
def test_what_cannot_be_reached_is_an_oserror_with_its_name(tmp_path: Path, source: str) -> None:
    source = source.format(tmp_path)

    with pytest.raises(OSError, match=source.rpartition("/")[2]):
        read(source)


def test_errors_tell_no_credentials() -> None:
    with pytest.raises(OSError, match=r"nothing\.invalid") as refusal:
        read("https://user:secret@nothing.invalid/a.csv?token=secret")

    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("name", ["people.csv", "people.csv.gz", "people.parquet"])
def test_a_url_is_read_like_a_path(file: Path, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    frame = pd.DataFrame(PEOPLE)
    if name.endswith("parquet"):
        frame.to_parquet(file)
    else:
        frame.to_csv(file, index=False, compression="gzip" if name.endswith("gz") else None)
    with fsspec.open(f"memory://data/{name}", "wb") as place:
        place.write(file.read_bytes())

    assert cells(read(f"memory://data/{name}")) == PEOPLE


@pytest.fixture
def arrow() -> Any:
    return pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")


@pytest.mark.parametrize("size", [4, 11, 200])
def test_a_parquet_file_that_is_cut_off_is_refused(arrow: Any, file: Path, size: int) -> None:
    whole = io.BytesIO()
    pd.DataFrame(PEOPLE).to_parquet(whole)

    with pytest.raises(DatasetError, match="a damaged or incomplete Parquet file"):
        read_bytes(file, whole.getvalue()[:size])


def test_parquet_without_pyarrow_says_what_to_install(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(DatasetError, match="needs pyarrow: pip install 'pyarrow>="):
        read_bytes(file, b"PAR1")


def test_every_kind_of_parquet_column_comes_out(arrow: Any, file: Path) -> None:
    long = 2**53 + 1
    columns = {
        "few": arrow.array([1, None, 3]),
        "all": arrow.array([1, 2, 3]),
        "long": arrow.array([long, None, 3]),
        "small": arrow.array([1, None, 3], arrow.int8()),
        "flag": arrow.array([True, None, False]),
        "word": arrow.array(["a", None, "c"]).dictionary_encode(),
        "price": arrow.array([Decimal("1.50"), None, Decimal("2.00")]),
        "day": arrow.array([date(2024, 1, 31), None, date(1600, 1, 1)]),
        "moment": arrow.array([datetime(2024, 1, 31, 12), None, datetime(9999, 1, 1)]),
        "bytes": arrow.array([b"a", None, b"c"]),
        "list": arrow.array([[1], None, [2, 3]]),
        "struct": arrow.array([{"a": 1}, None, {"a": 2}]),
        "nothing": arrow.nulls(3),
    }
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table(columns), file)

    found = read(str(file)).frame

    assert list(found) == list(columns)
    assert all(found[name].isna()[1] for name in columns if name != "all")
    assert [found[name].dtype for name in ("few", "all", "small")] == [np.float64, np.int64, np.float64]
    assert found["long"].tolist()[::2] == [long, 3]
    assert found["day"].dtype.kind == found["moment"].dtype.kind == "M"
    assert found["price"].tolist()[::2] == [Decimal("1.50"), Decimal("2.00")]


def test_an_index_with_a_name_is_a_column_and_one_without_is_none(arrow: Any, file: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="key"))
    frame.to_parquet(file)
    assert cells(read(str(file))) == {"key": ["x", "y"], "a": [1, 2]}

    frame.rename_axis(None).to_parquet(file)
    assert cells(read(str(file))) == {"a": [1, 2]}


def test_two_parquet_columns_of_one_name_are_refused(arrow: Any, file: Path) -> None:
    table = arrow.table([arrow.array([1]), arrow.array([2])], names=["a", "a "])
    pytest.importorskip("pyarrow.parquet").write_table(table, file)

    with pytest.raises(DatasetError, match="two columns are called 'a'"):
        read(str(file))


def test_columns_without_a_name(file: Path) -> None:
    found = read_bytes(file, "a,,,b,\n0,1,,x,\n1,2,,y,\n")

    assert cells(found) == {"a": [0, 1], "unnamed_2": [1, 2], "b": ["x", "y"]}
    assert found.notes == (
        "2 columns with neither name nor value are left out",
        "columns without a name are called unnamed_2",
    )


@pytest.mark.parametrize("header", ["0,1,2", "2000,2005,2010", "400.5,401.0,401.5,label", "1,2,4,8,16,32"])
def test_numbers_that_count_up_are_names(file: Path, header: str) -> None:
    row = ",".join("7" for _ in header.split(","))

    assert list(read_bytes(file, f"{header}\n{row}\n").frame) == header.split(",")


def test_a_comma_after_groups_is_a_decimal_sign(file: Path) -> None:
    assert read_bytes(file, "day;n\n01.02.2024;1.234\n02.03.2024;2.345,5\n").decimal == ","


def zipped(content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("a.csv", content)
    return archive.getvalue()


QUOTES_THAT_GLUE_ROWS = 'item,price,sold\n"Lamp",3,no\n"24"",5,no\n"Desk",4,yes\n"21"",6,no\n"Lamp",2,yes\n'


@pytest.mark.parametrize("mistake", ['"24""', '"24\\""', '"24"x"', '"24" '])
@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_a_quote_inside_a_quoted_cell_that_is_not_doubled_is_refused_by_its_line(
    file: Path, mistake: str, delimiter: str
) -> None:
    """pandas glues the rows between two of them together, and says nothing."""
    text = QUOTES_THAT_GLUE_ROWS.replace('"24""', mistake).replace(",", delimiter)

    with pytest.raises(DatasetError) as refusal:
        read_bytes(file, text)

    assert f"{file}: line 3 has a quote inside a quoted cell that is not doubled" in str(refusal.value)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress, zipped])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_quotes_are_looked_at_whatever_a_file_is_packed_or_written_in(
    file: Path, pack: Callable[[bytes], bytes], encoding: str
) -> None:
    text = QUOTES_THAT_GLUE_ROWS.replace("Lamp", "Lämp")

    with pytest.raises(DatasetError, match="line 3 has a quote inside a quoted cell"):
        read_bytes(file, pack(text.encode(encoding)))


def test_what_training_refuses_for_its_quotes_predicting_refuses_in_the_same_words(file: Path) -> None:
    with pytest.raises(DatasetError) as training:
        read_bytes(file, QUOTES_THAT_GLUE_ROWS)
    with pytest.raises(DatasetError) as predicting, open_csv(file) as table:
        list(table)

    assert str(training.value) == str(predicting.value)


@pytest.mark.parametrize(
    ("content", "items"),
    [
        ('item,n\n5" pipe,1\npipe 5",2\n', ['5" pipe', 'pipe 5"']),
        ('item,n\n5" pipe,1\n"7"" pipe",2\n', ['5" pipe', '7" pipe']),
        ('item,n\n"",1\n"""",2\n"""a""",3\n', [None, '"', '"a"']),
        ('item, n\n"a, b", 1\nc, 2\n', ["a, b", "c"]),
        ('item;n\r\n"a\r\nb";1\r\n"c;";2\r\n', ["a\r\nb", "c;"]),
        ('item,n\r"a\rb",1\rc,2\r', ["a\rb", "c"]),
        ('item,n\n"a\rb",1\n', ["a\rb"]),
        ("item,n\nx,1\n\n \t\ny,2", ["x", "y"]),
        ('item\n"x"\n" "\n"y"\n', ["x", "y"]),
        ("item\nx\n\u2003\ny\n", ["x", "\u2003", "y"]),
        ('item,\n"x"\n" "\n"y"\n', ["x", "y"]),
        ('a, item\n1, "x"\n \n2, "y"\n ', ["x", "y"]),
    ],
)
def test_quotes_blank_lines_and_line_ends_make_the_same_rows_in_training_as_in_predicting(
    file: Path, content: str, items: list[str | None]
) -> None:
    found = cells(read_bytes(file, content))["item"]
    with open_csv(file) as table:
        header, walked = table.names, [cells for _, cells in table]

    assert found == items
    assert [row[header.index("item")] or None for row in walked] == items


def test_a_mark_is_no_part_of_a_name_where_predicting_is_told_the_encoding(file: Path) -> None:
    file.write_bytes('\ufeff"a";b\n1;2\n'.encode())

    with open_csv(file, CsvOptions(encoding="utf-8")) as table:
        assert table.names == ["a", "b"]


def test_the_dialect_is_found_in_as_many_characters_as_predicting_looks_at(file: Path) -> None:
    """Not in as many bytes, of which a letter may have two."""
    file.write_text(f"a;b\n{'é' * 140_000};1,5\nx;2,5\n", encoding="utf-8")

    with open_csv(file) as table:
        assert read(str(file)).decimal == table.dialect.decimal == ","


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8)
"""Without a lone carriage return, which Python's own writer leaves unquoted."""

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(
    words=st.lists(st.tuples(CELLS, NUMBERS, CELLS), min_size=1, max_size=30),
    style=st.fixed_dictionaries(
        {
            "delimiter": st.sampled_from(DELIMITERS),
            "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
            "lineterminator": st.sampled_from(["\n", "\r\n"]),
        }
    ),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_was_written_as_csv_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    words: list[tuple[str, float, str]],
    style: dict[str, Any],
    encoding: str,
) -> None:
    file = tmp_path_factory.getbasetemp() / "written.csv"
    written = pd.DataFrame(words, columns=["first", "number", "last"])
    written[["first", "last"]] = "w" + written[["first", "last"]].astype(object)  # no number, and not blank
    with file.open("w", encoding=encoding, newline="") as text:
        csv.writer(text, **style).writerows([list(written), *written.to_numpy().tolist()])

    found = read(str(file)).frame
    with open_csv(file) as table:
        walked = [cells for _, cells in table]

    assert found["first"].tolist() == written["first"].tolist()
    assert found["last"].tolist() == written["last"].tolist()
    np.testing.assert_allclose(found["number"], written["number"], rtol=1e-15)
    assert [row[0] for row in walked] == written["first"].tolist()


def records(file: Path, told: CsvOptions) -> list[list[str]] | str:
    """The names and rows as predicting reads them, or why it refuses them."""
    try:
        with open_csv(file, told) as table:
            found = [table.names, *(cells for _, cells in table)]
    except DatasetError as error:
        return str(error)
    return found if len(found) > 1 else f"{file} has no rows"


def is_same(cell: str, value: Any) -> bool:
    """Whether training's value is what stands in a cell."""
    if cell == "" or pd.isna(value):
        return bool(cell == "" and pd.isna(value))
    if isinstance(value, str):
        return cell == value
    return math.isclose(float(cell.replace(",", ".")), value)


SLIPS = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.sampled_from(
            [
                *(
                    '"',
                    '""',
                    "\\",
                    '\\"',
                    "\n",
                    "\r",
                    "\0",
                    ",",
                    ";",
                    "\t",
                    "|",
                    " ",
                    "\x1c",
                    "\ufeff",
                    '="',
                    "",
                ),
                *("\ncolumn 0,column 1\n", "\ncolumn 0;column 1\n", "\n,\n", "\n;\n", "\n\ufeffcolumn 0\n"),
            ]
        ),
        st.integers(0, 1),
    ),
    max_size=4,
)
"""What is put where, and how many characters it takes the place of."""


@settings(max_examples=200)
@given(
    rows=st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(
                st.sampled_from(
                    ["", "a", "w x", "7", "3.5", " ", 'q"', "c,d", "e;f", "g\nh", "i\r\nj", "ü", "\t"]
                ),
                min_size=width,
                max_size=width,
            ),
            min_size=1,
            max_size=6,
        )
    ),
    delimiter=st.sampled_from(DELIMITERS),
    is_told=st.booleans(),
    padding=st.sampled_from(["", "", "", " "]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    slips=SLIPS,
    above=st.sampled_from(["", "", "", "a title\n", "# a comment\n", "sep=;\n", "a title,\n", ",,\n", "\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]),
)
def test_a_strange_file_has_the_same_rows_for_training_as_for_predicting_or_the_same_refusal(  # noqa: PLR0917
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]],
    delimiter: str,
    is_told: bool,
    padding: str,
    quoting: Any,
    line_end: str,
    slips: list[tuple[int, str, int]],
    above: str,
    encoding: str,
) -> None:
    text = io.StringIO(newline="")
    written = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=line_end)
    written.writerows([[f"column {number}" for number in range(len(rows[0]))], *rows])
    content = above + text.getvalue().replace(delimiter, delimiter + padding)
    for place, sign, length in slips:
        at = place % (len(content) + 1)
        content = content[:at] + sign + content[at + length :]
    file = tmp_path_factory.getbasetemp() / "slips.csv"
    file.write_bytes(content.encode(encoding))
    told = CsvOptions(delimiter=delimiter) if is_told else CsvOptions()

    expected = records(file, told)
    if isinstance(expected, str):
        with pytest.raises(DatasetError) as refusal:
            read(str(file), told)
        assert str(refusal.value) == expected
        return
    frame = read(str(file), told).frame

    names, *cells = expected
    assert len(frame) == len(cells)
    for name in frame:
        place = names.index(name)
        assert all(is_same(row[place], value) for row, value in zip(cells, frame[name].tolist(), strict=True))


def test_a_point_between_thousands_is_no_decimal_sign(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("price,rooms\n1.250,3\n2.500,4\n")

    found = read(str(file), CsvOptions(thousands="."))

    assert found.decimal == ","
    assert found.frame["price"].tolist() == ["1.250", "2.500"]
    assert found.frame["rooms"].tolist() == [3, 4]


def deflated(content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("a.csv", content)
    return archive.getvalue()


@pytest.mark.parametrize("pack", [gzip.compress, deflated], ids=["gzip", "zip"])
def test_a_small_file_that_becomes_a_huge_one_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(files, "_LARGE", 10_000)
    monkeypatch.setattr(files, "_TIMES", 1)
    file.write_bytes(pack(b"a,b\n" + b"1,2\n" * 500_000))

    with pytest.raises(DatasetError, match=r"becomes more than [0-9,]+ bytes; decompress it first"):
        read(str(file))
