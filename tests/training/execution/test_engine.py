import gc
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import distributed
import joblib
import numpy as np
import pytest

from mlapi.errors import RecipeError
from mlapi.settings import Settings
from mlapi.training.execution import engine as engines
from mlapi.training.execution.engine import engine, one_core
from mlapi.training.search.search import compare, tune
from mlapi.training.workflows.job import perform
from tests.support import dask_cluster
from tests.support.dask_cluster import process
from tests.support.pools import claimed, message_of
from tests.support.searching import SVM, build, cross_validation
from tests.support.server import free_port
from tests.support.short_tasks import die, look_around
from tests.support.waiting import HANG_S, until

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, dask_cluster.cluster(tmp_path_factory.mktemp("dask")) as url:
        patch.setattr(engines, "SCHEDULER_WAIT_S", HANG_S)
        yield url


@pytest.fixture(scope="module")
def calls() -> list[dict[str, Any]]:
    """What four calls see in the processes of an engine that is left by then."""
    rows = np.ones((1000, 1000))
    with engine(None) as here:
        return list(here.run(look_around, rows, range(4)))


def test_work_goes_to_other_processes_of_this_machine(calls: list[dict[str, Any]]) -> None:
    assert [call["sum"] for call in calls] == [1e6] * 4
    assert os.getpid() not in {call["pid"] for call in calls}


def test_processes_map_a_large_matrix_instead_of_copying_it(calls: list[dict[str, Any]]) -> None:
    assert all(call["is mapped"] for call in calls)


def test_a_fit_has_one_thread(calls: list[dict[str, Any]]) -> None:
    assert [call["threads"] for call in calls] == [{1}] * 4


def test_processes_never_see_ctrl_c_and_this_one_does(calls: list[dict[str, Any]]) -> None:
    assert not any(call["sees Ctrl-C"] for call in calls)
    assert look_around(1, 0)["sees Ctrl-C"]


def test_processes_are_gone_after_the_work(calls: list[dict[str, Any]]) -> None:
    for pid in {call["pid"] for call in calls}:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_what_is_small_stays_in_this_process() -> None:
    with engine(None) as here:
        found = [call["pid"] for call in here.run(look_around, 1, range(2), here=True)]

    assert found == [os.getpid()] * 2


def test_a_fit_starts_no_processes_of_its_own() -> None:
    with engine(None) as here, one_core():
        assert joblib.effective_n_jobs() == 1
    assert here.workers == joblib.cpu_count()


def test_warnings_of_a_fit_reach_nobody() -> None:
    with warnings.catch_warnings(record=True, action="always") as heard, one_core():
        warnings.warn("not converged", stacklevel=1)

    assert heard == []


def interrupted() -> Iterator[int]:
    """Ctrl-C comes while the first processes are started."""
    signal.raise_signal(signal.SIGINT)
    yield from range(9)


def test_ctrl_c_at_the_start_says_nothing_more_once_the_engine_is_left() -> None:
    with warnings.catch_warnings(record=True, action="always") as heard:
        with pytest.raises(KeyboardInterrupt) as told, engine(None) as here:
            list(here.run(look_around, 1, interrupted()))
        assert told.type is KeyboardInterrupt
        del told  # and with it all that its frames hold
        gc.collect()

    assert heard == []


def test_ctrl_c_that_another_thread_takes_waits_until_the_processes_can_be_ended() -> None:
    """A terminal's signal is for the process: any thread that does not block it may take it."""
    done, begun = threading.Event(), list[int]()

    def calls() -> Iterator[int]:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)  # the other thread wakes up
        for call in range(9):
            begun.append(call)
            yield call

    another = threading.Thread(target=done.wait)
    another.start()
    try:
        with pytest.raises(KeyboardInterrupt), engine(None) as here:
            list(here.run(look_around, 1, calls()))
    finally:
        done.set()
        another.join()

    assert begun


@pytest.mark.parametrize("call", ["mkdir", "rmdir"])
def test_ctrl_c_while_the_folder_for_what_is_shared_is_made_or_removed_leaves_none(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(os, call)

    def interrupted_call(path: str, *arguments: Any, **named: Any) -> None:
        if Path(path).name.startswith("mlapi-"):
            os.kill(os.getpid(), signal.SIGINT)
        real(path, *arguments, **named)
        if Path(path).name.startswith("mlapi-"):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, call, interrupted_call)
    with pytest.raises(KeyboardInterrupt), engine(None) as here:
        list(here.run(look_around, 1, range(2)))

    assert not list(tmp_path.iterdir())


