"""Large files, mapped from the server's own copies."""

import hashlib
import os
import threading
from mmap import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier

from mlapi.artifacts import mapped_copies
from mlapi.artifacts.folder import load_estimator
from mlapi.artifacts.manifest import MODEL, FileDigest, Manifest
from mlapi.artifacts.mapped_copies import mapped, sweep
from mlapi.artifacts.trust import Trust
from mlapi.errors import BrokenArtifact
from mlapi.registry.opening import open_registry
from mlapi.storage import disk
from tests.conftest import classes_of, publish_fitted, settings_for, trusting
from tests.support.waiting import HANG_S

CONTENT = b"numbers " * 1000
ENTRY = FileDigest(len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "model.joblib"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "loaded"


def copies_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def held(source: Path, folder: Path) -> mmap:
    content = mapped(source, ENTRY, folder)
    assert content is not None
    return content


def test_the_content_is_mapped_from_a_copy_that_nobody_else_may_read(source: Path, folder: Path) -> None:
    assert held(source, folder)[:] == CONTENT
    assert copies_in(folder) == [ENTRY.sha256]
    assert (folder / ENTRY.sha256).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_becomes_of_the_source_changes_nothing(source: Path, folder: Path) -> None:
    content = held(source, folder)

    source.write_bytes(b"altered " * 1000)

    assert content[:] == CONTENT
    assert held(source, folder)[:] == CONTENT, "nor is it read again"


def test_a_mapping_cannot_be_written_to(source: Path, folder: Path) -> None:
    with pytest.raises(TypeError):
        held(source, folder)[0] = 0


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], b"altered " * 1000, CONTENT + b"more"])
def test_an_altered_source_is_refused_and_leaves_no_copy(source: Path, folder: Path, content: bytes) -> None:
    source.write_bytes(content)

    assert mapped(source, ENTRY, folder) is None
    assert copies_in(folder) == []


@pytest.mark.parametrize("spoilt", [b"", CONTENT[:100], b"altered " * 1000, CONTENT + b"more"])
def test_a_spoilt_copy_is_not_used_and_the_next_one_is_good(
    source: Path, folder: Path, spoilt: bytes
) -> None:
    held(source, folder)
    (folder / ENTRY.sha256).write_bytes(spoilt)

    assert mapped(source, ENTRY, folder) is None
    assert held(source, folder)[:] == CONTENT


def test_a_copy_that_others_may_write_is_not_used(source: Path, folder: Path) -> None:
    held(source, folder)
    (folder / ENTRY.sha256).chmod(0o666)

    assert mapped(source, ENTRY, folder) is None


@pytest.mark.parametrize("kind", ["missing", "link", "folder"])
def test_a_source_that_is_no_plain_file_is_left_to_who_reads_it(
    source: Path, folder: Path, kind: str
) -> None:
    source.rename(source.with_name("elsewhere"))
    if kind == "link":
        source.symlink_to("elsewhere")
    if kind == "folder":
        source.mkdir()

    assert mapped(source, ENTRY, folder) is None
    assert copies_in(folder) == []


def test_without_a_place_for_copies_there_is_none(source: Path, folder: Path) -> None:
    folder.parent.write_text("a file where the state folder should be")

    assert mapped(source, ENTRY, folder) is None


def test_a_copy_leaves_as_much_space_as_it_takes(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: _Usage(2 * ENTRY.bytes - 1))

    assert mapped(source, ENTRY, folder) is None
    assert copies_in(folder) == []


class _Usage:
    def __init__(self, free: int) -> None:
        self.free = free


def test_a_disk_that_fills_up_meanwhile_leaves_nothing(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "rename", full)

    assert mapped(source, ENTRY, folder) is None
    assert copies_in(folder) == []


