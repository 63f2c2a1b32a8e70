"""Waiting for what other threads and processes do, however slow the machine is."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

HANG_S = 300
"""What takes longer will never come. This ends a test that would wait for ever, and decides nothing else."""


def until(condition: Callable[[], T], why: Callable[[], object] = lambda: "it did not happen") -> T:
    """Ask a condition again and again, and return its value once that is true.

    Args:
        why: What to show if it never becomes true.
    """
    deadline = time.monotonic() + HANG_S
    while not (value := condition()):
        assert time.monotonic() < deadline, why()
        time.sleep(0.01)
    return value
