"""Which of a worker's threads leads its loop, and when another takes over.

The leader answers requests itself. Before each it lays down a stake; the watch, which is the main thread,
takes the stake of one that lasts longer than a moment, and lets a spare thread lead. Back from its request, a
leader that finds its stake gone is a spare itself. A call that lasts longer than it may is endless: its
thread is written off, another takes its place, and the worker ends once the others have had their time. Knows
nothing of connections.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

MOMENT_S = 0.005
"""A request that takes longer gives the lead away, within twice that."""

_QUIET = 20
"""Moments without a request, after which the watch sleeps."""


_END_S = 1.0
"""For the leader to see that there is no time left."""

LAST_S = 5.0
"""What a worker with an endless call still has for what is asked of it then."""


class Call:
    """One request in the hands of a thread. Whoever pops its stake decides who leads."""

    __slots__ = ("claim", "excused", "since")

    def __init__(self) -> None:
        self.claim: list[None] = [None]
        self.since = 0.0
        """When the watch first saw that it is a long one; 0 for a short one."""
        self.excused = False
        """Whether it waits for others, who have limits of their own."""


class Superseded(Exception):
    """Another thread leads."""


class LeadThread:
    """`lead` is the loop: it returns when the worker has stopped, and raises `Superseded` in a thread that
    leads no more."""

    def __init__(self, worker: Any, lead: Callable[[], None]) -> None:
        self._worker, self._lead = worker, lead
        self._vacancy = threading.Semaphore(0)
        self._spares: list[None] = []
        self._threads = 0
        self._call = Call()
        self._long: dict[Call, None] = {}
        self.endless: dict[Call, None] = {}
        """Calls that nobody waits for any more."""
        self._turn = 0
        self._dozing = False
        self._doze = threading.Semaphore(0)
        self._stop_by: float | None = None
        self._over = False

    def begin(self) -> Call:
        """A request begins in the leader's thread."""
        self._turn += 1
        self._call = call = Call()
        if self._dozing:
            self._dozing = False
            self._doze.release()
        return call

    def end(self, call: Call) -> bool:
        """It has ended in the thread that began it; whether that thread still leads."""
        still_leads = True
        try:
            call.claim.pop()
        except IndexError:
            still_leads = False
        if call.since:  # after the stake has gone, which the watch looks at when it has set this
            self._long.pop(call, None)
        return still_leads

    def has_time(self) -> bool:
        """Whether a worker that was told to stop has time left to finish what it is asked."""
        if self._stop_by is None:
            self._stop_by = time.monotonic() + self._worker.cfg.graceful_timeout
        return time.monotonic() < self._stop_by

    # The watch: the main thread, which also takes the signals.

    def watch(self) -> None:
        """Until the worker has stopped, and tell the master that it lives while every thread is in a call."""
        self._hand_over()
        self._long.clear()  # that was no call
        seen, quiet = 0, 0
        while not self._over:
            time.sleep(MOMENT_S)
            if self._long:
                self._look_for_endless(time.monotonic())
            if self._turn != seen:
                seen, quiet = self._turn, 0
            elif self._call.claim:
                self._worker.notify()
                self._hand_over()
            else:
                quiet += 1
            if quiet > _QUIET:
                self._sleep_until_asked(seen)
                quiet = 0
            if not self._worker.alive and not self.has_time():
                self._lead_at_last()
                return

    def _lead_at_last(self) -> None:
        """`lead` without time for another request: in this thread if who leads is in a call."""
        try:
            self._call.claim.pop()
        except IndexError:
            self._doze.acquire(timeout=_END_S)
        else:
            self._lead()

    def _sleep_until_asked(self, seen: int) -> None:
        self._dozing = True
        if self._turn == seen:
            self._doze.acquire(timeout=1.0)
        self._dozing = False

    def _hand_over(self) -> None:
        """Let a spare thread lead, unless there is none or the leader has just finished its request."""
        call = self._call
        if not call.since:
            call.since = time.monotonic()
            self._long[call] = None
        if not self._spares and self._threads >= self._worker.cfg.threads + len(self.endless):
            if not call.claim:
                self._long.pop(call, None)
            return
        try:
            call.claim.pop()
        except IndexError:
            self._long.pop(call, None)
            return
        if self._spares:
            self._spares.pop()
        else:
            self._threads += 1
            threading.Thread(target=self._serve, daemon=True).start()
        self._vacancy.release()

    def _look_for_endless(self, now: float) -> None:
        limit = self._worker.request_seconds
        for call in list(self._long):
            if now > call.since + limit and not call.excused and self._long.pop(call, self) is None:
                self.endless[call] = None
                if self._stop_by is None:
                    self._stop_by = now + self._time_left(now)
                self._worker.alive = False
                self._worker.method_queue.defer(time.monotonic)  # wakes the leader

    def _time_left(self, now: float) -> float:
        """Until the others have ended, or are endless too; as much as any worker has that is to stop."""
        ends = [call.since + self._worker.request_seconds - now for call in list(self._long)]
        return float(min(max(LAST_S, *ends, 0.0), self._worker.cfg.graceful_timeout))

    # The threads that lead in turns.

    def _serve(self) -> None:
        while True:
            self._vacancy.acquire()
            try:
                if not self._over:
                    self._lead()
            except Superseded:
                self._spares.append(None)
                continue
            except Exception:  # the end of this process: the log says why, and the master makes another
                self._worker.log.exception("The worker's loop broke")
            self._over = True
            self._doze.release()
            self._vacancy.release()  # the other threads end as well
            return
