"""One client's connection: what it has sent, whether that is a whole request, and how its answer leaves.

To gunicorn's parser and responses a connection is the socket: it gives them what was gathered while no thread
waited, and waits itself only for what was not. Knows framing, as far as is needed to tell where a request
ends; what a request means, and whether it is a legal one, is the parser's business.
"""

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator
from tempfile import TemporaryFile
from typing import IO, Any

from gunicorn.http import get_parser
from gunicorn.http.body import LengthReader
from gunicorn.http.errors import ParseException

from mlapi.leadership import Call
from mlapi.streams import Stream

HEAD_S = 5.0
"""A request's head is there so long after its first byte."""

PATIENCE_S = 10.0
SLOWEST = 64 * 1024
"""Bytes a second that a body, or an answer, moves at least; the first `PATIENCE_S` are free."""

SLOW_S = 1.0
"""A request that is not whole by then makes room for others if it comes at less than that."""

LARGEST_HEAD = 64 * 1024
LARGEST = 17 * 1024 * 1024
"""Bytes of a request that are gathered without a thread: a body at the usual limit, and its head."""

LONGEST_LINE = 8 * 1024
"""Of a chunk's own line, or of all trailers: they are searched for their end whenever something arrives."""

_STEP = 64 * 1024
_BARE_LF = re.compile(rb"(?<!\r)\n")


def _nothing() -> None:
    return


