"""The loop over all clients: who is read, answered and waited for, and when. Runs in the lead thread.

How a connection ends is in `mlapi.server.worker.clients`.
"""

import select
import socket
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from heapq import nsmallest
from typing import Any

from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER

from mlapi.http.streams import NEWS_EVERY_S
from mlapi.server.worker.balance import ConnectionCounts
from mlapi.server.worker.clients import Clients, refuse_late
from mlapi.server.worker.configuration import Configuration
from mlapi.server.worker.connection import Connection
from mlapi.server.worker.error_pages import refuse
from mlapi.server.worker.framing import LARGEST_HEAD
from mlapi.server.worker.handler import RequestHandler
from mlapi.server.worker.large_requests import LargeRequests
from mlapi.server.worker.listeners import Listeners
from mlapi.server.worker.polling import make_poller
from mlapi.server.worker.states import ABANDONED, ANSWERING, LINGERING, QUEUED, READING, SENDING, STREAMING
from mlapi.server.worker.threads import LeadThread, Superseded

HOUSEKEEPING_S = NEWS_EVERY_S
"""How often the loop does its housekeeping, in which each stream gets its turn to be asked for news."""

STOPPING_HOUSEKEEPING_S = 0.1
"""How often in a worker that stops: its connections end soon."""

ABSENT_S = 1.0
"""If the housekeeping is late by more than that, all threads were in calls, and no client is to blame."""

ANSWERS_A_ROUND = 16
"""So many requests are answered, and so many streams asked, before the loop looks again what has arrived."""