def test_what_fails_in_the_thread_that_kills_processes_reaches_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", heard.append)

    def fail(name: str) -> None:
        thread = threading.Thread(target={}.pop, args=(1,), name=name)
        thread.start()
        thread.join()

    with engine(None):
        fail("ExecutorManagerThread")
        fail("another")
    fail("ExecutorManagerThread")

    assert [failure.thread and failure.thread.name for failure in heard] == [
        "another",
        "ExecutorManagerThread",
    ]


def test_a_process_that_the_system_kills_is_told_in_one_line() -> None:
    with engine(None) as here, pytest.raises(RecipeError, match="killed a process") as told:
        list(here.run(die, None, range(2)))

    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "url",
    ["", "dask", "dask://", "dask://[", "dask://a:b", "dask://a/b", "tcp://host:8786", "ray://host:1"],
)
def test_an_unknown_engine_names_the_known_ones(url: str) -> None:
    with pytest.raises(RecipeError, match=r"unknown engine .* dask://host:8786"), engine(url):
        pass


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "SCHEDULER_WAIT_S", 0.3)

    with (
        pytest.raises(RecipeError, match=r"no Dask scheduler answers at tcp://127.0.0.1:\d"),
        engine(f"dask://127.0.0.1:{free_port()}"),
    ):
        pass


def test_a_listener_that_is_no_scheduler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "SCHEDULER_WAIT_S", 0.3)
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as silent,
        pytest.raises(RecipeError, match="no Dask scheduler answers"),
        engine(f"dask://127.0.0.1:{silent.getsockname()[1]}"),
    ):
        pass


def test_a_scheduler_without_workers_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = str(free_port())
    words = ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
    with process(tmp_path, *words, "--dashboard-address", "127.0.0.1:0"):
        with distributed.Client(f"127.0.0.1:{port}", timeout=HANG_S, set_as_default=False):
            pass
        wait = distributed.Client.wait_for_workers
        monkeypatch.setattr(
            distributed.Client, "wait_for_workers", lambda client, count, timeout: wait(client, count, 0.1)
        )
        with (
            pytest.raises(RecipeError, match="has no workers: start some with `dask worker tcp://127"),
            engine(f"dask://127.0.0.1:{port}"),
        ):
            pass


def test_without_the_extra_dask_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)

    with (
        pytest.raises(RecipeError, match="needs distributed: pip install 'distributed>="),
        engine("dask://127.0.0.1:1"),
    ):
        pass


@pytest.mark.exhaustive
def test_a_cluster_finds_what_this_machine_finds(cluster: str) -> None:
    rows = cross_validation()
    with engine(None) as here:
        local = tune(rows, here, SVM, {}, trials=6)
        compared = compare(rows, here)
    with engine(cluster) as there:
        assert there.workers == 2
        assert there.is_remote
        remote = tune(rows, there, SVM, {}, trials=6)
        assert [c.mean for c in compare(rows, there).candidates] == [c.mean for c in compared.candidates]

    assert (remote.parameters, remote.mean, remote.trials_done) == (local.parameters, local.mean, 6)
    answers = [
        build("svm", found.parameters).fit(rows.X, rows.y).predict_proba(rows.X) for found in (local, remote)
    ]
    np.testing.assert_array_equal(*answers)


def test_a_cluster_really_fits_elsewhere(cluster: str) -> None:
    with engine(cluster) as there:
        pids = {call["pid"] for call in there.run(look_around, 1, range(20))}

    assert os.getpid() not in pids
    assert pids


def test_a_cluster_that_fails_is_told_in_one_line(cluster: str) -> None:
    with engine(cluster) as there, pytest.raises(RecipeError, match="or cannot run a fit: ZeroDivision"):
        list(there.run(divmod, 1, [0]))


def test_a_cluster_leaves_no_thread_behind(cluster: str) -> None:
    before = set(threading.enumerate())

    with engine(cluster) as there:
        list(there.run(look_around, 1, [0]))

    assert until(lambda: not [new for new in set(threading.enumerate()) - before if "IO loop" in new.name])


def test_a_job_is_made_on_a_cluster(cluster: str, tmp_path: Path) -> None:
    settings = Settings(models_dir=tmp_path / "models", state_dir=tmp_path / "state", jobs_engine=cluster)
    rows = np.arange(60.0).reshape(30, 2)
    body = {"algorithm": "linear_regression", "X": rows.tolist(), "y": rows.sum(axis=1).tolist()}
    told: list[dict[str, Any]] = []

    job = claimed(settings, "dask", body)
    answer = perform(settings, message_of(settings, job), told.append)

    assert answer.head == {"version": 1}
    assert [said["message"] for said in told][:2] == ["reading", "choosing"]
