import json
import multiprocessing
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from mlapi import disk
from mlapi.aliases import read_aliases
from mlapi.artifact import (
    MANIFEST,
    MODEL,
    check_files,
    load_estimator,
    read_manifest,
    version_numbers,
)
from mlapi.errors import BrokenArtifact
from tests.conftest import publish_fitted

FRAME = pd.DataFrame({"x": [0.0, 1.0, 2.0]})


def line(folder: Path, name: str = "line") -> Any:
    estimator = LinearRegression().fit(FRAME.to_numpy(), [1.0, 3.0, 5.0])
    return publish_fitted(folder, name, estimator, FRAME)


def test_what_is_published_is_read_back(tmp_path: Path) -> None:
    manifest = line(tmp_path)

    assert read_manifest(tmp_path / "line", 1) == manifest
    estimator = load_estimator(tmp_path / "line", manifest)
    assert estimator.predict([[3.0]]) == pytest.approx([7.0])


def test_versions_are_numbered_and_the_first_becomes_production(tmp_path: Path) -> None:
    assert [line(tmp_path).version for _ in range(3)] == [1, 2, 3]
    assert version_numbers(tmp_path / "line") == [1, 2, 3]
    assert read_aliases(tmp_path / "line") == {"production": 1}


def test_a_number_is_never_used_twice(tmp_path: Path) -> None:
    line(tmp_path)
    line(tmp_path)
    shutil.rmtree(tmp_path / "line" / "2")
    (tmp_path / "line" / "2.deleted").touch()

    assert line(tmp_path).version == 3


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
    assert read_manifest(tmp_path / "line", 2).version == 2
    assert (tmp_path / "line" / "1" / "theirs").exists()


def _publish_five(folder: str) -> None:
    for _ in range(5):
        line(Path(folder))


def test_publishers_at_once_lose_nothing(tmp_path: Path) -> None:
    processes = [
        multiprocessing.get_context("spawn").Process(target=_publish_five, args=(str(tmp_path),))
        for _ in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)

    assert [process.exitcode for process in processes] == [0, 0, 0]
    home = tmp_path / "line"
    assert version_numbers(home) == list(range(1, 16))
    for number in version_numbers(home):
        check_files(home, read_manifest(home, number))


def test_a_failed_publication_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "write", full)
    with pytest.raises(OSError, match="No space"):
        line(tmp_path)

    assert [path.name for path in (tmp_path / "line").iterdir()] == [".aliases.lock"]


def test_no_crash_leaves_the_first_version_without_its_alias(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(disk, "flush_folder", lambda folder: crash() if (folder / "1").exists() else None)
    with pytest.raises(KeyboardInterrupt):
        line(tmp_path)

    assert version_numbers(tmp_path / "line") == [1]
    assert read_aliases(tmp_path / "line") == {"production": 1}


class Gadget:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


def test_altered_bytes_are_never_unpickled(tmp_path: Path) -> None:
    manifest = line(tmp_path)
    trace = tmp_path / "executed"
    (tmp_path / "line" / "1" / MODEL).write_bytes(pickle.dumps(Gadget(trace)))

    with pytest.raises(BrokenArtifact, match="altered"):
        load_estimator(tmp_path / "line", manifest)

    assert not trace.exists()


@pytest.mark.parametrize("position", [0, 100, -1])
def test_one_flipped_bit_is_noticed(tmp_path: Path, position: int) -> None:
    manifest = line(tmp_path)
    file = tmp_path / "line" / "1" / MODEL
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)

    with pytest.raises(BrokenArtifact, match="sha256"):
        check_files(tmp_path / "line", manifest)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    manifest = line(tmp_path)
    (tmp_path / "line" / "1" / MODEL).unlink()

    with pytest.raises(BrokenArtifact, match=r"model\.joblib cannot be read"):
        check_files(tmp_path / "line", manifest)


def change(folder: Path, **entries: Any) -> None:
    file = folder / "line" / "1" / MANIFEST
    file.write_text(json.dumps({**json.loads(file.read_text()), **entries}))


def features(*entries: dict[str, Any]) -> dict[str, Any]:
    target = {"name": "y", "kind": "number"}
    return {"signature": {"features": list(entries), "target": target, "ignored": []}}


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"format": 2}, "format 2"),
        ({"name": "other"}, "belongs to"),
        ({"version": 7}, "belongs to version 7"),
        ({"files": {}}, "lists no model.joblib"),
        ({"files": {"../../x": {"bytes": 1, "sha256": ""}}}, "misstates"),
        ({"signature": 3}, "misstates"),
        ({"signature": {"features": [{"nome": "x"}], "target": {}, "ignored": []}}, "misstates"),
        ({"files": {"model.joblib": {"bytes": "9", "sha256": ""}}}, "misstates"),
        ({"files": {"model.joblib": {"bytes": None, "sha256": ""}}}, "misstates"),
        ({"files": {"a\0b": {"bytes": 1, "sha256": ""}}}, "misstates"),
        ({"algorithm": ["svm"]}, "misstates algorithm"),
        ({"version": True}, "misstates version"),
        ({"metrics": {"r2": 10**400}}, "is not JSON"),
        ({"parameters": {"note": "\ud800"}}, "is not JSON"),
        (features({"name": 5, "kind": "number"}), "misstates"),
        (features({"name": "x", "kind": "number", "minimum": "low"}), "misstates"),
        (features({"name": "x", "kind": "category", "categories": 5}), "misstates"),
        (features({"name": "x", "kind": "category", "categories": [[1]]}), "misstates"),
        (features({"name": "x", "kind": "datetime", "format": 5}), "misstates"),
        (features({"name": "x", "kind": "number"}, {"name": "x", "kind": "number"}), "misstates"),
        (features({"name": "x", "kind": "colour"}), "no kind 'colour'"),
        (features(), "misstates"),
        ({"metrics": None}, "misstates metrics"),
    ],
)
def test_a_manifest_that_does_not_hold_is_refused(tmp_path: Path, entries: Any, reason: str) -> None:
    line(tmp_path)
    change(tmp_path, **entries)

    with pytest.raises(BrokenArtifact, match=reason):
        read_manifest(tmp_path / "line", 1)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_manifest_that_is_not_json_is_refused(tmp_path: Path, content: bytes) -> None:
    line(tmp_path)
    (tmp_path / "line" / "1" / MANIFEST).write_bytes(content)

    with pytest.raises(BrokenArtifact, match=MANIFEST):
        read_manifest(tmp_path / "line", 1)


def test_fields_of_a_newer_writer_are_passed_over(tmp_path: Path) -> None:
    manifest = line(tmp_path)
    change(tmp_path, golden=[1, 2])

    assert read_manifest(tmp_path / "line", 1) == manifest


def test_the_model_file_is_not_compressed(tmp_path: Path) -> None:
    """So that its pages can be shared."""
    estimator = LinearRegression().fit(np.eye(500), np.arange(500.0))
    publish_fitted(tmp_path, "wide", estimator, pd.DataFrame(np.eye(500)).rename(columns=str))

    assert estimator.coef_.tobytes() in (tmp_path / "wide" / "1" / MODEL).read_bytes()