class Loop:
    """The clients of one worker. `lead_thread.watch()` runs it, until the worker has stopped."""

    def __init__(self, worker: Any, connection_counts: ConnectionCounts) -> None:
        self._worker = worker
        self._configuration = Configuration(worker.cfg)
        self._keepalive = self._configuration.own.keepalive
        self._answer_request = RequestHandler(worker, self._configuration.own).answer_request
        self._poller = make_poller()
        self._clients = Clients(self._poller, on_drop=self._report)
        self._connections, self._streaming = self._clients.connections, self._clients.streaming
        self._returned: deque[tuple[Connection, bool]] = deque()
        """Connections that former lead threads give back, each with whether a request may follow on it."""
        self._queue: deque[Connection] = deque()
        """Connections with a request to be answered, each once: one with several requests goes to the end."""
        self._news_due: deque[Connection] = deque()
        """Streaming connections that are still to be asked for news since the last housekeeping."""
        self._large = LargeRequests(self._connections)
        self._stopping = False
        self._housekeeping_at = time.monotonic()
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
        """Return what the poller watches beside connections, by file descriptor, and what to call."""
        method_queue = self._worker.method_queue  # gunicorn's: SIGTERM wakes it up, too
        self._poller.register(method_queue.fileno(), select.POLLIN)
        sources: dict[int, Callable[[], None]] = {
            method_queue.fileno(): partial(method_queue.run_callbacks, None)
        }
        for listener in self._worker.sockets:
            sources[listener.fileno()] = partial(self._listeners.accept_from, listener)
        return sources

    def _lead(self) -> None:
        """Serve until the worker has stopped.

        Raises:
            Superseded: Another thread leads.
        """
        worker, listeners, has_time = self._worker, self._listeners, self.lead_thread.has_time
        self._take_back()
        while worker.alive or (self._connections and has_time()):
            for fd, _ in self._poller.poll(self._longest_wait()):
                connection = self._connections.get(fd)
                if connection is not None:
                    self._handle_event(connection)
                elif fd in self._sources:  # else it was cut just now
                    self._sources[fd]()
            if not worker.alive and not self._stopping:
                self._begin_to_stop()
            now = time.monotonic()
            if now >= listeners.resumes_at:
                listeners.resume()
            # Before the answers: each request may be one that never ends.
            if now >= self._housekeeping_at:
                self._do_housekeeping(now)
            self._answer_round()
        self._clients.abandon_all_in_hand()

    def _answer_round(self) -> None:
        for _ in range(min(ANSWERS_A_ROUND, len(self._queue))):
            self._answer_next()
        while (connection := self._large.next()) is not None:
            self._answer(connection)
            self._queue_if_ready(connection)
        for _ in range(min(ANSWERS_A_ROUND, len(self._news_due))):
            self._send_news(self._news_due.popleft())

    def _longest_wait(self) -> float:
        if self._queue or self._news_due:
            return 0.0
        return max(0.0, min(self._housekeeping_at, self._listeners.resumes_at) - time.monotonic())

    def _do_housekeeping(self, now: float) -> None:
        """Report to the master and the other workers, plan the streams' turns, and end who let us wait."""
        late = now - self._housekeeping_at
        self._housekeeping_at = now + (STOPPING_HOUSEKEEPING_S if self._stopping else HOUSEKEEPING_S)
        self._worker.notify()
        if not self._worker.is_parent_alive():
            self._worker.alive = False
        self._report()
        self._large.give_memory_back(now)
        for connection in list(self._connections.values()) if self.lead_thread.endless else ():
            if connection.state is ANSWERING and connection.call in self.lead_thread.endless:
                self._give_up_endless(connection)
        if not self._news_due:
            self._news_due.extend(self._streaming)
        for connection in list(self._connections.values()):
            if late > ABSENT_S and connection.state is not ANSWERING:
                connection.postpone(late)
            elif connection.deadline < now and not connection.is_in_hand:
                self._clients.time_out(connection)
        self._clients.cut_stalled(now)  # after time in which nobody listened was taken off

    def _report(self) -> None:
        self._listeners.report()

    def _give_up_endless(self, connection: Connection) -> None:
        """Answer in place of an endless call. Its thread may use the socket until the process ends."""
        request = connection.parser.mesg
        self._worker.log.error(
            "A call lasts longer than request_seconds: its worker ends, and another takes its place",
            extra={"method": request.method, "path": request.path},
        )
        self._clients.abandon(connection, "the answer took longer than a request may")

    def _begin_to_stop(self) -> None:
        self._stopping = True
        self._listeners.close()
        self._keepalive = STOP_KEEPALIVE_LINGER
        latest = time.monotonic() + self._keepalive
        for connection in self._connections.values():
            connection.leave_by(latest)

    # Reading.

    def _admit(self, sock: socket.socket, client: Any, server: Any) -> None:
        cfg = self._configuration.of(client)
        connection = Connection(cfg, sock, client, server, leave_to_pool=self._leave_to_pool)
        connection.renew_deadline(self._keepalive)
        self._clients.add(connection)

    def _make_room(self) -> None:
        """Cut the connections that have been idle for longest; none whose request is in hand."""
        now = time.monotonic()
        idle = (connection for connection in self._connections.values() if connection.is_idle(now))
        for connection in nsmallest(max(1, len(self._connections) // 64), idle, key=Connection.idle_rank):
            is_silent = not connection.has_begun
            self._handle_event(connection)  # what it has sent may not have been read
            if connection.is_gone or connection.is_in_hand or (is_silent and connection.has_begun):
                continue
            if connection.has_begun:
                refuse_late(connection)
            self._clients.drop(connection)

    def _handle_event(self, connection: Connection) -> None:
        """Read on, or send on: the poller says that one of them is possible."""
        if connection.state is ANSWERING:
            self._clients.stop_watching(connection)
            return
        if connection.state is QUEUED:  # its memory would grow faster than it is answered
            return
        try:
            if connection.state is SENDING:
                self._clients.send_rest(connection)
            else:
                connection.gather()
        except OSError:
            self._clients.drop(connection)
            return
        self._queue_if_ready(connection)

    def _queue_if_ready(self, connection: Connection) -> None:
        """Go on with a connection that has nothing to send: queue it if its request is ready to be answered.

        Otherwise a connection is closed if its client has closed it and nothing is left to answer. One that
        answers no more requests throws away what arrives. From all others more is read, until their deadline.
        """
        state = connection.state
        if state is STREAMING or state is LINGERING:
            self._clients.drop(connection) if connection.is_used_up else connection.discard()
            return
        if state is not READING:  # the client has to read first, or the connection is gone
            return
        if connection.incoming.has_begun:
            connection.advance()
            if connection.is_ready:
                if not self._large.take(connection):
                    connection.queue()
                    self._queue.append(connection)
                return
        elif connection.is_used_up:
            self._clients.drop(connection)
            return
        connection.renew_deadline(self._keepalive)
        if connection.incoming.in_memory >= LARGEST_HEAD:
            self._bound_memory()

    def _answer_next(self) -> None:
        connection = self._queue.popleft()
        if connection.state is QUEUED:  # else it was given up
            self._answer(connection)
            self._queue_if_ready(connection)

    def _bound_memory(self) -> None:
        """If all requests are too much for memory, move the largest unfinished one to a file."""
        if not self._large.is_memory_full():
            return
        if self._large.are_files_full():
            self._refuse_slowest()
            return
        largest = self._large.largest()
        if largest is not None:
            self._run(self._spool, largest)

    def _spool(self, connection: Connection) -> bool:
        """Move an unfinished request to a file; return whether that went well."""
        if connection.incoming.spool():
            return True
        self._worker.log.error("A body that is too large to keep in memory cannot be written to a file")
        refuse(connection, 503, "Overloaded", "there is no room for this request now")
        return False

    def _refuse_slowest(self) -> None:
        connection = self._large.slowest()
        if connection is not None:
            refuse(connection, 503, "Overloaded", "too many large requests come at once, and this one slowly")
            self._clients.linger(connection)

    def _leave_to_pool(self, connection: Connection) -> None:
        """Note, in a request's thread, that the pool works on it from now on, and within its own limits."""
        connection.call.excused = True
        if self._large.has_begun(connection):
            self._worker.method_queue.defer(self._large.end, connection)

    # Answering.

    def _answer(self, connection: Connection) -> None:
        """Answer one request.

        Raises:
            Superseded: The answer took so long that another thread leads.
        """
        self._run(self._answer_request, connection)

    def _run(self, work: Callable[[Connection], bool], connection: Connection) -> None:
        """Do work that may take long, as a call: another thread leads when it does.

        Args:
            work: Returns whether another request may follow on the connection.

        Raises:
            Superseded: The work took so long that another thread leads.
        """
        call = self.lead_thread.begin()
        connection.begin(call)
        may_follow = work(connection)
        if not self.lead_thread.end(call):
            self._returned.append((connection, may_follow))
            self._worker.method_queue.defer(self._take_back)
            raise Superseded
        self._settle(connection, may_follow)

    def _take_back(self) -> None:
        """Take back connections whose requests other threads have answered."""
        while self._returned:
            connection, may_follow = self._returned.popleft()
            self._settle(connection, may_follow)
            self._queue_if_ready(connection)

    def _settle(self, connection: Connection, may_follow: bool) -> None:
        self._large.end(connection)
        if connection.state is ABANDONED:
            connection.close()
            return
        if connection in self._clients.unwatched:
            self._clients.watch_again(connection)
        connection.settle(may_follow)
        if connection.stream:
            self._streaming[connection] = None
        if connection.state is SENDING:
            self._clients.wait_for_reader(connection)
        elif connection.state is READING and not may_follow:
            self._clients.linger(connection)

    def _send_news(self, connection: Connection) -> None:
        """Send what a stream has to say. The stream ends when the worker stops."""
        if connection not in self._streaming or connection.unsent:  # cut meanwhile, or it has yet to read
            return
        try:
            connection.send_news()
        except Exception:  # whatever it is made of: other clients must not be left alone
            if not connection.broken:
                self._worker.log.exception("A stream broke")
            self._clients.drop(connection)
            return
        if connection.state is SENDING:
            self._clients.wait_for_reader(connection)
        elif connection.is_finished or self._stopping:
            self._clients.linger(connection)
