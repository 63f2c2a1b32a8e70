"""The worker's own errors: for what is no request, comes too late, or breaks outside of the application.

The answer is a problem document like any other (mlapi.http.problem_document), and ends its connection.
"""

import contextlib
import json
import uuid
from typing import Any

from mlapi.http.problem_document import DEFECT, problem_document, slug_of
from mlapi.server.worker.connection import Connection
from mlapi.server.worker.heads import OutsideOfPrefix

_TITLES = {500: "Internal Server Error", 501: "Not Implemented"}
"""Titles by status, for statuses that gunicorn may send under the title "Bad Request"."""

_LONGEST_DETAIL = 200
"""Characters."""


class ErrorPage:
    """A socket to gunicorn, when it sends its page for an error: sends a problem document instead.

    The status is read from gunicorn's page, because gunicorn decides in one function which error has which
    status, and sends the page there; no other function tells the status.
    """

    def __init__(self, connection: Connection, error: BaseException, log: Any) -> None:
        self._connection, self._error, self._log = connection, error, log

    def gettimeout(self) -> float:
        """Return 0.0, as a socket does that never waits: gunicorn asks before it sends."""
        return 0.0

    def sendall(self, page: bytes) -> None:
        """Take the status from gunicorn's page, and send a problem document with it."""
        number, title = page.partition(b"\r\n")[0].decode().split(" ", 2)[1:]
        status = int(number)
        if status == 500:
            self._say_defect()
        elif isinstance(self._error, OutsideOfPrefix):
            refuse(self._connection, 404, "Not Found", str(self._error))
        else:
            refuse(self._connection, status, _TITLES.get(status, title), str(self._error))

    def _say_defect(self) -> None:
        request_id = refuse(self._connection, 500, _TITLES[500], DEFECT)
        self._log.error("request failed as above request_id=%s", request_id)


def refuse(connection: Connection, status: int, title: str, detail: str) -> str:
    """Send a problem document, as far as the kernel takes it at once; a client that has gone is no error.

    Returns:
        The request id that was sent with it.
    """
    request_id = uuid.uuid4().hex
    with contextlib.suppress(OSError):
        connection.sock.send(error_page(status, title, detail, request_id))
    return request_id


def error_page(status: int, title: str, detail: str, request_id: str) -> bytes:
    """Return a whole answer, head and document, that ends its connection; a 503 says when to come again.

    Args:
        detail: What is wrong; its first 200 characters are sent, for parts of it may be the client's.
    """
    document = problem_document(
        slug=slug_of(title),
        title=title,
        status=status,
        detail=detail[:_LONGEST_DETAIL],
        instance=None,
        request_id=request_id,
    )
    body = json.dumps(document).encode()
    retry_after = "Retry-After: 10\r\n" if status == 503 else ""
    head = (
        f"HTTP/1.1 {status} {title}\r\nContent-Type: application/problem+json\r\n"
        f"X-Request-ID: {request_id}\r\n{retry_after}X-Content-Type-Options: nosniff\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
