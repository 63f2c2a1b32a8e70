"""Folders and archives of pictures -> pixels and classes, or a sentence that says what would do."""

import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mlapi.data.images.decoding import png, read
from mlapi.errors import DatasetError
from mlapi.training.images.archives import MAX_FILE_BYTES, ImageFile
from mlapi.training.images.dataset import _second_pass, feature_of, load, rescaled
from tests.conftest import ROOT
from tests.support.drawn import CLASSES, encoded, shape, write

CIFAR = ROOT.parent / "shared" / "data" / "cifar10-images.tar.gz"


def as_tar(folder: Path, into: Path) -> Path:
    with tarfile.open(into, "w:gz") as archive:
        archive.add(folder, arcname="./some/where")
    return into


def as_zip(folder: Path, into: Path) -> Path:
    with zipfile.ZipFile(into, "w") as archive:
        for path in sorted(folder.rglob("*"), reverse=True):
            archive.write(path, Path("pictures") / path.relative_to(folder))
    return into


def test_a_folder_of_parts_and_classes_is_read_in_order(tmp_path: Path) -> None:
    found = load(str(write(tmp_path / "shapes", {"train": 8, "test": 3})))

    assert found.classes == CLASSES
    assert found.X.shape == (33, 16, 16, 3)
    assert found.X.dtype == np.uint8
    assert found.names[:2] == ("test/box/000.png", "test/box/001.png")
    assert found.parts.tolist() == ["test"] * 9 + ["train"] * 24
    assert found.y.tolist()[9:17] == ["box"] * 8
    assert (found.X[9] == shape("box", 0)).all()
    assert found.notes == ()


@pytest.mark.parametrize("packed", [as_tar, as_zip])
def test_an_archive_is_the_same_as_its_folder(tmp_path: Path, packed: Callable[[Path, Path], Path]) -> None:
    folder = write(tmp_path / "shapes", {"train": 8, "test": 3})

    unpacked, archived = load(str(folder)), load(str(packed(folder, tmp_path / "packed")))

    assert (archived.X == unpacked.X).all()
    assert (archived.y == unpacked.y).all()
    assert (archived.parts == unpacked.parts).all()


def test_one_level_of_folders_says_nothing_of_what_is_held_out(tmp_path: Path) -> None:
    found = load(str(write(tmp_path, {"": 8})))

    assert set(found.parts.tolist()) == {""}
    assert found.classes == CLASSES


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    write(tmp_path, {"": 10}, classes=("disc", "box"))
    (tmp_path / "disc").rename(tmp_path / "train")

    assert load(str(tmp_path)).classes == ("box", "train")


