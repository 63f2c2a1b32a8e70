"""The bounds that a child sets itself before it begins: priority, memory, and that it ends with its
parent."""

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
    """Bound this process for the rest of its life.

    It ends with its parent, and leaves no core file. Beyond its memory an allocation fails (RLIMIT_DATA,
    setrlimit(2)); systems other than Linux may not keep to that.

    Args:
        megabytes: How much more memory it may have than it has now.
        nice: By how much its priority is lowered (nice(2)).
    """
    os.setpgrp()  # Ctrl-C is not for us; in a session of our own Linux would not compare our rank with others
    _die_with_parent()
    os.nice(nice)
    limit = data_bytes() + megabytes * 2**20
    with suppress(ValueError, OSError):  # a lower limit that is imposed on us already
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        _be_killed_first()


def data_bytes() -> int:
    """Return how many bytes of this process RLIMIT_DATA counts; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))


def _be_killed_first() -> None:
    """Should the machine run out of memory, the kernel is to end this process rather than the server's."""
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
