"""A connection by itself, over a pair of sockets: its states, and that looking at it changes nothing."""

import math
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from gunicorn.config import Config

from mlapi.http.streams import Stream
from mlapi.server.worker.connection import Connection
from mlapi.server.worker.states import State
from mlapi.server.worker.threads import Call

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
PREDICATES = [
    *("has_begun", "is_in_hand", "is_gone", "is_ready", "is_used_up", "is_finished", "spoolable"),
    *("unsent_memory", "last_read_at"),
]
LARGE = bytes(9_000_000)


@pytest.fixture
def pair() -> Iterator[tuple[Connection, socket.socket]]:
    """A connection, and its client's socket."""
    ours, theirs = socket.socketpair()
    connection = Connection(Config(), ours, ("127.0.0.1", 1), ("127.0.0.1", 2))
    with closing(theirs):
        yield connection, theirs
    connection.close()


def gathered(connection: Connection, client: socket.socket, sent: bytes) -> Connection:
    client.sendall(sent)
    connection.gather()
    connection.advance()
    return connection


def answering(connection: Connection) -> Connection:
    connection.queue()
    connection.begin(Call())
    return connection


def state_of(connection: Connection) -> dict[str, Any]:
    """All that a connection and what it has gathered hold, as it is now."""
    incoming = {name: repr(value) for name, value in vars(connection.incoming).items()}
    return {name: repr(value) for name, value in vars(connection).items()} | incoming


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HT",
        GET,
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1%s\r\n\r\n" % (b"0" * 30),
        b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    ],
)
def test_looking_at_a_connection_changes_nothing(pair: tuple[Connection, socket.socket], sent: bytes) -> None:
    connection, client = pair
    client.sendall(sent)
    connection.gather()
    for _ in range(2):  # before its bytes were looked at, and after
        before = state_of(connection)

        values = [getattr(connection, name) for name in PREDICATES]
        connection.is_idle(time.monotonic())
        connection.idle_rank()

        assert state_of(connection) == before
        assert [getattr(connection, name) for name in PREDICATES] == values
        connection.advance()


def test_a_request_that_is_answered_leaves_the_connection_to_the_next_one(
    pair: tuple[Connection, socket.socket],
) -> None:
    connection, client = pair
    assert gathered(connection, client, GET).is_ready
    answering(connection)
    assert (connection.state, connection.is_in_hand) == (State.ANSWERING, True)

    connection.settle(may_follow=True)

    assert (connection.state, connection.is_finished) == (State.READING, False)


def test_the_last_answer_finishes_a_connection_once_it_has_left(
    pair: tuple[Connection, socket.socket],
) -> None:
    connection, client = pair
    answering(gathered(connection, client, GET)).send(LARGE)
    connection.settle(may_follow=False)
    assert (connection.state, connection.is_finished) == (State.SENDING, False)

    while connection.state is State.SENDING:
        client.recv(1_000_000)
        connection.send_rest()

    assert (connection.state, connection.is_finished) == (State.READING, True)
    connection.linger()
    assert connection.state is State.LINGERING


class Words(Stream):
    """Says each of its words, then ends."""

    def __init__(self, *words: bytes) -> None:
        self._words = list(words)

    def news(self) -> bytes | None:
        return self._words.pop(0) if self._words else None

    def close(self) -> None:
        return


class Response:
    """What gunicorn's does, without a head."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def force_close(self) -> None:
        return

    def write(self, data: bytes) -> None:
        self._connection.send(data)

    def close(self) -> None:
        return


def test_an_answer_that_goes_on_is_streaming_until_its_end(pair: tuple[Connection, socket.socket]) -> None:
    connection, client = pair
    answering(gathered(connection, client, GET)).follow(Words(b"one", b"two"), Response(connection))
    assert connection.state is State.ANSWERING, "until its thread gives it back"
    connection.settle(may_follow=False)
    assert (connection.state, connection.deadline) == (State.STREAMING, math.inf)

    connection.send_news()
    assert (connection.state, client.recv(100)) == (State.STREAMING, b"onetwo")
    connection.send_news()

    assert (connection.state, connection.is_finished) == (State.READING, True)


def test_an_answer_that_was_given_up_is_not_sent(pair: tuple[Connection, socket.socket]) -> None:
    connection, client = pair
    answering(gathered(connection, client, GET))

    assert connection.abandon(), "nothing of it has left"

    connection.sendall(b"head")
    with pytest.raises(BrokenPipeError):
        connection.sendall(b"body")
    assert (connection.state, connection.broken, connection.is_gone) == (State.ABANDONED, True, True)
