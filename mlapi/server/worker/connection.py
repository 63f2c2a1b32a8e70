"""One client's connection: what arrives on it, how long that may take, and how its answer leaves.

To gunicorn's parser and responses a connection is the socket: it gives them what was gathered while no thread
waited, and waits itself only for what was not.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

from gunicorn.http import get_parser
from gunicorn.http.body import LengthReader
from gunicorn.http.errors import ParseException

from mlapi.http.streams import Stream
from mlapi.server.worker.framing import Incoming
from mlapi.server.worker.threads import Call

HEAD_S = 5.0
"""A request's head is there so long after its first byte."""

PATIENCE_S = 10.0
SLOWEST = 64 * 1024
"""Bytes a second that a body, or an answer, moves at least; the first `PATIENCE_S` are free."""

SLOW_S = 1.0
"""A request that is not whole by then makes room for others if it comes at less than that."""

LARGEST = 17 * 1024 * 1024
"""Bytes of a request that are gathered without a thread: a body at the usual limit, and its head."""

_STEP = 64 * 1024


def _nothing() -> None:
    return


class Connection:
    """Read and written by one thread at a time: the leader's, or while `away`, its request's."""

    largest = LARGEST

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any) -> None:
        sock.setblocking(False)
        self.incoming = Incoming()
        self.cfg, self.sock, self.client, self.server = cfg, sock, client, server
        self.parser = get_parser(cfg, self, client)
        self.deadline = 0.0
        self.watched = True
        """Whether the poller has it."""
        self.away = False
        self.queued = False
        """Whether it waits for its turn to be answered."""
        self.keep = True
        """Whether another request may follow."""
        self.unsent: bytes | memoryview = b""
        self.broken = False
        """Whether reading or writing has failed, or was too slow: an error that follows is the client's."""
        self.closing = False
        self.closed = False
        self.stream: Stream | None = None
        """What its answer goes on with, until that ends or the client goes away."""
        self.large = False
        """Whether its request is more than is gathered: a thread will wait for the rest."""
        self.release: Callable[[], None] = _nothing
        """To be called, from its request's thread, if its answer is the work of others."""
        self.call = Call()
        """The last request, as `mlapi.server.worker.threads` knows it."""
        self.has_asked = False
        """Whether a request of it has been answered."""
        self.is_heavy = False
        """Whether its request is one of the large ones that are answered now."""
        self.told_to_send = False
        """Whether the client was told to send its body (RFC 9110, section 10.1.1)."""
        self._abandoned = False
        self._answer_head: bytes | None = None
        self._ended = False
        self._forget_request()

    def _forget_request(self) -> None:
        self._began = time.monotonic()
        self._received = 0
        self.told_to_send = False
        self.incoming.forget_request()

    @property
    def has_begun(self) -> bool:
        """Whether anything of a request is here."""
        return self.incoming.has_begun

    @property
    def spoolable(self) -> int:
        """Bytes of an unfinished request that may go to a file."""
        is_free = not self.away and not self.queued and not self.closing
        return self.incoming.spoolable if is_free else 0

    @property
    def held(self) -> int:
        """Bytes of memory that an unsent answer takes; its part that has left counts as well."""
        return memoryview(self.unsent.obj).nbytes if isinstance(self.unsent, memoryview) else 0

    @property
    def read_at(self) -> float:
        """When the client last read of an unsent answer; time in which nobody has listened does not count."""
        return self.deadline - PATIENCE_S

    @property
    def over(self) -> bool:
        """Whether the client has closed its side and everything it sent is used up."""
        return self._ended and not self.has_begun

    def is_idle(self, now: float) -> bool:
        """Whether it may be cut for others: it has asked nothing, or is slow to say what."""
        if self.away or self.queued or self.unsent or self.stream or self.closing:
            return False
        age = now - self._began
        return not self.has_begun or (age > SLOW_S and self._received < age * SLOWEST)

    def rank(self) -> tuple[bool, bool, float]:
        """Of those that are idle the lowest is cut first: who has never sent anything, and so the longest."""
        return self.has_begun, self.has_asked, self._began

    def pace(self) -> float:
        """Bytes a second of its request."""
        return self._received / max(0.001, time.monotonic() - self._began)

    def gather(self) -> None:
        """Take what has arrived.

        Raises:
            OSError: The connection is broken.
        """
        try:
            data = self.sock.recv(_STEP)
        except BlockingIOError:
            return
        if not self.has_begun:
            self._began = time.monotonic()
        self._ended = not data
        self.incoming.add(data)
        self._received += len(data)

    def is_ready(self) -> bool:
        """Whether the parser can have the request: it is whole, or `large`, or will never be whole."""
        is_whole = self.incoming.is_whole()
        self.large = not is_whole and self.incoming.is_larger_than(self.largest)
        if is_whole or self.large:
            return True
        if self.incoming.waits_to_be_told and not self.told_to_send:
            self.told_to_send = True
            with contextlib.suppress(OSError):  # it is broken, as will be seen
                self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self._ended

    def restart_clock(self) -> None:
        """Count a request's time from now: it has waited for a thread."""
        self._began = time.monotonic()

    def postpone(self, seconds: float) -> None:
        """Do not count so much of the past: nobody has listened."""
        self._began += seconds
        self.deadline += seconds

    def limit(self, keepalive: float) -> float:
        """Until when the next bytes must be there."""
        if self.unsent:
            return time.monotonic() + PATIENCE_S
        if not self.has_begun:
            return time.monotonic() + keepalive
        return self._began + (_patience(self._received) if self.incoming.has_head else HEAD_S)

    # What gunicorn's parser and responses ask of a socket.

    def shorten_way_of(self, body: Any) -> None:
        """Let a body of known length skip gunicorn's read-ahead, which copies it four times more."""
        if type(body.reader) is LengthReader and body.reader.length > _STEP:
            body.reader = _Straight(body.reader, self)

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes of the request; b"" at its end.

        Raises:
            TimeoutError: They came too slowly.
        """
        data = self.incoming.take(size)
        return data if data or self._ended else self._wait_for_more(size)

    def _wait_for_more(self, size: int) -> bytes:
        """Straight from the socket: a body of megabytes is copied often enough on its way."""
        with self._waiting(max(0.001, self._began + _patience(self._received) - time.monotonic())):
            data = self.sock.recv(size)
        self._ended = not data
        self._received += len(data)
        return data

    def sendall(self, data: bytes) -> None:
        """Send; an answer's head, its first piece, leaves with the second: one packet and one call."""
        if self._answer_head is None:
            self._answer_head = data  # before `send` looks whether it may: see `abandon`
            return
        if self._answer_head:
            data, self._answer_head = self._answer_head + data, b""
        self.send(data)

    def flush(self) -> None:
        """End an answer."""
        if self._answer_head:
            self.send(self._answer_head)
        self._answer_head = None

    def send(self, data: bytes) -> None:
        """Send what the kernel takes now, and keep the rest; what was kept before has to leave first.

        Raises:
            TimeoutError: The client does not read.
        """
        if self._abandoned:
            self.broken = True
            raise BrokenPipeError("the answer came too late")
        if data and self.unsent:
            self._send_rest()
        rest = memoryview(data or self.unsent)
        try:
            rest = rest[self.sock.send(rest) :]
        except BlockingIOError:
            pass
        except OSError:
            self.broken, self.unsent = True, b""
            raise
        self.unsent = rest or b""  # an empty view would keep the answer's memory

    def _send_rest(self) -> None:
        rest, self.unsent = self.unsent, b""  # how much of it a failure has sent is not known: no second try
        with self._waiting(_patience(len(rest))):
            self.sock.sendall(rest)

    @contextlib.contextmanager
    def _waiting(self, seconds: float) -> Iterator[None]:
        """For the client, so long at most: that it is slow is no fault of the call."""
        call, was_excused = self.call, self.call.excused
        call.excused = True
        self.sock.settimeout(seconds)
        try:
            yield
        except OSError:
            self.broken = True
            raise
        finally:
            self.sock.setblocking(False)
            if call.since:
                call.since = time.monotonic()
            call.excused = was_excused

    def follow(self, stream: Stream, response: Any) -> None:
        """Begin an answer that goes on: nothing else will be answered here."""
        self.stream, self._response = stream, response
        response.force_close()
        self.tell_news()

    def tell_news(self) -> None:
        """Send what the stream has to say; at its end there is none any more.

        Raises:
            OSError: The client has gone.
        """
        if self.stream is None or self.unsent:
            return
        news = self.stream.news()
        if news:
            self._response.write(news)
        elif news is None:
            self._response.close()
            self._end_stream()
        self.flush()
        self._answer_head = b""

    def _end_stream(self) -> None:
        if self.stream is not None:
            self.stream.close()
            self.stream = None

    def next_request(self) -> bool:
        """Forget the request that was answered; whether the next one can follow on this connection."""
        try:
            if not self.parser.finish_body(max_bytes=_STEP):
                return False
        except (ParseException, OSError):  # in what nobody has read: the answer stands
            return False
        self.has_asked = True
        self.incoming.put_back(self.parser.unreader.take_buffered())  # the parser reads ahead
        self._forget_request()
        return True

    def close_gently(self) -> None:
        """Say that nothing more comes, so that the answer is read before the kernel resets the connection
        for what the client is still sending (RFC 9112, section 9.6)."""
        self.closing = True
        self._answer_head = None
        self.clear()
        self.sock.shutdown(socket.SHUT_WR)

    def clear(self) -> None:
        """Forget what the client still sends."""
        self.incoming.clear()

    def abandon(self) -> bool:
        """Let the request's own thread send nothing more; whether it has not begun to."""
        self._abandoned = True
        return self._answer_head is None

    def close(self) -> None:
        self.closed = True
        self._end_stream()
        self.incoming.close()
        self.sock.close()
        self.parser = None  # they know each other
        self.release = _nothing


class _Straight:
    """In place of gunicorn's `LengthReader`: what was read ahead, then what the connection has."""

    def __init__(self, reader: Any, connection: Connection) -> None:
        self.unreader, self.length = reader.unreader, reader.length
        self._connection = connection

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; b"" at the end of the body, or of what the client sent."""
        size = min(size, self.length)
        if not size:
            return b""
        data: bytes = self.unreader.take_buffered()
        if not data:
            data = self._connection.recv(size)
        elif len(data) > size:
            self.unreader.unread(data[size:])
            data = data[:size]
        self.length -= len(data)
        return data


def _patience(size: int) -> float:
    """Seconds that so many bytes may take."""
    return PATIENCE_S + size / SLOWEST
