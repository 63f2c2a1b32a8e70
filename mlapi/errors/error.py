"""The class that all errors are of, and whether one may be over in a moment."""

import errno
from collections.abc import Mapping
from typing import Any, ClassVar, Self

_ERRORS_OF_ONE_FILE = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.ELOOP,
        errno.EINVAL,
        errno.ENAMETOOLONG,
        errno.EACCES,
        errno.EPERM,
    }
)
"""Error numbers that are about one file (it is not there, it may not be read), and not about the system."""


class MlapiError(Exception):
    """An error that is raised on purpose. Its message is the detail that a client or an operator reads."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"

    @property
    def headers(self) -> Mapping[str, str]:
        """The HTTP headers that tell the client what would help, as Retry-After."""
        return {}

    def members(self) -> dict[str, Any]:
        """Return, as JSON, what `restored` needs beside message and headers to make this error again."""
        return {}

    @classmethod
    def restored(cls, document: Mapping[str, Any]) -> Self:
        """Make the error again that another process has sent as JSON (`mlapi.jobs.pool.errors`).

        Args:
            document: Its `detail` and `headers`, and what `members` returned.
        """
        return cls(document["detail"])


def is_temporary(error: BaseException | None) -> bool:
    """Return whether an error may be over in a moment: too many open files, too little memory or space, a
    failing disk or network.

    Of an error of ours its first cause from elsewhere decides. What is wrong with one file, or with our code,
    is not temporary.
    """
    while isinstance(error, MlapiError):
        error = error.__cause__
    if isinstance(error, OSError):
        return error.errno is not None and error.errno not in _ERRORS_OF_ONE_FILE
    return isinstance(error, MemoryError)
