"""The loop over all clients: who is read, answered, waited for, and cut. Runs in the thread that leads, and
only that thread touches the poller and the table of connections.
"""

import contextlib
import math
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from heapq import nsmallest
from typing import Any

from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER

from mlapi.server.worker.balance import ConnectionCounts
from mlapi.server.worker.configuration import Configuration
from mlapi.server.worker.connection import Connection
from mlapi.server.worker.error_pages import refuse
from mlapi.server.worker.framing import LARGEST_HEAD
from mlapi.server.worker.handler import RequestHandler
from mlapi.server.worker.large_requests import LargeRequests
from mlapi.server.worker.listeners import Listeners
from mlapi.server.worker.threads import LeadThread, Superseded

LINGER_S = 2.0
"""For the client's own close, after an answer that ends the connection."""

ABSENT_S = 1.0
"""Who leads should have looked around so long ago: all threads were in calls, and no client is to blame."""

UNREAD = 64 * 1024 * 1024
"""Bytes of answers that wait for clients, beside the largest: over it, those are cut that have stalled."""

STALLED_S = 2.0
"""A client that has read nothing for so long does not read: a lost packet costs less."""

MOST_UNREAD = 256 * 1024 * 1024
"""Bytes of the same: over it, whoever has not read for longest is cut."""

TURN = 16
"""So many requests are answered before the leader looks again who has come and what has arrived."""


class Poll:
    """select.poll with epoll's unit of time, where there is no epoll."""

    def __init__(self) -> None:
        poll = select.poll()
        self.register, self.modify, self.unregister = poll.register, poll.modify, poll.unregister
        self._poll = poll.poll

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        return self._poll(timeout * 1000)


