"""Jobs on disk: submitted once, claimed one after the other, and never lost."""

import os
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlapi.errors import Conflict, JobNotFound, TooManyJobs
from mlapi.jobs import runner as pool_jobs
from mlapi.jobs.database import FILE
from mlapi.jobs.jobs import KEPT_S, Job, Jobs, Submission
from mlapi.jobs.pool.errors import QueueFull
from tests.conftest import STATE, AppFactory
from tests.support.problems import assert_problem
from tests.support.waiting import HANG_S

ORDER = Submission("churn", {"target": "y"}, "data.csv", b"a,y\n1,2\n", "10.0.0.1")


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    return Jobs(tmp_path / "state")


def submit(jobs: Jobs, **changes: Any) -> Job:
    return jobs.submit(replace(ORDER, **changes), most=4, most_of_caller=3)


def test_a_job_waits_with_what_was_sent(jobs: Jobs) -> None:
    job = submit(jobs)

    assert (job.state, job.progress, job.model, job.caller) == ("queued", 0, "churn", "10.0.0.1")
    assert jobs.status(job.id) == job
    assert (jobs.folder(job.id) / "data.csv").read_bytes() == ORDER.content
    assert jobs.folder(job.id).stat().st_mode & 0o777 == 0o700


def test_one_key_is_one_job(jobs: Jobs) -> None:
    first, second = submit(jobs, key="k"), submit(jobs, key="k")

    assert second.id == first.id
    assert [job.id for job in jobs.newest(9)] == [first.id]
    assert len(list(jobs.folder(first.id).parent.iterdir())) == 1
    with pytest.raises(Conflict, match="take a new one"):
        submit(jobs, key="k", content=b"another")
    assert submit(jobs).id != first.id


def test_a_key_is_known_also_when_its_job_is_over_and_no_room_is_left(jobs: Jobs) -> None:
    first = submit(jobs, key="k")
    jobs.cancel(first.id)
    for _ in range(3):
        submit(jobs)

    assert submit(jobs, key="k").id == first.id


def test_a_caller_has_so_many_jobs_and_all_of_them_so_many(jobs: Jobs) -> None:
    first, *_ = [submit(jobs) for _ in range(3)]
    with pytest.raises(TooManyJobs, match="3 jobs of yours"):
        submit(jobs)
    submit(jobs, caller="10.0.0.2")
    with pytest.raises(QueueFull, match="4 jobs wait or run"):
        submit(jobs, caller="10.0.0.3")

    jobs.cancel(first.id)

    assert submit(jobs).state == "queued"
    assert len(list(jobs.folder(first.id).parent.iterdir())) == 4


def test_jobs_are_claimed_in_order_and_those_of_one_model_one_after_the_other(jobs: Jobs) -> None:
    first, second, other = submit(jobs), submit(jobs), submit(jobs, model="other")

    claimed = [jobs.claim(), jobs.claim(), jobs.claim()]

    assert [job and job.id for job in claimed] == [first.id, other.id, None]
    assert [job.id for job in jobs.running()] == [first.id, other.id]
    jobs.end(first.id, "failed", "no", problem={"slug": "unfittable"})
    assert [job and job.id for job in (jobs.claim(), jobs.claim())] == [second.id, None]


def test_a_job_that_ended_keeps_its_end_and_leaves_no_file(jobs: Jobs) -> None:
    job = submit(jobs)
    jobs.claim()
    jobs.report(job.id, 0.5, "half")
    assert (jobs.status(job.id).progress, jobs.status(job.id).message) == (0.5, "half")

    jobs.end(job.id, "succeeded", "published", version=3)
    jobs.end(job.id, "failed", "too late")
    jobs.report(job.id, 0.1, "too late")
    jobs.queue_again(job.id)

    found = jobs.status(job.id)
    assert (found.state, found.version, found.progress, found.message) == ("succeeded", 3, 1, "published")
    assert not jobs.folder(job.id).exists()


