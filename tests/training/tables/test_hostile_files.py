"""Tables and archives that are damaged, or made to break a decoder: a client's mistake, not the server's."""

import bz2
import gzip
import io
import lzma
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlapi.errors import DatasetError, MlapiError
from mlapi.jobs.pool.errors import document_of
from mlapi.jobs.pool.messages import Message
from mlapi.settings import Settings
from mlapi.training.images.archives import ImageFiles
from mlapi.training.tables import files
from mlapi.training.workflows.job import perform

ROWS = 40
TABLE = pd.DataFrame(
    {"x": np.linspace(0, 1, ROWS), "day": pd.date_range("2024-01-01", periods=ROWS), "y": ["u", "v"] * 20}
)
CSV = TABLE.to_csv(index=False).encode()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", method) as opened:
        for name, content in members.items():
            opened.writestr(zipfile.ZipInfo(name), content, method)
    return archive.getvalue()


def tarred(members: dict[str, bytes], mode: Any) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode=mode) as opened:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            opened.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


def parquet(**columns: Any) -> bytes:
    """With all that pandas notes there of its columns and its index."""
    content = io.BytesIO()
    TABLE.assign(**columns).set_index("day").to_parquet(content)
    return content.getvalue()


def described(metadata: bytes) -> bytes:
    """A sound file whose description by pandas is another."""
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    table = arrow.Table.from_pandas(TABLE).replace_schema_metadata({b"pandas": metadata})
    content = io.BytesIO()
    pytest.importorskip("pyarrow.parquet").write_table(table, content)
    return content.getvalue()


