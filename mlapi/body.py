"""Reading a request's body: bounded, whole, and never a 5xx for what a client did to it."""

from typing import Any

from flask import request

from mlapi.errors import MalformedBody, TooLarge

_STEP = 1024 * 1024


def read_body(limit: int) -> bytes:
    """The body, of at most `limit` bytes.

    Raises:
        TooLarge: It is larger.
        MalformedBody: It ended before its declared length, or its framing is broken.
    """
    if not _ends():
        return b""
    declared = request.content_length
    body = _read(limit + 1 if declared is None else min(declared, limit + 1))
    if len(body) > limit:
        raise TooLarge(f"the body is larger than the {limit:,} bytes that one request may have")
    if declared is not None and len(body) < declared:
        raise MalformedBody(f"the body broke off after {len(body):,} of {declared:,} bytes")
    return body


def discard_body(limit: int) -> None:
    """Read what is left of the body, at most `limit` bytes, and throw it away.

    Before a refusal, because a client that is still sending does not read it; what is larger is cut off.
    """
    if _ends():
        try:
            while limit > 0 and (read := len(_read(_STEP))):
                limit -= read
        except MalformedBody:
            return


def _ends() -> bool:
    """Whether the server knows where the body ends: else reading would wait for ever."""
    return request.content_length is not None or bool(request.environ.get("wsgi.input_terminated"))


def _read(size: int) -> bytes:
    stream: Any = request.environ["wsgi.input"]
    try:
        return bytes(stream.read(size))
    except Exception as error:  # broken framing: each server has its own exceptions for it
        raise MalformedBody("the body broke off, or its framing is broken") from error
