"""What the server cannot do now, and when to ask again."""

from collections.abc import Mapping
from typing import Any, Self

from mlapi.errors.error import MlapiError


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
