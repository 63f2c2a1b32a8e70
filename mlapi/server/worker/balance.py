"""How many connections each worker process holds, in memory that they share.

A kept-alive connection stays with the worker that accepted it, and which of the idle ones the kernel wakes
first is chance: without this, one of two workers often gets all of a client's connections.
"""

import mmap
import time

_SLOTS = 64
"""How many workers can be counted. If there are more, several share a slot, which costs only balance."""

_FRESH_S = 3
"""How long a report counts: a worker that has reported nothing since was killed, or is stuck."""


class ConnectionCounts:
    """How many connections each worker holds. Made before the fork; each worker writes its own slot only.

    The number of a worker is gunicorn's `age`: no two workers of a server have the same one.
    """

    def __init__(self) -> None:
        self._cells = memoryview(mmap.mmap(-1, 16 * _SLOTS)).cast("q")

    def report(self, worker: int, connections: int) -> None:
        """Write how many connections a worker holds now."""
        slot = 2 * (worker % _SLOTS)
        self._cells[slot] = connections
        self._cells[slot + 1] = int(time.monotonic())

    def leave(self, worker: int) -> None:
        """Count a worker no more: no new connection comes to it."""
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
