"""Errors of ours as JSON, on their way from a child to whoever asked, where they are raised again.

The class is found again by its slug; `mlapi.errors.MlapiError.members` says what else it needs.
"""

from collections.abc import Mapping
from typing import Any

from mlapi.errors import MlapiError, class_of
from mlapi.wording import shortened

LONGEST_DETAIL = 1000
"""Characters: a message may repeat a client's own names, which may have any length."""


def document_of(error: MlapiError) -> dict[str, Any]:
    """Return an error as JSON; its message is shortened to `LONGEST_DETAIL`."""
    return {
        "slug": error.slug,
        "title": error.title,
        "status": error.status,
        "detail": shortened(str(error), LONGEST_DETAIL),
        "headers": dict(error.headers),
        **error.members(),
    }


def error_of(document: Mapping[str, Any]) -> MlapiError:
    """Make the error again that `document_of` was asked for: of the same class, with the same message."""
    return class_of(document["slug"]).restored(document)
