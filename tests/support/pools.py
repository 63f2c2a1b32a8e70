"""A pool in a thread of the tests' own process, and jobs that one has begun with."""

import json
import os
import threading
from pathlib import Path
from typing import Any

from mlapi.jobs import submission
from mlapi.jobs.jobs import Job, Jobs, Submission
from mlapi.jobs.pool.messages import Disconnected, Message, connect
from mlapi.jobs.pool.server import Pool
from mlapi.settings import Settings
from tests.support.waiting import until

os.environ["OMP_NUM_THREADS"] = (
    "1"  # of the pools' children, as gunicorn's configuration has it for the server's
)


def serve(folder: Path, pool: Pool) -> None:
    """For as long as the tests run; it listens when this returns."""
    threading.Thread(target=pool.serve, daemon=True).start()
    until(lambda: _listens(folder))


def _listens(folder: Path) -> bool:
    try:
        connect(folder).close()
    except (Disconnected, FileNotFoundError):
        return False
    return True


def claimed(settings: Settings, model: str, body: Any) -> Job:
    """Return a job that a pool has begun, and whose pool has ended since."""
    recipe, source, content = submission.parse(None, json.dumps(body).encode(), settings.job_limits)
    jobs = Jobs(settings.state_dir)
    jobs.submit(Submission(model, recipe, source, content, "10.0.0.1"), most=9, most_of_caller=9)
    job = jobs.claim()
    assert job is not None
    return job


def message_of(settings: Settings, job: Job) -> Message:
    """Return the message with which a pool begins a job."""
    head = {name: getattr(job, name) for name in ("id", "model", "recipe", "source", "caller")}
    return Message({**head, "folder": str(Jobs(settings.state_dir).folder(job.id))})
