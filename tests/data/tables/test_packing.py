"""What a file is packed in, and what it is if it is no table."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from mlapi.data.tables.csv_files import open_csv
from mlapi.errors import DatasetError

ROWS = b"a,b\n1,x\n2,y\n"


def zipped(*members: tuple[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for name, content in members:
            opened.writestr(name, content)
    return archive.getvalue()


def in_tar(content: bytes) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as opened:
        entry = tarfile.TarInfo("a.csv")
        entry.size = len(content)
        opened.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


@pytest.mark.parametrize(
    "members",
    [
        [("data/", b""), ("data/a.csv", ROWS)],
        [("a.csv", ROWS), ("__MACOSX/._a.csv", b"x"), (".DS_Store", b"x"), ("Thumbs.db", b"x")],
        [("a.csv.gz", gzip.compress(ROWS))],
    ],
)
def test_folders_and_files_of_systems_do_not_count_in_an_archive(
    tmp_path: Path, members: list[tuple[str, bytes]]
) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(*members))

    with open_csv(tmp_path / "a.zip") as rows:
        assert [cells for _, cells in rows] == [["1", "x"], ["2", "y"]]


def test_utf_32_is_known_by_its_mark(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(ROWS.decode().encode("utf-32"))

    with open_csv(tmp_path / "a.csv") as rows:
        assert rows.names == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (gzip.compress(gzip.compress(ROWS)), "compressed more than once"),
        (in_tar(ROWS), "a tar archive"),
        (b"<table><tr><td>a</td></tr></table>", "a web page, not a table"),
        (b"\x93NUMPY\x01\0v\0", "an array of numpy's"),
        (b"\x80\x05\x95\x0b", "a pickle"),
        (b"\x89PNG\r\n\x1a\n", "a picture"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (gzip.compress(b"RDX3\nX\n\0\0\0\2"), "a file of R's"),
        (b"\0" * 12 + b"\xc2\xea\x81\x60", "a SAS file"),
        (b"<stata_dta><header>", "a Stata file"),
        (b"$FL2@(#) SPSS DATA FILE", "an SPSS file"),
        (b"Obj\x01\x04", "an Avro file"),
        (b"@RELATION a\n@DATA\n1,2\n", "an ARFF file"),
        (b"{\\rtf1 a,b}", "a text with its layout"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"Rar!\x1a\x07", "a RAR archive"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_table_is_called_by_what_it_is(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)

    with pytest.raises(DatasetError, match=f"a.csv is {what}"), open_csv(tmp_path / "a.csv"):
        pass


@pytest.mark.parametrize(
    "name",
    ["orchard", "ORC", "arrow1", "GIF8", "rdx2", "Rar!", "<script>", "<table>", "SQLite format 3"],
)
def test_a_column_may_be_called_as_files_begin(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").write_text(f"{name},size\n1,2\n")

    with open_csv(tmp_path / "a.csv") as rows:
        assert [cells for _, cells in rows] == [["1", "2"]]


def test_names_in_angle_brackets_are_names(tmp_path: Path) -> None:
    """As some exchanges write them."""
    (tmp_path / "a.csv").write_bytes(b"<DATE>,<CLOSE>\n2024-01-05,1.5\n")

    with open_csv(tmp_path / "a.csv") as rows:
        assert rows.names == ["<DATE>", "<CLOSE>"]
