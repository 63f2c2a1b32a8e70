"""Requests of many bytes: which are answered and which wait, which go on in a file, and when the memory that
they took goes back to the system.
"""

import ctypes
import time
from collections import deque
from collections.abc import Iterable, Mapping

from mlapi.server.worker.connection import Connection

AT_ONCE = 2
"""So many heavy requests are answered at once; so many that are larger than any may be are read by threads,
to be refused."""

HEAVY = 128 * 1024
TOGETHER = 2 * 1024 * 1024
"""Bytes of a request from which on it is a heavy one, and of those that are answered at once if they are more
than two: what they become takes up to a hundred times as much."""

GATHERED = 64 * 1024 * 1024
"""Bytes of requests in memory before they are answered: over it, the largest go on in a file."""

SPOOLED = 1024 * 1024 * 1024
"""Bytes of requests in files: over it, who is slowest is told to come later."""

QUIET_S = 5.0
"""Without a heavy request: until then the memory that they took is at hand for the next one."""

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, others do not


class LargeRequests:
    """The leader's; `connections` are all that the worker holds."""

    def __init__(self, connections: Mapping[int, Connection]) -> None:
        self._connections = connections
        self._heavy: deque[Connection] = deque()
        """Those with a heavy request, whole, that wait for others to be answered."""
        self._weights: dict[Connection, int] = {}
        """Bytes of those that are answered now."""
        self._unread: deque[Connection] = deque()
        """Those whose request is larger than any may be: a thread will read it."""
        self._in_reading = 0
        self._last = 0.0
        """When one of them was at work; 0 if what it took has gone back to the system."""

    def take(self, connection: Connection) -> bool:
        """Let a request wait here for its turn, if it is one of many bytes."""
        if connection.large:
            connection.away = True
            self._unread.append(connection)
        elif connection.incoming.size > HEAVY:
            connection.queued = True
            self._heavy.append(connection)
        return connection.large or connection.queued

    def next(self) -> Connection | None:
        """Whose request may be answered now, for the others leave room for it."""
        while self._heavy and self._has_room(self._heavy[0].incoming.size):
            connection = self._heavy.popleft()
            connection.queued = False
            if not connection.closed:
                connection.is_heavy = True
                self._weights[connection] = connection.incoming.size
                return connection
        if self._unread and self._in_reading < AT_ONCE:
            connection = self._unread.popleft()
            connection.restart_clock()
            self._in_reading += 1
            return connection
        return None

    def _has_room(self, size: int) -> bool:
        return len(self._weights) < AT_ONCE or sum(self._weights.values()) + size <= TOGETHER

    def end(self, connection: Connection) -> None:
        """Its request is answered, or others will answer it; may be called twice, and for any request."""
        if connection.is_heavy or connection.large:
            self._last = time.monotonic()
        self._weights.pop(connection, None)
        connection.is_heavy = False
        if connection.large:
            self._in_reading -= 1
            connection.large = False

    # Memory.

    def fill_memory(self) -> bool:
        """Whether what has come is too much to be kept there."""
        return sum(each.incoming.in_memory for each in self._connections.values()) >= GATHERED

    def fill_files(self) -> bool:
        return sum(each.incoming.spooled for each in self._connections.values()) >= SPOOLED

    def largest(self) -> Connection | None:
        """Which of those that are not whole takes the most memory."""
        return max(self._unfinished(), key=lambda each: each.spoolable, default=None)

    def slowest(self) -> Connection | None:
        return min(self._unfinished(), key=Connection.pace, default=None)

    def _unfinished(self) -> Iterable[Connection]:
        return [each for each in self._connections.values() if each.spoolable]

    def give_memory_back(self, now: float) -> None:
        """To the system, when none has come for a while: glibc keeps what lies between blocks in use, however
        much that is."""
        if self._last and now > self._last + QUIET_S and not self._weights and not self._in_reading:
            self._last = 0.0
            if _trim is not None:
                _trim(0)
