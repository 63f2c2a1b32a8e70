"""Files, written so that a crash leaves the old state or the new one, and read only if they are plain files.

Everything that is written passes through here: flush, rename, flush the folder.
"""

import errno
import os
import shutil
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from io import BufferedReader, FileIO
from pathlib import Path
from typing import BinaryIO, TypeVar

T = TypeVar("T")

_CHUNK = 1 << 20
"""How many bytes are copied at once."""


def open_plain(path: Path) -> BufferedReader:
    """Open a file to be read; follow no link.

    Raises:
        OSError: It cannot be read, or is a link or no file at all.
    """
    # Not blocking: opening a pipe would wait for somebody to write into it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a plain file", str(path))
    return os.fdopen(descriptor, "rb")


def read(path: Path, limit: int) -> bytes:
    """Read a file, up to one byte more than `limit`: that byte shows that it is longer than expected.

    Raises:
        OSError: As `open_plain`.
    """
    with open_plain(path) as file:
        return file.read(limit + 1)


def write(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write a file and wait until the disk has it."""
    write_with(path, lambda file: file.write(content), mode)


def write_with(path: Path, dump: Callable[[BinaryIO], T], mode: int = 0o666) -> T:
    """Let `dump` write a file, wait until the disk has it, and return what `dump` has returned."""
    with _open_to_write(path, mode) as file:
        result = dump(file)
        file.flush()
        os.fsync(file.fileno())
    return result


def replace(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Replace a file by another content in one step, and keep its mode; one writer at a time."""
    new = path.with_name(f".{path.name}.new")
    try:
        write(new, content, mode)
        with suppress(FileNotFoundError):  # who could read it before can read it now, whatever our umask
            new.chmod(stat.S_IMODE(path.stat().st_mode))
        rename(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def create(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Write a file that is not there yet: whole or not at all.

    Raises:
        FileExistsError: It is there; it is left as it is.
    """
    new = _beside(path)
    try:
        write(new, content, mode)
        path.hardlink_to(new)  # unlike a rename it takes nobody's place
    finally:
        new.unlink(missing_ok=True)
    flush_folder(path.parent)


def copy(source: Path, path: Path, *, limit: int, mode: int = 0o666) -> None:
    """Copy a plain file, its first `limit` bytes at most: whole or not at all.

    Does not wait until the disk has it; compare it with a digest before it is used.

    Raises:
        OSError: As `open_plain`, or it cannot be written.
    """
    new = _beside(path)
    try:
        with open_plain(source) as content, _open_to_write(new, mode) as file:
            while limit and (chunk := content.read(min(limit, _CHUNK))):
                file.write(chunk)
                limit -= len(chunk)
        rename(new, path)
    finally:
        new.unlink(missing_ok=True)


def append(path: Path, line: bytes) -> None:
    """Add a line in one write, so that lines of several processes do not mix, and wait until the disk has it.

    It begins on a line of its own, also where a crash has left the last line unfinished.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if line and size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        while line:
            line = line[os.write(descriptor, line) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_notes(path: Path) -> FileIO:
    """Open a file that several processes read and add to, such as a lock; it is made where there is none.

    Raises:
        OSError: It cannot be made, or is a link or no file at all.
    """
    # Who may write to the folder may put a link, or a pipe, in the file's place.
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        file = FileIO(os.open(path, flags, 0o666), "r+")
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise _no_plain_file(path) from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise _no_plain_file(path)
    return file


def make_folder(folder: Path, *, mode: int = 0o777) -> None:
    """Make a folder, and its parents, where they are missing."""
    folder.mkdir(mode, parents=True, exist_ok=True)


def rename(old: Path, new: Path) -> None:
    """Rename a file or folder in one step; `flush_folder` waits until the disk has it."""
    old.rename(new)


def remove_file(path: Path) -> None:
    """Remove a file; do nothing where there is none."""
    path.unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """Remove a folder and what is in it; raise nothing, and leave what cannot be removed."""
    shutil.rmtree(folder, ignore_errors=True)


def flush_folder(folder: Path) -> None:
    """Wait until the disk has the folder's entries: before that a crash may undo a rename."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _no_plain_file(path: Path) -> OSError:
    return OSError(errno.EINVAL, f"{path.name} is a link or no plain file: remove it", str(path))


def _beside(path: Path) -> Path:
    """Return a path in the same folder that no other thread or process uses."""
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")


def _open_to_write(path: Path, mode: int) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, mode), "wb")
