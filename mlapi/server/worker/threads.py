"""Which of a worker's threads leads its loop, and when another takes over.

The lead thread answers requests itself. Each call has a claim, which one of two threads can take. The lead
thread takes it back when the call has ended. The main thread, which only watches, takes it from a call that
lasts longer than a moment, and lets a spare thread lead; back from its request, a lead thread whose claim is
gone is a spare thread itself. A call that lasts longer than it may is endless: nobody waits for its thread
any more, another takes its place, and the worker ends once the other calls have had their time. Knows
nothing of connections.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

SHORT_CALL_S = 0.005
"""How often the main thread looks at the lead thread's call. One that it sees twice is a long one: the lead is
given away after one to two times as long."""

_QUIET_LOOKS = 20
"""After so many looks without a new call the main thread sleeps until there is one."""

_STOP_NOTICE_S = 1.0
"""What the lead thread of a worker that stops has to see that no time is left."""

TIME_AFTER_ENDLESS_S = 5.0
"""What a worker still has, at least, to finish other calls once one is endless."""


class Call:
    """One request in the hands of a thread."""

    __slots__ = ("claim", "excused", "since")

    def __init__(self) -> None:
        self.claim: list[None] = [None]
        """Has one element, which decides who leads on: whichever thread pops it. To pop is atomic, and costs
        less than a lock."""
        self.since = 0.0
        """When the main thread first saw that it is a long one; 0 for a short one."""
        self.excused = False
        """Whether it waits for others, who have limits of their own."""


class Superseded(Exception):
    """Another thread leads."""


class LeadThread:
    """Who leads: `begin` and `end` are called around each request, `watch` runs in the main thread."""

    def __init__(self, worker: Any, lead: Callable[[], None]) -> None:
        """Prepare the threads; none is started before `watch`.

        Args:
            worker: gunicorn's.
            lead: The loop. Returns when the worker has stopped; raises `Superseded` in a thread that leads no
                more.
        """
        self._worker, self._lead = worker, lead
        self._lead_is_free = threading.Semaphore(0)
        """Released once for each spare thread that is to lead, or to end."""
        self._spare_threads: list[None] = []
        """One element for each: `append` and `pop` are atomic, a count is not."""
        self._threads = 0
        self._call = Call()
        self._long: dict[Call, None] = {}
        self.endless: dict[Call, None] = {}
        """Calls that nobody waits for any more."""
        self._begun = 0
        """How many requests have begun."""
        self._is_asleep = False
        self._wake_up = threading.Semaphore(0)
        self._stop_by: float | None = None
        self._is_over = False

    def begin(self) -> Call:
        """Note that a request begins in the lead thread, and return its call."""
        self._begun += 1
        self._call = call = Call()
        if self._is_asleep:
            self._is_asleep = False
            self._wake_up.release()
        return call

    def end(self, call: Call) -> bool:
        """Note that a call has ended in the thread that began it; return whether that thread still leads."""
        still_leads = True
        try:
            call.claim.pop()
        except IndexError:
            still_leads = False
        if call.since:  # after the claim is gone, which the main thread looks at when it has set this
            self._long.pop(call, None)
        return still_leads

    def has_time(self) -> bool:
        """Return whether a worker that is to stop has time left to finish what it was asked.

        The first call begins to count gunicorn's `graceful_timeout`.
        """
        if self._stop_by is None:
            self._stop_by = time.monotonic() + self._worker.cfg.graceful_timeout
        return time.monotonic() < self._stop_by

    # The main thread, which also takes the signals.

    def watch(self) -> None:
        """Give the lead away whenever a call is a long one, until the worker has stopped.

        Tells the master that the worker lives while every thread is inside a call.
        """
        self._give_lead_away()
        self._long.clear()  # that was no call
        begun, quiet_looks = 0, 0
        while not self._is_over:
            time.sleep(SHORT_CALL_S)
            if self._long:
                self._look_for_endless(time.monotonic())
            if self._begun != begun:
                begun, quiet_looks = self._begun, 0
            elif self._call.claim:
                self._worker.notify()
                self._give_lead_away()
            else:
                quiet_looks += 1
            if quiet_looks > _QUIET_LOOKS:
                self._sleep_until_asked(begun)
                quiet_looks = 0
            if not self._worker.alive and not self.has_time():
                self._lead_at_last()
                return

    def _lead_at_last(self) -> None:
        """`lead` without time for another request: in this thread if who leads is in a call."""
        try:
            self._call.claim.pop()
        except IndexError:
            self._wake_up.acquire(timeout=_STOP_NOTICE_S)
        else:
            self._lead()

    def _sleep_until_asked(self, begun: int) -> None:
        self._is_asleep = True
        if self._begun == begun:
            self._wake_up.acquire(timeout=1.0)
        self._is_asleep = False

    def _give_lead_away(self) -> None:
        """Let a spare thread lead, unless there is none or the lead thread has just finished its request."""
        call = self._call
        if not call.since:
            call.since = time.monotonic()
            self._long[call] = None
        if not self._spare_threads and self._threads >= self._worker.cfg.threads + len(self.endless):
            if not call.claim:
                self._long.pop(call, None)
            return
        try:
            call.claim.pop()
        except IndexError:
            self._long.pop(call, None)
            return
        if self._spare_threads:
            self._spare_threads.pop()
        else:
            self._threads += 1
            threading.Thread(target=self._run, daemon=True).start()
        self._lead_is_free.release()

    def _look_for_endless(self, now: float) -> None:
        limit = self._worker.request_seconds
        for call in list(self._long):
            if now > call.since + limit and not call.excused and self._long.pop(call, self) is None:
                self.endless[call] = None
                if self._stop_by is None:
                    self._stop_by = now + self._time_left(now)
                self._worker.alive = False
                self._worker.method_queue.defer(time.monotonic)  # wakes the lead thread

    def _time_left(self, now: float) -> float:
        """Until the others have ended, or are endless too; as much as any worker has that is to stop."""
        ends = [call.since + self._worker.request_seconds - now for call in list(self._long)]
        return float(min(max(TIME_AFTER_ENDLESS_S, *ends, 0.0), self._worker.cfg.graceful_timeout))

    # The threads that lead one after the other.

    def _run(self) -> None:
        while True:
            self._lead_is_free.acquire()
            try:
                if not self._is_over:
                    self._lead()
            except Superseded:
                self._spare_threads.append(None)
                continue
            except Exception:  # the end of this process: the log says why, and the master makes another
                self._worker.log.exception("The worker's loop broke")
            self._is_over = True
            self._wake_up.release()
            self._lead_is_free.release()  # the other threads end as well
            return
