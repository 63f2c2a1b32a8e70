"""gunicorn's worker process: a loop that reads all clients, and few threads that answer them.

One thread leads: it waits for all connections, reads each until a request is whole, and answers it there and
then, for handing a request to another thread costs more than an empty view. Should that take longer
than a moment, the main thread, which only watches, gives the lead to a spare thread; the first one finishes
its request, hands the connection back, and is a spare itself (as Go's runtime does with system calls that
take long). So a client that sends slowly, reads nothing, or stays silent has no thread at all.

Only the leader touches the poller and the table of connections.
"""

import contextlib
import ipaddress
import json
import select
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from mlapi.connections import LARGEST_HEAD, Connection
from mlapi.shares import Shares

MOMENT_S = 0.005
"""A request that takes longer gives the lead away, within twice that."""

YIELD_S = 0.002
"""How long a connection waits for a worker with fewer of them."""

LINGER_S = 2.0
"""For the client's own close, after an answer that ends the connection."""

UNREAD = 64 * 1024 * 1024
"""Bytes of answers that clients do not read: over it, who has not read for longest is cut."""

GATHERED = 64 * 1024 * 1024
"""Bytes of unfinished requests: over it, the largest wait for a thread, and are not read before."""

_QUIET = 20
"""Moments without a request, after which the watch sleeps."""


class Superseded(Exception):
    """Another thread leads."""


class Frozen:
    """gunicorn's configuration as plain attributes, for clients of one kind: whether what they say of
    the scheme is believed (`forwarded_allow_ips`) is found once a connection and not once a request."""

    def __init__(self, cfg: Any, *, trusted: bool) -> None:
        self._cfg = cfg
        self.__dict__.update((name, getattr(cfg, name)) for name in cfg.settings)
        self.is_ssl = False
        self.sendfile = False  # a Connection is no socket
        self.forwarded_allow_ips = ["*"]
        if not trusted:
            self.secure_scheme_headers: dict[str, str] = {}
            self.forwarder_headers: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cfg, name)


class Poll:
    """select.poll with epoll's unit of time, where there is no epoll."""

    def __init__(self) -> None:
        poll = select.poll()
        self.register, self.modify, self.unregister = poll.register, poll.modify, poll.unregister
        self._poll = poll.poll

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        return self._poll(timeout * 1000)


