import multiprocessing
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, Ridge

from mlapi.artifacts.folder import check_files, read_manifest, version_numbers
from mlapi.artifacts.manifest import GOLDEN, MODEL, PREDICTOR
from mlapi.errors import BrokenArtifact
from mlapi.registry import publication
from mlapi.registry.aliases import Alias, read_aliases
from mlapi.registry.backends.folder import Folder
from mlapi.registry.publication import sweep
from mlapi.storage import disk
from tests.conftest import publish_fitted, trusting
from tests.support.waiting import HANG_S

FRAME = pd.DataFrame({"x": [0.0, 1.0, 2.0]})


def line(folder: Path) -> Any:
    estimator = LinearRegression().fit(FRAME.to_numpy(), [1.0, 3.0, 5.0])
    return publish_fitted(folder, "line", estimator, FRAME)


def entries(home: Path) -> list[str]:
    return sorted(path.name for path in home.iterdir())


def test_what_is_published_is_what_is_read(tmp_path: Path) -> None:
    assert line(tmp_path) == read_manifest(tmp_path / "line" / "1", trusting())


@pytest.mark.parametrize("name", [MODEL, GOLDEN])
def test_what_somebody_else_puts_in_its_place_is_not_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    line(tmp_path)
    other = (tmp_path / "line" / "1" / name).read_bytes() + b"\n"
    write_with = disk.write_with

    def swap(path: Path, *arguments: Any) -> Any:
        result = write_with(path, *arguments)
        if path.name == name:
            path.unlink()
            path.write_bytes(other)
        return result

    monkeypatch.setattr(disk, "write_with", swap)

    with pytest.raises(BrokenArtifact, match=f"{name} was altered"):
        line(tmp_path)
    assert version_numbers(tmp_path / "line") == [1]


def test_a_file_that_somebody_else_adds_is_not_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_with = disk.write_with

    def add(path: Path, *arguments: Any) -> Any:
        result = write_with(path, *arguments)
        (path.parent / "report.html").write_text("<h1>")
        return result

    monkeypatch.setattr(disk, "write_with", add)

    assert set(line(tmp_path).files) == {MODEL, GOLDEN, PREDICTOR}


def test_versions_are_numbered_and_the_first_becomes_production(tmp_path: Path) -> None:
    assert [line(tmp_path).version for _ in range(3)] == [1, 2, 3]
    assert version_numbers(tmp_path / "line") == [1, 2, 3]
    assert read_aliases(tmp_path / "line") == {"production": Alias(1)}


def test_a_number_is_never_used_twice(tmp_path: Path) -> None:
    line(tmp_path)
    line(tmp_path)
    Folder(tmp_path).delete("line", 2)

    assert line(tmp_path).version == 3


def test_the_first_version_after_all_were_deleted_becomes_production(tmp_path: Path) -> None:
    line(tmp_path)
    Folder(tmp_path).delete("line", 1)

    assert line(tmp_path).version == 2
    assert read_aliases(tmp_path / "line")["production"].version == 2


def test_a_number_claimed_meanwhile_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another publisher takes version 1 between the look and the rename."""
    real = disk.flush_folder

    def somebody_is_faster(folder: Path) -> None:
        if not (tmp_path / "line" / "1").exists():
            (tmp_path / "line" / "1").mkdir()
            (tmp_path / "line" / "1" / "theirs").touch()
        real(folder)

    monkeypatch.setattr(disk, "flush_folder", somebody_is_faster)

    assert line(tmp_path).version == 2
    assert read_manifest(tmp_path / "line" / "2", trusting()).version == 2
    assert (tmp_path / "line" / "1" / "theirs").exists()


def _publish_five(folder: Path) -> None:
    for _ in range(5):
        line(folder)


def test_publishers_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_publish_five, args=(tmp_path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(HANG_S)

    assert [process.exitcode for process in processes] == [0, 0, 0]
    home = tmp_path / "line"
    assert version_numbers(home) == list(range(1, 16))
    for number in version_numbers(home):
        check_files(home / str(number), read_manifest(home / str(number), trusting()))


def test_a_failed_publication_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "write", full)
    with pytest.raises(OSError, match="No space"):
        line(tmp_path)

    assert entries(tmp_path / "line") == []


class Moody(Ridge):
    """Predicts something else each time."""

    def predict(self, X: Any) -> Any:
        return super().predict(X) + np.random.default_rng().normal(size=len(X))


def test_an_estimator_that_does_not_repeat_itself_is_never_published(tmp_path: Path) -> None:
    estimator = Moody().fit(FRAME.to_numpy(), [1.0, 3.0, 5.0])

    with pytest.raises(BrokenArtifact, match="does not reproduce its golden rows"):
        publish_fitted(tmp_path, "moody", estimator, FRAME)

    assert entries(tmp_path / "moody") == []


def test_no_crash_leaves_the_first_version_without_its_alias(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(disk, "flush_folder", lambda folder: crash() if (folder / "1").exists() else None)
    with pytest.raises(KeyboardInterrupt):
        line(tmp_path)

    assert version_numbers(tmp_path / "line") == [1]
    assert read_aliases(tmp_path / "line") == {"production": Alias(1)}


def test_the_model_file_is_not_compressed(tmp_path: Path) -> None:
    """So that its pages can be shared."""
    estimator = LinearRegression().fit(np.eye(500), np.arange(500.0))
    publish_fitted(tmp_path, "wide", estimator, pd.DataFrame(np.eye(500)).rename(columns=str))

    assert estimator.coef_.tobytes() in (tmp_path / "wide" / "1" / MODEL).read_bytes()


def test_a_sweep_removes_what_was_left_behind_and_nothing_else(tmp_path: Path) -> None:
    line(tmp_path)
    line(tmp_path)
    home = tmp_path / "line"
    for name in (".staging-old", ".staging-new", ".gone-1", "notes"):
        (home / name).mkdir()
    yesterday = time.time() - 2 * 24 * 3600
    os.utime(home / ".staging-old", (yesterday, yesterday))
    (home / "2.deleted").touch()

    sweep(tmp_path)

    kept = {".aliases.lock", ".staging-new", "1", "2.deleted", "aliases.json", "notes"}
    assert set(entries(home)) == kept


def test_a_version_that_comes_back_after_its_deletion_is_not_there(tmp_path: Path) -> None:
    line(tmp_path)
    line(tmp_path)
    shutil.copytree(tmp_path / "line" / "2", tmp_path / "copy")
    Folder(tmp_path).delete("line", 2)
    shutil.copytree(tmp_path / "copy", tmp_path / "line" / "2")

    assert version_numbers(tmp_path / "line") == [1]


def test_staging_is_hidden_from_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []
    real = publication.load_model

    def look(*args: Any) -> Any:
        seen.append(version_numbers(tmp_path / "line"))
        return real(*args)

    monkeypatch.setattr(publication, "load_model", look)
    line(tmp_path)

    assert seen == [[], []]  # once without the compiled predictor, once with it
