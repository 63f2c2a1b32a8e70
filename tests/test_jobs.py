"""Jobs on disk: submitted once, claimed one after the other, and never lost."""

import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlapi.errors import Conflict, FitsBusy, JobNotFound, TooManyJobs
from mlapi.jobs import KEPT_S, Job, Jobs, Order

ORDER = Order("churn", {"target": "y"}, "data.csv", b"a,y\n1,2\n", "10.0.0.1")


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
    with pytest.raises(FitsBusy, match="4 jobs wait or run"):
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
    jobs.tell(job.id, 0.5, "half")
    assert (jobs.status(job.id).progress, jobs.status(job.id).message) == (0.5, "half")

    jobs.end(job.id, "succeeded", "published", version=3)
    jobs.end(job.id, "failed", "too late")
    jobs.tell(job.id, 0.1, "too late")
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
    jobs.tell(job.id, 0.5, "half")

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
    monkeypatch.setattr("mlapi.disk.flush_folder", full)
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
