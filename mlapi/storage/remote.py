"""Files in storage elsewhere by their keys, through fsspec: listed, read, created, put, got, removed.

Whatever a filesystem raises comes out as an OSError whose text a client may see. Knows nothing of models.
"""

import errno
import gc
import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import fsspec
from fsspec.core import url_to_fs

from mlapi.errors import SettingsError

P = ParamSpec("P")
T = TypeVar("T")

_S3 = {
    "config_kwargs": {
        "connect_timeout": 3,
        "read_timeout": 5,
        "retries": {"total_max_attempts": 2, "mode": "standard"},
    }
}
_OPTIONS: Mapping[str, Mapping[str, Any]] = {"s3": _S3, "s3a": _S3}
"""Options of a protocol's filesystem, so that storage that does not answer is noticed within seconds."""

_ATTEMPTS = 2
"""How often s3fs tries a call. By itself it tries five times whatever botocore has tried five times: two
minutes for storage that is silent."""

_CODES = {
    FileNotFoundError: errno.ENOENT,
    FileExistsError: errno.EEXIST,
    PermissionError: errno.EACCES,
    TimeoutError: errno.ETIMEDOUT,
}

_URL = re.compile(r"\S*://\S*")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as a listing shows it. If its content changes, so does its fingerprint."""

    size: int
    """In bytes."""
    fingerprint: str


def _as_oserror(method: Callable[P, T]) -> Callable[P, T]:
    @wraps(method)
    def wrapper(*args: P.args, **named: P.kwargs) -> T:
        try:
            return method(*args, **named)
        except Exception as error:  # botocore, aiohttp and the others each raise their own
            raise _translated(error) from error

    return wrapper


@dataclass(frozen=True, slots=True)
class Remote:
    """A place that a URL names. Each method raises OSError where it cannot be reached, or refuses."""

    url: str

    @_as_oserror
    def entries(self, folder: str = "") -> Mapping[str, RemoteFile]:
        """Return every file below a folder by its key, as of now: no listing is cached.

        Raises:
            FileNotFoundError: There is no such bucket.
        """
        filesystem, root = self._place
        filesystem.invalidate_cache()
        files = filesystem.find(f"{root}/{folder}".rstrip("/"), detail=True)
        return {name[len(root) :].strip("/"): _entry(info) for name, info in files.items()}

    @_as_oserror
    def read(self, sizes: Mapping[str, int]) -> Mapping[str, bytes]:
        """Read the beginnings of files, all at once.

        Args:
            sizes: How many bytes to read, by key.

        Returns:
            The contents by key, without keys that do not exist.
        """
        filesystem, root = self._place
        keys = [key for key, size in sizes.items() if size]  # S3 refuses a range of no bytes
        paths = [f"{root}/{key}" for key in keys]
        read = filesystem.cat_ranges(paths, [0] * len(keys), [sizes[key] for key in keys], on_error="return")
        contents = dict.fromkeys(sizes.keys() - keys, b"") | dict(zip(keys, read, strict=True))
        for content in contents.values():
            if isinstance(content, Exception) and not isinstance(content, FileNotFoundError):
                raise content
        return {key: content for key, content in contents.items() if isinstance(content, bytes)}

    def create(self, key: str, content: bytes) -> bool:
        """Create a file, and return True; return False if there is one already with another content.

        If several machines create one key at once, one of them gets True.
        """
        try:
            self._create(key, content)
        except FileExistsError:
            # fsspec repeats a call whose answer was lost, and then the file that exists is our own.
            return self.read({key: len(content) + 1}).get(key) == content
        return True

    @_as_oserror
    def write(self, key: str, content: bytes) -> None:
        """Write a file, in place of any that is there."""
        filesystem, root = self._place
        filesystem.pipe_file(f"{root}/{key}", content)

    @_as_oserror
    def put(self, file: Path, key: str) -> None:
        """Upload a file of this machine."""
        filesystem, root = self._place
        filesystem.put_file(str(file), f"{root}/{key}")

    @_as_oserror
    def size(self, key: str) -> int:
        """Return the size of a file in bytes.

        Raises:
            FileNotFoundError: There is none.
        """
        filesystem, root = self._place
        return int(filesystem.info(f"{root}/{key}")["size"])

    @_as_oserror
    def get(self, key: str, file: Path) -> None:
        """Download a file."""
        filesystem, root = self._place
        filesystem.get_file(f"{root}/{key}", str(file))

    @_as_oserror
    def remove(self, key: str) -> None:
        """Remove a file.

        Raises:
            FileNotFoundError: There is none, where the storage tells.
        """
        filesystem, root = self._place
        filesystem.rm_file(f"{root}/{key}")

    @_as_oserror
    def _create(self, key: str, content: bytes) -> None:
        filesystem, root = self._place
        filesystem.pipe_file(f"{root}/{key}", content, mode="create")

    @property
    def _place(self) -> tuple[Any, str]:
        return _connect(self.url, os.getpid())


@_as_oserror
def fetch(url: str) -> bytes:
    """Read all of the file that a URL names.

    Raises:
        OSError: It cannot be reached, or there is none, or nothing installed here reads such a URL.
    """
    filesystem, path = _connect(url, os.getpid())
    return bytes(filesystem.cat_file(path))


def open_remote(url: str) -> Remote:
    """Return the place that a URL names; connect to nothing yet.

    Raises:
        SettingsError: Nothing installed here reads such a URL.
    """
    protocol = url.partition("://")[0]
    try:
        fsspec.get_filesystem_class(protocol)
    except (ImportError, ValueError) as error:
        raise SettingsError(f"models_dir: {protocol}:// cannot be read here: {error}") from error
    return Remote(url)


@cache
def _connect(url: str, _: int) -> tuple[Any, str]:
    """Return the filesystem and the path in it, one for each process: connections do not survive a fork."""
    options = _OPTIONS.get(url.partition("://")[0], {})
    filesystem, root = url_to_fs(url, skip_instance_cache=True, use_listings_cache=False, **options)
    if hasattr(filesystem, "retries"):
        filesystem.retries = _ATTEMPTS
    return filesystem, root.rstrip("/")


def _disconnect() -> None:
    if _connect.cache_info().currsize:
        _connect.cache_clear()
        gc.collect()  # a filesystem refers to itself: only the collector closes its connections


# A child that inherits connections tries to close them, and waits a second for a thread that it has not got.
os.register_at_fork(before=_disconnect)


def _entry(info: Mapping[str, Any]) -> RemoteFile:
    members = sorted(
        (name, str(value)) for name, value in info.items()
    )  # ETag, generation or time, by storage
    return RemoteFile(int(info["size"]), hashlib.sha256(repr(members).encode()).hexdigest()[:16])


def _translated(error: Exception) -> OSError:
    code = next((code for kind, code in _CODES.items() if isinstance(error, kind)), errno.EIO)
    if "ConditionalRequestConflict" in f"{error} {error.__cause__}":
        code = errno.EEXIST  # S3: somebody else is creating the same key at this moment
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    first = _URL.sub("…", (text.splitlines() or [""])[0])[:160]
    return OSError(
        code, first if isinstance(error, OSError) and first else f"{type(error).__name__}: {first}"
    )
