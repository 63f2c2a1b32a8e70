"""The listening sockets of a worker: when it accepts, and when it leaves a connection to the others."""

import contextlib
import select
import socket
import time
from collections.abc import Callable, Sized
from typing import Any

from mlapi.server.worker.balance import ConnectionCounts

YIELD_S = 0.002
"""How long a connection waits for a worker with fewer of them."""

AT_ONCE = 64
"""The most that are accepted before those who are here are looked after."""


class Listeners:
    """The leader's. `admit` takes each new socket, with the addresses of its client and of the server;
    `connections` are those that the worker holds, `make_room` cuts some if it can."""

    def __init__(  # noqa: PLR0913 - all that a door is between
        self,
        worker: Any,
        poller: Any,
        connection_counts: ConnectionCounts,
        connections: Sized,
        *,
        admit: Callable[..., None],
        make_room: Callable[[], None],
    ) -> None:
        self._worker, self._poller, self._connection_counts = worker, poller, connection_counts
        self._connections, self._admit, self._make_room = connections, admit, make_room
        self.are_open = False
        self.again_at = 0.0
        """When to open them again."""
        for listener in worker.sockets:
            listener.setblocking(False)

    def open(self) -> None:
        for listener in self._worker.sockets:
            self._poller.register(listener, select.POLLIN)
        self.are_open = True

    def close(self, for_s: float) -> None:
        if self.are_open:
            for listener in self._worker.sockets:
                self._poller.unregister(listener)
        self.are_open = False
        self.again_at = time.monotonic() + for_s

    def close_for_good(self) -> None:
        self._connection_counts.leave(self._worker.age)
        self.close(for_s=float("inf"))

    def tell(self) -> None:
        """Let the other workers know how many connections are here."""
        if self.again_at != float("inf"):
            self._connection_counts.tell(self._worker.age, len(self._connections))

    def accept_from(self, listener: Any) -> None:
        """Those that wait, as far as no other worker should have them."""
        for _ in range(AT_ONCE):
            if not self.are_open or not self._accept_one(listener):
                return

    def _accept_one(self, listener: Any) -> bool:
        """Whether there was one, and it is ours."""
        now, are_full = time.monotonic(), self._are_full()
        has_waited = now <= self.again_at + YIELD_S and not are_full
        if not has_waited and self._connection_counts.another_has_fewer(self._worker.age):
            self.close(for_s=YIELD_S)
            return False
        if are_full:
            self._make_room()
            if self._are_full():
                self.close(for_s=0.1)
                return False
        self.again_at = 0.0  # the next one is offered to the others again
        try:
            sock, client = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError as error:  # no file descriptor left, for example
            self._worker.log.warning("Cannot accept: %s", error)
            self.close(for_s=1.0)
            return False
        if sock.family != socket.AF_UNIX:
            with contextlib.suppress(OSError):  # macOS: the client has gone already
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._admit(sock, client, listener.getsockname())
        self.tell()
        return True

    def _are_full(self) -> bool:
        return len(self._connections) >= int(self._worker.worker_connections)
