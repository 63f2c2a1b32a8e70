"""Requests of many bytes: which are answered and which wait, which go on in a file, and when the memory that
they took goes back to the system.
"""

import ctypes
import time
from collections import deque
from collections.abc import Iterable, Mapping

from mlapi.server.worker.connection import Connection
from mlapi.server.worker.states import QUEUED

AT_ONCE = 2
"""So many heavy requests are answered at once; so many oversized ones are read by threads, to be refused."""

HEAVY = 128 * 1024
"""Bytes of a request from which on it is a heavy one: what it becomes takes up to a hundred times as much."""

TOGETHER = 2 * 1024 * 1024
"""Bytes of the heavy requests that are answered at once, where they are more than `AT_ONCE`."""

GATHERED = 64 * 1024 * 1024
"""Bytes of requests in memory before they are answered: over it, the largest go on in a file."""

SPOOLED = 1024 * 1024 * 1024
"""Bytes of requests in files: over it, who is slowest is told to come later."""

QUIET_S = 5.0
"""Without a heavy request: until then the memory that they took is at hand for the next one."""

_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, others do not


class LargeRequests:
    """Used by the lead thread alone, but for `has_begun`; `connections` are all that the worker holds."""

    def __init__(self, connections: Mapping[int, Connection]) -> None:
        self._connections = connections
        self._heavy: deque[Connection] = deque()
        """Those with a heavy request, whole, that wait for others to be answered."""
        self._answered: dict[Connection, int] = {}
        """The heavy requests that are answered now, with their bytes."""
        self._oversized: deque[Connection] = deque()
        """Those whose request is larger than any may be, and waits for a thread that reads it."""
        self._read: set[Connection] = set()
        """Those of them that a thread reads now."""
        self._last = 0.0
        """When one of them was at work; 0 if what it took has gone back to the system."""

    def take(self, connection: Connection) -> bool:
        """Let a request wait here for its turn, if it is one of many bytes; return whether it is."""
        if connection.is_oversized:
            connection.wait_for_thread()
            self._oversized.append(connection)
            return True
        if connection.incoming.size > HEAVY:
            connection.queue()
            self._heavy.append(connection)
            return True
        return False

    def next(self) -> Connection | None:
        """Return whose request may be answered now, since the others leave room for it; None for nobody's."""
        while self._heavy and self._has_room(self._heavy[0].incoming.size):
            connection = self._heavy.popleft()
            if connection.state is QUEUED:  # else it was given up
                self._answered[connection] = connection.incoming.size
                return connection
        if self._oversized and len(self._read) < AT_ONCE:
            connection = self._oversized.popleft()
            connection.clock.began = time.monotonic()  # it has waited for a thread
            self._read.add(connection)
            return connection
        return None

    def _has_room(self, size: int) -> bool:
        return len(self._answered) < AT_ONCE or sum(self._answered.values()) + size <= TOGETHER

    def has_begun(self, connection: Connection) -> bool:
        """Return whether its request is one of those at work now; from any thread."""
        return connection in self._answered or connection in self._read

    def end(self, connection: Connection) -> None:
        """Let others begin: its request is answered, or others will answer it.

        May be called twice, and for any request.
        """
        if connection in self._answered or connection in self._read:
            self._last = time.monotonic()
            self._answered.pop(connection, None)
            self._read.discard(connection)

    # Memory.

    def is_memory_full(self) -> bool:
        """Return whether what has come is too much to stay there."""
        return sum(each.incoming.in_memory for each in self._connections.values()) >= GATHERED

    def are_files_full(self) -> bool:
        """Return whether what has come is too much for files as well."""
        return sum(each.incoming.spooled for each in self._connections.values()) >= SPOOLED

    def largest(self) -> Connection | None:
        """Return which of those that are not whole takes the most memory."""
        return max(self._unfinished(), key=lambda each: each.spoolable, default=None)

    def slowest(self) -> Connection | None:
        """Return which of those that are not whole comes at the fewest bytes a second."""
        return min(self._unfinished(), key=lambda each: each.clock.rate(), default=None)

    def _unfinished(self) -> Iterable[Connection]:
        return [each for each in self._connections.values() if each.spoolable]

    def give_memory_back(self, now: float) -> None:
        """Give it to the system, when none has come for a while: glibc keeps what lies between blocks in use,
        however much that is."""
        if self._last and now > self._last + QUIET_S and not self._answered and not self._read:
            self._last = 0.0
            if _trim is not None:
                _trim(0)
