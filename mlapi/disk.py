"""Writing so that a crash leaves the old state or the new one: flush, rename, flush the folder."""

import os
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def replace(path: Path, content: bytes) -> None:
    """Put the content in the file's place at once; one writer at a time."""
    new = path.with_name(f".{path.name}.new")
    write(new, content)
    new.replace(path)
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Wait until the disk has the folder's entries: a rename is not safe before."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