def test_who_comes_at_once_shares_one_copy(
    source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, made = disk.copy, []
    monkeypatch.setattr(disk, "copy", lambda *args, **given: (made.append(1), real(*args, **given)))
    found: list[mmap] = []
    threads = [threading.Thread(target=lambda: found.append(held(source, folder))) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_S)

    assert [content[:] for content in found] == [CONTENT] * 8
    assert len(made) == 1


def test_a_copy_is_removed_when_nobody_maps_it_and_not_at_once(source: Path, folder: Path) -> None:
    content = held(source, folder)
    (folder / ".left-by-a-crash").touch()

    sweep(folder)
    assert len(copies_in(folder)) == 2
    sweep(folder, unused_s=-1)
    assert copies_in(folder) == [ENTRY.sha256]

    del content
    sweep(folder, unused_s=-1)
    assert copies_in(folder) == []


def test_a_copy_stays_while_a_view_of_it_or_a_process_forked_since_needs_it(
    source: Path, folder: Path
) -> None:
    view = np.frombuffer(held(source, folder), np.uint8)
    ready, end = os.pipe()
    child = os.fork()
    if child == 0:  # holds what its parent lets go of
        os.close(end)
        os.read(ready, 1)
        os._exit(0)
    os.close(ready)

    sweep(folder, unused_s=-1)
    assert view.tobytes() == CONTENT
    del view
    sweep(folder, unused_s=-1)
    assert copies_in(folder) == [ENTRY.sha256]

    os.close(end)
    os.waitpid(child, 0)
    sweep(folder, unused_s=-1)
    assert copies_in(folder) == []


def test_sweeping_where_there_is_nothing_is_fine(folder: Path) -> None:
    sweep(folder)

    assert not folder.exists(), "looking makes nothing"


@pytest.fixture
def neighbors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Manifest, Trust]:
    """A version whose file counts as large, and who trusts it."""
    monkeypatch.setattr(mapped_copies, "LEAST_BYTES", 100_000)
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(2000, 10)))
    frame.columns = [f"x{number}" for number in range(10)]
    estimator = KNeighborsClassifier(algorithm="brute").fit(frame.to_numpy(), frame["x0"] > 0)
    manifest = publish_fitted(tmp_path / "models", "near", estimator, frame)
    keys = trusting().keys
    trust = Trust(keys, classes=frozenset(classes_of(estimator)))
    return tmp_path / "models" / "near" / "1", manifest, trust


def test_a_large_estimator_is_a_view_of_its_copy(
    neighbors: tuple[Path, Manifest, Trust], tmp_path: Path
) -> None:
    folder, manifest, trust = neighbors

    estimator = load_estimator(folder, manifest, trust, tmp_path / "loaded")

    base = estimator._fit_X
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base.obj if isinstance(base, memoryview) else base, mmap)
    assert copies_in(tmp_path / "loaded") == [manifest.files[MODEL].sha256]


def test_an_altered_file_is_broken_with_copies_too(
    neighbors: tuple[Path, Manifest, Trust], tmp_path: Path
) -> None:
    folder, manifest, trust = neighbors
    content = bytearray((folder / MODEL).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / MODEL).write_bytes(content)

    with pytest.raises(BrokenArtifact, match=r"model\.joblib was altered"):
        load_estimator(folder, manifest, trust, tmp_path / "loaded")


def test_where_no_copy_can_be_made_it_is_read_into_memory(
    neighbors: tuple[Path, Manifest, Trust], tmp_path: Path
) -> None:
    folder, manifest, trust = neighbors
    (tmp_path / "loaded").write_text("a file where the copies should be")

    assert load_estimator(folder, manifest, trust, tmp_path / "loaded").predict(
        np.ones((1, 10))
    ).tolist() == [True]


def test_a_server_keeps_copies_and_a_look_from_the_command_line_none(
    neighbors: tuple[Path, Manifest, Trust], tmp_path: Path
) -> None:
    settings = settings_for(tmp_path / "models")

    for eager in (False, True):
        registry = open_registry(settings, eager=eager)
        assert registry.get("near").version == 1
        assert (settings.state_dir / "loaded" / neighbors[1].files[MODEL].sha256).exists() == eager
