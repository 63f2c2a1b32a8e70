"""How many connections each worker process holds, in memory that they share.

A kept-alive connection stays with the worker that accepted it, and which of the idle ones the kernel wakes
first is chance: without this, one of two workers often gets all of a client's connections.
"""

import mmap
import time

_SLOTS = 64
"""Workers that can be counted; of more, several share a slot, which costs only balance."""

_FRESH_S = 3
"""What a worker reported so long ago does not count: it was killed, or is stuck."""


class ConnectionCounts:
    """Made before the fork; each worker writes its own slot only, every second.

    A worker is named by gunicorn's `age`, a number that no two of a server have.
    """

    def __init__(self) -> None:
        self._cells = memoryview(mmap.mmap(-1, 16 * _SLOTS)).cast("q")

    def report(self, worker: int, connections: int) -> None:
        """Write how many connections a worker holds now."""
        slot = 2 * (worker % _SLOTS)
        self._cells[slot] = connections
        self._cells[slot + 1] = int(time.monotonic())

    def leave(self, worker: int) -> None:
        """Let a worker count no longer: no new connection comes to it."""
        self._cells[2 * (worker % _SLOTS) + 1] = 0

    def another_has_fewer(self, worker: int) -> bool:
        """Return whether a worker that reported a moment ago holds fewer connections than this one."""
        cells = self._cells.tolist()
        mine = cells[2 * (worker % _SLOTS)]
        since = int(time.monotonic()) - _FRESH_S
        return any(
            connections < mine and reported > since
            for connections, reported in zip(cells[::2], cells[1::2], strict=True)
        )
