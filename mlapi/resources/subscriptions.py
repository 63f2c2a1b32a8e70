"""Clients that follow jobs: how many may, and what is sent to them.

One thread reads all jobs that anybody follows, with one query, and only when something has changed. So the
clients' streams never wait for the disk, and hundreds of them cost as much as one.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from mlapi.errors import JobNotFound, Overloaded, TooManyStreams
from mlapi.http.streams import NEWS_EVERY_S, Stream
from mlapi.jobs.database import is_locked
from mlapi.jobs.jobs import Job, Jobs
from mlapi.wording import quoted

QUIET_S = 15.0
"""The longest time without a byte to a client, and the longest until a change is noticed, in seconds.

The time stamp of the database does not show every change: two within one tick of the clock may have the same.
"""


class _Event(NamedTuple):
    job: Job
    content: bytes


class Subscriptions:
    """All subscriptions of one process. Threads may share it."""

    def __init__(self, jobs: Jobs, write: Callable[[Job], bytes], *, most: int, most_of_caller: int) -> None:
        """
        Args:
            write: Makes the event of a job that is sent to clients.
            most: How many subscriptions may be open.
            most_of_caller: How many subscriptions of one client's address may be open.
        """
        self._jobs, self._write = jobs, write
        self._most, self._most_of_caller = most, most_of_caller
        self._lock = threading.Lock()
        self._of_caller: Counter[str] = Counter()
        self._of_job: Counter[str] = Counter()
        self._events: dict[str, _Event | None] = {}
        """The last event of each job that is followed; None for a job that was forgotten."""
        self._problem: OSError | None = None
        self._is_read = False
        """Whether a thread reads the jobs; one does while anybody follows a job."""

    def open(self, job: Job, caller: str) -> "Subscription":
        """Follow a job, until the subscription is closed.

        Raises:
            Overloaded: So many subscriptions are open as may be.
            TooManyStreams: This caller has so many subscriptions open as one may.
        """
        with self._lock:
            if self._of_caller.total() >= self._most:
                raise Overloaded(f"{self._most} clients follow jobs here, and no more may")
            if self._of_caller[caller] >= self._most_of_caller:
                raise TooManyStreams(f"{self._most_of_caller} streams of yours are open, and no more may be")
            self._of_caller[caller] += 1
            self._of_job[job.id] += 1
            if job.id not in self._events:  # else what is known may be newer
                self._note(job)
            if not self._is_read:
                self._is_read = True
                threading.Thread(target=self._read_on, daemon=True).start()
        return Subscription(self, job.id, caller)

    def close(self, job: str, caller: str) -> None:
        """Count one subscription less; to be called once for each that was opened."""
        with self._lock:
            for counts, key in ((self._of_caller, caller), (self._of_job, job)):
                counts[key] -= 1
                if not counts[key]:
                    del counts[key]
            if job not in self._of_job:
                self._events.pop(job, None)

    def last(self, job: str) -> _Event:
        """Return the last event of a job that is followed; waits for no disk and no lock.

        Raises:
            JobNotFound: The job was forgotten meanwhile.
            OSError: The jobs cannot be read.
        """
        if self._problem is not None:
            raise self._problem
        event = self._events.get(job)
        if event is None:
            raise JobNotFound(f"the job {quoted(job)} was forgotten")
        return event

    def _note(self, job: Job) -> None:
        known = self._events.get(job.id)
        if known is None or known.job != job:
            self._events[job.id] = _Event(job, self._write(job))

    def _read_on(self) -> None:
        read: object = None
        again_at = 0.0
        while True:
            with self._lock:
                followed = list(self._of_job)
                self._is_read = bool(followed)
            if not followed:
                return
            try:
                now = self._jobs.stamp(), followed
                if now != read or time.monotonic() > again_at:
                    self._take(followed, self._jobs.several(followed))
                    read, again_at = now, time.monotonic() + QUIET_S
                self._problem = None
            except OSError as error:
                self._problem = None if is_locked(error) else error  # what was last said holds meanwhile
            time.sleep(NEWS_EVERY_S)

    def _take(self, followed: list[str], jobs: dict[str, Job]) -> None:
        with self._lock:
            for job in followed:
                if job not in self._of_job:
                    continue
                if job in jobs:
                    self._note(jobs[job])
                else:
                    self._events[job] = None


class Subscription(Stream):
    """The server-sent events about one job for one client (WHATWG HTML, 9.2); each is the whole job.

    A comment every `QUIET_S` seconds keeps proxies from closing the connection, and finds out if the client
    has gone.
    """

    def __init__(self, subscriptions: Subscriptions, job: str, caller: str) -> None:
        self._subscriptions, self._job, self._caller = subscriptions, job, caller
        self._last: _Event | None = None
        self._sent_at = 0.0
        self._is_open = True

    def news(self) -> bytes | None:
        if self._last is not None and self._last.job.is_over:
            return None
        event, now = self._subscriptions.last(self._job), time.monotonic()
        if event is self._last and now < self._sent_at + QUIET_S:
            return b""
        content = b":\n\n" if event is self._last else event.content
        self._last, self._sent_at = event, now
        return content

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._subscriptions.close(self._job, self._caller)
