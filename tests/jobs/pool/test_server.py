"""Fits and jobs of the server as it runs: their processes may be too much, or be killed, and it goes on."""

import http.client
import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.svm import SVC

from mlapi.jobs.jobs import Jobs, Submission
from tests.conftest import KEY, changes_in
from tests.support.lines import publish
from tests.support.load import Load
from tests.support.server import Server, ask, children, is_running, running
from tests.support.waiting import HANG_S, until

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are bounded so on Linux")

IRIS = load_iris()
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2)).round(3)
BODY = {"algorithm": "linear_regression", "X": X.tolist(), "y": (X @ [1.0, 2.0]).round(3).tolist()}
NOISE = {"X": RNG.normal(size=(9000, 20)).round(3).tolist(), "y": RNG.integers(0, 2, 9000).tolist()}
"""More than a worker gathers: a thread reads it."""

ENDLESS = {**NOISE, "parameters": {"n_estimators": 10_000, "max_depth": 6}}
"""Minutes of work that keeps little memory."""

SMALL = {"X": [[0], [1]], "y": [0, 1]}

OFFERED = {
    "MLAPI_FIT_WORKERS": "1",
    "MLAPI_FITS_WAITING": "1",
    "MLAPI_FIT_SECONDS": str(HANG_S),
    "MLAPI_FIT_MEGABYTES": "64",
    "MLAPI_JOB_WORKERS": "1",
    "MLAPI_ALLOW_WRITES": "true",
    "MLAPI_MODELS_POLL_S": "0.05",
    "MLAPI_TRUSTED_KEYS": str(KEY.public),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, worker_class: str) -> Path:
    """Another for each worker class."""
    return tmp_path_factory.mktemp("pool-server")


@pytest.fixture(scope="module")
def server(folder: Path, worker_class: str) -> Iterator[Server]:
    publish(changes_in(folder / "models"), 1, "line")
    with started(folder, worker_class) as server:
        yield server


def started(folder: Path, worker_class: str, **environ: str) -> Any:
    environ = {**OFFERED, **environ, "MLAPI_STATE_DIR": str(folder / "state")}
    environ |= {"MLAPI_WORKER_CLASS": worker_class}
    return running(folder / "models", folder, **environ)


@pytest.fixture(autouse=True)
def _there(server: Server) -> None:
    until(lambda: server.get("/fit")[0] == 200)


def test_a_fit_is_scikit_learns_own(server: Server) -> None:
    X, y = IRIS.data.tolist(), IRIS.target.tolist()

    status, answer = server.post("/support_vector_machine", {"X": X, "y": y})

    assert status == 200
    assert answer["prediction"] == SVC().fit(X, y).predict(X).tolist()


def test_fits_that_take_too_much_memory_are_ended_and_predictions_go_on(server: Server) -> None:
    with Load(server, "/predict/line") as load:
        status, answer = server.post("/fit/linear_regression", {"X": [[1.5] * 300] * 6000, "y": [1] * 6000})

    assert (status, answer["type"]) == (422, "/problems/unfittable")
    assert "more than the 64 MB of memory" in answer["detail"]
    assert (load.failed, load.broken_connections, load.wrong) == (0, 0, [])
    assert server.post("/fit/svm", SMALL)[0] == 200


def test_fits_that_take_too_long_are_ended_and_predictions_go_on(folder: Path, worker_class: str) -> None:
    own = folder / "hasty"
    own.mkdir()
    publish(changes_in(own / "models"), 1, "line")
    with started(own, worker_class, MLAPI_FIT_SECONDS="1") as server:
        until(lambda: server.get("/fit")[0] == 200)
        with Load(server, "/predict/line") as load:
            status, answer = server.post("/fit/random_forest", ENDLESS)

        assert (status, answer["type"]) == (422, "/problems/unfittable")
        assert "longer than the 1 s" in answer["detail"]
        assert (load.failed, load.broken_connections, load.wrong) == (0, 0, [])
        until(lambda: server.post("/fit/svm", SMALL)[0] == 200)  # a second is short where others are busy


def test_of_twenty_at_once_those_beyond_the_bound_are_told_to_come_later(server: Server) -> None:
    answers = list[tuple[int, bool]]()

    def fit() -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=HANG_S)) as connection:
            connection.request("POST", "/fit/random_forest", json.dumps(ENDLESS))
            response = connection.getresponse()
            answers.append((response.status, response.headers["Retry-After"] is not None))

    threads = [threading.Thread(target=fit) for _ in range(20)]
    with Load(server, "/predict/line") as load:
        for thread in threads:
            thread.start()
        until(lambda: len(answers) >= 18)

    assert answers == [(503, True)] * 18, "of the others one is fitted, and one waits"
    assert (load.failed, load.broken_connections) == (0, 0)
    until(lambda: end_what_is_fitted(server) or len(answers) == 20)


