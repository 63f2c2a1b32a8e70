"""What an operator sees: a request id on every response, one log line a request.

Never logs a body, a header beyond the request id, or a query.
"""

import logging
import random
import re
import time
from typing import Any

from flask import Flask, Response, request

from mlapi.wording import printable

logger = logging.getLogger(__name__)

HEADER = "X-Request-ID"

_ID, _NOTES, _STARTED = "mlapi.request_id", "mlapi.notes", "mlapi.started"
"""In the environment of a request; `g` costs several times as much."""

_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_USUAL = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


def install(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_end)


def request_id() -> str:
    """The client's own id if it is a sane one, else a fresh one; the same for the whole request."""
    environ = request.environ
    found = environ.get(_ID)
    if found is None:
        given = environ.get("HTTP_X_REQUEST_ID")
        found = environ[_ID] = given if given and _SANE.fullmatch(given) else _fresh_id()
    return str(found)


def note(environ: dict[str, Any], **fields: object) -> None:
    """Add fields to the log line of the request with this environment."""
    environ.setdefault(_NOTES, {}).update(fields)


def _fresh_id() -> str:
    """Unlike any other, which is all that it has to be: `uuid4` waits 15 us for secure random numbers.

    Python seeds the generator anew in each forked process.
    """
    return f"{random.getrandbits(128):032x}"


def _begin() -> None:
    request.environ[_STARTED] = time.perf_counter()


def _end(response: Response) -> Response:
    response.headers.add(HEADER, request_id())
    response.headers.add("X-Content-Type-Options", "nosniff")
    if logger.isEnabledFor(logging.INFO):
        logger.info(
            "request",
            extra={
                "method": request.method,
                "path": request.path,
                "status": response.status_code,
                "ms": round((time.perf_counter() - request.environ[_STARTED]) * 1000, 2),
                "request_id": request_id(),
                **request.environ.get(_NOTES, {}),
            },
        )
    return response


class LineFormatter(logging.Formatter):
    """`time level event key=value …`, one line whatever a value holds; a traceback follows it."""

    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        given = {key: value for key, value in record.__dict__.items() if key not in _USUAL}
        words = [self.formatTime(record), record.levelname.lower(), printable(record.getMessage())]
        words += [f"{key}={_word(value)}" for key, value in given.items()]
        line = " ".join(words)
        return f"{line}\n{printable(self.formatException(record.exc_info))}" if record.exc_info else line


def _word(value: object) -> str:
    text = str(value)
    plain = text.isascii() and text.isprintable() and text and not set(text) & set(" =\"'")
    return text if plain else ascii(text)
