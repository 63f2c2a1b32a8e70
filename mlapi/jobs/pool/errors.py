"""Errors of ours as JSON, on their way from a child to whoever asked, where they are raised again."""

from typing import Any

from mlapi.errors import (
    AlgorithmNotFound,
    Finding,
    FitsBusy,
    InvalidInput,
    MalformedBody,
    MlapiError,
    NotWritable,
    TooLarge,
    Unfittable,
    UnsupportedFormat,
)
from mlapi.wording import shortened

_PLAIN = (AlgorithmNotFound, FitsBusy, MalformedBody, NotWritable, TooLarge, Unfittable)
"""Made of their message alone."""


LONGEST_DETAIL = 1000
"""Characters: a message may repeat a client's own names, which may have any length."""


def document(error: MlapiError) -> dict[str, Any]:
    found: dict[str, Any] = {
        "slug": error.slug,
        "title": error.title,
        "status": error.status,
        "detail": shortened(str(error), LONGEST_DETAIL),
        "headers": dict(error.headers),
    }
    if isinstance(error, InvalidInput):
        found["findings"] = [[finding.place, finding.detail] for finding in error.findings]
        found["count"] = error.count
    return found


def error_of(document: dict[str, Any]) -> MlapiError:
    slug, detail = document["slug"], document["detail"]
    if slug == InvalidInput.slug:
        findings = [Finding(tuple(place), detail) for place, detail in document["findings"]]
        return InvalidInput(findings, document["count"])
    if slug == UnsupportedFormat.slug:
        return UnsupportedFormat(detail, headers=document["headers"])
    kind = next((kind for kind in _PLAIN if kind.slug == slug), MlapiError)
    return kind(detail)
