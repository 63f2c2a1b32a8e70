"""One client's connection: the state that it is in, what arrives on it, how long that may take, and how its
answer leaves.

How gunicorn reads and writes it, while a thread answers, is in `mlapi.server.worker.client_socket`.
"""

import contextlib
import math
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn.http import get_parser
from gunicorn.http.errors import ParseException

from mlapi.http.streams import Stream
from mlapi.server.worker.client_socket import ClientSocket
from mlapi.server.worker.states import (
    ABANDONED,
    ANSWERING,
    CLOSED,
    LINGERING,
    QUEUED,
    READING,
    SENDING,
    STREAMING,
)
from mlapi.server.worker.threads import Call
from mlapi.server.worker.timing import transfer_time

LINGER_S = 2.0
"""How long the client has to close its side, after an answer that ends the connection."""

MAX_GATHERED = 17 * 1024 * 1024
"""Bytes of a request that are gathered without a thread: a body at the usual limit, and its head."""

_READ_SIZE = 64 * 1024
"""Bytes that are read from a socket at once, and at most thrown away of a body that nobody has read."""


def _nothing(*_: object) -> None:
    return


class Connection(ClientSocket):
    """A client's socket, its request as it arrives, and its answer as it leaves.

    Read and written by one thread at a time: the lead thread, or the request's own while `ANSWERING`.

    The lead thread alone changes `state`, by the methods that `State` lists. After `settle`, `send_rest` and
    `send_news` it closes a connection that `is_finished`.

    What `send` keeps in `unsent` the lead thread sends on (`send_rest`).
    """

    max_gathered = MAX_GATHERED
    """For all connections of this process; the worker sets it from the settings."""

    def __init__(
        self,
        cfg: Any,
        sock: socket.socket,
        client: Any,
        server: Any,
        leave_to_pool: Callable[["Connection"], None] = _nothing,
    ) -> None:
        """Take over a socket that was just accepted.

        Args:
            cfg: gunicorn's configuration, as it holds for this client.
            client: The client's address.
            server: The address that it connected to.
            leave_to_pool: Called from the request's thread when the pool works on its answer.
        """
        super().__init__(sock)
        self.cfg, self.client, self.server = cfg, client, server
        self.parser = get_parser(cfg, self, client)
        self.deadline = 0.0
        """When the connection is cut, unless its request is in hand. All times here: the monotonic clock."""
        self.stream: Stream | None = None
        """The stream that is its answer, until it ends or the client goes away."""
        self.is_oversized = False
        """Whether the request is larger than what is gathered: a thread will wait for the rest."""
        self.leave_to_pool: Callable[[], None] = partial(leave_to_pool, self)
        self.has_asked = False
        """Whether a request of this connection has been answered."""
        self.was_told_to_send = False
        """Whether the client was told to send its body (RFC 9110, section 10.1.1)."""
        self._may_follow = True
        """Whether another request may follow the last answer."""
        self._forget_request()

    def _forget_request(self) -> None:
        self.clock.restart()
        self.is_oversized = False
        self.was_told_to_send = False
        self.incoming.forget_request()

    # What the lead thread asks before it decides.

    @property
    def has_begun(self) -> bool:
        """Whether anything of a request is here."""
        return self.incoming.has_begun

    @property
    def is_in_hand(self) -> bool:
        """Whether a request is queued or answered now: if that takes long, the client is not to blame."""
        return self.state is ANSWERING or self.state is QUEUED

    @property
    def is_gone(self) -> bool:
        """Whether the lead thread has nothing more to do with the connection."""
        return self.state is CLOSED or self.state is ABANDONED

    @property
    def is_ready(self) -> bool:
        """Whether the parser can have the request: it is whole, or oversized, or will never be whole."""
        return self.incoming.is_whole or self.is_oversized or self._has_ended

    @property
    def is_used_up(self) -> bool:
        """Whether the client has closed its side, and all that it sent is read."""
        return self._has_ended and not self.has_begun

    @property
    def is_finished(self) -> bool:
        """Whether the last answer has left, and no request may follow it."""
        return not (self._may_follow or self.unsent or self.stream)

    @property
    def spoolable(self) -> int:
        """Bytes of an unfinished request that may go to a file."""
        return self.incoming.spoolable if self.state is READING else 0

    @property
    def unsent_memory(self) -> int:
        """Bytes of memory that an unsent answer takes, with the part of it that has left."""
        return memoryview(self.unsent.obj).nbytes if isinstance(self.unsent, memoryview) else 0

    @property
    def last_read_at(self) -> float:
        """When the client last read a part of an unsent answer; moved by `postpone` as the deadline is."""
        return self.deadline - transfer_time(0)

    def is_idle(self, now: float) -> bool:
        """Return whether the connection may be cut for others: no request has begun, or one comes slowly."""
        return self.state is READING and (not self.has_begun or self.clock.is_slow(now))

    def idle_rank(self) -> tuple[bool, bool, float]:
        """Return a key that sorts idle connections as they are cut: first those that never sent anything."""
        return self.has_begun, self.has_asked, self.clock.began

    # Reading.

    def gather(self) -> None:
        """Take what has arrived, without waiting.

        Raises:
            OSError: The connection is broken.
        """
        try:
            data = self.sock.recv(_READ_SIZE)
        except BlockingIOError:
            return
        if not self.incoming.has_begun:
            self.clock.began = time.monotonic()
        self._has_ended = not data
        self.incoming.add(data)
        self.clock.received += len(data)

    def advance(self) -> None:
        """Look for the request's end in what was gathered; `is_ready` then says whether it was found.

        A client that waits to be told to send its body is told so (RFC 9110, section 10.1.1).
        """
        incoming = self.incoming
        incoming.advance()
        is_whole = incoming.is_whole
        self.is_oversized = not is_whole and incoming.is_larger_than(self.max_gathered)
        if is_whole or self.is_oversized or not incoming.waits_to_be_told or self.was_told_to_send:
            return
        self.was_told_to_send = True
        with contextlib.suppress(OSError):  # it is broken, as reading will show
            self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def discard(self) -> None:
        """Throw away what the client still sends."""
        self.incoming.clear()

    # Time.

    def renew_deadline(self, keepalive: float) -> None:
        """Say until when the next bytes of a request have to be there.

        Args:
            keepalive: Seconds in which a new request has to begin.
        """
        if self.incoming.has_begun:
            self.deadline = self.clock.deadline(has_head=self.incoming.has_head)
        else:
            self.deadline = time.monotonic() + keepalive

    def leave_by(self, latest: float) -> None:
        """Bring the deadline forward, if nothing was asked and nothing is left to send."""
        if not self.has_begun and not self.unsent:
            self.deadline = min(self.deadline, latest)

    def postpone(self, seconds: float) -> None:
        """Give the client so much more time: nobody has listened."""
        self.clock.began += seconds
        self.deadline += seconds

    # From state to state.

    def queue(self) -> None:
        """Wait for a turn: the request is ready to be answered."""
        self.state = QUEUED

    def wait_for_thread(self) -> None:
        """Wait for a thread that reads the rest of the request; the lead thread reads no more of it."""
        self.state = ANSWERING

    def begin(self, call: Call) -> None:
        """Give the connection to the thread of this call."""
        self.state = ANSWERING
        self.call = call

    def settle(self, may_follow: bool) -> None:
        """Take the connection back from a thread.

        Args:
            may_follow: Whether another request may follow its answer.
        """
        self._may_follow = may_follow
        if self.unsent or self.stream:
            self._go_on()
        else:
            self.state = READING

    def send_rest(self) -> None:
        """Send what the kernel takes of an unsent answer; the client has time again for what is left.

        Raises:
            OSError: The client has gone.
        """
        self.send(b"")
        self._go_on()

    def send_news(self) -> None:
        """Send what a stream has to say, if all that it said before has left; there may be nothing.

        Raises:
            OSError: The client has gone.
            Exception: Whatever the stream raises.
        """
        self._write_news()
        self._go_on()

    def _go_on(self) -> None:
        """Take the state that what is left of an answer asks for."""
        if self.unsent:
            self.state = SENDING
            self.deadline = time.monotonic() + transfer_time(0)
        elif self.stream:
            self.state = STREAMING
            self.deadline = math.inf
        else:
            self.state = READING

    def linger(self) -> None:
        """Say that nothing more comes, so that the answer is read before the kernel resets the connection
        for what the client is still sending (RFC 9112, section 9.6).

        Raises:
            OSError: The client has gone.
        """
        self.state = LINGERING
        self.deadline = time.monotonic() + LINGER_S
        self._answer_head = None
        self.discard()
        self.sock.shutdown(socket.SHUT_WR)

    def abandon(self) -> bool:
        """Let the request's own thread send nothing more; return whether it has not begun to."""
        self.state = ABANDONED
        return self._answer_head is None

    def close(self) -> None:
        """Close the socket, and the stream if there is one; may be called twice."""
        self.state = CLOSED
        self._end_stream()
        self.incoming.close()
        self.sock.close()
        self.parser = None  # they know each other
        self.leave_to_pool = _nothing

    # An answer that goes on.

    def follow(self, stream: Stream, response: Any) -> None:
        """Begin an answer that goes on: nothing else will be answered here."""
        self.stream, self._response = stream, response
        response.force_close()
        self._write_news()

    def _write_news(self) -> None:
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
        """Forget the request that was answered; return whether the next one can follow on this connection."""
        try:
            if not self.parser.finish_body(max_bytes=_READ_SIZE):
                return False
        except (ParseException, OSError):  # in what nobody has read: the answer stands
            return False
        self.has_asked = True
        self.incoming.put_back(self.parser.unreader.take_buffered())  # the parser reads ahead
        self._forget_request()
        return True
