"""Reading a request's body: bounded, whole, and never a 5xx for what a client did to it."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from mlapi.errors import MalformedBody, TooLarge

Environ: TypeAlias = Mapping[str, Any]
"""Of a request, as WSGI has it (PEP 3333)."""

RELEASE = "mlapi.release"
"""In the environment of a request, by a worker of ours: what lets another large one begin."""

_STEP = 1024 * 1024

_DIGITS = 20
"""No body is longer than that in bytes."""


def read_body(environ: Environ, limit: int) -> bytes:
    """The body, of at most `limit` bytes.

    Raises:
        TooLarge: It is larger.
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


def hand_over(environ: Environ) -> None:
    """Another process answers the request that was read: it takes no more time or memory of this one."""
    release = environ.get(RELEASE)
    if release is not None:
        release()


def discard_body(environ: Environ, limit: int) -> None:
    """Read what is left of the body, at most `limit` bytes, and throw it away.

    Before a refusal, because a client that is still sending does not read it; what is larger is cut off.
    """
    if _ends(environ, _declared(environ)):
        try:
            while limit > 0 and (read := len(_read(environ, _STEP))):
                limit -= read
        except MalformedBody:
            return


def _declared(environ: Environ) -> int | None:
    """How long the client says that the body is; None where chunks tell, or nothing does."""
    if environ.get("HTTP_TRANSFER_ENCODING"):
        return None
    length = environ.get("CONTENT_LENGTH", "")
    if not length.isdecimal():
        return None
    return int(length) if len(length) <= _DIGITS else 10**_DIGITS  # Python refuses thousands of digits


def _ends(environ: Environ, declared: int | None) -> bool:
    """Whether the server knows where the body ends: else reading would wait for ever."""
    return declared is not None or bool(environ.get("wsgi.input_terminated"))


def _read(environ: Environ, size: int) -> bytes:
    try:
        return bytes(environ["wsgi.input"].read(size))
    except Exception as error:  # broken framing: each server has its own exceptions for it
        raise MalformedBody("the body broke off, or its framing is broken") from error
