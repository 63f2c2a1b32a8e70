"""A WSGI application that does what a test of the worker asks for, and a worker with less patience."""

import asyncio
import hashlib
import json
import os
import select
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any

from mlapi.http.streams import Stream
from mlapi.server.worker import clients, connection, listeners, loop, timing

PATIENT = "PATIENT" in os.environ
"""Whether a slow client is waited for for ever, and a worker with fewer connections long enough to come."""

timing.HEAD_TIMEOUT_S = 1e6 if PATIENT else 0.6
timing.TRANSFER_GRACE_S = 1e6 if PATIENT else 1.5
listeners.YIELD_S = 0.5 if PATIENT else listeners.YIELD_S
clients.STALLED_S = float(os.environ.get("STALLED_S", "1e6"))
connection.LINGER_S = 1.0
loop.STOP_KEEPALIVE_LINGER = 0.3
if "WITHOUT_EPOLL" in os.environ:
    del select.epoll


NUMBERS = count(1)
"""Of requests, in the order in which this process has answered them."""


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path, argument = environ["PATH_INFO"].lstrip("/").rpartition("/")[::2]
    return ANSWERS.get(path, _describe)(environ, start_response, argument)


def _send(start_response: Callable[..., Any], document: object) -> list[bytes]:
    body = json.dumps(document).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def _describe(environ: dict[str, Any], start_response: Callable[..., Any], argument: str) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    digest = hashlib.sha256(body).hexdigest()
    document: dict[str, Any] = {"pid": os.getpid(), "path": argument, "bytes": len(body), "sha256": digest}
    document |= {"scheme": environ["wsgi.url_scheme"], "number": next(NUMBERS)}
    return _send(start_response, document)


def _sleep(environ: dict[str, Any], start_response: Callable[..., Any], argument: str) -> Iterable[bytes]:
    time.sleep(float(argument))
    return _send(start_response, {"pid": os.getpid(), "slept": argument})


def _wait(environ: dict[str, Any], start_response: Callable[..., Any], argument: str) -> Iterable[bytes]:
    """Until there is a file of the query's name."""
    while not os.path.exists(environ["QUERY_STRING"]):
        time.sleep(0.01)
    return _send(start_response, {"pid": os.getpid()})


def _ignore(environ: dict[str, Any], start_response: Callable[..., Any], argument: str) -> Iterable[bytes]:
    """Answer without reading the body."""
    return _send(start_response, {"pid": os.getpid()})


def _large(environ: dict[str, Any], start_response: Callable[..., Any], argument: str) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", argument)])
    return [b"x" * int(argument)]


def _stream(environ: dict[str, Any], start_response: Callable[..., Any], argument: str) -> Iterator[bytes]:
    start_response("200 OK", [])
    for number in range(int(argument)):
        yield b"%d\n" % number


class Flood(Stream):
    """As many bytes, whenever it is asked."""

    def __init__(self, size: int) -> None:
        self._size = size

    def news(self) -> bytes:
        return bytes(self._size)

    def close(self) -> None:
        return


def _flood(environ: dict[str, Any], start_response: Callable[..., Any], argument: str) -> Iterable[bytes]:
    start_response("200 OK", [])
    return Flood(int(argument))


def _fail(environ: dict[str, Any], start_response: Callable[..., Any], argument: str) -> Iterator[bytes]:
    """Fail before the answer has begun, or after so many pieces of it."""
    for number in range(int(argument)):
        if number == 0:
            start_response("200 OK", [("Content-Length", "1000")])
        yield b"piece"
    raise SystemExit(3) if argument == "0" else ValueError("on purpose")


class Wordless(Exception):
    def __str__(self) -> str:
        raise ValueError("on purpose")


ERRORS: dict[str, BaseException] = {
    "cancelled": asyncio.CancelledError(),
    "disk": OSError("on purpose"),
    "wordless": Wordless(),
}


def _raise(environ: dict[str, Any], start_response: Callable[..., Any], argument: str) -> Iterable[bytes]:
    raise ERRORS[argument]


def _break(environ: dict[str, Any], start_response: Callable[..., Any], argument: str) -> Iterable[bytes]:
    """Close a socket that the worker's loop waits for."""
    environ["gunicorn.socket"].sock.close()
    return _send(start_response, {})


ANSWERS: dict[str, Callable[..., Iterable[bytes]]] = {
    "sleep": _sleep,
    "wait": _wait,
    "ignore": _ignore,
    "large": _large,
    "stream": _stream,
    "flood": _flood,
    "fail": _fail,
    "raise": _raise,
    "break": _break,
}
