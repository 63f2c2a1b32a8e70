"""Clients that follow jobs: bounded in number, told of every change, and never waiting for the disk."""

import http.client
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlapi.errors import JobNotFound, Overloaded, TooManyStreams
from mlapi.jobs.database import FILE
from mlapi.jobs.jobs import Job, Jobs, Submission
from mlapi.resources.subscriptions import Subscriptions
from tests.support.server import GUNICORN, Server, running


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    return Jobs(tmp_path / "state")


def submit(jobs: Jobs) -> Job:
    return jobs.submit(Submission("a", {}, "a.csv", b"", "1.1.1.1"), most=9, most_of_caller=9)


def subscriptions_to(jobs: Jobs) -> Subscriptions:
    return Subscriptions(jobs, lambda job: job.message.encode(), most=3, most_of_caller=2)


@contextmanager
def locked(state: Path) -> Iterator[None]:
    """The jobs, by another process, against readers too."""
    database = sqlite3.connect(state / FILE, isolation_level=None, timeout=30)
    database.execute("pragma locking_mode = exclusive")
    database.execute("begin exclusive")
    database.execute("update jobs set message = message")
    os.utime(state / FILE)  # as if it had changed: who follows a job looks
    try:
        yield
    finally:
        database.execute("rollback")
        database.close()


def read_until(subscription: Iterator[bytes], words: bytes) -> None:
    for said in subscription:
        if words in said:
            return
    pytest.fail("it ended")


def test_all_who_follow_a_job_are_told_each_change_until_its_end(jobs: Jobs) -> None:
    job, board = submit(jobs), subscriptions_to(jobs)
    first, second = iter(board.open(job, "a")), iter(board.open(job, "b"))
    assert next(first) == next(second) == b"waits for its turn"

    jobs.cancel(job.id)

    assert list(first) == list(second) == [b"cancelled before it began"]


def test_who_follows_a_job_does_not_wait_for_a_locked_database(jobs: Jobs, tmp_path: Path) -> None:
    job, board = submit(jobs), subscriptions_to(jobs)
    subscription = board.open(job, "a")
    assert subscription.news() == b"waits for its turn"

    with locked(tmp_path / "state"):
        assert [subscription.news() for _ in range(3)] == [b""] * 3
    jobs.claim()

    read_until(iter(subscription), b"begins")
    subscription.close()


def test_a_job_that_was_forgotten_ends_its_streams(jobs: Jobs, tmp_path: Path) -> None:
    job, board = submit(jobs), subscriptions_to(jobs)
    subscription = board.open(job, "a")
    with sqlite3.connect(tmp_path / "state" / FILE) as database:
        database.execute("delete from jobs")

    with pytest.raises(JobNotFound):
        list(subscription)
    subscription.close()


def test_streams_are_bounded_for_one_caller_and_for_all_until_they_are_closed(jobs: Jobs) -> None:
    job, board = submit(jobs), subscriptions_to(jobs)
    first, *others = [board.open(job, caller) for caller in "aab"]

    with pytest.raises(Overloaded, match="3 clients follow jobs"):
        board.open(job, "c")
    for _ in range(2):
        others[-1].close()
    with pytest.raises(TooManyStreams, match="2 streams of yours"):
        board.open(job, "a")
    first.close()

    assert board.open(job, "a").news() == b"waits for its turn"


@pytest.fixture
def server(tmp_path: Path, worker_class: str) -> Iterator[Server]:
    submit(Jobs(tmp_path / "state"))
    environ = {"MLAPI_STATE_DIR": str(tmp_path / "state"), "MLAPI_STREAMS_PER_CALLER": "12"}
    environ |= {"MLAPI_WORKER_CLASS": worker_class}
    command = [*GUNICORN[:-1], "--timeout", "3", GUNICORN[-1]]
    with running(tmp_path / "models", tmp_path, command, **environ) as server:
        server.wait_for_workers()
        yield server


def followers(server: Server, job: str, count: int) -> list[http.client.HTTPResponse]:
    found = []
    for _ in range(count):
        connection = server.connect()
        connection.request("GET", f"/jobs/{job}/events")
        found.append(connection.getresponse())
    return found


def test_who_asks_for_the_head_alone_opens_no_stream(server: Server, tmp_path: Path) -> None:
    (job,) = Jobs(tmp_path / "state").newest(1)
    connection = server.connect()
    for _ in range(30):  # more than a caller may have streams, and all on one connection
        connection.request("HEAD", f"/jobs/{job.id}/events")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"")
        assert response.headers["Content-Type"] == "text/event-stream"
        sock = connection.sock

    assert sock is connection.sock is not None
    assert followers(server, job.id, 1)[0].status == 200


@pytest.mark.exhaustive
def test_streams_and_a_locked_database_harm_no_worker_and_streams_leave_room_for_others(
    server: Server, tmp_path: Path
) -> None:
    workers, (job,) = server.workers, Jobs(tmp_path / "state").newest(1)
    answers = followers(server, job.id, 30)
    statuses = [answer.status for answer in answers]
    assert statuses.count(200) >= 12  # of one worker, or of each
    assert set(statuses) == {200, 429}

    with locked(tmp_path / "state"):
        until = time.monotonic() + 8  # longer than gunicorn's timeout
        while time.monotonic() < until:
            assert server.get("/health/live")[0] == 200

    assert server.workers == workers
    assert "WORKER TIMEOUT" not in server.log
    for answer in answers:
        answer.close()
