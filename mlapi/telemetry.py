"""What an operator sees: a request id on every response, one log line a request.

Never logs a body, a header beyond the request id, or a query.
"""

import logging
import re
import time
import uuid

from flask import Flask, Response, g, request

logger = logging.getLogger(__name__)

HEADER = "X-Request-ID"

_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_USUAL = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


def install(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_end)


def request_id() -> str:
    """The client's own id if it is a sane one, else a fresh one; the same for the whole request."""
    if "request_id" not in g:
        given = request.headers.get(HEADER, "")
        g.request_id = given if _SANE.fullmatch(given) else uuid.uuid4().hex
    return str(g.request_id)


def note(**fields: object) -> None:
    """Add fields to this request's log line."""
    g.setdefault("notes", {}).update(fields)


def _begin() -> None:
    g.started = time.perf_counter()


def _end(response: Response) -> Response:
    response.headers[HEADER] = request_id()
    response.headers["X-Content-Type-Options"] = "nosniff"
    if logger.isEnabledFor(logging.INFO):
        logger.info(
            "request",
            extra={
                "method": request.method,
                "path": request.path,
                "status": response.status_code,
                "ms": round((time.perf_counter() - g.started) * 1000, 2),
                "request_id": request_id(),
                **g.get("notes", {}),
            },
        )
    return response


class LineFormatter(logging.Formatter):
    """`time level event key=value …`, one line whatever a value holds; a traceback follows it."""

    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        given = {key: value for key, value in record.__dict__.items() if key not in _USUAL}
        words = [self.formatTime(record), record.levelname.lower(), record.getMessage()]
        words += [f"{key}={_word(value)}" for key, value in given.items()]
        line = " ".join(words)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _word(value: object) -> str:
    text = str(value)
    plain = text.isascii() and text.isprintable() and text and not set(text) & set(" =\"'")
    return text if plain else ascii(text)
