"""Large files of versions, mapped from the server's own copies, so that its processes share their memory.

What lies in a version's folder may be written to while it is mapped; a copy may not: it lies in the state
folder, where only the server writes, beside its private key. The mapping itself is what is compared with the
manifest, so that a copy which a crash or a disk spoilt is found out and made anew.

A mapping holds a lock on its copy for as long as it exists, also in processes that are forked from its own.
By that lock `sweep` knows what is still needed.
"""

import errno
import fcntl
import hashlib
import logging
import os
import shutil
import time
from contextlib import suppress
from mmap import ACCESS_READ, mmap
from pathlib import Path

from mlapi.artifacts.manifest import FileDigest
from mlapi.storage import disk
from mlapi.storage.locks import locked
from mlapi.wording import reason

logger = logging.getLogger(__name__)

FOLDER = "loaded"

LEAST_BYTES = 16 * 1024 * 1024
"""The size from which on a file is copied: for a smaller one that costs more than it saves."""

UNUSED_S = 600
"""The least age at which a copy is removed: until then other processes may still begin to map it."""

_LOCK = ".lock"


def mapped(source: Path, entry: FileDigest, folder: Path) -> mmap | None:
    """Return the content of a file, mapped, its digest checked; None if it has to be read into memory
    instead.

    The source is read only where there is no copy yet. Raises nothing, but logs why there is no mapping: if
    something is wrong with the source, whoever reads it then raises it.

    Args:
        entry: The size and digest of the source.
        folder: Where the copies lie; nobody but the server may write there.
    """
    path = folder / entry.sha256
    try:
        disk.make_folder(folder, mode=0o700)
        with locked(folder / _LOCK):  # the first process copies, the others wait and find it
            if not path.exists():
                _copy(source, entry, path)
        content = _map(path)
        if FileDigest(len(content), hashlib.sha256(content).hexdigest()) == entry:
            return content
        raise ValueError("it is not what the manifest says")
    except (OSError, ValueError) as error:
        logger.warning("not shared between processes", extra={"file": str(source), "reason": reason(error)})
        with suppress(OSError):
            disk.remove_file(path)
        return None


def sweep(folder: Path, unused_s: float = UNUSED_S) -> None:
    """Remove copies that no process maps and that are older than `unused_s`, and what crashes have left."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name != _LOCK and time.time() - entry.stat(follow_symlinks=False).st_mtime > unused_s:
                _remove_unused(Path(entry.path))


def _copy(source: Path, entry: FileDigest, path: Path) -> None:
    if shutil.disk_usage(path.parent).free < 2 * entry.bytes:
        raise OSError(errno.ENOSPC, "too little space left beside the log of changes")
    disk.copy(source, path, limit=entry.bytes + 1, mode=0o600)  # a byte more shows that it grew


def _map(path: Path) -> mmap:
    with disk.open_plain(path) as file:
        status = os.fstat(file.fileno())
        if status.st_uid != os.geteuid() or status.st_mode & 0o022:
            raise PermissionError(errno.EPERM, "somebody else may write to the copy")
        fcntl.flock(
            file, fcntl.LOCK_SH | fcntl.LOCK_NB
        )  # the mapping keeps a duplicate of the descriptor, and so the lock
        return mmap(file.fileno(), 0, access=ACCESS_READ)


def _remove_unused(path: Path) -> None:
    with suppress(OSError), disk.open_plain(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        disk.remove_file(path)
