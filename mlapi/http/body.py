"""Reading a request's body: bounded, whole, and never a 5xx for what a client did to it."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from mlapi.errors import MalformedBody, TooLarge

Environ: TypeAlias = Mapping[str, Any]
"""The environ of a request, as WSGI defines it (PEP 3333): its headers and its input, by name."""

LEAVE_TO_POOL = "mlapi.leave_to_pool"
"""The key in the environ under which our worker puts a function, for `leave_to_pool` to call."""

_STEP = 1024 * 1024
"""How many bytes are thrown away at a time."""

_DIGITS = 20
"""A Content-Length of more digits counts as one of 10^20 bytes: far beyond every limit."""


def read_body(environ: Environ, limit: int) -> bytes:
    """Read the body of a request, of at most `limit` bytes; b"" where the server cannot know its end.

    Raises:
        TooLarge: The body is larger.
        MalformedBody: It ended before its declared length, or its framing is broken.
    """
    declared = _declared(environ)
    if not _ends(environ, declared):
        return b""
    body = _read(environ, limit + 1 if declared is None else min(declared, limit + 1))
    if len(body) > limit:
        raise TooLarge(f"the body is larger than the {limit:,} bytes that one request may have")
    if declared is not None and len(body) < declared:
        raise MalformedBody(f"the body broke off after {len(body):,} of {declared:,} bytes")
    return body


def leave_to_pool(environ: Environ) -> None:
    """Tell our worker that the request was read, and that the pool works on it from now on.

    The worker lets another large request begin, and does not count the time against the call. Under another
    server nothing happens.
    """
    tell_worker = environ.get(LEAVE_TO_POOL)
    if tell_worker is not None:
        tell_worker()


def discard_body(environ: Environ, limit: int) -> None:
    """Read what is left of the body, at most `limit` bytes, and throw it away; raises nothing.

    To be called before a refusal: a client that is still sending does not read the answer. One that sends
    more than `limit` is cut off.
    """
    if _ends(environ, _declared(environ)):
        try:
            while limit > 0 and (read := len(_read(environ, _STEP))):
                limit -= read
        except MalformedBody:
            return


def _declared(environ: Environ) -> int | None:
    """Return the declared length in bytes; None for a body in chunks, and where the client declares none."""
    if environ.get("HTTP_TRANSFER_ENCODING"):
        return None
    length = environ.get("CONTENT_LENGTH", "")
    if not length.isdecimal():
        return None
    return int(length) if len(length) <= _DIGITS else 10**_DIGITS  # Python refuses thousands of digits


def _ends(environ: Environ, declared: int | None) -> bool:
    """Return whether the server knows where the body ends; if not, reading would wait for ever."""
    return declared is not None or bool(environ.get("wsgi.input_terminated"))


def _read(environ: Environ, size: int) -> bytes:
    try:
        return bytes(environ["wsgi.input"].read(size))
    except Exception as error:  # broken framing: each server has its own exceptions for it
        raise MalformedBody("the body broke off, or its framing is broken") from error
