"""Which of a worker's threads leads its loop, and when another takes over.

The leader answers requests itself. Before each it lays down a stake; the watch, which is the main thread,
takes the stake of one that lasts longer than a moment, and lets a spare thread lead. Back from its request, a
leader that finds its stake gone is a spare itself. Knows nothing of connections.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

MOMENT_S = 0.005
"""A request that takes longer gives the lead away, within twice that."""

_QUIET = 20
"""Moments without a request, after which the watch sleeps."""


class Superseded(Exception):
    """Another thread leads."""


class Leadership:
    """`lead` is the loop: it returns when the worker has stopped, and raises `Superseded` in a thread that
    leads no more."""

    def __init__(self, worker: Any, lead: Callable[[], None]) -> None:
        self._worker, self._lead = worker, lead
        self._vacancy = threading.Semaphore(0)
        self._spares: list[None] = []
        self._threads = 0
        self._stake: list[None] = [None]
        self._turn = 0
        self._dozing = False
        self._doze = threading.Semaphore(0)
        self._stop_by: float | None = None
        self._over = False

    def begin(self) -> list[None]:
        """A request begins in the leader's thread: its stake. Whoever pops that decides who leads."""
        self._turn += 1
        self._stake = stake = [None]
        if self._dozing:
            self._dozing = False
            self._doze.release()
        return stake

    def has_time(self) -> bool:
        """Whether a worker that was told to stop has time left to finish what it is asked."""
        if self._stop_by is None:
            self._stop_by = time.monotonic() + self._worker.cfg.graceful_timeout
        return time.monotonic() < self._stop_by

    # The watch: the main thread, which also takes the signals.

    def watch(self) -> None:
        """Until the worker has stopped, and tell the master that it lives while every thread is in a call."""
        self._hand_over()
        seen, quiet = 0, 0
        while not self._over:
            time.sleep(MOMENT_S)
            if self._turn != seen:
                seen, quiet = self._turn, 0
            elif self._stake:
                self._worker.notify()
                self._hand_over()
            else:
                quiet += 1
            if quiet > _QUIET:
                self._sleep_until_asked(seen)
                quiet = 0
            if not self._worker.alive and not self.has_time():
                return

    def _sleep_until_asked(self, seen: int) -> None:
        self._dozing = True
        if self._turn == seen:
            self._doze.acquire(timeout=1.0)
        self._dozing = False

    def _hand_over(self) -> None:
        """Let a spare thread lead, unless there is none or the leader has just finished its request."""
        if not self._spares and self._threads == self._worker.cfg.threads:
            return
        try:
            self._stake.pop()
        except IndexError:
            return
        if self._spares:
            self._spares.pop()
        else:
            self._threads += 1
            threading.Thread(target=self._serve, daemon=True).start()
        self._vacancy.release()

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
