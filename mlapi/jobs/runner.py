"""Runs the jobs of a state folder: takes the next one, reports how far it is, and writes down how it ended.

It also settles the jobs that a crash has left behind.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, TypeAlias, TypeVar

from mlapi.errors import MlapiError
from mlapi.jobs.client_errors import client_error
from mlapi.jobs.jobs import Job, Jobs, folder_lock
from mlapi.jobs.pool.child import Child, Outcome, Task
from mlapi.jobs.pool.errors import document_of, error_of
from mlapi.jobs.pool.messages import Message
from mlapi.jobs.pool.server import Bounds

logger = logging.getLogger(__name__)

T = TypeVar("T")

LOOK_S = 0.2
"""How often the database's files are checked for a change."""

ANYWAY_S = 2.0
"""How often the database is opened without one: each time that writes 32 kB."""

AGAIN_S = 5.0
"""How long to wait after an error: a disk that was full may have room by then."""

ATTEMPTS = 20
"""How often a job is begun that the pool itself has not survived."""

KILLED = 3
"""How often one is begun whose own process was killed, most likely for want of memory."""


class PublishedVersion(NamedTuple):
    """What a job has made, and what its status is to say about it."""

    version: int
    message: str


FindVersion: TypeAlias = Callable[[Job], PublishedVersion | None]
"""Returns what a job has published, None if nothing; raises OSError where the models cannot be read."""


class Runner:
    """Runs the jobs of a state folder, `bounds.running` at once. The pool has one, and no other process.

    Args:
        task: What trains; its message has the job (`_outcome`).
        find_version: Called after each job: what it has published counts, however its process ended.
        visible_s: How long workers take to notice a new version. A job is said to have succeeded only then,
            so that a client that reads so finds the version.
    """

    def __init__(
        self, jobs: Jobs, task: Task, bounds: Bounds, find_version: FindVersion, visible_s: float
    ) -> None:
        self._jobs, self._task, self._bounds = jobs, task, bounds
        self._find_version, self._visible_s = find_version, visible_s

    def start(self) -> None:
        """Begin, in threads of this process that end with it."""
        threading.Thread(target=self._recover, daemon=True).start()

    def _recover(self) -> None:
        """Settle the jobs that were running when a pool ended, then begin with those that wait."""
        _until_it_works(self._jobs.tidy)
        for job in _until_it_works(self._jobs.running):
            with suppress(FileNotFoundError), folder_lock(self._jobs.folder(job.id), patience_s=math.inf):
                pass  # now its process has ended, too
            self._settle(job, None)
        for _ in range(self._bounds.running):
            threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            stamp = _until_it_works(self._jobs.stamp)
            job = _until_it_works(self._jobs.claim)
            if job is None:
                self._wait_for_change(stamp)
            else:
                self._settle(job, self._outcome(job))

    def _wait_for_change(self, stamp: object) -> None:
        """Wait until the database has changed, or `ANYWAY_S`: of two changes within a tick of the disk's
        clock a stamp may miss one."""
        until = time.monotonic() + ANYWAY_S
        time.sleep(LOOK_S)
        while time.monotonic() < until and _until_it_works(self._jobs.stamp) == stamp:
            time.sleep(LOOK_S)

    def _outcome(self, job: Job) -> Outcome | None:
        """Run a job and return how it ended; None where it could not begin, for a reason that may pass."""
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
        with suppress(OSError):  # its process has ended, which its outcome says
            child.begin(Message(head))
        try:
            return child.outcome(
                seconds=self._bounds.seconds,
                report=lambda progress: self._report(job, progress["progress"], progress["message"]),
                is_wanted=lambda: self._is_wanted(job),
            )
        finally:
            child.end()

    def _report(self, job: Job, progress: float, message: str) -> None:
        with suppress(OSError):  # the disk may have room for the next one
            self._jobs.report(job.id, progress, message)

    def _is_wanted(self, job: Job) -> bool:
        try:
            return not self._jobs.status(job.id).cancelled
        except OSError:
            return True

    def _settle(self, job: Job, outcome: Outcome | None) -> None:
        _until_it_works(lambda: self._write_down(job, outcome))

    def _write_down(self, job: Job, outcome: Outcome | None) -> None:
        """Write down how a job ended. One that has published succeeded, whatever became of its process."""
        jobs, ended = self._jobs, outcome.ended if outcome else "lost"
        head = outcome.message.head if outcome else {}
        if published := self._find_version(job):
            time.sleep(self._visible_s)
            jobs.end(job.id, "succeeded", published.message, version=published.version)
        elif ended == "done":
            jobs.end(job.id, "succeeded", "published, and gone again", version=head["version"])
        elif ended == "unwanted" or jobs.status(job.id).cancelled:
            jobs.end(job.id, "cancelled", "cancelled")
        elif job.attempts < {"lost": ATTEMPTS, "killed": KILLED}.get(ended, 0):
            jobs.queue_again(job.id)
        else:
            lost = MlapiError(f"the server ended {job.attempts} times while it ran")
            problem = document_of(client_error(error_of(head)) if head else lost)
            jobs.end(job.id, "failed", problem["detail"], problem=problem)


def _until_it_works(action: Callable[[], T]) -> T:
    """Call it until it raises nothing: a full disk or a locked database is waited for."""
    logged = ""
    while True:
        try:
            return action()
        except OSError as error:
            why = error.strerror or str(error)
            if why != logged:  # once, for it may take days
                logger.warning("the jobs wait", extra={"reason": why})
                logged = why
        except Exception:  # a defect as well: else jobs would wait for ever, and no log say why
            logger.exception("the jobs cannot be read or written")
        time.sleep(AGAIN_S)
