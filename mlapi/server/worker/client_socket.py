"""A client's socket as gunicorn's parser and responses take it, in the request's thread.

It gives them what was gathered while no thread waited, and waits itself only for what was not. Knows nothing
of the lead thread, which gathers and decides (`mlapi.server.worker.connection`).
"""

import contextlib
import socket
import time
from collections.abc import Iterator

from mlapi.server.worker.framing import Incoming
from mlapi.server.worker.states import ABANDONED, READING, State
from mlapi.server.worker.threads import Call
from mlapi.server.worker.timing import RequestClock, transfer_time


class ClientSocket:
    """What the parser reads a request from with `recv`, and a response writes its answer to with `sendall`.

    `sendall` holds the first piece of an answer, the head, back until the second piece or `flush` comes.
    `send` sends what the kernel takes, and keeps the rest in `unsent`.
    """

    def __init__(self, sock: socket.socket) -> None:
        """Take over a socket that was just accepted."""
        sock.setblocking(False)
        self.sock = sock
        self.state: State = READING
        self.incoming = Incoming()
        self.clock = RequestClock()
        self.unsent: bytes | memoryview = b""
        self.broken = False
        """Whether reading or writing has failed, or was too slow: an error that follows is the client's."""
        self.call = Call()
        """The last request, as `mlapi.server.worker.threads` knows it."""
        self._answer_head: bytes | None = None
        """The first piece of an answer, held back; b"" once it has left, None before there is an answer."""
        self._has_ended = False
        """Whether the client has closed its side."""

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes of the request; b"" at its end. Waits for the client.

        Raises:
            TimeoutError: The bytes came too slowly.
        """
        data = self.incoming.take(size)
        return data if data or self._has_ended else self._wait_for_more(size)

    def _wait_for_more(self, size: int) -> bytes:
        """Receive straight from the socket: a body of megabytes is copied often enough on its way."""
        with self._waiting(self.clock.time_left()):
            data = self.sock.recv(size)
        self._has_ended = not data
        self.clock.received += len(data)
        return data

    def sendall(self, data: bytes) -> None:
        """Send; an answer's head, its first piece, leaves with the second: one packet and one call."""
        if self._answer_head is None:
            self._answer_head = data  # before `send` looks whether it may: see `Connection.abandon`
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
            BrokenPipeError: The request was given up.
            TimeoutError: The client does not read.
            OSError: The client has gone.
        """
        if self.state is ABANDONED:
            self.broken = True
            raise BrokenPipeError("the answer came too late")
        if data and self.unsent:
            self._wait_until_sent()
        rest = memoryview(data or self.unsent)
        try:
            rest = rest[self.sock.send(rest) :]
        except BlockingIOError:
            pass
        except OSError:
            self.broken, self.unsent = True, b""
            raise
        self.unsent = rest or b""  # an empty view would keep the answer's memory

    def _wait_until_sent(self) -> None:
        rest, self.unsent = self.unsent, b""  # how much of it a failure has sent is not known: no second try
        with self._waiting(transfer_time(len(rest))):
            self.sock.sendall(rest)

    @contextlib.contextmanager
    def _waiting(self, seconds: float) -> Iterator[None]:
        """Let the body wait for the client for so long at most; the call is not to blame for that time."""
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
