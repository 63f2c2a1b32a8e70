"""Reading a request's body: bounded, whole, and never a 5xx for what a client did to it."""

from typing import Any

from flask import request

from mlapi.errors import MalformedBody, TooLarge

_STEP = 1024 * 1024


def read_body(limit: int) -> bytes:
    """The body, of at most `limit` bytes.

    A client that sends a larger one sees the answer only once it has sent all of it, so as much again is
    read and thrown away; beyond that the connection is cut.

    Raises:
        TooLarge: It is larger.
        MalformedBody: It ended before its declared length, or its framing is broken.
    """
    declared = request.content_length
    if declared is None and not request.environ.get("wsgi.input_terminated"):
        return b""  # without a length only such a server knows where the body ends
    stream = request.environ["wsgi.input"]
    body = _read(stream, limit + 1 if declared is None else min(declared, limit + 1))
    if len(body) > limit:
        _discard(stream, limit)
        raise TooLarge(f"the body is larger than the {limit:,} bytes that one request may have")
    if declared is not None and len(body) < declared:
        raise MalformedBody(f"the body broke off after {len(body):,} of {declared:,} bytes")
    return body


def _read(stream: Any, size: int) -> bytes:
    try:
        return bytes(stream.read(size))
    except Exception as error:  # broken framing: each server has its own exceptions for it
        raise MalformedBody("the body broke off, or its framing is broken") from error


def _discard(stream: Any, size: int) -> None:
    while size > 0 and (read := len(_read(stream, _STEP))):
        size -= read
