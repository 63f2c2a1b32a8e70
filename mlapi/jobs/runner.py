"""The jobs of a pool: which is next, how far it is, and what became of those that a crash left behind."""

import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, TypeVar

from mlapi.errors import MlapiError
from mlapi.jobs.client_errors import client_error
from mlapi.jobs.jobs import Job, Jobs, held
from mlapi.jobs.pool.child import Child, Outcome, Task
from mlapi.jobs.pool.errors import document_of, error_of
from mlapi.jobs.pool.messages import Message
from mlapi.jobs.pool.server import Bounds

logger = logging.getLogger(__name__)

T = TypeVar("T")

LOOK_S = 0.2
"""How often jobs are looked for."""

ANYWAY_S = 2.0
"""How often also where nothing seems to have changed: opening the database writes 32 kB each time."""

AGAIN_S = 5.0
"""A disk that was full may have room by then."""

ATTEMPTS = 20
"""A job that the pool itself did not survive is begun again so often, not for ever."""

KILLED = 3
"""One whose own process was killed, for want of memory most likely, only so often."""


class Published(NamedTuple):
    version: int
    message: str


Publications = Callable[[Job], Published | None]
"""What a job has published, if it has; OSError where that cannot be seen."""


class Runner:
    """Runs the jobs of a state folder, so many at once. One at a time in all processes: the pool's.

    Args:
        visible_s: How long workers take to see a version, so that who is told of it finds it.
    """

    def __init__(
        self, jobs: Jobs, task: Task, bounds: Bounds, published: Publications, visible_s: float
    ) -> None:
        self._jobs, self._task, self._bounds = jobs, task, bounds
        self._published, self._visible_s = published, visible_s

    def start(self) -> None:
        threading.Thread(target=self._recover, daemon=True).start()

    def _recover(self) -> None:
        """Of jobs that nobody runs any more: done, if they came to their end; else they wait again."""
        _until_it_works(self._jobs.tidy)
        for job in _until_it_works(self._jobs.running):
            with suppress(FileNotFoundError), held(self._jobs.folder(job.id), patience_s=math.inf):
                pass  # its process has ended, too
            self._settle(job, None)
        for _ in range(self._bounds.running):
            threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            stamp = _until_it_works(self._jobs.stamp)
            job = _until_it_works(self._jobs.claim)
            if job is None:
                self._rest(stamp)
            else:
                self._settle(job, self._outcome(job))

    def _rest(self, stamp: object) -> None:
        """Until anything has changed since; a stamp may miss one of two changes in a tick of the clock."""
        until = time.monotonic() + ANYWAY_S
        time.sleep(LOOK_S)
        while time.monotonic() < until and _until_it_works(self._jobs.stamp) == stamp:
            time.sleep(LOOK_S)

    def _outcome(self, job: Job) -> Outcome | None:
        """None where it was not even begun, for a reason that may pass."""
        head = {
            "id": job.id,
            "model": job.model,
            "recipe": dict(job.recipe),
            "source": job.source,
            "caller": job.caller,
            "folder": str(self._jobs.folder(job.id)),
        }
        try:
            child = Child(self._task, self._bounds.megabytes, nice=self._bounds.nice)
        except OSError:
            logger.exception("a job could not be begun")
            time.sleep(AGAIN_S)
            return None
        with suppress(OSError):  # it has ended, which its outcome says
            child.begin(Message(head))
        try:
            return child.outcome(
                seconds=self._bounds.seconds,
                tell=lambda said: self._tell(job, said["progress"], said["message"]),
                is_wanted=lambda: self._is_wanted(job),
            )
        finally:
            child.end()

    def _tell(self, job: Job, progress: float, message: str) -> None:
        with suppress(OSError):  # the next news may find room
            self._jobs.tell(job.id, progress, message)

    def _is_wanted(self, job: Job) -> bool:
        try:
            return not self._jobs.status(job.id).cancelled
        except OSError:
            return True

    def _settle(self, job: Job, outcome: Outcome | None) -> None:
        _until_it_works(lambda: self._write_down(job, outcome))

    def _write_down(self, job: Job, outcome: Outcome | None) -> None:
        """How it ended. What is published is done, whatever became of its process."""
        jobs, ended = self._jobs, outcome.ended if outcome else "lost"
        said = outcome.message.head if outcome else {}
        if found := self._published(job):
            time.sleep(self._visible_s)
            jobs.end(job.id, "succeeded", found.message, version=found.version)
        elif ended == "done":
            jobs.end(job.id, "succeeded", "published, and gone again", version=said["version"])
        elif ended == "unwanted" or jobs.status(job.id).cancelled:
            jobs.end(job.id, "cancelled", "cancelled")
        elif job.attempts < {"lost": ATTEMPTS, "killed": KILLED}.get(ended, 0):
            jobs.queue_again(job.id)
        else:
            lost = MlapiError(f"the server ended {job.attempts} times while it ran")
            problem = document_of(client_error(error_of(said)) if said else lost)
            jobs.end(job.id, "failed", problem["detail"], problem=problem)


def _until_it_works(action: Callable[[], T]) -> T:
    """A disk that is full, or a database that is locked, is waited for."""
    told = ""
    while True:
        try:
            return action()
        except OSError as error:
            why = error.strerror or str(error)
            if why != told:  # once, for it may take days
                logger.warning("the jobs wait", extra={"reason": why})
                told = why
        except Exception:  # a defect as well: else jobs would wait for ever, and no log say why
            logger.exception("the jobs cannot be read or written")
        time.sleep(AGAIN_S)
