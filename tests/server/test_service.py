"""The service as it runs: gunicorn with two workers, on loopback."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn import datasets

from mlapi.registry.aliases import change_aliases, pointing
from mlapi.training.recipes import load_recipes
from mlapi.training.workflows.train import train
from tests.conftest import changes_in, publish_fitted
from tests.support.server import GUNICORN, PATIENT, ROOT, Server, ask, free_port, running
from tests.support.waiting import HANG_S, until

pytestmark = pytest.mark.skipif(
    not Path("/proc/net/tcp").exists(), reason="looks at the server's processes in /proc: Linux only"
)

ROW = datasets.load_wine().data[0].tolist()
BODY = json.dumps({"features": ROW}).encode()
MLAPI_SERVE = [sys.executable, "-c", "from mlapi.cli.main import main; main()", "serve"]
RECIPE = load_recipes(ROOT / "config" / "models.toml")["svm"]


@pytest.fixture
def server(models_dir: Path, tmp_path: Path, worker_class: str) -> Iterator[Server]:
    with running(models_dir, tmp_path, MLAPI_WORKER_CLASS=worker_class) as server:
        yield server


def test_a_connection_is_kept_alive(server: Server) -> None:
    connection = server.connect()

    for _ in range(3):
        status, answer = ask(connection, "POST", "/predict/svm", BODY)
        assert (status, answer["prediction"]) == (200, [0])
        sock = connection.sock

    assert connection.sock is sock is not None


def versions(connections: list[http.client.HTTPConnection], path: str) -> set[int]:
    """That answer, over these connections."""
    return {ask(connection, "POST", path, BODY)[1]["version"] for connection in connections}


def test_two_workers_see_a_new_version_and_a_moved_alias(server: Server, models_dir: Path) -> None:
    workers = server.workers

    train(replace(RECIPE, promote="never"), changes_in(models_dir))
    connections = [server.connect_to(worker) for worker in workers]
    until(lambda: versions(connections, "/predict/svm/latest") == {2})
    assert versions(connections, "/predict/svm") == {1}

    change_aliases(models_dir / "svm", pointing("production", 2))
    until(lambda: versions(connections, "/predict/svm") == {2})
    assert server.workers == workers, "no worker was restarted"


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["mlapi", "gthread", "sync"])
def test_a_model_that_computes_with_openmp_answers_in_every_worker(tmp_path: Path, kind: str) -> None:
    """It answered its golden rows before the fork, which OpenMP's threads do not survive. The main thread
    of gunicorn's own `sync` answers itself; it waited for them, until they were made in a thread that had
    ended."""
    boosting = pytest.importorskip("lightgbm").LGBMRegressor(n_estimators=5, n_jobs=2, verbose=-1)
    frame = pd.DataFrame({"x": [float(x) for x in range(200)]})
    publish_fitted(tmp_path / "models", "steps", boosting.fit(frame, frame["x"]), frame)
    environ = {"MLAPI_ALLOWED_SETS": "lightgbm"}
    if kind == "sync":
        environ["GUNICORN_CMD_ARGS"] = f"{PATIENT} --worker-class sync --threads 1"
    else:
        environ["MLAPI_WORKER_CLASS"] = kind

    with running(tmp_path / "models", tmp_path, **environ) as server:
        served_by = server.get("/models/steps/versions/1")[1]["served_by"]
        answers = [server.post("/predict/steps", {"x": 7})[0] for _ in range(20)]

    assert served_by == "scikit-learn"
    assert answers == [200] * 20


@pytest.mark.exhaustive
def test_a_version_whose_classes_are_not_allowed_says_what_to_do_and_serves_after_it(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [float(x) for x in range(200)]})
    boosting = pytest.importorskip("lightgbm").LGBMRegressor(n_estimators=5, verbose=-1)
    publish_fitted(tmp_path / "models", "steps", boosting.fit(frame, frame["x"]), frame)
    way_out = (
        'which is not allowed; set allowed_sets = ["lightgbm"] where it is served, and restart the server'
    )

    with running(tmp_path / "models", tmp_path) as server:
        assert server.get("/models/steps/versions/1")[1]["reason"].endswith(way_out)
        assert server.post("/predict/steps", {"x": 7})[0] == 503
        assert way_out in server.log
        workers = server.workers
        server.signal(signal.SIGHUP)  # which takes no new settings
        server.wait_for_workers(other_than=workers)
        assert server.post("/predict/steps", {"x": 7})[0] == 503
    with running(tmp_path / "models", tmp_path, MLAPI_ALLOWED_SETS="lightgbm") as server:
        assert server.post("/predict/steps", {"x": 7})[0] == 200


def load(server: Server, until: threading.Event, outcomes: list[Any]) -> None:
    """Requests over fresh connections, one after the other, at most 5,000."""
    for _ in range(5000):
        if until.is_set():
            return
        try:
            outcomes.append(server.post("/predict/svm", {"features": ROW})[0])
        except (OSError, http.client.HTTPException) as error:
            outcomes.append(error)


def test_sighup_fails_no_request(server: Server) -> None:
    before = server.workers
    done, outcomes = threading.Event(), []
    thread = threading.Thread(target=load, args=(server, done, outcomes))
    thread.start()

    for _ in range(2):
        server.signal(signal.SIGHUP)
        before = server.wait_for_workers(other_than=before)
    until(lambda: len(outcomes) > 10)
    done.set()
    thread.join(HANG_S)

    assert set(outcomes) == {200}


def test_sighup_with_settings_that_became_wrong_keeps_serving(
    models_dir: Path, tmp_path: Path, worker_class: str
) -> None:
    """A reload takes no new settings, so that a typo cannot end a running server."""
    (tmp_path / "config").mkdir()
    for name in ("gunicorn.conf.py", "mlapi.toml"):
        (tmp_path / "config" / name).write_bytes((ROOT / "config" / name).read_bytes())
    (tmp_path / "wsgi.py").write_bytes((ROOT / "wsgi.py").read_bytes())
    with running(models_dir, tmp_path, cwd=tmp_path, MLAPI_WORKER_CLASS=worker_class) as server:
        before = server.workers
        (tmp_path / "config" / "mlapi.toml").write_text("prot = 1")
        (models_dir / "svm" / "1" / "model.joblib").unlink()

        server.signal(signal.SIGHUP)

        server.wait_for_workers(other_than=before)
        assert server.get("/health/ready")[0] == 200


def test_sigterm_finishes_the_request_in_flight(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=HANG_S) as sock:
        head = f"POST /predict/svm HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n"
        sock.sendall(head.encode() + BODY[:20])
        _let_it_arrive(server)

        server.signal(signal.SIGTERM)
        until(lambda: "Handling signal: term" in server.log)
        sock.sendall(BODY[20:])

        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"prediction":[0]' in answer
    assert server.process.wait(HANG_S) == 0


def _let_it_arrive(server: Server) -> None:
    """Until a worker has read what was sent: its receive queue in the kernel is empty."""
    port = f":{server.port:04X}"

    def has_arrived() -> bool:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        waiting = [row for row in rows if row[1].endswith(port) and row[3] == "01"]
        return bool(waiting) and all(row[4].endswith(":00000000") for row in waiting)

    until(has_arrived)


def test_a_killed_worker_is_replaced(server: Server) -> None:
    victim = server.workers[0]

    os.kill(victim, signal.SIGKILL)

    workers = server.wait_for_workers(other_than=[victim])
    connection = server.connect_to(workers[-1])
    assert ask(connection, "POST", "/predict/svm", BODY)[0] == 200


def is_ready(connection: http.client.HTTPConnection) -> bool:
    return ask(connection, "GET", "/health/ready")[0] == 200


def test_without_models_it_starts_and_serves_what_comes_later(tmp_path: Path, worker_class: str) -> None:
    folder = tmp_path / "models"
    with running(folder, tmp_path, MLAPI_WORKER_CLASS=worker_class) as server:
        assert server.get("/health/live")[0] == 200
        assert server.get("/health/ready")[0] == 503

        train(RECIPE, changes_in(folder))

        for worker in server.workers:
            connection = server.connect_to(worker)
            until(partial(is_ready, connection))
            assert ask(connection, "POST", "/predict", BODY)[1]["prediction"] == [0]


@pytest.mark.parametrize("command", [GUNICORN, MLAPI_SERVE], ids=["gunicorn", "mlapi serve"])
def test_gunicorns_own_worker_serves_where_the_settings_name_it(tmp_path: Path, command: list[str]) -> None:
    with running(tmp_path / "models", tmp_path, command, MLAPI_WORKER_CLASS="gthread") as server:
        assert "Using worker: gthread\n" in server.log
        assert server.get("/health/ready")[0] == 503


def test_port_in_the_environment_does_not_open_the_server_to_the_network(
    models_dir: Path, tmp_path: Path
) -> None:
    other = free_port()

    with running(models_dir, tmp_path, PORT=str(other)) as server:
        assert f"Listening at: http://127.0.0.1:{server.port}" in server.log
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", other), timeout=HANG_S)


def test_bad_settings_stop_the_start_with_all_of_them_listed(tmp_path: Path) -> None:
    environ = {**os.environ, "MLAPI_PORTT": "1", "MLAPI_WORKERS": "x", "MLAPI_MODELS_DIR": str(tmp_path)}

    done = subprocess.run(
        GUNICORN, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=HANG_S, check=False
    )

    assert done.returncode == 1
    assert "MLAPI_PORTT: unknown setting" in done.stderr
    assert "MLAPI_WORKERS" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "tail",
    [
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: x\r\n\r\n",
        b"Content-Length: 99\r\n\r\nshort",
    ],
)
def test_broken_framing_is_no_5xx(shared_server: Server, tail: bytes) -> None:
    with socket.create_connection(("127.0.0.1", shared_server.port), timeout=HANG_S) as sock:
        sock.sendall(b"POST /predict/svm HTTP/1.1\r\nHost: x\r\n" + tail)
        sock.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: sock.recv(65536), b""))

    assert answer == b"" or answer.startswith(b"HTTP/1.1 400"), answer


def test_a_chunked_body_is_answered(shared_server: Server) -> None:
    connection = shared_server.connect()
    connection.request("POST", "/predict/svm", iter([BODY[:10], BODY[10:]]), encode_chunked=True)

    assert json.loads(connection.getresponse().read())["prediction"] == [0]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/predict/nothing", {}, 404),
        ("/nothing", {}, 404),
        ("/models", {}, 405),
        ("/predict/svm", {"Accept": "application/x-unknown"}, 406),
        ("/predict/svm", {"Content-Encoding": "gzip"}, 415),
        ("/predict/svm?include=x", {}, 422),
    ],
)
def test_a_refusal_of_a_large_body_reaches_a_client_that_sends_it_all(
    shared_server: Server, path: str, headers: dict[str, str], status: int
) -> None:
    body = json.dumps({"X": [ROW] * 40_000}).encode()
    connection = shared_server.connect()

    connection.request("POST", path, body, headers)

    assert connection.getresponse().status == status


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_413_for_a_client_that_sends_it_all(
    shared_server: Server, chunked: bool
) -> None:
    body = b"[" + b"1," * (9 * 1024 * 1024)
    connection = shared_server.connect()

    if chunked:
        connection.request("POST", "/predict/svm", iter([body]), encode_chunked=True)
    else:
        connection.request("POST", "/predict/svm", body)
    response = connection.getresponse()

    assert response.status == 413
    assert json.loads(response.read())["type"] == "/problems/too-large"


def test_a_body_at_the_limit_of_rows_is_answered(shared_server: Server) -> None:
    body = json.dumps({"instances": [[1] * 10] * 100_000}).encode()
    assert len(body) < 16 * 1024 * 1024

    status, answer = ask(shared_server.connect(), "POST", "/predict/linear_regression", body)

    assert (status, len(answer["prediction"])) == (200, 100_000)


@pytest.fixture(scope="module")
def shared_server(
    trained: Path, tmp_path_factory: pytest.TempPathFactory, worker_class: str
) -> Iterator[Server]:
    with running(trained, tmp_path_factory.mktemp("server"), MLAPI_WORKER_CLASS=worker_class) as server:
        yield server
