"""Every error that a client of the server or a user of the command can get.

    MlapiError
     +- MalformedBody, UnsupportedFormat, NotAcceptable, TooLarge
     +- InvalidInput, UnknownOutput, Unanswerable, Unfittable
     +- UnknownVersion, InvalidAlias, WritesNotAllowed, NotOffered, Conflict, PreconditionFailed
     +- ModelNotFound, VersionNotFound, ReportNotFound, AlgorithmNotFound, JobNotFound
     +- ModelUnavailable
     |   +- NotReady, NotWritable, FitsBusy, Overloaded, NoPool
     +- TooManyJobs
     |   +- TooManyStreams
     +- BrokenArtifact
     +- SettingsError, KeyProblem, RecipeError, DatasetError, RegistrationError
     |   +- ClassesNotAllowed

Rooms have further errors of their own, which they catch themselves: `mlapi.jobs.pool.errors.PoolError` and
`mlapi.data.rows.violations.InvalidRows`, for example.

An error knows its HTTP status and the slug that documents it (docs/errors.md). `mlapi.http.problems` writes
it to a client, `mlapi.cli.main` to a terminal. Errors without a status of their own concern the operator, and
reach a client only as "500".
"""

import errno
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

from mlapi.wording import Finding, quoted

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


class MalformedBody(MlapiError):
    """A body that cannot be read: it is empty, broken, or broke off."""

    status = 400
    slug = "malformed-body"
    title = "The body cannot be read"


class UnsupportedFormat(MlapiError):
    """A body in a format that is not read, or compressed; `headers` name what is read."""

    status = 415
    slug = "unsupported-format"
    title = "The body's format is not supported"

    def __init__(self, detail: str, *, headers: Mapping[str, str]) -> None:
        super().__init__(detail)
        self._headers = headers

    @property
    def headers(self) -> Mapping[str, str]:
        return self._headers

    @classmethod
    def restored(cls, document: Mapping[str, Any]) -> Self:
        return cls(document["detail"], headers=document["headers"])


class NotAcceptable(MlapiError):
    """The Accept header asks for no format that there is."""

    status = 406
    slug = "not-acceptable"
    title = "No acceptable format"

    def __init__(self, accept: str, media_types: Iterable[str]) -> None:
        self._accept, self._media_types = accept, tuple(media_types)
        super().__init__(f"cannot answer as {quoted(accept)}; can answer as {', '.join(self._media_types)}")

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Accept": ", ".join(self._media_types)}

    def members(self) -> dict[str, Any]:
        return {"accept": self._accept, "media_types": list(self._media_types)}

    @classmethod
    def restored(cls, document: Mapping[str, Any]) -> Self:
        return cls(document["accept"], document["media_types"])


class TooLarge(MlapiError):
    """The body has more bytes, rows, columns, classes, images, pixels or parts of a form than may be."""

    status = 413
    slug = "too-large"
    title = "The request is too large"


class InvalidInput(MlapiError):
    """Input that could be read but is wrong for this model.

    `findings` may be shorter than `count`, which counts all of them.
    """

    status = 422
    slug = "invalid-input"
    title = "The input does not fit the model"

    def __init__(self, findings: Sequence[Finding], count: int) -> None:
        self.findings = tuple(findings)
        self.count = count
        first = self.findings[0]
        where = f"at {first.pointer}: " if first.pointer else ""
        more = f" (and {self.count - 1} more)" if self.count > 1 else ""
        super().__init__(f"{where}{first.detail}{more}")

    def members(self) -> dict[str, Any]:
        findings = [[finding.short_place(), finding.detail] for finding in self.findings]
        return {"findings": findings, "count": self.count}

    @classmethod
    def restored(cls, document: Mapping[str, Any]) -> Self:
        findings = [Finding(tuple(place), detail) for place, detail in document["findings"]]
        return cls(findings, document["count"])


class UnknownOutput(MlapiError):
    """A query asks for an output that the model cannot give, or for `top` of no classes, or has a parameter
    that is not read at its path."""

    status = 422
    slug = "unknown-output"
    title = "The query asks for what cannot be given"


class Unanswerable(MlapiError):
    """Rows that fit the signature, but that the estimator refuses, or has no finite answer to.

    `findings` say which rows, as far as that is known; they may be fewer than `count`. `warnings` are those
    that an answer would have had.
    """

    status = 422
    slug = "unanswerable"
    title = "The model has no answer to these rows"

    def __init__(
        self,
        detail: str,
        findings: Sequence[Finding] = (),
        count: int = 0,
        *,
        warnings: Sequence[Finding] = (),
        warning_count: int = 0,
    ) -> None:
        super().__init__(detail)
        self.findings, self.count = tuple(findings), count
        self.warnings, self.warning_count = tuple(warnings), warning_count


class Unfittable(MlapiError):
    """Rows or parameters that scikit-learn refuses to fit, or that take too much time or memory."""

    status = 422
    slug = "unfittable"
    title = "These rows cannot be fitted so"


