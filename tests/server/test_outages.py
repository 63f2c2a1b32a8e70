"""What a server goes on doing while something that it needs is held by others, or lost."""

import http.client
import json
import threading
from contextlib import closing
from pathlib import Path

import pytest

from mlapi.registry.aliases import FILE, LOCK
from mlapi.storage.locks import locked
from tests.conftest import changes_in
from tests.support.lines import publish
from tests.support.server import Server, ask, running
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="looks for the server's workers in /proc"
)

CHANGES = 30
"""More than a server with two workers has threads."""

PATIENCE_S = 90
"""Of a client. It is told much sooner, however busy the machine is."""


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """Two lines with two versions; one of them has no alias."""
    folder = tmp_path / "models"
    for name in ("line", "bare"):
        for version in (1, 2):
            publish(changes_in(folder), version, name)
    (folder / "bare" / FILE).unlink()
    return folder


def promote(server: Server, statuses: list[int]) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)) as connection:
        body = json.dumps({"version": 2}).encode()
        statuses.append(ask(connection, "PUT", "/models/line/aliases/canary", body)[0])


def test_changes_that_somebody_holds_up_are_told_so_and_silence_nobody(
    models_dir: Path, tmp_path: Path, worker_class: str
) -> None:
    statuses: list[int] = []
    environ = {"MLAPI_ALLOW_WRITES": "true", "MLAPI_WORKER_CLASS": worker_class}
    with running(models_dir, tmp_path, **environ) as server:
        threads = [threading.Thread(target=promote, args=(server, statuses)) for _ in range(CHANGES)]
        with locked(models_dir / "line" / LOCK):
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                assert server.get("/health/live")[0] == 200
                assert server.post("/predict/line", {"X": [[1]]})[0] == 200
            assert statuses == [503] * CHANGES

        promote(server, statuses)
        assert statuses[-1] == 200


def answers(server: Server) -> set[int]:
    """Of both workers, most likely; one that was not asked yet looks at the disk now."""
    paths = [f"/predict/{name}" for name in ("line", "bare")] * 10
    return {server.post(path, {"X": [[1]]})[0] for path in paths}


def broken(server: Server) -> list[str]:
    answers = [server.get("/health/ready")[1] for _ in range(10)]
    return [entry["reason"] for answer in answers for entry in answer["broken"]]


def test_a_models_folder_that_goes_and_comes_back_takes_nothing_away(
    models_dir: Path, tmp_path: Path, worker_class: str
) -> None:
    """As where a volume is unmounted: an empty folder is in its place."""
    environ = {"MLAPI_MODELS_POLL_S": "0.05", "MLAPI_WORKER_CLASS": worker_class}
    with running(models_dir, tmp_path, **environ) as server:
        assert answers(server) == {200}

        models_dir.rename(tmp_path / "away")
        models_dir.mkdir()
        until(lambda: any("its folder is gone" in reason for reason in broken(server)))
        assert answers(server) == {200}

        models_dir.rmdir()
        (tmp_path / "away").rename(models_dir)
        until(lambda: broken(server) == [])
        assert answers(server) == {200}