def end_of(folder: Path, content: bytes, name: str = "data.csv") -> dict[str, Any]:
    """How a job with this file ends: {"version": …}, or the problem that its client is told."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    recipe = {"target": "y", "algorithm": "decision_tree"}
    head = {"id": "1", "model": "m", "recipe": recipe, "source": name, "caller": "c", "folder": str(folder)}
    settings = Settings(models_dir=folder / "models", state_dir=folder / "state")

    try:
        return dict(perform(settings, Message(head), lambda _: None).head)
    except MlapiError as error:
        return document_of(error)


def bitten(content: bytes, chance: random.Random) -> bytes:
    """Bytes that are changed, cut off, cut out, doubled or made extreme."""
    found = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8))):
        place = chance.randrange(max(1, len(found)))
        match chance.randrange(6):
            case 0 | 1:
                found[place : place + 1] = bytes([chance.randrange(256)])
            case 2:
                del found[place:]
            case 3:
                del found[place : place + chance.randrange(1, 9)]
            case 4:
                found[place:place] = found[place : place + chance.randrange(1, 40)]
            case _:
                found[place : place + 4] = chance.choice(
                    (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f")
                )
    return bytes(found)


TABLES: dict[str, Callable[[], bytes]] = {
    "csv": lambda: CSV,
    "gz": lambda: gzip.compress(CSV),
    "bz2": lambda: bz2.compress(CSV),
    "xz": lambda: lzma.compress(CSV),
    "zip": lambda: zipped({"a.csv": CSV}),
    "zip stored": lambda: zipped({"a.csv": CSV}, zipfile.ZIP_STORED),
    "zip bzip2": lambda: zipped({"a.csv": CSV}, zipfile.ZIP_BZIP2),
    "zip lzma": lambda: zipped({"a.csv": CSV}, zipfile.ZIP_LZMA),
    "parquet": parquet,
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("form", list(TABLES))
def test_a_file_with_damage_anywhere_becomes_a_version_or_is_the_clients_mistake(
    tmp_path: Path, form: str
) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    content = TABLES[form]()
    chance = random.Random(form)
    name = "a.parquet" if form == "parquet" else "a.csv"

    ends = [end_of(tmp_path, bitten(content, chance), name) for _ in range(25)]

    assert all("version" in end or 400 <= end["status"] < 500 for end in ends), ends


def test_a_damaged_bz2_is_not_taken_for_a_failing_disk(tmp_path: Path) -> None:
    content = bytearray(bz2.compress(CSV))
    content[30] ^= 255

    end = end_of(tmp_path, bytes(content))

    assert end["status"] == 422
    assert end["detail"] == "data.csv is a damaged or incomplete compressed file; get it again"


@pytest.mark.parametrize(
    "metadata",
    [
        b'{"index_columns": ["gone"], "columns": [], "column_indexes": []}',
        b'{"index_columns": ["y"], "columns": [{"name": "y", "field_name": "y", "pandas_type": "object", '
        b'"numpy_type": "object", "metadata": null}], "column_indexes": [{"name": null, "pandas_type": '
        b'"datetimetz", "numpy_type": "object", "metadata": {"timezone": "Mars/Base"}}]}',
        b'{"index_columns": [{"kind": "range"}], "columns": []}',
        b'{"index_columns": 7}',
        b"[]",
        b"{",
        b"\xff",
    ],
    ids=["missing index", "time zone", "half a range", "a number", "a list", "no JSON", "no text"],
)
def test_a_parquet_file_that_pandas_describes_wrongly_is_the_clients_mistake(
    tmp_path: Path, metadata: bytes
) -> None:
    end = end_of(tmp_path, described(metadata))

    assert "version" in end or (end["status"], end["slug"]) == (422, "unfittable"), end
    assert "version" in end or "data.csv is a damaged or incomplete Parquet file" in end["detail"]


@pytest.mark.parametrize("year", [-494, 0, 10_000, 200_000])
def test_dates_that_no_request_can_send_are_refused_with_their_column(tmp_path: Path, year: int) -> None:
    arrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    days = np.datetime64(year - 1970, "Y").astype("M8[D]")
    table = arrow.Table.from_pandas(TABLE.drop(columns="day"), preserve_index=False)
    dates = arrow.array((days + np.arange(ROWS)).astype(np.int64).astype(np.int32), arrow.int32())
    content = io.BytesIO()
    pytest.importorskip("pyarrow.parquet").write_table(
        table.append_column("when", dates.cast(arrow.date32())), content
    )

    end = end_of(tmp_path, content.getvalue())

    assert (end["status"], end["slug"]) == (422, "unfittable")
    assert f"column 'when' holds a date of the year {year}; expected the years 1 to 9999" in end["detail"]


PICTURES = {f"{name}/{number}.png": bytes(range(200)) * 3 for name in "ab" for number in range(3)}

ARCHIVES: dict[str, Callable[[], bytes]] = {
    "zip": lambda: zipped(PICTURES),
    "zip bzip2": lambda: zipped(PICTURES, zipfile.ZIP_BZIP2),
    "zip lzma": lambda: zipped(PICTURES, zipfile.ZIP_LZMA),
    "tar": lambda: tarred(PICTURES, "w:"),
    "tar.gz": lambda: tarred(PICTURES, "w:gz"),
    "tar.bz2": lambda: tarred(PICTURES, "w:bz2"),
    "tar.xz": lambda: tarred(PICTURES, "w:xz"),
}


@pytest.mark.parametrize("form", list(ARCHIVES))
def test_an_archive_of_pictures_with_damage_anywhere_is_read_or_refused(tmp_path: Path, form: str) -> None:
    content, chance = ARCHIVES[form](), random.Random(form)
    archive = tmp_path / "pictures"
    refusals = []

    for _ in range(150):
        archive.write_bytes(bitten(content, chance))
        try:
            list(ImageFiles(str(archive)))
        except DatasetError as error:
            refusals.append(str(error))

    assert refusals, "no damage was seen: nothing was tried"
    assert all(refusal.isprintable() for refusal in refusals)


def test_a_zip_names_its_members_in_quotes_and_briefly(tmp_path: Path) -> None:
    members = {"\x1b]0;pwned\x07\x1b[31mred": b"a", "b" * 60_000: b"x", **{f"c{n}": b"" for n in range(50)}}
    file = tmp_path / "a.csv"
    file.write_bytes(zipped(members))

    with pytest.raises(DatasetError, match="holds 52 files") as refusal:
        files.read(str(file))

    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 1500


def test_whatever_a_message_holds_a_problem_of_a_job_has_some_hundred_characters(tmp_path: Path) -> None:
    end = end_of(tmp_path, b"a" * 60_000 + b",b\n" + b"1,2\n" * 40)

    assert end["status"] == 422
    assert len(end["detail"]) < 1500


def test_what_the_disk_refuses_stays_the_servers_own(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        files.read(str(tmp_path))
