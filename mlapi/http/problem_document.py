"""The document of an answer that is an error (RFC 9457), whoever sends it: the application for a request, or
the worker for what never becomes one. Knows no Flask and no JSON; where the answer goes, its caller decides.
"""

from typing import Any

DEFECT = "a defect of the server; its log has the reason under this request id"
"""The whole detail of a 500: what went wrong is in the log only."""


def slug_of(title: str) -> str:
    """Return the last part of a problem's `type` for a title of HTTP's own: "Not Found" is `not-found`."""
    return title.lower().replace(" ", "-")


def problem_document(  # noqa: PLR0913 - the members of the document
    *, slug: str, title: str, status: int, detail: str, instance: str | None, request_id: str
) -> dict[str, Any]:
    """Build the document that every error answer has, as plain data; its members come in this order.

    Args:
        slug: What kind of problem it is; docs/errors.md lists them.
        detail: What is wrong with this one request, and what would help.
        instance: The path of the request; None where none could be read.
        request_id: What the answer's X-Request-ID says, and the line in the log.
    """
    return {
        "type": f"/problems/{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
        "request_id": request_id,
    }
