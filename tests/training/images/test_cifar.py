"""CIFAR's own files: read without running what is pickled, and refused where they are something else."""

import io
import os
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlapi.errors import DatasetError
from mlapi.training.images import cifar
from mlapi.training.images.dataset import load

WORDS = ("airplane", "automobile", "bird")
RANDOM = np.random.default_rng(0)


def text(word: str) -> bytes:
    """SHORT_BINSTRING, as Python 2 writes a str, and BINPUT."""
    return b"U" + bytes([len(word)]) + word.encode() + b"q\x01"


def words(values: list[str]) -> bytes:
    return b"]q\x02(" + b"".join(map(text, values)) + b"e"


def numbers(values: list[int]) -> bytes:
    return b"]q\x03(" + b"".join(b"K" + bytes([value]) for value in values) + b"e"


def array(rows: NDArray[np.uint8]) -> bytes:
    """As numpy 1 and Python 2 wrote one: what the files of 2009 hold, byte by byte."""
    content = rows.tobytes()
    return (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85q\tU\x01bq\n\x87q\x0bRq\x0c"
        b"(K\x01M" + struct.pack("<H", len(rows)) + b"M" + struct.pack("<H", rows.shape[1]) + b"\x86q\r"
        b"cnumpy\ndtype\nq\x0eU\x02u1q\x0fK\x00K\x01\x87q\x10Rq\x11(K\x03U\x01|q\x12NNN"
        b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x13b\x89T"
        + struct.pack("<i", len(content))
        + content
        + b"tq\x14b"
    )


def pickled(**values: bytes) -> bytes:
    members = b"".join(text(key) + value for key, value in values.items())
    return b"\x80\x02}q\x01(" + members + b"u."


def batch(rows: NDArray[np.uint8], labels: list[int], key: str = "labels") -> bytes:
    names = [f"picture_s_{number:06}.png" for number in range(len(labels))]
    return pickled(
        batch_label=text("training batch 1 of 5"),
        data=array(rows),
        **{key: numbers(labels)},
        filenames=words(names),
    )


def drawn(count: int) -> tuple[NDArray[np.uint8], list[int]]:
    return RANDOM.integers(0, 256, (count, 3072), np.uint8), [number % 3 for number in range(count)]


def records(rows: NDArray[np.uint8], labels: list[int], before: tuple[int, ...] = ()) -> bytes:
    return b"".join(bytes([*before, label]) + row.tobytes() for row, label in zip(rows, labels, strict=True))


def archive(path: Path, files: dict[str, bytes]) -> str:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return str(path)


SEEN, TESTED = drawn(30), drawn(9)

PYTHON = {
    "data_batch_1": batch(*SEEN),
    "test_batch": batch(*TESTED),
    "batches.meta": pickled(num_cases_per_batch=b"M\x10'", label_names=words(list(WORDS))),
}
BINARY = {
    "data_batch_1.bin": records(*SEEN),
    "test_batch.bin": records(*TESTED),
    "batches.meta.txt": "\n".join([*WORDS, ""]).encode(),
}
PYTHON_100 = {
    "train": batch(*SEEN, key="fine_labels"),
    "test": batch(*TESTED, key="fine_labels"),
    "meta": pickled(fine_label_names=words(list(WORDS)), coarse_label_names=words(["all"])),
}
BINARY_100 = {
    "train.bin": records(*SEEN, before=(7,)),
    "test.bin": records(*TESTED, before=(7,)),
    "fine_label_names.txt": "\n".join(WORDS).encode(),
    "coarse_label_names.txt": b"all\n",
}


@pytest.mark.parametrize("files", [PYTHON, BINARY, PYTHON_100, BINARY_100])
def test_each_distribution_gives_the_same_pictures(tmp_path: Path, files: dict[str, bytes]) -> None:
    found = load(archive(tmp_path / "cifar.tar.gz", {**files, "readme.html": b"<html>"}))

    assert found.classes == WORDS
    assert found.X.shape == (39, 32, 32, 3)
    assert found.y.tolist() == [WORDS[label] for label in (*SEEN[1], *TESTED[1])]
    assert found.parts.tolist() == ["train"] * 30 + ["test"] * 9
    planes = SEEN[0][0].reshape(3, 32, 32)
    assert (found.X[0] == np.stack(planes, axis=-1)).all()


