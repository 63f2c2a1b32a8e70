"""Many versions, and large ones: what must not grow with their number, and what workers share.

Counts instead of times, so that a slow machine fails nothing.
"""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier

from mlapi.artifacts import folder as artifact
from mlapi.artifacts import manifest
from mlapi.artifacts.folder import SIGNATURE_FILE, read_manifest, sign
from mlapi.artifacts.manifest import MANIFEST, MODEL, PREDICTOR, FileDigest
from mlapi.artifacts.pickles import pickling
from mlapi.registry.backends.folder import Folder
from mlapi.registry.registry import Registry
from mlapi.schemas import models
from tests.conftest import KEY, classes_of, publish_fitted, trusting
from tests.support.server import Server, running
from tests.support.waiting import until

FRAME = pd.DataFrame({"x": [0.0, 1.0, 2.0]})
COLUMNS = [f"x{number}" for number in range(200)]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small version."""
    folder = tmp_path_factory.mktemp("line")
    publish_fitted(folder, "line", LinearRegression().fit(FRAME.to_numpy(), [0.0, 1.0, 2.0]), FRAME)
    return folder / "line" / "1"


def fill(folder: Path, line: Path, *, names: int, versions: int) -> Registry:
    """A registry of a folder with so many versions of so many models, none changed within seconds."""
    known = read_manifest(line, trusting())
    for name in (f"line{number}" for number in range(names)):
        for number in range(1, versions + 1):
            version = Path(shutil.copytree(line, folder / name / str(number)))
            content = manifest.to_bytes(replace(known, name=name, version=number))
            (version / MANIFEST).write_bytes(content)
            (version / SIGNATURE_FILE).write_bytes(sign(content, KEY))
        os.utime(folder / name, ns=(1, 1))
    return Registry(Folder(folder), trusting(), poll_s=3600, on_demand_bytes=0)


def calls(act: Callable[[], Any]) -> int:
    """How many calls of Python functions it takes."""
    count = 0

    def see(_: FrameType, event: str, __: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(see)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count


def test_an_idle_look_reads_nothing_and_costs_little_more_with_many_versions(
    tmp_path: Path, line: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = fill(tmp_path / "few", line, names=10, versions=1)
    many = fill(tmp_path / "many", line, names=10, versions=20)
    for registry in (few, many):
        registry.refresh()
    snapshot = many._snapshot
    monkeypatch.setattr(artifact, "_read", lambda *_: pytest.fail("read"))

    cost = [calls(registry.refresh) for registry in (few, many)]

    assert cost[1] < 3 * cost[0], "for twenty times the versions"
    assert many._snapshot.models["line0"] is snapshot.models["line0"]


def test_a_start_loads_what_is_named_and_reads_no_other_version(
    tmp_path: Path, line: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = fill(tmp_path, line, names=5, versions=10)
    read: list[Path] = []
    compared: list[Path] = []
    real, describe = artifact._read, artifact.describe_file

    def see(folder: Path, name: str, limit: int) -> bytes:
        read.append(folder / name)
        return real(folder, name, limit)

    def see_whole(path: Path) -> FileDigest:
        compared.append(path)
        return describe(path)

    monkeypatch.setattr(artifact, "_read", see)
    monkeypatch.setattr(artifact, "describe_file", see_whole)
    monkeypatch.setattr(pickling, "load", lambda *_: pytest.fail("unpickled"))

    registry.refresh()

    latest = [tmp_path / f"line{number}" / "10" for number in range(5)]
    assert sorted(path.parent for path in read if path.name == PREDICTOR) == latest
    assert len(read) == len(set(read)) == 5 * 4, "manifest, signature, golden rows and predictor of each"
    assert sorted(compared) == [folder / MODEL for folder in latest]


def test_what_versions_have_in_common_is_made_once(
    tmp_path: Path, line: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The versions of the installed packages, and signatures: together they were half of a start."""
    registry = fill(tmp_path, line, names=3, versions=3)
    registry.refresh()
    monkeypatch.setattr(manifest, "installed", lambda _: pytest.fail("looked up again"))

    loaded = registry._snapshot.loaded.values()

    assert len({id(model.signature) for model in loaded}) == 1
    assert all(not list(manifest.differences(model.manifest)) for model in loaded)


def test_a_list_grows_with_its_models_and_no_faster(tmp_path: Path, line: Path) -> None:
    entry = models.ModelEntry()
    few = fill(tmp_path / "few", line, names=3, versions=10)
    many = fill(tmp_path / "many", line, names=30, versions=10)

    cost = [
        calls(
            lambda registry=registry: [
                entry.dump(record) for record in registry.current_snapshot().models.values()
            ]
        )
        for registry in (few, many)
        if registry.current_snapshot()
    ]

    assert cost[1] < 15 * cost[0]


def neighbors(folder: Path, name: str, rows: int) -> int:
    """Publish a model that keeps its rows; its size in bytes."""
    values = np.random.default_rng(0).normal(size=(rows, len(COLUMNS)))
    estimator = KNeighborsClassifier(algorithm="brute").fit(values, values[:, 0] > 0)
    frame = pd.DataFrame(values[:100], columns=COLUMNS)
    return publish_fitted(folder, name, estimator, frame).files[MODEL].bytes


def proportional_bytes(server: Server) -> int:
    """What the workers take together, shared pages divided among those that map them."""
    total = 0
    for pid in server.workers:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        total += next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def ask_all(server: Server, *names: str) -> None:
    """Until both workers have answered, as far as one can tell: connections go to either."""

    def answers(name: str) -> bool:
        return server.post(f"/predict/{name}", {"features": [0.5] * len(COLUMNS)})[0] == 200

    until(lambda: all(answers(name) for _ in range(20) for name in names), lambda: server.log)


@pytest.mark.exhaustive
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="measures in /proc: Linux only")
def test_workers_share_a_large_version_whenever_it_comes(tmp_path: Path, worker_class: str) -> None:
    allowed = ",".join(classes_of(KNeighborsClassifier().fit([[0.0], [1.0]] * 5, [0, 1] * 5)))
    environ = {"MLAPI_ALLOWED_CLASSES": allowed, "MLAPI_WORKER_CLASS": worker_class}
    folder = tmp_path / "models"
    neighbors(folder, "small", 100)
    with running(folder, tmp_path, **environ) as server:
        ask_all(server, "small")
        without = proportional_bytes(server)

        size = neighbors(folder, "large", 40_000)
        ask_all(server, "large", "small")
        later = proportional_bytes(server) - without
    with running(folder, tmp_path, **environ) as server:
        ask_all(server, "large", "small")
        from_the_start = proportional_bytes(server) - without

    assert size > 60_000_000
    assert max(later, from_the_start) < 1.3 * size, (later / size, from_the_start / size)