class Worker(ThreadWorker):  # type: ignore[misc]
    shares: Shares | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if Worker.shares is None:  # in the master, before the first fork
            Worker.shares = Shares()
        self._shares = Worker.shares

    def run(self) -> None:
        """Serve until told to stop; TLS and gunicorn's other protocols as gthread does it."""
        if self.cfg.is_ssl or self.cfg.protocol != "http" or "h2" in self.cfg.http_protocols:
            super().run()
            return
        self._prepare()
        self._hand_over()
        self._watch()

    def _prepare(self) -> None:
        self._frozen = Frozen(self.cfg, trusted=True)
        self._for_strangers = Frozen(self.cfg, trusted=False)
        self._logs_access = self.log.access_log_enabled and self.log.access_log.isEnabledFor(20)
        self._poller = select.epoll() if hasattr(select, "epoll") else Poll()
        self._connections: dict[int, Connection] = {}
        self._sources: dict[int, Callable[[], None]] = {}
        bell = self.method_queue  # gunicorn's: it also rings at SIGTERM
        self._sources[bell.fileno()] = partial(bell.run_callbacks, None)
        self._poller.register(bell.fileno(), select.POLLIN)
        self._returned: deque[tuple[Connection, bool]] = deque()
        self._queue: deque[Connection] = deque()
        self._unread: dict[Connection, None] = {}
        self._large = 0
        self._keepalive = self._frozen.keepalive
        self._stopping = False
        self._stop_by: float | None = None
        self._over = False
        self._due = 0.0
        self._accepts = False
        self._accept_again = 0.0
        for listener in self.sockets:
            listener.setblocking(False)
            self._sources[listener.fileno()] = partial(self._accept_from, listener)
        self._open_doors()

        self._lead = threading.Semaphore(0)
        self._spares: list[None] = []
        self._threads = 0
        self._stake: list[None] = [None]
        self._turn = 0
        self._dozing = False
        self._doze = threading.Semaphore(0)

    # The watch: the main thread, which also takes the signals.

    def _watch(self) -> None:
        seen, quiet = 0, 0
        while not self._over:
            time.sleep(MOMENT_S)
            if self._turn != seen:
                seen, quiet = self._turn, 0
            elif self._stake:
                self.notify()
                self._hand_over()
            else:
                quiet += 1
            if quiet > _QUIET:
                self._sleep_until_asked(seen)
                quiet = 0
            if not self.alive and not self._in_time():
                return

    def _sleep_until_asked(self, seen: int) -> None:
        self._dozing = True
        if self._turn == seen:
            self._doze.acquire(timeout=1.0)
        self._dozing = False

    def _in_time(self) -> bool:
        """Whether a worker that was told to stop has time left to finish what it is asked."""
        if self._stop_by is None:
            self._stop_by = time.monotonic() + self._frozen.graceful_timeout
        return time.monotonic() < self._stop_by

    def _hand_over(self) -> None:
        """Let a spare thread lead, unless there is none or the leader has just finished its request."""
        if not self._spares and self._threads == self.cfg.threads:
            return
        try:
            self._stake.pop()
        except IndexError:
            return
        if self._spares:
            self._spares.pop()
        else:
            self._threads += 1
            threading.Thread(target=self._serve, daemon=True).start()
        self._lead.release()

    # Threads.

    def _serve(self) -> None:
        while True:
            self._lead.acquire()
            try:
                if not self._over:
                    self._lead_on()
            except Superseded:
                self._spares.append(None)
                continue
            except Exception:
                self.log.exception("The worker's loop broke")
            self._over = True
            self._lead.release()  # the other threads end as well
            return

    def _lead_on(self) -> None:
        """The loop of the leader, until the worker has stopped."""
        self._take_back()
        while self.alive or (self._connections and self._in_time()):
            for fd, _ in self._poller.poll(self._longest_wait()):
                connection = self._connections.get(fd)
                if connection is None:
                    self._sources[fd]()
                else:
                    self._listen_to(connection)
            if self._queue:
                self._begin_large()
            if not self.alive and not self._stopping:
                self._begin_to_stop()
            now = time.monotonic()
            if not self._accepts and now >= self._accept_again:
                self._open_doors()
            if now >= self._due:
                self._look_around(now)

    def _longest_wait(self) -> float:
        return max(0.0, min(self._due, self._due if self._accepts else self._accept_again) - time.monotonic())

    def _look_around(self, now: float) -> None:
        """Once a second: tell the master and the other workers, and cut who let us wait."""
        self._due = now + (0.1 if self._stopping else 1.0)
        self.notify()
        if not self.is_parent_alive():
            self.alive = False
        if not self._stopping:
            self._shares.tell(self.age, len(self._connections))
        for connection in list(self._connections.values()):
            if not connection.away and connection.deadline < now:
                if connection.gathered and not connection.closing and not connection.unsent:
                    self._refuse(connection, 408, "Request Timeout", "the request did not arrive in time")
                    self._close_gently(connection)
                else:
                    self._drop(connection)

    def _begin_to_stop(self) -> None:
        self._stopping = True
        self._shares.leave(self.age)
        self._close_doors(for_s=float("inf"))
        self._keepalive = STOP_KEEPALIVE_LINGER
        latest = time.monotonic() + self._keepalive
        for connection in self._connections.values():
            if not connection.gathered:
                connection.deadline = min(connection.deadline, latest)

    # Connections.

    def _open_doors(self) -> None:
        for listener in self.sockets:
            self._poller.register(listener, select.POLLIN)
        self._accepts = True

    def _close_doors(self, for_s: float) -> None:
        if self._accepts:
            for listener in self.sockets:
                self._poller.unregister(listener)
        self._accepts = False
        self._accept_again = time.monotonic() + for_s

    def _accept_from(self, listener: Any) -> None:
        now = time.monotonic()
        if now > self._accept_again + YIELD_S and self._shares.another_has_fewer(self.age):
            self._close_doors(for_s=YIELD_S)
            return
        self._accept_again = 0.0  # the next one is offered to the others again
        try:
            sock, client = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:  # no file descriptor left, for example
            self.log.warning("Cannot accept: %s", error)
            self._close_doors(for_s=1.0)
            return
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        cfg = self._frozen if self._trusts(client) else self._for_strangers
        connection = Connection(cfg, sock, client, listener.getsockname())
        connection.deadline = now + self._keepalive
        self._connections[sock.fileno()] = connection
        self._poller.register(sock, select.POLLIN)
        self._shares.tell(self.age, len(self._connections))
        if len(self._connections) >= self.worker_connections:
            self._close_doors(for_s=0.1)

    def _trusts(self, client: Any) -> bool:
        if not isinstance(client, tuple) or "*" in self.cfg.forwarded_allow_ips:
            return True
        address = ipaddress.ip_address(client[0].partition("%")[0])
        return any(address in network for network in self.cfg.forwarded_allow_networks())

    def _listen_to(self, connection: Connection) -> None:
        if connection.away:
            self._poller.unregister(connection.sock)
            connection.watched = False
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

    def _send_on(self, connection: Connection) -> None:
        connection.send(b"")
        connection.deadline = connection.limit(self._keepalive)
        if not connection.unsent:
            del self._unread[connection]
            self._poller.modify(connection.sock, select.POLLIN)
            self._end_answer(connection)

    def _consider(self, connection: Connection) -> None:
        """Answer what is ready of what a connection has gathered."""
        while not connection.closed and not connection.unsent:
            if connection.over:
                self._drop(connection)
                return
            if connection.closing:
                connection.clear()
                return
            if not connection.gathered or not connection.is_ready():
                connection.deadline = connection.limit(self._keepalive)
                if connection.gathered < LARGEST_HEAD or self._gathered() < GATHERED:
                    return
                connection.large = True
            if connection.large:
                connection.away = True
                self._queue.append(connection)
                return
            self._answer(connection)

    def _gathered(self) -> int:
        return sum(connection.gathered for connection in self._connections.values())

    def _begin_large(self) -> None:
        """Half of the threads at most wait for large requests: the others are for small ones."""
        while self._queue and self._large < max(1, self.cfg.threads // 2):
            connection = self._queue.popleft()
            connection.restart_clock()
            self._large += 1
            self._answer(connection)
            self._consider(connection)

    def _answer(self, connection: Connection) -> None:
        """Answer one request.

        Raises:
            Superseded: It took so long that another thread leads.
        """
        connection.away = True
        self._turn += 1
        self._stake = stake = [None]  # of this request: whoever pops it decides who leads
        if self._dozing:
            self._dozing = False
            self._doze.release()
        keep = self._respond(connection)
        try:
            stake.pop()
        except IndexError:
            self._returned.append((connection, keep))
            self.method_queue.defer(self._take_back)
            raise Superseded from None
        self._settle(connection, keep)

    def _settle(self, connection: Connection, keep: bool) -> None:
        connection.away = False
        if connection.large:
            self._large -= 1
            connection.large = False
        if not connection.watched:
            self._poller.register(connection.sock, select.POLLIN)
            connection.watched = True
        connection.keep = keep
        if connection.unsent:
            self._poller.modify(connection.sock, select.POLLOUT)
            connection.deadline = connection.limit(self._keepalive)
            self._unread[connection] = None
            while sum(len(other.unsent) for other in self._unread) > UNREAD:
                self._drop(next(iter(self._unread)))
        else:
            self._end_answer(connection)

    def _end_answer(self, connection: Connection) -> None:
        if not connection.keep:
            self._close_gently(connection)

    def _take_back(self) -> None:
        """Connections whose requests other threads have answered."""
        while self._returned:
            connection, keep = self._returned.popleft()
            self._settle(connection, keep)
            self._consider(connection)

    def _close_gently(self, connection: Connection) -> None:
        connection.deadline = time.monotonic() + LINGER_S
        try:
            connection.close_gently()
        except OSError:
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        if connection.watched:
            self._poller.unregister(connection.sock)
        del self._connections[connection.sock.fileno()]
        self._unread.pop(connection, None)
        connection.close()
        if not self._stopping:
            self._shares.tell(self.age, len(self._connections))

    # Requests, in whichever thread.

    def _respond(self, connection: Connection) -> bool:
        """Answer the request that the connection has; whether another can follow."""
        request = None
        try:
            request = next(connection.parser)
            return self._call(request, connection) and connection.next_request()
        except (NoMoreData, StopIteration) as error:
            self.log.debug("Closing connection. %s", error)
        except OSError as error:
            self.log.debug("Ignoring a broken connection. %s", error)
        except (Exception, SystemExit) as error:
            self.handle_error(request, connection, connection.client, error)
        return False

    def _call(self, request: Any, connection: Connection) -> bool:
        environ: dict[str, Any] = {}
        response = None
        began = datetime.now() if self._logs_access else None
        try:
            self._frozen.pre_request(self, request)
            response, environ = wsgi.create(
                request, connection, connection.client, connection.server, connection.cfg
            )
            environ["wsgi.multithread"] = True
            self._count(response)
            self._write(self.wsgi(environ, response.start_response), response, environ)
            connection.flush()
            if began:
                self.log.access(response, request, environ, datetime.now() - began)
            return not response.should_close()
        except OSError:
            raise
        except (Exception, SystemExit):
            if response and response.headers_sent:
                self.log.exception("Error handling request")
                return False
            raise
        finally:
            self._frozen.post_request(self, request, environ, response)

    def _count(self, response: Any) -> None:
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False
        if not self.alive or not self._frozen.keepalive:
            response.force_close()

    def _write(self, answer: Any, response: Any, environ: dict[str, Any]) -> None:
        try:
            if isinstance(answer, environ["wsgi.file_wrapper"]):
                response.write_file(answer)
            else:
                for piece in answer:
                    response.write(piece)
            response.close()
        finally:
            if hasattr(answer, "close"):
                answer.close()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """As gunicorn does it, with a problem document in place of its page."""
        if isinstance(client, Connection):
            client = _Page(self, client, str(exc))
        super().handle_error(req, client, addr, exc)

    def _refuse(self, connection: Connection, status: int, title: str, detail: str) -> None:
        with contextlib.suppress(OSError):
            connection.sock.send(problem(status, title, detail))


class _Page:
    """Takes gunicorn's own page for an error, and sends its status as a problem document."""

    def __init__(self, worker: Worker, connection: Connection, detail: str) -> None:
        self._worker, self._connection, self._detail = worker, connection, detail

    def gettimeout(self) -> float:
        return 0.0

    def sendall(self, page: bytes) -> None:
        status, title = page.partition(b"\r\n")[0].decode().split(" ", 2)[1:]
        self._worker._refuse(self._connection, int(status), title, self._detail)


def problem(status: int, title: str, detail: str) -> bytes:
    """A whole answer that ends its connection, in the form of every other error (mlapi.problems)."""
    name = uuid.uuid4().hex
    if status >= 500:
        detail = "a defect of the server; its log has the reason"
    document = {
        "type": f"/problems/{title.lower().replace(' ', '-')}",
        "title": title,
        "status": status,
        "detail": detail[:200],
        "instance": None,
        "request_id": name,
    }
    body = json.dumps(document).encode()
    head = (
        f"HTTP/1.1 {status} {title}\r\nContent-Type: application/problem+json\r\nX-Request-ID: {name}\r\n"
        f"X-Content-Type-Options: nosniff\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
