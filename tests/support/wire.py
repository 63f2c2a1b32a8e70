"""Bytes to a server on loopback, whatever they are, and what comes back, framed strictly."""

import contextlib
import json
import re
import socket
from dataclasses import dataclass
from typing import Any

from tests.support.waiting import HANG_S

_LINE = re.compile(rb"HTTP/(1\.[0-9]) ([0-9]{3}) [ -~]*")
_INTERIM = 100


@dataclass(frozen=True)
class Answer:
    version: str
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


def exchange(port: int, sent: bytes, *, ends: bool = False) -> list[Answer]:
    """Send bytes over a new connection, and return all answers until the server closes, without those of 100.

    Args:
        ends: Whether the client says that nothing follows.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=HANG_S) as sock:
        with contextlib.suppress(ConnectionError):  # it was answered before all of it was read
            sock.sendall(sent)
            if ends:
                sock.shutdown(socket.SHUT_WR)
        return answers_in(everything_from(sock))


def everything_from(sock: socket.socket) -> bytes:
    """Return what comes until the server closes, or resets, the connection."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := sock.recv(65536):
            received += piece
    return received


def answers_in(received: bytes) -> list[Answer]:
    """Take apart what was sent back, to its last byte: to requests other than HEAD."""
    answers = []
    while received:
        head, end, rest = received.partition(b"\r\n\r\n")
        line, *fields = head.split(b"\r\n")
        status = _LINE.fullmatch(line)
        assert status is not None, received[:300]
        assert end, received[:300]
        if int(status[2]) == _INTERIM:
            received = rest
            continue
        headers = {
            name.decode().lower(): value.strip().decode("latin1")
            for name, _, value in (entry.partition(b":") for entry in fields)
        }
        body, received = _body(headers, rest)
        answers.append(Answer(status[1].decode(), int(status[2]), headers, body))
    return answers


def _body(headers: dict[str, str], rest: bytes) -> tuple[bytes, bytes]:
    if "content-length" in headers:
        length = int(headers["content-length"])
        assert len(rest) >= length, rest
        return rest[:length], rest[length:]
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while True:
            size, _, rest = rest.partition(b"\r\n")
            chunk, end, rest = rest[: int(size, 16)], rest[int(size, 16) :][:2], rest[int(size, 16) + 2 :]
            assert end == b"\r\n", rest
            if not chunk:
                return body, rest
            body += chunk
    return b"", rest  # 204, 304
