"""Requests of many bytes: which are answered and which wait, which go on in a file, and when the memory that
they took goes back to the system.
"""

import ctypes
import time
from collections import deque
from collections.abc import Iterable, Mapping

from mlapi.server.worker.connection import Connection
from mlapi.server.worker.states import QUEUED

LARGE_AT_ONCE = 2
"""So many heavy requests are answered at once, and so many oversized ones are read at once, to be refused."""

HEAVY_BYTES = 128 * 1024
"""A request of more bytes is a heavy one: in Python's objects it takes up to a hundred times as much."""

HEAVY_BYTES_AT_ONCE = 2 * 1024 * 1024
"""More than `LARGE_AT_ONCE` heavy requests are answered at once if together they have no more bytes."""

MOST_BYTES_IN_MEMORY = 64 * 1024 * 1024
"""Bytes of all requests that are gathered in memory: from here on the largest of them goes on in a file."""

MOST_BYTES_IN_FILES = 1024 * 1024 * 1024
"""Bytes of all requests in files: from here on the slowest client is told to come later."""

MEMORY_KEPT_S = 5.0
"""How long the memory of large requests is kept for the next one, after the last has ended."""

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, others do not


class LargeRequests:
    """The large requests of one worker. Used by the lead thread alone, but for `has_begun`."""

    def __init__(self, connections: Mapping[int, Connection]) -> None:
        """Begin with no large request; `connections` are all that the worker holds, now and later."""
        self._connections = connections
        self._heavy: deque[Connection] = deque()
        """Connections with a heavy request that is whole, and waits until others are answered."""
        self._answered: dict[Connection, int] = {}
        """Connections whose heavy request is answered now, and its bytes."""
        self._oversized: deque[Connection] = deque()
        """Connections whose request is larger than any may be, and waits for a thread that reads it."""
        self._read: set[Connection] = set()
        """Connections whose oversized request a thread reads now."""
        self._last = 0.0
        """When a large request ended last; 0 if the memory has gone back to the system since."""

    def take(self, connection: Connection) -> bool:
        """Let a request wait here for its turn, if it is heavy or oversized; return whether it is."""
        if connection.is_oversized:
            connection.wait_for_thread()
            self._oversized.append(connection)
            return True
        if connection.incoming.size > HEAVY_BYTES:
            connection.queue()
            self._heavy.append(connection)
            return True
        return False

    def next(self) -> Connection | None:
        """Return a connection whose request may be answered now beside the others; None if there is none."""
        while self._heavy and self._has_room(self._heavy[0].incoming.size):
            connection = self._heavy.popleft()
            if connection.state is QUEUED:  # else it was given up
                self._answered[connection] = connection.incoming.size
                return connection
        if self._oversized and len(self._read) < LARGE_AT_ONCE:
            connection = self._oversized.popleft()
            connection.clock.began = time.monotonic()  # it has waited for a thread
            self._read.add(connection)
            return connection
        return None

    def _has_room(self, size: int) -> bool:
        return (
            len(self._answered) < LARGE_AT_ONCE or sum(self._answered.values()) + size <= HEAVY_BYTES_AT_ONCE
        )

    def has_begun(self, connection: Connection) -> bool:
        """Return whether a large request of the connection is answered or read now; from any thread."""
        return connection in self._answered or connection in self._read

    def end(self, connection: Connection) -> None:
        """Let other large requests begin: this one is answered, or left to the pool.

        May be called twice, and for requests that are not large.
        """
        if connection in self._answered or connection in self._read:
            self._last = time.monotonic()
            self._answered.pop(connection, None)
            self._read.discard(connection)

    # Memory.

    def is_memory_full(self) -> bool:
        """Return whether the requests in memory are too much to stay there."""
        return sum(each.incoming.in_memory for each in self._connections.values()) >= MOST_BYTES_IN_MEMORY

    def are_files_full(self) -> bool:
        """Return whether the requests in files are too much as well."""
        return sum(each.incoming.spooled for each in self._connections.values()) >= MOST_BYTES_IN_FILES

    def largest(self) -> Connection | None:
        """Return the connection whose unfinished request takes the most memory; None if there is none."""
        return max(self._unfinished(), key=lambda each: each.spoolable, default=None)

    def slowest(self) -> Connection | None:
        """Return the connection whose unfinished request comes at the fewest bytes a second, or None."""
        return min(self._unfinished(), key=lambda each: each.clock.rate(), default=None)

    def _unfinished(self) -> Iterable[Connection]:
        return [each for each in self._connections.values() if each.spoolable]

    def give_memory_back(self, now: float) -> None:
        """Give free memory back to the system when no large request was at work for a while.

        glibc would keep what lies between blocks in use, however much that is.
        """
        if self._last and now > self._last + MEMORY_KEPT_S and not self._answered and not self._read:
            self._last = 0.0
            if _trim is not None:
                _trim(0)