def test_an_unpacked_folder_and_another_size_do_as_well(tmp_path: Path) -> None:
    for name, content in PYTHON.items():
        (tmp_path / name).write_bytes(content)

    assert load(str(tmp_path)).names[0] == "picture_s_000000.png"
    assert load(str(tmp_path), 16).X.shape == (39, 16, 16, 3)


def test_files_of_another_folder_are_not_mixed_in(tmp_path: Path) -> None:
    found = load(archive(tmp_path / "cifar.tar.gz", {"a/test_batch": b"words", **PYTHON, "b/meta": b""}))

    assert found.X.shape == (39, 32, 32, 3)
    assert found.digest == load(archive(tmp_path / "cifar.tar.gz", PYTHON)).digest


def itself() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


def doubled() -> list[Any]:
    """Of 2 ** 200 words."""
    found: list[Any] = ["word"]
    for _ in range(200):
        found = [found, found]
    return found


DEEP = b")" + 200_000 * b"\x85"
"""A tuple in a tuple in a tuple: whoever hashes or shows it runs out of stack."""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("batches.meta", pickle.dumps({"label_names": itself()}, 2)),
        ("batches.meta", pickle.dumps({"label_names": doubled()}, 2)),
        ("batches.meta", b"\x80\x02}U\x0blabel_names](" + DEEP + b"es."),
        ("data_batch_1", pickle.dumps({"data": itself(), "labels": [0], "filenames": ["a"]}, 2)),
        ("data_batch_1", pickled(data=array(SEEN[0][:1]), labels=pickle.dumps(doubled(), 2)[2:-1])),
        ("data_batch_1", b"\x80\x02}" + DEEP + b"K\x01s."),
        ("data_batch_1", b"\x80\x02" + DEEP + b")R."),
    ],
    ids=[
        "classes in themselves",
        "classes without end",
        "a deep class",
        "pixels in themselves",
        "labels without end",
        "a deep name",
        "a deep call",
    ],
)
def test_what_holds_itself_or_is_nested_deeply_is_refused_at_once(name: str, content: bytes) -> None:
    with pytest.raises(DatasetError, match="is not as CIFAR's authors have written it"):
        cifar.read({**PYTHON, name: content})


class Harm:
    def __reduce__(self) -> Any:
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_calls_anything_is_refused_and_nothing_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {**PYTHON, "data_batch_1": pickle.dumps({"data": Harm(), "labels": []}, protocol)}

    with pytest.raises(DatasetError, match=r"is not as CIFAR's authors have written it: a pickle"):
        load(archive(tmp_path / "cifar.tar.gz", files))
    assert not (tmp_path / "harm").exists()


def test_whatever_is_changed_in_a_file_is_read_or_refused() -> None:
    whole = batch(SEEN[0][:2, :], [0, 1])
    heads = [place for place in range(len(whole)) if not 260 < place < len(whole) - 90]
    random = np.random.default_rng(1)

    refused = 0
    for _ in range(3_000):
        changed = bytearray(whole)
        for _ in range(int(random.integers(1, 4))):
            changed[heads[int(random.integers(len(heads)))]] = int(random.integers(256))
        try:
            cifar.read({**PYTHON, "data_batch_1": bytes(changed)})
        except DatasetError:
            refused += 1
    assert 500 < refused < 3_000


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"test_batch": PYTHON["test_batch"], "batches.meta": PYTHON["batches.meta"]}, "there are only"),
        ({"data_batch_1": PYTHON["data_batch_1"]}, "there is only data_batch_1"),
        ({**BINARY, "data_batch_1.bin": BINARY["data_batch_1.bin"][:-1]}, "is not as CIFAR's authors"),
        ({**BINARY, "batches.meta.txt": b"airplane\n"}, "classes that nobody named"),
        ({**PYTHON, "data_batch_1": b""}, "is not as CIFAR's authors"),
        ({**PYTHON, "data_batch_1": PYTHON["batches.meta"]}, "is not as CIFAR's authors"),
    ],
)
def test_files_that_are_missing_or_others_are_told(files: dict[str, bytes], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        cifar.read(files)