def test_unlabelled_pictures_beside_parts_with_classes_are_of_no_class(tmp_path: Path) -> None:
    write(tmp_path, {"train": 10}, classes=("box", "disc"))
    for name in ("test/0.png", "test/1.png", "train/2.png", "samples/3.png", "samples/more/4.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_bytes(encoded(shape("disc", 0)))

    found = load(str(tmp_path))

    assert found.classes == ("box", "disc")
    assert found.parts.tolist() == ["train"] * 20
    assert found.notes == (
        '5 files in no folder of a class passed over: "samples/3.png", "samples/more/4.png", "test/0.png" '
        "and 2 more",
    )


def test_among_pictures_files_that_are_called_like_cifars_are_files_like_any_other(tmp_path: Path) -> None:
    write(tmp_path, {"": 10})
    for name in ("train", "meta", "box/test", "stripes/data_batch_1"):
        (tmp_path / name).write_bytes(b"words")

    found = load(str(tmp_path))

    assert (len(found.y), found.classes) == (30, CLASSES)
    assert found.notes == (
        '2 files could not be read as a picture: "box/test", "stripes/data_batch_1"',
        '2 files in no folder of a class passed over: "meta", "train"',
    )


@pytest.mark.parametrize(("more", "waiting"), [(0, 32), (1 << 21, 1)], ids=["small", "large"])
def test_few_files_wait_to_be_decoded_and_of_large_ones_fewer(more: int, waiting: int) -> None:
    content = encoded(shape("box", 0)) + bytes(more)
    workers, handed = os.cpu_count() or 1, 0

    def files() -> Iterator[ImageFile]:
        nonlocal handed
        for number in range(200 * workers if waiting > 1 else 20 * workers):
            handed = number + 1
            yield ImageFile(str(number), content)

    wanted = {str(number): number for number in range(200 * workers)}
    ahead = [
        handed - done
        for done, _ in enumerate(_second_pass(files(), wanted, feature_of(shape("box", 0)[None])))
    ]

    assert len(ahead) == handed
    assert max(ahead) == 2 * workers * waiting


def test_pictures_for_validation_are_judged_by_where_there_are_no_others(tmp_path: Path) -> None:
    found = load(str(write(tmp_path, {"train": 8, "val": 3})))

    assert set(found.parts.tolist()) == {"train", "test"}


def test_what_systems_leave_behind_and_what_is_no_picture_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, {"train": 8, "test": 3})
    for name in (".DS_Store", "Thumbs.db", "README.txt", "train/.hidden/a.png", "train/box/Thumbs.db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encoded(shape("disc", 0)) if name.endswith("png") else b"words")
    (tmp_path / "train" / "box" / "broken.png").write_bytes(encoded(shape("box", 0))[:60])
    (tmp_path / "train" / "disc" / "notes.txt").write_bytes(b"words")

    found = load(str(tmp_path))

    assert len(found.y) == 33
    assert found.notes == (
        '2 files could not be read as a picture: "train/box/broken.png", "train/disc/notes.txt"',
        '1 file in no folder of a class passed over: "README.txt"',
    )


def test_links_in_an_archive_lead_nowhere(tmp_path: Path) -> None:
    archive = as_tar(write(tmp_path / "shapes", {"": 8}), tmp_path / "shapes.tar.gz")
    with tarfile.open(tmp_path / "more.tar", "w") as more:
        with tarfile.open(archive) as given:
            for member in given:
                more.addfile(member, given.extractfile(member) if member.isreg() else None)
        link = tarfile.TarInfo("some/where/box/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        more.addfile(link)

    assert len(load(str(tmp_path / "more.tar")).y) == 24


@pytest.mark.parametrize(
    ("sizes", "size", "expected"),
    [
        ([(16, 16), (16, 16)], None, (16, 16)),
        ([(40, 24), (40, 24)], None, (24, 40)),
        ([(16, 16), (16, 16)], 20, (20, 20)),
        ([(40, 30), (30, 50)], None, (30, 30)),
        ([(8, 9), (9, 8)], None, (16, 16)),
        ([(300, 200), (200, 400)], None, (64, 64)),
        ([(200, 200), (200, 200)], None, (64, 64)),
    ],
)
def test_the_size_is_told_or_the_pictures_own_or_one_that_suits_them(
    tmp_path: Path, sizes: list[tuple[int, int]], size: int | None, expected: tuple[int, int]
) -> None:
    for kind, (width, height) in zip(CLASSES, sizes, strict=False):
        (tmp_path / kind).mkdir()
        for number in range(10):
            drawn = shape(kind, number, side=max(width, height))[:height, :width]
            (tmp_path / kind / f"{number}.png").write_bytes(encoded(drawn))

    found = load(str(tmp_path), size)

    assert found.X.shape[1:] == (*expected, 3)
    assert bool(found.notes) == (set(sizes) != {expected[::-1]})


@pytest.mark.parametrize(("each", "channels"), [((1, 1), 1), ((4, 4), 4), ((1, 3), 3), ((3, 4), 3)])
def test_channels_are_those_that_all_pictures_have(
    tmp_path: Path, each: tuple[int, int], channels: int
) -> None:
    for kind, count in zip(("box", "disc"), each, strict=True):
        write(tmp_path, {"": 10}, classes=(kind,), channels=count)

    assert load(str(tmp_path)).X.shape[-1] == channels


def test_training_sees_what_a_server_sees(tmp_path: Path) -> None:
    files = {}
    for kind in ("box", "disc"):
        (tmp_path / kind).mkdir()
        for number in range(10):
            form = ("PNG", "JPEG", "WEBP", "GIF", "BMP")[number % 5]
            content = encoded(shape(kind, number, side=30 + number), form)
            (tmp_path / kind / f"{number}.{form.lower()}").write_bytes(content)
            files[f"{kind}/{number}.{form.lower()}"] = content

    found = load(str(tmp_path))

    image = feature_of(found.X)
    for name, pixels in zip(found.names, found.X, strict=True):
        assert (pixels == read(files[name], image)).all()


def test_the_digest_is_of_names_and_bytes(tmp_path: Path) -> None:
    folder = write(tmp_path / "shapes", {"": 8})
    first = load(str(folder)).digest
    (folder / "box" / "000.png").rename(folder / "box" / "0000.png")
    renamed = load(str(folder)).digest
    (folder / "box" / "0000.png").write_bytes(encoded(shape("disc", 5)))

    assert len({first, renamed, load(str(folder)).digest}) == 3


def empty(folder: Path) -> None:
    pass


def without_folders(folder: Path) -> None:
    (folder / "a.png").write_bytes(encoded(shape("box", 0)))


def words_in_folders(folder: Path) -> None:
    without_folders(folder)
    (folder / "docs").mkdir()
    (folder / "docs" / "a.txt").write_bytes(b"words")


def one_class(folder: Path) -> None:
    write(folder, {"": 20}, classes=("box",))


def one_class_of_parts(folder: Path) -> None:
    write(folder, {"train": 20, "test": 5}, classes=("box",))


def one_picture(folder: Path) -> None:
    write(folder, {"": 20}, classes=("box", "disc"))
    write(folder, {"": 1}, classes=("stripes",))


def few(folder: Path) -> None:
    write(folder, {"": 3})


def strangers(folder: Path) -> None:
    write(folder, {"train": 20, "test": 5}, classes=("box", "disc"))
    write(folder, {"test": 5}, classes=("stripes",))


def unreadable_class(folder: Path) -> None:
    write(folder, {"": 20}, classes=("box", "disc"))
    (folder / "stripes").mkdir()
    (folder / "stripes" / "a.png").write_bytes(b"words")


def unreadable_but_one(folder: Path) -> None:
    write(folder, {"": 20}, classes=("box",))
    (folder / "disc").mkdir()
    (folder / "disc" / "a.png").write_bytes(b"words")


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (empty, "holds no pictures: expected a folder for each class"),
        (without_folders, "holds pictures, and no folders: to tell classes apart, each needs a folder"),
        (words_in_folders, "holds pictures, and no folders"),
        (one_class, 'holds only one class, "box"'),
        (one_class_of_parts, 'has only one class, "box"'),
        (one_picture, '"stripes" has a single picture to learn from'),
        (few, "9 pictures are too few to learn from: bring 20"),
        (strangers, '"stripes" has pictures to judge by and none to learn from'),
        (
            unreadable_class,
            'no file of "stripes" could be read as a picture: PNG, JPEG, WebP',
        ),
        (unreadable_but_one, 'no file of "disc" could be read as a picture'),
    ],
)
def test_what_cannot_be_learnt_from_says_what_would_do(
    tmp_path: Path, made: Callable[[Path], None], message: str
) -> None:
    made(tmp_path)

    with pytest.raises(DatasetError) as caught:
        load(str(tmp_path))
    assert message in str(caught.value)


