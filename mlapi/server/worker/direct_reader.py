"""A large body's way past gunicorn's read-ahead. Knows gunicorn's reader, and nothing of a connection but how
more bytes are received from it.
"""

from collections.abc import Callable
from typing import Any

from gunicorn.http.body import LengthReader

_WORTH_IT = 64 * 1024
"""A body of which more bytes are still to come is read directly; a smaller one is there already."""


class DirectReader:
    """In place of gunicorn's `LengthReader`, which copies a body four times more: first what gunicorn's
    parser read ahead, then what the connection receives."""

    def __init__(self, reader: LengthReader, receive: Callable[[int], bytes]) -> None:
        self.unreader, self.length = reader.unreader, reader.length
        self._receive = receive

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; b"" at the end of the body, or of what the client sent."""
        size = min(size, self.length)
        if not size:
            return b""
        data: bytes = self.unreader.take_buffered()
        if not data:
            data = self._receive(size)
        elif len(data) > size:
            self.unreader.unread(data[size:])
            data = data[:size]
        self.length -= len(data)
        return data


def read_directly(body: Any, receive: Callable[[int], bytes]) -> None:
    """Give a body of gunicorn's a `DirectReader`, if it is large and its length is known."""
    if type(body.reader) is LengthReader and body.reader.length > _WORTH_IT:
        body.reader = DirectReader(body.reader, receive)
