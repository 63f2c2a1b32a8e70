"""Locks on files: held by one thread of one process at a time, until that process ends at the latest.

They are flock(2)'s. Those of fcntl(2), which no fork inherits, do not keep the threads of a process apart,
and end as soon as any of them closes the file. What flock lacks is made up for here. A process that is forked
meanwhile shares the lock, and would keep it when its holder has ended: so it closes the file at once. And a
process waits for a limited time, and logs that it waits: the holder may be suspended, and may be any process.
"""

import errno
import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from mlapi.storage import disk

logger = logging.getLogger(__name__)

USUAL_S = 60.0
"""How long to wait where no client waits. What is done under a lock takes a moment, or a download."""

TELL_S = 1.0
"""How long a process waits before it logs that it does."""

_FIRST_LOOK_S = 0.002
"""How long to wait before the second attempt; before each later one twice as long."""

_LONGEST_LOOK_S = 0.05
"""How long to wait between two attempts at most."""

_open: set[FileIO] = set()
"""The files that this process has a lock on, or waits for."""

_guard = threading.RLock()
"""Held while `_open` changes, and for a fork: no process is forked after a file was opened and before it is
there."""


@contextmanager
def locked(path: Path, *, patience_s: float = USUAL_S) -> Iterator[FileIO]:
    """Hold the lock on a file for as long as the block runs; give the file, for notes to other processes.

    Args:
        path: The file; it is made where there is none, and stays.
        patience_s: How long to wait for another holder: 0 for not at all, `math.inf` for ever.

    Raises:
        BlockingIOError: Another thread or process has held it for so long.
        OSError: The file cannot be made, or is a link or no file at all.
    """
    file = _opened(path)
    try:
        _wait(file, path, patience_s)
        yield file
    finally:
        _close(file)


def _opened(path: Path) -> FileIO:
    with _guard:
        file = disk.open_notes(path)
        _open.add(file)
    return file


def _wait(file: FileIO, path: Path, patience_s: float) -> None:
    began = time.monotonic()
    look_s = _FIRST_LOOK_S
    is_logged = False
    while not _takes(file):
        waited = time.monotonic() - began
        if waited >= patience_s:
            raise BlockingIOError(errno.EAGAIN, _held_message(path, patience_s), str(path))
        if waited >= TELL_S and not is_logged:
            is_logged = True
            logger.warning("waits for a lock", extra={"file": str(path), "holder": _holder(file) or "?"})
        time.sleep(min(look_s, patience_s - waited))
        look_s = min(2 * look_s, _LONGEST_LOOK_S)


def _takes(file: FileIO) -> bool:
    """Return whether the lock could be taken now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _held_message(path: Path, patience_s: float) -> str:
    since = f" for {patience_s:g} s and more" if patience_s else ""
    return f"somebody else holds {path.name}{since}: try again once that has ended"


def _holder(file: FileIO) -> int | None:
    """Return the id of the process that took the lock; None where the system does not say (/proc/locks)."""
    status = os.fstat(file.fileno())
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if words[1] == "FLOCK" and words[5] == place:  # those that wait have an arrow in the second place
                return int(words[4])
    return None


def _close(file: FileIO) -> None:
    with _guard:
        _open.discard(file)
        if not file.closed:
            with suppress(OSError):  # closing the file ends it too, where no fork outside of Python shares it
                fcntl.flock(file, fcntl.LOCK_UN)
            file.close()


def _leave_to_the_parent() -> None:
    """In a process that was just forked: closing the file here leaves the lock to the one that took it."""
    while _open:
        _open.pop().close()
    _guard.release()


os.register_at_fork(
    before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_leave_to_the_parent
)
