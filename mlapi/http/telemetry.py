"""What an operator sees: a request id in every response, one log line for each request.

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

# Keys in the WSGI environ of a request. Flask's `g` costs several times as much.
_ID = "mlapi.request_id"
_NOTES = "mlapi.notes"
_STARTED = "mlapi.started"

_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""The form of a client's own request id; an id of another form is replaced."""

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}
"""The attributes that every log record has; all others are fields of an event."""


def add_request_log(app: Flask) -> None:
    """Give every response of the application a request id, and every request a line in the log.

    Also forbids browsers to guess another media type than the response names.
    """
    app.before_request(_begin)
    app.after_request(_end)


def request_id() -> str:
    """Return the id of the current request: the client's own if it is a sane one, else a fresh one."""
    environ = request.environ
    name = environ.get(_ID)
    if name is None:
        sent = environ.get("HTTP_X_REQUEST_ID")
        name = environ[_ID] = sent if sent and _SANE.fullmatch(sent) else _fresh_id()
    return str(name)


def note(environ: dict[str, Any], **fields: object) -> None:
    """Add fields to the log line of the request with this WSGI environ."""
    environ.setdefault(_NOTES, {}).update(fields)


def _fresh_id() -> str:
    """128 random bits in hexadecimal digits. They need not be secure, and `uuid4` waits 15 us for such.

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
    """Writes `time level event key=value …`, one line whatever a value holds; a traceback follows it."""

    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record: its event, and the fields that it came with (`extra`)."""
        fields = {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        parts = [self.formatTime(record), record.levelname.lower(), printable(record.getMessage())]
        parts += [f"{key}={_word(value)}" for key, value in fields.items()]
        line = " ".join(parts)
        return f"{line}\n{printable(self.formatException(record.exc_info))}" if record.exc_info else line


def _word(value: object) -> str:
    text = str(value)
    plain = text.isascii() and text.isprintable() and text and not set(text) & set(" =\"'")
    return text if plain else ascii(text)
