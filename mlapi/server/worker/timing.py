"""How long a client may take to send a request, and to read an answer. By the monotonic clock."""

import time

HEAD_TIMEOUT_S = 5.0
"""How long a head may take, from its first byte to its end."""

TRANSFER_GRACE_S = 10.0
"""How long a body, or the reading of an answer, may take whatever its size."""

SLOWEST_RATE = 64 * 1024
"""Bytes a second that a body, or an answer, has to move at, beside the first `TRANSFER_GRACE_S`."""

SLOW_AFTER_S = 1.0
"""A request that is not whole by then makes room for others if it comes at less than `SLOWEST_RATE`."""


def transfer_time(size: int) -> float:
    """Return the seconds that so many bytes may take."""
    return TRANSFER_GRACE_S + size / SLOWEST_RATE


class RequestClock:
    """When one request began to arrive, and how many bytes of it have come."""

    __slots__ = ("began", "received")

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Count from now, for a request of which nothing has come."""
        self.began = time.monotonic()
        self.received = 0

    def deadline(self, *, has_head: bool) -> float:
        """Return until when the next bytes have to be there; each that comes gives time for others."""
        return self.began + (transfer_time(self.received) if has_head else HEAD_TIMEOUT_S)

    def time_left(self) -> float:
        """Return the seconds, above 0, in which the next bytes of a body have to be there."""
        return max(0.001, self.deadline(has_head=True) - time.monotonic())

    def rate(self) -> float:
        """Return the bytes a second that have come."""
        return self.received / max(0.001, time.monotonic() - self.began)

    def is_slow(self, now: float) -> bool:
        """Return whether the request has had `SLOW_AFTER_S`, and comes at less than `SLOWEST_RATE`."""
        age = now - self.began
        return age > SLOW_AFTER_S and self.received < age * SLOWEST_RATE
