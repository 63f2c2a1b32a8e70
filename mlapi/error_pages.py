"""The worker's own errors: for what is no request, comes too late, or breaks outside of the application.

They have the form of all others (mlapi.problems), without Flask; each ends its connection.
"""

import contextlib
import json
import uuid

from mlapi.connections import Connection

_TITLES = {500: "Internal Server Error", 501: "Not Implemented"}
"""Where gunicorn may say "Bad Request"."""


class ErrorPage:
    """Takes gunicorn's own page for an error, as if it were the socket, and sends a problem document."""

    def __init__(self, connection: Connection, error: BaseException) -> None:
        self._connection, self._error = connection, error

    def gettimeout(self) -> float:
        return 0.0

    def sendall(self, page: bytes) -> None:
        number, title = page.partition(b"\r\n")[0].decode().split(" ", 2)[1:]
        status = int(number)
        detail = "a defect of the server; its log has the reason" if status == 500 else str(self._error)
        refuse(self._connection, status, _TITLES.get(status, title), detail)


def refuse(connection: Connection, status: int, title: str, detail: str) -> None:
    """Send what is wrong, as far as the client takes it at once."""
    with contextlib.suppress(OSError):
        connection.sock.send(problem(status, title, detail))


def problem(status: int, title: str, detail: str) -> bytes:
    """A whole answer."""
    name = uuid.uuid4().hex
    document = {
        "type": f"/problems/{title.lower().replace(' ', '-')}",
        "title": title,
        "status": status,
        "detail": detail[:200],
        "instance": None,
        "request_id": name,
    }
    body = json.dumps(document).encode()
    head = (
        f"HTTP/1.1 {status} {title}\r\nContent-Type: application/problem+json\r\nX-Request-ID: {name}\r\n"
        f"X-Content-Type-Options: nosniff\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
