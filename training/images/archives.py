"""Iterate over the files of a folder, a tar or a zip archive, as names and bytes.

An archive is read in place: nothing is unpacked to disk, links are skipped, and the name of a member is only
a label, never used as a path. What operating systems leave behind (hidden files, Thumbs.db) is skipped too.
"""

import errno
import io
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from mlapi.errors import DatasetError, MlapiError
from mlapi.storage import remote
from mlapi.training.tables.files import without_credentials
from mlapi.wording import quoted, reason

MAX_FILE_BYTES = 1 << 28
"""The largest file that is read. CIFAR-100 has all of its training images in one of 155 MB; a photo takes
some megabytes."""

_SYSTEM_FILES = frozenset({"__macosx", "thumbs.db", "desktop.ini", "icon\r"})
"""Names, in lower case, of files and folders that macOS and Windows write beside the user's own."""

_ERRORS_OF_CONTENT = (None, errno.EINVAL)
"""Numbers of OSErrors that are about a damaged archive, not about the disk: bzip2's decoder raises one
without a number, the system EINVAL where a wrong offset is followed."""


class ImageFile(NamedTuple):
    """A file that may be an image, with all of its bytes."""

    name: str
    """The path inside the folder or archive, with slashes."""
    content: bytes


class ImageFiles:
    """An iterable over the files of one source, in no order that matters; each pass reads them again."""

    def __init__(self, source: str) -> None:
        """Find the source; an archive behind a URL is fetched into memory.

        Args:
            source: A path, or a URL, of a folder or an archive.

        Raises:
            DatasetError: There is no such folder or archive.
            OSError: It cannot be reached.
        """
        self._path = Path(source)
        self.name = (
            PurePosixPath(without_credentials(source)).name if "://" in source else self._path.resolve().name
        )
        self._fetched = remote.fetch(source) if "://" in source else None
        if self._fetched is None and not self._path.exists():
            raise DatasetError(
                f"there is no {source}: expected a folder, a .tar, .tar.gz or .zip with a folder a class"
            )

    def __iter__(self) -> Iterator[ImageFile]:
        """Yield every file.

        Raises:
            DatasetError: It is no archive, or a damaged one, or a file is larger than `MAX_FILE_BYTES`.
            OSError: It cannot be read.
        """
        if self._fetched is None and self._path.is_dir():
            yield from _in_folder(self._path)
            return
        with self._opened() as file, _readable(self.name):
            yield from _in_zip(file) if zipfile.is_zipfile(file) else _in_tar(file)

    def _opened(self) -> BinaryIO:
        return self._path.open("rb") if self._fetched is None else io.BytesIO(self._fetched)


def _in_folder(folder: Path) -> Iterator[ImageFile]:
    for path in sorted(folder.rglob("*")):
        name = _name(path.relative_to(folder).as_posix())
        if name and path.is_file():
            _check_size(name, path.stat().st_size)
            yield ImageFile(name, path.read_bytes())


def _in_tar(file: BinaryIO) -> Iterator[ImageFile]:
    file.seek(0)
    with tarfile.open(fileobj=file) as archive:
        for member in archive:
            name = _name(member.name)
            _check_size(member.name, member.size)
            content = archive.extractfile(member) if name and member.isreg() else None
            if content is not None:
                yield ImageFile(name, content.read())


def _in_zip(file: BinaryIO) -> Iterator[ImageFile]:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            name = _name(member.filename)
            _check_size(name, member.file_size)
            if name and not member.is_dir():
                with archive.open(member) as content:
                    yield ImageFile(name, content.read(member.file_size))


def _name(path: str) -> str:
    """Return a path in the form in which it is compared and shown; "" for a file to be skipped."""
    parts = [part for part in path.encode(errors="replace").decode().split("/") if part not in ("", ".")]
    is_hidden = any(part.startswith(".") or part.lower() in _SYSTEM_FILES for part in parts)
    return "" if is_hidden else "/".join(parts)


def _check_size(name: str, size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise DatasetError(f"{quoted(name, 60)} has {size:,} bytes, which no picture has: take it away")


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Turn whatever the decoders raise about an archive into a DatasetError that names it."""
    try:
        yield
    except (MemoryError, MlapiError):
        raise
    except Exception as error:  # whatever the decoders raise on a damaged archive: nothing else runs in here
        if isinstance(error, OSError) and error.errno not in _ERRORS_OF_CONTENT:
            raise
        raise DatasetError(
            f"{name} is no folder, and no .tar, .tar.gz or .zip that can be read ({reason(error)})"
        ) from error
