"""The listening sockets of a worker: when it accepts, and when it leaves a connection to the others."""

import contextlib
import math
import select
import socket
import time
from collections.abc import Callable, Sized
from enum import Enum, auto
from typing import Any

from mlapi.server.worker.balance import ConnectionCounts

YIELD_S = 0.002
"""How long a new connection is left to a worker with fewer connections."""

FULL_PAUSE_S = 0.1
"""How long a full worker waits before it looks again whether it has room."""

ERROR_PAUSE_S = 1.0
"""How long a worker waits after it could not accept, for want of a file descriptor for example."""

ACCEPTS_A_ROUND = 64
"""The most connections that are accepted before the clients that are here have their turn."""


class _State(Enum):
    """The state of all listeners of a worker together."""

    OPEN = auto()
    """The poller watches the listeners."""
    PAUSED = auto()
    """The poller will watch them again, at a known time."""
    CLOSED = auto()
    """The poller will not watch them again: the worker stops."""


class Listeners:
    """The listeners of one worker, for the lead thread alone. The first `resume` opens them."""

    def __init__(  # noqa: PLR0913 - all that lies between clients and a worker
        self,
        worker: Any,
        poller: Any,
        connection_counts: ConnectionCounts,
        connections: Sized,
        *,
        admit: Callable[..., None],
        make_room: Callable[[], None],
    ) -> None:
        """Take over gunicorn's listening sockets.

        Args:
            connection_counts: How many connections each worker holds.
            connections: Those that this one holds.
            admit: Takes each new socket, with the addresses of its client and of the server.
            make_room: Cuts some connections, if it can.
        """
        self._worker, self._poller, self._connection_counts = worker, poller, connection_counts
        self._connections, self._admit, self._make_room = connections, admit, make_room
        self._state = _State.PAUSED
        self.resumes_at = 0.0
        """When a pause ends; infinity while there is none."""
        self._ours_until = 0.0
        """Until when the next connection is ours even if other workers have fewer: it was left to them."""
        for listener in worker.sockets:
            listener.setblocking(False)

    def resume(self) -> None:
        """Let the poller watch the listeners, if they are paused: to be called at `resumes_at`."""
        if self._state is not _State.PAUSED:
            return
        for listener in self._worker.sockets:
            self._poller.register(listener, select.POLLIN)
        self._state = _State.OPEN
        self._ours_until = self.resumes_at + YIELD_S
        self.resumes_at = math.inf

    def close(self) -> None:
        """Accept no connection any more."""
        self._connection_counts.leave(self._worker.age)
        self._stop_watching()
        self._state = _State.CLOSED
        self.resumes_at = math.inf

    def _pause(self, for_s: float) -> None:
        self._stop_watching()
        self._state = _State.PAUSED
        self.resumes_at = time.monotonic() + for_s

    def _stop_watching(self) -> None:
        if self._state is _State.OPEN:
            for listener in self._worker.sockets:
                self._poller.unregister(listener)

    def report(self) -> None:
        """Let the other workers know how many connections are here, unless the listeners are closed."""
        if self._state is not _State.CLOSED:
            self._connection_counts.report(self._worker.age, len(self._connections))

    def accept_from(self, listener: Any) -> None:
        """Accept the connections that wait at a listener, as far as no other worker should have them."""
        for _ in range(ACCEPTS_A_ROUND):
            if self._state is not _State.OPEN or not self._accept_one(listener):
                return

    def _accept_one(self, listener: Any) -> bool:
        """Accept one connection, if there is one and it is ours; return whether that was so."""
        now, are_full = time.monotonic(), self._are_full()
        has_waited = now <= self._ours_until and not are_full
        if not has_waited and self._connection_counts.another_has_fewer(self._worker.age):
            self._pause(YIELD_S)
            return False
        if are_full:
            self._make_room()
            if self._are_full():
                self._pause(FULL_PAUSE_S)
                return False
        self._ours_until = 0.0  # the next one is offered to the others again
        try:
            sock, client = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError as error:
            self._worker.log.warning("Cannot accept: %s", error)
            self._pause(ERROR_PAUSE_S)
            return False
        if sock.family != socket.AF_UNIX:
            with contextlib.suppress(OSError):  # macOS: the client has gone already
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._admit(sock, client, listener.getsockname())
        self.report()
        return True

    def _are_full(self) -> bool:
        return len(self._connections) >= int(self._worker.worker_connections)