def end_what_is_fitted(server: Server) -> None:
    for forks in children(server.pool[1]):
        for child in children(forks):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def test_streams_take_no_threads(server: Server) -> None:
    job = server.post("/models/streamed/versions", {**BODY, "algorithm": "random_forest"})[1]["id"]
    connections = [server.connect() for _ in range(30)]
    for connection in connections:
        connection.request("GET", f"/jobs/{job}/events")
    connections.pop().close()

    assert all(server.post("/predict/line", {"X": [[1.0]]})[0] == 200 for _ in range(20))
    for connection in connections:
        text = connection.getresponse().read().decode()
        events = [json.loads(line[6:]) for line in text.split("\n\n") if line.startswith("data: ")]
        assert events[-1]["state"] == "succeeded"


def kill_the_pool(server: Server) -> None:
    os.kill(server.pool[1], signal.SIGKILL)


def kill_who_restarts_the_pool(server: Server) -> None:
    os.kill(server.pool[0], signal.SIGKILL)


def kill_a_worker(server: Server) -> None:
    os.kill(server.workers[0], signal.SIGKILL)


def reload(server: Server) -> None:
    server.signal(signal.SIGHUP)


@pytest.mark.exhaustive
def test_whatever_is_killed_each_job_makes_one_version(server: Server) -> None:
    jobs = [submitted(server, "harmed") for _ in range(5)]
    harms = (kill_the_pool, kill_a_worker, kill_who_restarts_the_pool, reload)
    for job, harm in zip(jobs, harms, strict=False):
        until(lambda job=job: status(server, job)["state"] in ("running", "succeeded"))  # type: ignore[misc]
        until(lambda: len(server.pool) == 2)
        harm(server)

    assert_one_version_each(server, "harmed", jobs)


@pytest.mark.exhaustive
def test_jobs_go_on_when_the_master_was_killed(folder: Path, worker_class: str) -> None:
    own = folder / "killed"
    (own / "models").mkdir(parents=True)
    with started(own, worker_class) as server:
        until(lambda: server.get("/fit")[0] == 200)
        jobs = [submitted(server, "master") for _ in range(2)]
        until(lambda: status(server, jobs[0])["state"] != "queued")
        below = [*server.workers, *server.pool]
        server.process.kill()
        server.process.wait(HANG_S)
        until(lambda: not any(map(is_running, below)))

    with started(own, worker_class) as server:
        assert_one_version_each(server, "master", jobs)


def test_what_fits_need_is_imported_once_somebody_asks_who_waits_for_it(
    folder: Path, worker_class: str
) -> None:
    own = folder / "idle"
    (own / "models").mkdir(parents=True)
    with started(own, worker_class, MLAPI_FIT_SECONDS="0.2", MLAPI_FITS_WAITING="0") as server:
        until((own / "state" / "jobs.sqlite").exists)  # the pool looks for jobs
        assert children(server.pool[1]) == []
        status, answer = server.get("/fit")
        assert status in (200, 422), answer  # its own part may be too long for a busy machine
        assert children(server.pool[1]) != []


def test_a_stream_that_has_nothing_to_read_any_more_ends_and_the_log_says_why(
    folder: Path, worker_class: str
) -> None:
    own = folder / "unreadable"
    (own / "models").mkdir(parents=True)
    job = Jobs(own / "state").submit(Submission("a", {}, "a.csv", b"", "1.1.1.1"), most=1, most_of_caller=1)
    with started(own, worker_class, MLAPI_JOB_WORKERS="0") as server:  # it waits for ever
        connection = server.connect()
        connection.request("GET", f"/jobs/{job.id}/events")
        response = connection.getresponse()
        assert response.readline().startswith(b"data: ")
        (own / "state" / "other").write_bytes(b"no database" * 1000)
        (own / "state" / "other").replace(own / "state" / "jobs.sqlite")  # at once: an empty one is new

        with pytest.raises(http.client.IncompleteRead):
            response.read()
        assert "the jobs cannot be read" in server.log
        assert server.get("/health/live")[0] == 200


def submitted(server: Server, model: str) -> str:
    code, answer = server.post(f"/models/{model}/versions", BODY)
    assert code == 202, answer
    return str(answer["id"])


def status(server: Server, job: str) -> Any:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=HANG_S)) as connection:
        try:
            return ask(connection, "GET", f"/jobs/{job}")[1]
        except (OSError, http.client.HTTPException):  # its worker was just killed
            return {"state": "unknown"}


def assert_one_version_each(server: Server, model: str, jobs: list[str]) -> None:
    for job in jobs:
        until(lambda job=job: status(server, job)["state"] == "succeeded")  # type: ignore[misc]
    versions = server.get(f"/models/{model}")[1]["versions"]
    made_by = [server.get(f"/models/{model}/versions/{version}")[1]["data"]["job"] for version in versions]
    assert sorted(made_by) == sorted(jobs)


def test_servers_side_by_side_leave_each_others_pools_alone_and_leave_nothing_behind(
    server: Server, folder: Path, worker_class: str
) -> None:
    own, before = folder / "beside", server.pool
    (own / "models").mkdir(parents=True)
    with started(own, worker_class) as other:
        until(lambda: other.get("/fit")[0] == 200)
        job = submitted(other, "late")
        until(lambda: status(other, job)["state"] == "running")
        below = [*other.workers, *other.pool]

    assert server.pool == before
    until(lambda: not any(map(is_running, below)))
    assert Jobs(own / "state").status(job).state in ("running", "succeeded")