class Connection:
    """Read and written by one thread at a time: the leader's, or while `away`, its request's."""

    largest = LARGEST

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any) -> None:
        sock.setblocking(False)
        self._spool: IO[bytes] | None = None
        """What does not fit into memory of a body; the buffer goes on where it ends."""
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
        """The last request, as `mlapi.leadership` knows it."""
        self.has_asked = False
        """Whether a request of it has been answered."""
        self.weight = 0
        """Bytes of its request, where that is one of the heavy ones that are answered now."""
        self.told_to_send = False
        """Whether the client was told to send its body (RFC 9110, section 10.1.1)."""
        self._abandoned = False
        self._buffer = bytearray()
        self._answer_head: bytes | None = None
        self._ended = False
        self._forget_request()

    def _forget_request(self) -> None:
        self._began = time.monotonic()
        self._received = 0
        self._searched = 0
        self._head = 0
        """Where the head ends; 0 while it has not."""
        self._end = 0
        """Where the request ends, if its head tells that."""
        self._chunk = 0
        """Where the body's next chunk begins, while its last one is not there."""
        self._expected = self._is_strange = self.told_to_send = False
        self._spooled = 0
        self._is_rewound = False
        self._close_spool()

    @property
    def has_begun(self) -> bool:
        """Whether anything of a request is here."""
        return bool(self._buffer) or self._spool is not None

    @property
    def size(self) -> int:
        """Bytes of a whole request."""
        return self._end

    @property
    def spooled(self) -> int:
        return self._spooled

    @property
    def may_spool(self) -> bool:
        """Whether all that is here belongs to a body of known length, of which more will come."""
        is_free = not self.away and not self.queued and not self.closing
        return is_free and self._head > 0 and len(self._buffer) > 0 and self._total < self._end

    @property
    def _total(self) -> int:
        return self._spooled + len(self._buffer)

    def spool(self) -> bool:
        """Move what is gathered to a file without a name; whether there was room for it."""
        try:
            if self._spool is None:
                self._spool = TemporaryFile()  # noqa: SIM115 - as long as the request
            self._spool.write(self._buffer)
        except OSError:
            return False
        self._spooled += len(self._buffer)
        self._buffer.clear()
        return True

    def _close_spool(self) -> None:
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    @property
    def gathered(self) -> int:
        return len(self._buffer)

    @property
    def held(self) -> int:
        """Bytes of memory that an unsent answer takes; its part that has left counts as well."""
        return memoryview(self.unsent.obj).nbytes if isinstance(self.unsent, memoryview) else 0

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
        self._buffer += data
        self._received += len(data)

    def is_ready(self) -> bool:
        """Whether the parser can have the request: it is whole, or `large`, or will never be whole."""
        buffer, searched = self._buffer, self._searched
        if not self._head and not self._find_head():
            self.large = len(buffer) > LARGEST_HEAD
            # A bare LF the parser refuses at once; the end that it must not wait for would never come.
            return self.large or self._ended or bool(_BARE_LF.search(buffer, searched))
        if self._chunk:
            self._skip_chunks()
        if not self._chunk and self._total >= self._end:
            self.large = False
            return True
        is_endless = self._chunk > 0 and len(buffer) - self._chunk > LONGEST_LINE
        self.large = self._is_strange or is_endless or max(self._end, self._total) > self.largest
        if self._expected and not self.large and not self.told_to_send:
            self.told_to_send = True
            with contextlib.suppress(OSError):  # it is broken, as will be seen
                self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self.large or self._ended

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
        return self._began + (_patience(self._received) if self._head else HEAD_S)

    def _find_head(self) -> bool:
        found = self._buffer.find(b"\r\n\r\n", self._searched)
        if found < 0:
            self._searched = max(0, len(self._buffer) - 3)
            return False
        head = bytes(self._buffer[: found + 2]).lower()
        length, coding = _field(head, b"content-length"), _field(head, b"transfer-encoding")
        self._head = self._end = found + 4
        if b"\r\nexpect:" in head:
            is_new = head.partition(b"\r\n")[0].endswith(b" http/1.1")
            self._expected = is_new and _field(head, b"expect") == b"100-continue"
            self._is_strange = not self._expected  # the parser knows what to make of it
        if length.isdigit() and not coding:
            self._end += int(length.lstrip(b"0")[:20] or b"0")  # Python refuses thousands of digits
        elif coding.endswith(b"chunked") and not length:
            self._chunk = self._head
        return True  # any other framing the parser refuses

    def _skip_chunks(self) -> None:
        """Walk to the end of the body, as far as it is there (RFC 9112, section 7.1)."""
        buffer = self._buffer
        while (line := buffer.find(b"\r\n", self._chunk)) >= 0:
            try:
                size = int(bytes(buffer[self._chunk : line]).partition(b";")[0], 16)
            except ValueError:
                size = -1
            if size > 0:
                self._chunk = line + 2 + size + 2
                continue
            last = buffer.find(b"\r\n\r\n", line)
            if size == 0 and last < 0:
                return
            self._chunk = 0  # whole, or something that the parser refuses
            self._end = last + 4 if size == 0 else 0
            return

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
        if self._spool is not None:
            if not self._is_rewound:
                self._is_rewound = True
                self._spool.seek(0)
            if data := self._spool.read(size):
                return data
            self._close_spool()
        if not self._buffer:
            return b"" if self._ended else self._wait_for_more(size)
        if size >= len(self._buffer):
            data = bytes(self._buffer)
            self._buffer.clear()
        else:
            with memoryview(self._buffer) as view:
                data = bytes(view[:size])
            del self._buffer[:size]
        return data

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
        self._buffer[:0] = self.parser.unreader.take_buffered()  # the parser reads ahead
        self._forget_request()
        return True

    def close_gently(self) -> None:
        """Say that nothing more comes, so that the answer is read before the kernel resets the connection
        for what the client is still sending (RFC 9112, section 9.6)."""
        self.closing = True
        self._answer_head = None
        self._buffer.clear()
        self.sock.shutdown(socket.SHUT_WR)

    def clear(self) -> None:
        """Forget what the client still sends."""
        self._buffer.clear()

    def abandon(self) -> bool:
        """Let the request's own thread send nothing more; whether it has not begun to."""
        self._abandoned = True
        return self._answer_head is None

    def close(self) -> None:
        self.closed = True
        self._end_stream()
        self._close_spool()
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


def _field(head: bytes, name: bytes) -> bytes:
    """The value of a field in a head of lower case, the last of several; b"" where there is none."""
    at = head.rfind(b"\r\n" + name + b":")
    if at < 0:
        return b""
    begin = at + len(name) + 3
    return head[begin : head.index(b"\r\n", begin)].strip(b" \t")
