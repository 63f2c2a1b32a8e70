"""The server around the echo application (tests/support/echo.py), and raw connections of clients to it."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.support.server import GUNICORN, Server, running
from tests.support.waiting import HANG_S

GET = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"


@contextmanager
def echo(tmp_path: Path, *options: str, workers: int = 1, **environ: str) -> Iterator[Server]:
    """Start the server around the echo application, with options of gunicorn's; see `running`."""
    command = [*GUNICORN[:-2], "tests/support/echo_configuration.py", *options, "tests.support.echo:app"]
    with running(tmp_path / "models", tmp_path, command, MLAPI_WORKERS=str(workers), **environ) as server:
        yield server


def open_socket(server: Server) -> socket.socket:
    """Connect to a server."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=HANG_S)


@contextmanager
def open_sockets(server: Server, count: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """Open so many connections, and send this on each."""
    with ExitStack() as stack:
        socks = [stack.enter_context(open_socket(server)) for _ in range(count)]
        for sock in socks:
            sock.sendall(sent)
        yield socks


def read_all(sock: socket.socket) -> bytes:
    """Return everything that comes until the server closes."""
    return b"".join(iter(lambda: sock.recv(65536), b""))


def read_rest(sock: socket.socket, size: int) -> int:
    """Return how many bytes come, until there are as many as this or the server has closed."""
    count = 0
    while count < size and (piece := sock.recv(1_000_000)):
        count += len(piece)
    return count


def read_answer(sock: socket.socket, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
    """Return one answer, with its body; the connection stays open."""
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    return response, response.read()


def read_document(sock: socket.socket) -> Any:
    """Return what the application answers, which has to be a 200."""
    response, body = read_answer(sock)
    assert response.status == 200, body
    return json.loads(body)


def read_problem(sock: socket.socket, status: int) -> dict[str, Any]:
    """Return the problem document that ends this connection."""
    head, _, body = read_all(sock).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    assert b"Content-Type: application/problem+json" in head
    problem: dict[str, Any] = json.loads(body)
    assert (problem["status"], b"X-Request-ID: " + problem["request_id"].encode() in head) == (status, True)
    return problem