class Loop:
    def __init__(self, worker: Any, connection_counts: ConnectionCounts) -> None:
        self._worker = worker
        self._configuration = Configuration(worker.cfg)
        self._keepalive = self._configuration.own.keepalive
        self._respond = RequestHandler(worker, self._configuration.own).respond
        self._poller = select.epoll() if hasattr(select, "epoll") else Poll()
        self._connections: dict[int, Connection] = {}
        self._returned: deque[tuple[Connection, bool]] = deque()
        self._ready: deque[Connection] = deque()
        """Those with a request to be answered, each once: who has more goes to the end."""
        self._unread: dict[Connection, None] = {}
        self._streaming: dict[Connection, None] = {}
        self._to_tell: deque[Connection] = deque()
        """Those of them that are asked for news in this second."""
        self._large = LargeRequests(self._connections)
        self._stopping = False
        self._due = time.monotonic()
        self._listeners = Listeners(
            worker,
            self._poller,
            connection_counts,
            self._connections,
            admit=self._admit,
            make_room=self._make_room,
        )
        self._sources = self._other_sources()
        self.lead_thread = LeadThread(worker, self._lead)

    def _other_sources(self) -> dict[int, Callable[[], None]]:
        """What the poller watches beside connections."""
        bell = self._worker.method_queue  # gunicorn's: it also rings at SIGTERM
        self._poller.register(bell.fileno(), select.POLLIN)
        sources: dict[int, Callable[[], None]] = {bell.fileno(): partial(bell.run_callbacks, None)}
        for listener in self._worker.sockets:
            sources[listener.fileno()] = partial(self._listeners.accept_from, listener)
        return sources

    def _lead(self) -> None:
        """Until the worker has stopped."""
        worker, listeners, has_time = self._worker, self._listeners, self.lead_thread.has_time
        self._take_back()
        while worker.alive or (self._connections and has_time()):
            for fd, _ in self._poller.poll(self._longest_wait()):
                connection = self._connections.get(fd)
                if connection is not None:
                    self._listen_to(connection)
                elif fd in self._sources:  # else it was cut just now
                    self._sources[fd]()
            if not worker.alive and not self._stopping:
                self._begin_to_stop()
            now = time.monotonic()
            if not listeners.are_open and now >= listeners.again_at:
                listeners.open()
            if now >= self._due:  # before a turn: each of its requests may be one that never ends
                self._look_around(now)
            self._take_turn()
        self._tell_the_rest()

    def _take_turn(self) -> None:
        for _ in range(min(TURN, len(self._ready))):
            self._answer_next()
        while (connection := self._large.next()) is not None:
            self._answer(connection)
            self._consider(connection)
        for _ in range(min(TURN, len(self._to_tell))):
            self._tell_news(self._to_tell.popleft())

    def _longest_wait(self) -> float:
        if self._ready or self._to_tell:
            return 0.0
        until = self._due if self._listeners.are_open else min(self._due, self._listeners.again_at)
        return max(0.0, until - time.monotonic())

    def _look_around(self, now: float) -> None:
        """Once a second: tell the master and the other workers, and cut who let us wait."""
        late, self._due = now - self._due, now + (0.1 if self._stopping else 1.0)
        self._worker.notify()
        if not self._worker.is_parent_alive():
            self._worker.alive = False
        self._listeners.tell()
        self._large.give_memory_back(now)
        for connection in list(self._connections.values()) if self.lead_thread.endless else ():
            if connection.away and connection.call in self.lead_thread.endless:
                self._give_up(connection)
        if not self._to_tell:
            self._to_tell.extend(self._streaming)
        for connection in list(self._connections.values()):
            if late > ABSENT_S and not connection.away:
                connection.postpone(late)
            elif connection.deadline < now and not connection.away and not connection.queued:
                self._cut(connection)
        self._bound_unread(UNREAD, now - STALLED_S)  # after time in which nobody listened was taken off

    def _cut(self, connection: Connection) -> None:
        if connection.has_begun and not connection.closing and not connection.unsent:
            refuse(connection, 408, "Request Timeout", "the request did not arrive in time")
            self._close_gently(connection)
        else:
            self._drop(connection)

    def _give_up(self, connection: Connection) -> None:
        """Its thread may still touch the socket, which ends with this process."""
        request = connection.parser.mesg
        self._worker.log.error(
            "A call lasts longer than request_seconds: its worker ends, and another takes its place",
            extra={"method": request.method, "path": request.path},
        )
        self._part_from(connection, "the answer took longer than a request may")

    def _part_from(self, connection: Connection, reason: str) -> None:
        if connection.abandon():
            refuse(connection, 503, "Overloaded", reason)
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_WR)
        self._forget(connection)

    def _tell_the_rest(self) -> None:
        """Who has asked and is not answered, when the worker has no time left."""
        for connection in list(self._connections.values()):
            if connection.away or connection.queued:
                self._part_from(connection, "the server had no time left for this request")

    def _begin_to_stop(self) -> None:
        self._stopping = True
        self._listeners.close_for_good()
        self._keepalive = STOP_KEEPALIVE_LINGER
        latest = time.monotonic() + self._keepalive
        for connection in self._connections.values():
            if not connection.has_begun and not connection.unsent:
                connection.deadline = min(connection.deadline, latest)

    # Reading.

    def _admit(self, sock: socket.socket, client: Any, server: Any) -> None:
        connection = Connection(self._configuration.of(client), sock, client, server)
        connection.deadline = time.monotonic() + self._keepalive
        connection.release = partial(self._leave_to_others, connection)
        self._connections[sock.fileno()] = connection
        self._poller.register(sock, select.POLLIN)

    def _make_room(self) -> None:
        """Cut who has been idle for longest, for those who come; never who has a request in hand."""
        now = time.monotonic()
        idle = (connection for connection in self._connections.values() if connection.is_idle(now))
        for connection in nsmallest(max(1, len(self._connections) // 64), idle, key=Connection.rank):
            is_silent = not connection.has_begun
            self._listen_to(connection)  # what it has sent may not have been read
            if connection.closed or connection.queued or (is_silent and connection.has_begun):
                continue
            if connection.has_begun:
                refuse(connection, 408, "Request Timeout", "the request did not arrive in time")
            self._drop(connection)

    def _listen_to(self, connection: Connection) -> None:
        if connection.away:
            self._poller.unregister(connection.sock)
            connection.watched = False
            return
        if connection.queued:  # not read on: its memory would grow faster than it is answered
            return
        try:
            if connection.unsent:
                self._send_on(connection)
            else:
                connection.gather()
        except OSError:
            self._drop(connection)
            return
        self._consider(connection)

    def _consider(self, connection: Connection) -> None:
        """Let a connection wait for its turn if it has gathered a request."""
        if connection.closed or connection.unsent:
            return
        if connection.over:
            self._drop(connection)
            return
        if connection.closing or connection.stream:
            connection.clear()
            return
        if not connection.has_begun or not connection.is_ready():
            connection.deadline = connection.limit(self._keepalive)
            if connection.incoming.in_memory >= LARGEST_HEAD:
                self._bound_memory()
        elif not self._large.take(connection):
            connection.queued = True
            self._ready.append(connection)

    def _answer_next(self) -> None:
        connection = self._ready.popleft()
        connection.queued = False
        if not connection.closed:
            self._answer(connection)
            self._consider(connection)

    def _bound_memory(self) -> None:
        """Move the largest of the unfinished requests to a file, if all of them are too much to keep."""
        if not self._large.fill_memory():
            return
        if self._large.fill_files():
            self._put_off(self._large.slowest())
            return
        largest = self._large.largest()
        if largest is not None:
            self._away_for(largest, self._spool)

    def _spool(self, connection: Connection) -> bool:
        if connection.incoming.spool():
            return True
        self._worker.log.error("A body that is too large to keep in memory cannot be written to a file")
        refuse(connection, 503, "Overloaded", "there is no room for this request now")
        return False

    def _put_off(self, connection: Connection | None) -> None:
        if connection is not None:
            refuse(connection, 503, "Overloaded", "too many large requests come at once, and this one slowly")
            self._close_gently(connection)

    def _leave_to_others(self, connection: Connection) -> None:
        """From the request's own thread: others answer it, and have their own limit of time."""
        connection.call.excused = True
        if connection.large or connection.is_heavy:
            self._worker.method_queue.defer(self._large.end, connection)

    # Answering.

    def _answer(self, connection: Connection) -> None:
        """Answer one request.

        Raises:
            Superseded: It took so long that another thread leads.
        """
        self._away_for(connection, self._respond)

    def _away_for(self, connection: Connection, work: Callable[[Connection], bool]) -> None:
        """Whatever may take long: another thread leads meanwhile."""
        connection.away = True
        connection.call = call = self.lead_thread.begin()
        keep = work(connection)
        if not self.lead_thread.end(call):
            self._returned.append((connection, keep))
            self._worker.method_queue.defer(self._take_back)
            raise Superseded
        self._settle(connection, keep)

    def _take_back(self) -> None:
        """Connections whose requests other threads have answered."""
        while self._returned:
            connection, keep = self._returned.popleft()
            self._settle(connection, keep)
            self._consider(connection)

    def _settle(self, connection: Connection, keep: bool) -> None:
        connection.away = False
        self._large.end(connection)
        if connection.closed:  # given up meanwhile
            connection.close()
            return
        if not connection.watched:
            self._poller.register(connection.sock, select.POLLIN)
            connection.watched = True
        connection.keep = keep
        if connection.stream:
            self._streaming[connection] = None
            connection.deadline = math.inf
        if connection.unsent:
            self._wait_for_reader(connection)
        elif not keep and not connection.stream:
            self._close_gently(connection)

    def _tell_news(self, connection: Connection) -> None:
        """Of an answer that goes on; nobody waits for it, and it ends with a worker that stops."""
        if connection not in self._streaming or connection.unsent:  # cut meanwhile, or it has yet to read
            return
        try:
            connection.tell_news()
        except Exception:  # whatever it is made of: other clients must not be left alone
            if not connection.broken:
                self._worker.log.exception("A stream broke")
            self._drop(connection)
            return
        if connection.unsent:
            self._wait_for_reader(connection)
        elif not connection.stream or self._stopping:
            del self._streaming[connection]
            self._close_gently(connection)

    def _wait_for_reader(self, connection: Connection) -> None:
        self._poller.modify(connection.sock, select.POLLOUT)
        connection.deadline = connection.limit(self._keepalive)
        self._unread[connection] = None
        self._bound_unread(MOST_UNREAD)

    def _bound_unread(self, most: int, latest: float = math.inf) -> None:
        """Cut who has not read for longest, and not since `latest`, while more than this waits.

        The largest does not count: no answer is cut for its own size. So the newest is not cut for others.
        """
        for connection in list(self._unread):
            sizes = [other.held for other in self._unread]
            if sum(sizes) - max(sizes) <= most or connection.read_at > latest:
                return
            self._drop(connection)

    def _send_on(self, connection: Connection) -> None:
        connection.send(b"")
        connection.deadline = connection.limit(self._keepalive)
        del self._unread[connection]
        if connection.unsent:
            self._unread[connection] = None  # it has read: the last to be cut
        else:
            self._poller.modify(connection.sock, select.POLLIN)
            if connection.stream:
                connection.deadline = math.inf
            elif not connection.keep:
                self._close_gently(connection)

    # Closing.

    def _close_gently(self, connection: Connection) -> None:
        connection.deadline = time.monotonic() + LINGER_S
        try:
            connection.close_gently()
        except OSError:
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        self._forget(connection)
        connection.close()
        self._listeners.tell()

    def _forget(self, connection: Connection) -> None:
        if connection.watched:
            self._poller.unregister(connection.sock)
            connection.watched = False
        del self._connections[connection.sock.fileno()]
        self._unread.pop(connection, None)
        self._streaming.pop(connection, None)
        connection.closed = True
