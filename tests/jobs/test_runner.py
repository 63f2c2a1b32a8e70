"""How a job ends that goes beyond its bounds: its status says what a client of a fit would be told."""

from pathlib import Path

import pytest

from mlapi.jobs.jobs import Job, Jobs, Submission
from mlapi.jobs.pool.child import ReportProgress, Task, prepare
from mlapi.jobs.pool.messages import Message
from mlapi.jobs.pool.server import Bounds
from mlapi.jobs.runner import Runner
from tests.jobs.pool.test_child import crash, loop
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are bounded so on Linux")


def nothing_published(_: Job) -> None:
    return


def refuse_memory(_: Message, __: ReportProgress) -> Message:
    raise MemoryError


@pytest.mark.parametrize(
    ("task", "detail"),
    [
        (loop, "it takes longer than the 0.5 s that it may"),
        (refuse_memory, "it needs more than the 64 MB of memory that it may have"),
        (
            crash,
            "its process was ended by signal 11 before it was done, most likely for want of more than 64 MB",
        ),
    ],
    ids=["time", "memory", "crash"],
)
def test_what_a_job_may_not_take_makes_it_unfittable(tmp_path: Path, task: Task, detail: str) -> None:
    prepare([__name__])
    jobs = Jobs(tmp_path)
    job = jobs.submit(Submission("m", {}, "a.csv", b"", "1.1.1.1"), most=1, most_of_caller=1)

    Runner(jobs, task, Bounds(1, 0, 0.5 if task is loop else 60, 64), nothing_published, 0).start()
    until(lambda: jobs.status(job.id).is_over)

    over = jobs.status(job.id)
    assert over.state == "failed"
    assert over.problem is not None
    assert [over.problem[name] for name in ("slug", "status")] == ["unfittable", 422]
    assert over.problem["title"] == "These rows cannot be fitted so"
    assert over.message.startswith(detail)
    assert over.problem["detail"] == over.message