class UnknownVersion(MlapiError):
    """An alias shall name a version that does not exist."""

    status = 422
    slug = "unknown-version"
    title = "No such version to point at"


class InvalidAlias(MlapiError):
    """A name that no alias can have."""

    status = 422
    slug = "invalid-alias"
    title = "No alias can be called so"


class WritesNotAllowed(MlapiError):
    """A change that the settings do not allow, or that a page of another site asks for."""

    status = 403
    slug = "writes-not-allowed"
    title = "Writing is not allowed"


class Conflict(MlapiError):
    """A change that the state of the model does not allow."""

    status = 409
    slug = "conflict"
    title = "The model's state does not allow it"


class PreconditionFailed(MlapiError):
    """The model has changed since the client read the ETag that If-Match names."""

    status = 412
    slug = "precondition-failed"
    title = "The model has changed"


class ModelNotFound(MlapiError):
    """No model has this name, or a request names none where it has to."""

    status = 404
    slug = "model-not-found"
    title = "No such model"


class VersionNotFound(MlapiError):
    """The model has no version or alias that is named so."""

    status = 404
    slug = "version-not-found"
    title = "No such version"


class ReportNotFound(MlapiError):
    """The version has no model card."""

    status = 404
    slug = "report-not-found"
    title = "No model card"


class ModelUnavailable(MlapiError):
    """A version or the server cannot answer now; `Retry-After` says when to ask again.

    `is_temporary` says that the server lacks something for now, and that nothing else is known to be wrong.
    """

    status = 503
    slug = "model-unavailable"
    title = "The model cannot be served now"

    def __init__(self, detail: str, *, is_temporary: bool = False) -> None:
        super().__init__(detail)
        self.is_temporary = is_temporary

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": "10"}

    def members(self) -> dict[str, Any]:
        return {"passes": self.is_temporary}

    @classmethod
    def restored(cls, document: Mapping[str, Any]) -> Self:
        return cls(document["detail"], is_temporary=document["passes"])


class NotWritable(ModelUnavailable):
    """The disk refuses a change, or others have held what it changes for too long."""

    slug = "not-writable"
    title = "The models cannot be changed now"


class NotReady(ModelUnavailable):
    """No model serves, or the models cannot be read."""

    slug = "not-ready"
    title = "No model serves"


class FitsBusy(ModelUnavailable):
    """So many fits or jobs run or wait as may."""

    slug = "fits-busy"
    title = "Too many fits at once"


class Overloaded(ModelUnavailable):
    """The server lacks something for now, or has so many clients as it may have."""

    slug = "overloaded"
    title = "Too much at once"


class NoPool(ModelUnavailable):
    """The pool's process is not there, or ended in the middle of a task."""

    slug = "no-pool"
    title = "Nothing can be fitted now"


class NotOffered(MlapiError):
    """The settings do not offer this here."""

    status = 403
    slug = "not-offered"
    title = "Not offered here"


class AlgorithmNotFound(MlapiError):
    """No algorithm of this name is fitted on request."""

    status = 404
    slug = "algorithm-not-found"
    title = "No such algorithm"


class JobNotFound(MlapiError):
    """No job has this id, or it was forgotten."""

    status = 404
    slug = "job-not-found"
    title = "No such job"


class TooManyJobs(MlapiError):
    """One client has so many jobs that wait or run as it may have."""

    status = 429
    slug = "too-many-jobs"
    title = "Too many jobs"

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Retry-After": "30"}


class TooManyStreams(TooManyJobs):
    """One client follows so many jobs as it may."""

    slug = "too-many-streams"
    title = "Too many event streams"


class BrokenArtifact(MlapiError):
    """A version on disk that must not be served; the message is its reason."""

    @property
    def origin(self) -> BaseException | None:
        """The first cause that is no error of ours; None if there is none."""
        cause = self.__cause__
        while isinstance(cause, MlapiError):
            cause = cause.__cause__
        return cause

    @property
    def is_read_error(self) -> bool:
        """Whether files that are there could not be read, so that it is worth trying again.

        Wider than `is_temporary`: a file that may not be read counts too, as somebody may change that.
        """
        origin = self.origin
        return isinstance(origin, OSError) and not isinstance(origin, FileNotFoundError)


class SettingsError(MlapiError):
    """Settings that stop the start; the message lists every problem."""


class KeyProblem(MlapiError):
    """A key that cannot be read, or must not be overwritten."""


class RecipeError(MlapiError):
    """A recipe that cannot be trained as written."""


class DatasetError(MlapiError):
    """Data that cannot be read or trained on."""


class RegistrationError(MlapiError):
    """An estimator or a sample that cannot be registered."""


class ClassesNotAllowed(RegistrationError):
    """The file of an estimator names classes that the settings do not allow."""

    def __init__(self, message: str, names: Mapping[str, str]) -> None:
        """
        Args:
            names: The classes and functions by full name, and whose each is: a package and its version.
        """
        super().__init__(message)
        self.names = names


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
