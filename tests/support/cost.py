"""What an act costs, by what this very machine takes for a known one: alike on slow and on fast ones."""

import hashlib
import time
from collections.abc import Callable

KNOWN = bytes(16 * 1024 * 1024)


def cost(act: Callable[[], object]) -> float:
    """The processor's time for it, by that for the hash of 16 MiB, which is 16 ms on a usual machine."""
    return _seconds(act) / _seconds(lambda: hashlib.blake2b(KNOWN))


def _seconds(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began
