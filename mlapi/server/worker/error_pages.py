"""The worker's own errors: for what is no request, comes too late, or breaks outside of the application.

They have the form of all others (mlapi.http.problems), without Flask; each ends its connection.
"""

import contextlib
import json
import uuid
from typing import Any

from mlapi.server.worker.connection import Connection
from mlapi.server.worker.heads import OutsideOfPrefix

_TITLES = {500: "Internal Server Error", 501: "Not Implemented"}
"""Where gunicorn may say "Bad Request"."""


class ErrorPage:
    """Takes gunicorn's own page for an error, as if it were the socket, and sends a problem document."""

    def __init__(self, connection: Connection, error: BaseException, log: Any) -> None:
        self._connection, self._error, self._log = connection, error, log

    def gettimeout(self) -> float:
        return 0.0

    def sendall(self, page: bytes) -> None:
        number, title = page.partition(b"\r\n")[0].decode().split(" ", 2)[1:]
        status = int(number)
        if status == 500:
            self._say_defect()
        elif isinstance(self._error, OutsideOfPrefix):
            refuse(self._connection, 404, "Not Found", str(self._error))
        else:
            refuse(self._connection, status, _TITLES.get(status, title), str(self._error))

    def _say_defect(self) -> None:
        detail = "a defect of the server; its log has the reason under this request id"
        name = refuse(self._connection, 500, _TITLES[500], detail)
        self._log.error("request failed as above request_id=%s", name)


def refuse(connection: Connection, status: int, title: str, detail: str) -> str:
    """Send what is wrong, as far as the client takes it at once; returns the id that it was sent under."""
    name = uuid.uuid4().hex
    with contextlib.suppress(OSError):
        connection.sock.send(problem(status, title, detail, name))
    return name


def problem(status: int, title: str, detail: str, name: str) -> bytes:
    """A whole answer."""
    document = {
        "type": f"/problems/{title.lower().replace(' ', '-')}",
        "title": title,
        "status": status,
        "detail": detail[:200],
        "instance": None,
        "request_id": name,
    }
    body = json.dumps(document).encode()
    later = "Retry-After: 10\r\n" if status == 503 else ""
    head = (
        f"HTTP/1.1 {status} {title}\r\nContent-Type: application/problem+json\r\nX-Request-ID: {name}\r\n"
        f"{later}X-Content-Type-Options: nosniff\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
