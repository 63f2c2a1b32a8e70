"""Calls that never end: they cost their worker, and nobody else."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import joblib
import pandas as pd
import pytest

from mlapi.training.workflows.registration import register
from tests.conftest import changes_in
from tests.support.echo_server import GET, echo, open_socket, open_sockets, read_document, read_problem
from tests.support.endless import NEVER, Endless
from tests.support.server import Server, running

pytestmark = pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="looks at the server's processes in /proc: Linux only"
)

ALLOWED = "tests.support.endless.Endless"
SLOW = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n" + bytes(1_000_000)

THREADS = 13
"""Of each of two workers: see config/gunicorn.conf.py."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    sample = pd.DataFrame({"a": [float(number) for number in range(12)]})
    joblib.dump(Endless().fit(sample.to_numpy()), tmp_path / "estimator.joblib")
    sample.to_csv(tmp_path / "sample.csv", index=False)
    changes = changes_in(tmp_path / "models", allowed_classes=(ALLOWED,))
    register("mine", tmp_path / "estimator.joblib", tmp_path / "sample.csv", changes)
    environ = {
        "MLAPI_ALLOWED_CLASSES": ALLOWED,
        "MLAPI_REQUEST_SECONDS": "3",
        "MLAPI_FIT_WORKERS": "1",  # a thread for it, and eight for those that wait
    }
    with running(tmp_path / "models", tmp_path, **environ) as server:
        yield server


def test_workers_whose_threads_are_all_in_endless_calls_are_replaced(server: Server) -> None:
    before = server.workers
    connections = [server.connect_to(worker) for worker in before for _ in range(THREADS)]

    for connection in connections:
        connection.request("POST", "/predict/mine", json.dumps({"instances": [[NEVER]]}))
    for connection in connections:
        response = connection.getresponse()
        assert (response.status, json.load(response)["type"]) == (503, "/problems/overloaded")
    server.wait_for_workers(other_than=before)

    assert server.post("/predict/mine", {"instances": [[1.5]]})[1]["prediction"] == [1.5]
    assert "A call lasts longer than request_seconds" in server.log


def test_a_worker_with_one_endless_call_finishes_the_others(tmp_path: Path) -> None:
    end = tmp_path / "end"
    with echo(tmp_path, MLAPI_REQUEST_SECONDS="6") as server:
        before = server.worker
        with open_sockets(server, 1, GET % b"sleep/600") as (endless,):
            time.sleep(3)  # that of the good one is not over with it
            with open_sockets(server, 1, GET % b"wait/1?%s" % os.fsencode(end)) as (good,):
                assert read_problem(endless, 503)["status"] == 503
                end.touch()
                assert read_document(good)["pid"] == before
        with open_socket(server) as sock:  # waits in the kernel until the next worker is there
            sock.sendall(GET % b"next")
            assert read_document(sock)["pid"] != before


@pytest.mark.exhaustive
def test_calls_below_the_limit_one_after_the_other_cost_no_worker(tmp_path: Path) -> None:
    with echo(tmp_path, MLAPI_REQUEST_SECONDS="6", MLAPI_FIT_WORKERS="0") as server:
        before = server.workers
        for _ in range(3):
            with open_sockets(server, 4, GET % b"sleep/2.5") as socks:
                assert {read_document(sock)["slept"] for sock in socks} == {"2.5"}
        with open_sockets(server, 1, SLOW) as (slow,):  # a thread reads it, for what no body may have
            time.sleep(7)
            slow.sendall(bytes(60_000))

        assert server.workers == before, server.log


@pytest.mark.exhaustive
def test_who_waits_behind_more_endless_calls_than_there_are_threads_is_told_as_well(tmp_path: Path) -> None:
    with echo(tmp_path, MLAPI_REQUEST_SECONDS="2", MLAPI_FIT_WORKERS="0") as server:
        before = server.worker
        with open_sockets(server, 3 * THREADS, GET % b"sleep/600") as socks:
            for sock in socks:
                assert read_problem(sock, 503)["type"] == "/problems/overloaded"

        assert server.get("/")[1]["pid"] != before
