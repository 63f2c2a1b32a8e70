"""What a child imposes on itself before it begins: its rank, its memory, and that it does not outlive us."""

import ctypes
import os
import resource
import signal
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
"""prctl(2)."""

_OOM = "/proc/self/oom_score_adj"
"""proc(5)."""


def confine(megabytes: int, nice: int) -> None:
    """Step back by so much, die with the parent, and take so much more memory than is held now.

    Beyond that an allocation fails (RLIMIT_DATA, setrlimit(2)); systems other than Linux may not keep to it.
    """
    os.setpgrp()  # Ctrl-C is not for us; in a session of our own Linux would not compare our rank with others
    _die_with_parent()
    os.nice(nice)
    limit = held() + megabytes * 2**20
    with suppress(ValueError, OSError):  # a lower limit that is imposed on us already
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        _go_first()


def held() -> int:
    """Bytes of this process that RLIMIT_DATA counts."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))


def _go_first() -> None:
    """Should the machine run out of memory."""
    descriptor = os.open(_OOM, os.O_WRONLY)
    try:
        os.write(descriptor, b"1000")
    finally:
        os.close(descriptor)


def _die_with_parent() -> None:
    parent = os.getppid()
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
