"""The clients of one worker: which of them the poller watches, which have yet to read, and how each one ends.

Only the lead thread touches them. A connection ends in one of three ways:

    linger     Nothing more is sent. What still arrives is thrown away, until the client closes.
    drop       The socket is closed at once.
    abandon    A request is in hand: 503 if its answer has not begun. A thread that has it closes it later.

Each occasion takes one of these ways. It is a method of `Clients`, or one of `mlapi.server.worker.loop.Loop`:

    occasion                  when                                   what is sent              way
    Loop._queue_if_ready      the client has closed its side         nothing                   drop
    Loop._handle_event        reading or sending fails               nothing                   drop
    Loop._settle, send_rest   no request may follow the last answer  nothing more              linger
    Loop._send_news           a stream has ended; the worker stops   nothing more              linger
                              a stream breaks                        nothing more              drop
    time_out                  the deadline is over                   408 if a request began    linger
                                                                     else nothing              drop
    Loop._make_room           a new client needs the place           408 if a request began    drop
    _bound_unsent             too much waits for slow readers        nothing more              drop
    Loop._refuse_slowest      the files hold too much                503                       linger
    Loop._spool               a file cannot be written               503                       linger
    Loop._give_up_endless     a call lasts too long                  503 or nothing            abandon
    abandon_all_in_hand       the worker has no time left            503 or nothing            abandon

`_forget` is no way to end: `drop` and `abandon` use it to take a connection out of the tables.
"""

import contextlib
import math
import select
import socket
from collections.abc import Callable
from typing import Any

from mlapi.server.worker.connection import Connection
from mlapi.server.worker.error_pages import refuse
from mlapi.server.worker.states import READING, SENDING

MUCH_UNSENT = 64 * 1024 * 1024
"""Bytes of the answers that wait for clients to read, without the largest one: over it, clients that have
stalled are cut."""

STALLED_S = 2.0
"""A client that has read nothing for so long has stalled: a lost packet costs less time."""

MOST_UNSENT = 256 * 1024 * 1024
"""Bytes counted as for `MUCH_UNSENT`: over it, clients are cut whether they have stalled or not."""


class Clients:
    """All connections of a worker."""

    def __init__(self, poller: Any, on_drop: Callable[[], None]) -> None:
        """Begin with none.

        Args:
            on_drop: Called when the worker has one connection less.
        """
        self._poller, self._on_drop = poller, on_drop
        self.connections: dict[int, Connection] = {}
        """By file descriptor."""
        self.unwatched: set[Connection] = set()
        """Connections that the poller does not watch: something arrived while a thread had them."""
        self.streaming: dict[Connection, None] = {}
        """Connections whose answer is a stream."""
        self._sending: dict[Connection, None] = {}
        """Connections in state SENDING, in the order in which their clients have read last."""

    def add(self, connection: Connection) -> None:
        """Watch a new connection for what arrives."""
        self.connections[connection.sock.fileno()] = connection
        self._poller.register(connection.sock, select.POLLIN)

    def stop_watching(self, connection: Connection) -> None:
        """Leave what arrives in the kernel, until `watch_again`."""
        self._poller.unregister(connection.sock)
        self.unwatched.add(connection)

    def watch_again(self, connection: Connection) -> None:
        """Watch a connection that is `unwatched`."""
        self.unwatched.remove(connection)
        self._poller.register(connection.sock, select.POLLIN)

    # Answers that wait for clients to read.

    def wait_for_reader(self, connection: Connection) -> None:
        """Wait until a connection in state SENDING can send on; others may be cut for it."""
        self._poller.modify(connection.sock, select.POLLOUT)
        self._sending[connection] = None
        self._bound_unsent(MOST_UNSENT)

    def send_rest(self, connection: Connection) -> None:
        """Send on what a client may read now.

        Raises:
            OSError: The client has gone.
        """
        connection.send_rest()
        del self._sending[connection]
        if connection.state is SENDING:
            self._sending[connection] = None  # it has read: the last to be cut
            return
        self._poller.modify(connection.sock, select.POLLIN)
        if connection.is_finished:
            self.linger(connection)

    def cut_stalled(self, now: float) -> None:
        """Cut clients that have stalled, if the answers that wait for them take much memory."""
        self._bound_unsent(MUCH_UNSENT, now - STALLED_S)

    def _bound_unsent(self, most: int, latest: float = math.inf) -> None:
        """Cut clients that do not read, until no more than `most` bytes wait for clients.

        The client that has not read for longest is cut first, and none that has read since `latest`. The
        largest answer does not count: no answer is cut for its size alone. The client that has read last is
        never cut.
        """
        for connection in list(self._sending):
            sizes = [other.unsent_memory for other in self._sending]
            if sum(sizes) - max(sizes) <= most or connection.last_read_at > latest:
                return
            self.drop(connection)

    # Ends.

    def linger(self, connection: Connection) -> None:
        """Send nothing more, and throw away what still arrives."""
        self.streaming.pop(connection, None)
        try:
            connection.linger()
        except OSError:
            self.drop(connection)

    def drop(self, connection: Connection) -> None:
        """Close the socket at once."""
        self._forget(connection)
        connection.close()
        self._on_drop()

    def abandon(self, connection: Connection, reason: str) -> None:
        """Refuse a request that is in hand, and end its connection for the lead thread."""
        if connection.abandon():
            refuse(connection, 503, "Overloaded", reason)
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_WR)
        self._forget(connection)

    def abandon_all_in_hand(self) -> None:
        """Refuse every request that is in hand: the worker has no time left."""
        for connection in list(self.connections.values()):
            if connection.is_in_hand:
                self.abandon(connection, "the server had no time left for this request")

    def time_out(self, connection: Connection) -> None:
        """End a connection whose deadline is over."""
        if connection.has_begun and connection.state is READING:
            refuse_late(connection)
            self.linger(connection)
        else:
            self.drop(connection)

    def _forget(self, connection: Connection) -> None:
        if connection in self.unwatched:
            self.unwatched.remove(connection)
        else:
            self._poller.unregister(connection.sock)
        del self.connections[connection.sock.fileno()]
        self._sending.pop(connection, None)
        self.streaming.pop(connection, None)


def refuse_late(connection: Connection) -> None:
    """Answer a request that has begun and has not arrived in time."""
    refuse(connection, 408, "Request Timeout", "the request did not arrive in time")