def test_a_job_is_cancelled_at_once_while_it_waits_and_soon_while_it_runs(jobs: Jobs) -> None:
    waiting, running = submit(jobs, model="other"), submit(jobs)
    assert jobs.cancel(waiting.id).state == "cancelled"
    assert not jobs.folder(waiting.id).exists()
    jobs.claim()

    found = jobs.cancel(running.id)

    assert (found.state, found.cancelled) == ("running", True)
    jobs.end(running.id, "cancelled", "cancelled")
    assert jobs.cancel(running.id).state == "cancelled"


def test_the_stamp_is_told_while_others_come_and_go(jobs: Jobs) -> None:
    submit(jobs)
    others = threading.Thread(target=lambda: [jobs.running() for _ in range(200)])
    others.start()
    while others.is_alive():
        assert jobs.stamp()
    others.join()


def test_the_stamp_is_another_one_when_anything_has_changed(jobs: Jobs) -> None:
    job = submit(jobs)
    first = jobs.stamp()
    assert jobs.status(job.id)
    assert jobs.stamp() == first

    jobs.claim()
    second = jobs.stamp()
    jobs.report(job.id, 0.5, "half")

    assert len({first, second, jobs.stamp()}) == 3


def test_an_unknown_job_is_said(jobs: Jobs) -> None:
    for action in (jobs.status, jobs.cancel):
        with pytest.raises(JobNotFound, match='no job "nobody"'):
            action("nobody")


