"""Which of a worker's threads leads its loop, and when another takes over. Knows nothing of connections.

The lead thread answers requests itself, and the main thread only watches. Each request is a call, and each
call has a claim. Two threads try to take the claim, and the first one gets it:

1. The lead thread makes a call (`begin`), answers the request, and then tries to take the claim (`end`).
2. The lead thread comes first, as in nearly all cases: it leads on.
3. The main thread looks every 5 ms. If it sees the same call twice, it tries to take the claim.
4. The main thread comes first: the call is a long one. A spare thread leads from now on, or a new one.
5. The lead thread comes second: its call was a long one, and another thread leads. It is a spare thread now.
6. The main thread comes second: the call has ended. It does nothing.

While no thread is left to lead, the main thread does not take the claim. A long call that lasts longer than
`request_seconds` is endless: nobody waits for its thread any more, a new thread takes its place, and the
worker ends once the other calls have had their time.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

SHORT_CALL_S = 0.005
"""How often the main thread looks. A call that lasts longer is a long one, after twice that at the latest."""

_QUIET_LOOKS = 20
"""After so many looks without a new call the main thread sleeps until there is one."""

_STOP_NOTICE_S = 1.0
"""What the lead thread of a worker that stops has to see that no time is left."""

TIME_AFTER_ENDLESS_S = 5.0
"""What a worker still has, at least, to finish other calls once one is endless."""


class Call:
    """One piece of work of a thread that leads: a request, or the move of a large one to a file."""

    __slots__ = ("_claim", "excused", "since")

    def __init__(self) -> None:
        self._claim: list[None] = [None]
        """The claim is the one element. To pop it is atomic, and costs less than a lock."""
        self.since = 0.0
        """When the main thread first tried to take the claim; 0 for a short call."""
        self.excused = False
        """Whether the call waits for the client or for the pool, which have limits of their own."""

    @property
    def is_claimed(self) -> bool:
        """Whether a thread has taken the claim."""
        return not self._claim

    def take_claim(self) -> bool:
        """Return whether the thread that asks is the first, and so has the claim."""
        try:
            self._claim.pop()
        except IndexError:
            return False
        return True


class Superseded(Exception):
    """The thread in which it is raised does not lead any more: another one does."""


class LeadThread:
    """Who leads: `begin` and `end` are called around each request, `watch` runs in the main thread."""

    def __init__(self, worker: Any, lead: Callable[[], None]) -> None:
        """Prepare the threads; none is started before `watch`.

        Args:
            worker: gunicorn's.
            lead: The loop. Returns when the worker has stopped. Raises `Superseded` in a thread that does not
                lead any more.
        """
        self._worker, self._lead = worker, lead
        self._lead_is_free = threading.Semaphore(0)
        """Released once for each spare thread that is to lead, or to end."""
        self._spare_threads: list[None] = []
        """One element for each spare thread: `append` and `pop` are atomic, a count is not."""
        self._threads = 0
        """How many threads have been started."""
        self._call = Call()
        """The call that the lead thread began last."""
        self._long: dict[Call, None] = {}
        """Long calls that have not ended, and are not endless."""
        self.endless: dict[Call, None] = {}
        """Calls that nobody waits for any more."""
        self._begun = 0
        """How many calls have begun."""
        self._is_asleep = False
        """Whether the main thread waits at `_wake_up` for the next call."""
        self._wake_up = threading.Semaphore(0)
        self._stop_by: float | None = None
        """Until when the worker may finish what it was asked; None before it is to stop."""
        self._is_over = False
        """Whether the loop has returned, or broken."""

    def begin(self) -> Call:
        """Note that the lead thread begins with a piece of work, and return the call for it."""
        self._begun += 1
        self._call = call = Call()
        if self._is_asleep:
            self._is_asleep = False
            self._wake_up.release()
        return call

    def end(self, call: Call) -> bool:
        """Note that a call has ended in the thread that began it; return whether that thread still leads."""
        still_leads = call.take_claim()
        # The claim first: the main thread sets `since` first. So one of them forgets the call.
        if call.since:
            self._long.pop(call, None)
        return still_leads

    def has_time(self) -> bool:
        """Return whether a worker that is to stop has time left to finish what it was asked.

        gunicorn's `graceful_timeout` counts from when this is first asked.
        """
        if self._stop_by is None:
            self._stop_by = time.monotonic() + self._worker.cfg.graceful_timeout
        return time.monotonic() < self._stop_by

    # The main thread, which also takes the signals.

    def watch(self) -> None:
        """Start the first lead thread; give the lead away whenever a call is a long one.

        Returns when the worker has stopped. Tells the master that the worker lives while every thread is
        inside a call.
        """
        # Starts the first lead thread: the claim of the call that __init__ made is free, and nobody is in it.
        self._give_lead_away()
        self._long.clear()
        begun, quiet_looks = 0, 0
        while not self._is_over:
            time.sleep(SHORT_CALL_S)
            if self._long:
                self._look_for_endless(time.monotonic())
            if self._begun != begun:
                begun, quiet_looks = self._begun, 0
            elif not self._call.is_claimed:
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
        """End the loop without another request; in this thread if the lead thread is inside a call."""
        if self._call.take_claim():
            self._lead()
        else:
            self._wake_up.acquire(timeout=_STOP_NOTICE_S)

    def _sleep_until_asked(self, begun: int) -> None:
        self._is_asleep = True
        if self._begun == begun:
            self._wake_up.acquire(timeout=1.0)
        self._is_asleep = False

    def _give_lead_away(self) -> None:
        """Let a spare thread lead, unless there is none, or the call has just ended."""
        call = self._call
        if not call.since:
            call.since = time.monotonic()
            self._long[call] = None
        if not self._spare_threads and self._threads >= self._worker.cfg.threads + len(self.endless):
            if call.is_claimed:
                self._long.pop(call, None)
            return
        if not call.take_claim():
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
        """Return the seconds in which the long calls will have ended, or be endless too."""
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
