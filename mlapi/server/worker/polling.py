"""What tells the loop which sockets something has happened to: epoll, or poll where there is none."""

import select
from typing import Any


class Poll:
    """select.poll, with epoll's unit of time."""

    def __init__(self) -> None:
        poll = select.poll()
        self.register, self.modify, self.unregister = poll.register, poll.modify, poll.unregister
        self._poll = poll.poll

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        """Wait for so many seconds at most; return file descriptors with what has happened to them."""
        return self._poll(timeout * 1000)


def make_poller() -> Any:
    """Return an epoll object, or a `Poll`: both report a socket again until what has come is read."""
    return select.epoll() if hasattr(select, "epoll") else Poll()