def test_what_is_long_over_is_forgotten_and_what_a_crash_left_removed(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    over, waiting = submit(jobs), submit(jobs)
    jobs.cancel(over.id)
    left, young = jobs.folder("left"), jobs.folder("young")
    for folder in (left, young):
        folder.mkdir()
    for folder in (left, jobs.folder(waiting.id)):
        os.utime(folder, (0, 0))

    jobs.tidy()
    assert jobs.status(over.id)
    assert not left.exists()
    assert young.exists()
    assert jobs.folder(waiting.id).exists()
    later = time.time() + KEPT_S + 1
    monkeypatch.setattr(time, "time", lambda: later)
    jobs.tidy()

    assert [job.id for job in jobs.newest(9)] == [waiting.id]


def test_a_disk_that_is_full_leaves_no_half_of_a_job(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    submit(jobs)
    monkeypatch.setattr("mlapi.storage.disk.flush_folder", full)
    with pytest.raises(OSError, match="No space left"):
        submit(jobs)

    assert len(jobs.newest(9)) == 1
    assert len(list(jobs.folder("any").parent.iterdir())) == 1


def test_a_database_that_is_none_is_said_as_a_failing_disk(jobs: Jobs) -> None:
    job = submit(jobs)
    database = jobs.folder(job.id).parent.parent / "jobs.sqlite"
    database.write_bytes(b"no database" * 100)
    for path in database.parent.glob("jobs.sqlite-*"):
        path.unlink()

    with pytest.raises(OSError, match="the jobs cannot be read or written"):
        jobs.status(job.id)


# The form of the database

FORM_0 = """
create table jobs (
    number integer primary key,
    id text not null unique,
    state text not null,
    model text not null,
    recipe text not null,
    source text not null,
    caller text not null,
    key text unique,
    digest text not null,
    created real not null,
    started real,
    ended real,
    progress real not null default 0,
    message text not null default 'waits for its turn',
    attempts integer not null default 0,
    cancelled integer not null default 0,
    version integer,
    problem text
);
insert into jobs (id, state, model, recipe, source, caller, key, digest, created)
values ('early', 'queued', 'churn', '{"target": "y"}', 'data.csv', '10.0.0.1', 'k', 'd', 1.0);
"""
"""As it was before forms were counted, and with a job that waits."""


def change(state_dir: Path, script: str) -> None:
    state_dir.mkdir(exist_ok=True)
    with closing(sqlite3.connect(state_dir / FILE)) as database:
        database.executescript(script)


def form(state_dir: Path) -> int:
    with closing(sqlite3.connect(state_dir / FILE)) as database:
        return int(database.execute("pragma user_version").fetchone()[0])


def test_a_database_of_before_forms_were_counted_keeps_its_jobs(tmp_path: Path) -> None:
    change(tmp_path, FORM_0)
    jobs = Jobs(tmp_path)

    claimed = jobs.claim()

    assert claimed is not None
    assert (claimed.id, claimed.state, claimed.recipe) == ("early", "running", {"target": "y"})
    assert form(tmp_path) == 1
    assert submit(jobs).state == "queued"


def test_processes_that_come_at_once_bring_it_up_once(tmp_path: Path) -> None:
    change(tmp_path, FORM_0)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(len(Jobs(tmp_path).newest(9)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=HANG_S)

    assert found == [1] * 8


OTHER_FORMS = {
    "newer": ("pragma user_version = 2", "it has form 2, of a newer mlapi, and this one reads 1"),
    "another column": (
        "alter table jobs rename column progress to share",
        "its table of jobs lacks progress",
    ),
    "another table": ("drop table jobs", "its table of jobs lacks attempts, caller"),
    "a garbled job": ("update jobs set recipe = 'no json'", "the job .* in it is garbled"),
}


@pytest.mark.parametrize("kind", OTHER_FORMS)
def test_a_database_of_another_form_is_said_with_the_way_out(tmp_path: Path, kind: str) -> None:
    script, why = OTHER_FORMS[kind]
    job = submit(Jobs(tmp_path))
    change(tmp_path, script)

    for action in (lambda jobs: jobs.newest(9), lambda jobs: jobs.status(job.id)):
        with pytest.raises(OSError, match=f"jobs.sqlite cannot be used: {why}.*; start the mlapi that"):
            action(Jobs(tmp_path))


def test_a_strangers_database_of_no_form_is_not_taken_for_ours(tmp_path: Path) -> None:
    change(tmp_path, "create table jobs (id text)")

    assert "its table of jobs lacks" in str(Jobs(tmp_path).problem())

    assert form(tmp_path) == 0


@pytest.mark.parametrize("kind", OTHER_FORMS)
def test_a_server_serves_without_its_jobs_and_says_why(
    trained: Path, tmp_path: Path, make_app: AppFactory, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    shutil.copytree(STATE / "keys", tmp_path / "keys")
    job = submit(Jobs(tmp_path))
    change(tmp_path, OTHER_FORMS[kind][0])

    client = make_app(trained, state_dir=tmp_path, allow_writes=True).test_client()

    if kind != "a garbled job":
        (record,) = [record for record in caplog.records if record.getMessage() == "jobs not usable"]
        assert "jobs.sqlite cannot be used" in vars(record)["reason"]
    paths = ["/jobs", f"/jobs/{job.id}", f"/jobs/{job.id}/events"]
    for response in (*map(client.get, paths), client.delete(f"/jobs/{job.id}")):
        problem = assert_problem(response, 503, "not-writable")
        assert "the jobs cannot be read or written now: jobs.sqlite cannot be used" in problem["detail"]
    assert client.get("/health/ready").status_code == 200


def test_a_state_folder_without_jobs_gets_no_database_by_being_looked_at(tmp_path: Path) -> None:
    assert Jobs(tmp_path).problem() is None
    assert list(tmp_path.iterdir()) == []


def test_a_pool_says_once_why_it_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pool_jobs, "AGAIN_S", 0.0)
    answers = [OSError(5, "the database is of another form")] * 3

    def look() -> str:
        if answers:
            raise answers.pop()
        return "found"

    assert pool_jobs._until_it_works(look) == "found"
    assert [(record.getMessage(), record.exc_info) for record in caplog.records] == [("the jobs wait", None)]
