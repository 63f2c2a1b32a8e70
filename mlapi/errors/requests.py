"""What is wrong with a request: its body, its query, or rows that a model has no answer to."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from mlapi.errors.error import MlapiError
from mlapi.wording import Finding, quoted


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