def test_a_folder_that_is_not_there_and_a_file_that_is_no_archive_are_told(tmp_path: Path) -> None:
    (tmp_path / "words.tar.gz").write_bytes(b"words, and no archive")
    whole = as_tar(write(tmp_path / "shapes", {"": 8}), tmp_path / "shapes.tar.gz")
    (tmp_path / "half.tar.gz").write_bytes(whole.read_bytes()[:2000])

    for name, message in (
        ("nowhere", "there is no"),
        ("words.tar.gz", "no .tar, .tar.gz or .zip that can be read"),
        ("half.tar.gz", "no .tar, .tar.gz or .zip that can be read"),
    ):
        with pytest.raises(DatasetError, match=message):
            load(str(tmp_path / name))


def test_a_file_beyond_all_measure_is_not_read(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "bomb.tar", "w") as archive:
        archive.addfile(tarfile.TarInfo("a/b.png"), io.BytesIO())
    content = bytearray((tmp_path / "bomb.tar").read_bytes())
    with tarfile.open(tmp_path / "bomb.tar", "w") as archive:
        member = tarfile.TarInfo("a/b.png")
        member.size = MAX_FILE_BYTES + 1
        header = member.tobuf()
    content[: len(header)] = header
    (tmp_path / "bomb.tar").write_bytes(content)

    with pytest.raises(DatasetError, match="bytes, which no picture has"):
        load(str(tmp_path / "bomb.tar"))


def test_more_pixels_than_memory_are_refused_with_the_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"": 10})
    monkeypatch.setattr("mlapi.training.images.dataset._MEMORY", 1e-9)

    with pytest.raises(DatasetError, match=r"30 pictures of 16 × 16 × 3 take .* GiB.* a smaller --size"):
        load(str(tmp_path))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_picture_survives_as_png(channels: int) -> None:
    X = np.random.default_rng(0).integers(0, 256, (3, 9, 12, channels), np.uint8)

    for picture in X:
        assert (read(png(picture), feature_of(X)) == picture).all()
    assert rescaled(X, feature_of(X)) is X
    assert rescaled(X, feature_of(X[:, :5, :5])).shape == (3, 5, 5, channels)


@pytest.mark.skipif(not CIFAR.exists(), reason="the pictures of CIFAR-10 are not here")
def test_some_hundred_real_pictures_are_read(tmp_path: Path) -> None:
    with tarfile.open(CIFAR) as archive, tarfile.open(tmp_path / "some.tar", "w") as some:
        for number, member in enumerate(archive):
            if number % 25 == 0 and number < 10_000 and member.isreg():
                some.addfile(member, archive.extractfile(member))

    found = load(str(tmp_path / "some.tar"))

    assert len(found.classes) == 10
    assert found.X.shape[1:] == (32, 32, 3)
    assert 90 < found.X.mean() < 150
