"""Exception -> application/problem+json (RFC 9457), in one place and for every path.

A 4xx says what to do. A 500 says the request's id and nothing else; the log has the rest.
"""

import logging
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request
from flask_restful import Api as RestfulApi
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from mlapi.errors import InvalidInput, MlapiError, Overloaded, Unanswerable, is_temporary
from mlapi.formats.negotiation import PROBLEM
from mlapi.formats.strict_json import encode_json
from mlapi.http import telemetry
from mlapi.http.body import discard_body
from mlapi.http.problem_document import DEFECT, problem_document, slug_of
from mlapi.wording import reason

logger = logging.getLogger(__name__)

_REPLACED = {"content-type", "content-length"}
"""Headers of Werkzeug's own page for an error, which a problem document does not take over."""

_NO_CONTENT = frozenset({"HEAD", "OPTIONS"})
"""Methods that every path has beside its own."""


class Api(RestfulApi):  # type: ignore[misc]
    """Flask-RESTful's Api without its own error handling: every error takes Flask's one path."""

    def error_router(self, original_handler: Callable[..., Any], *args: Any) -> Any:
        return original_handler(*args)


def add_error_handler(app: Flask, max_body_bytes: int) -> None:
    """Answer every exception in the application with a problem document.

    Before that, the rest of the request's body is read and thrown away, at most `max_body_bytes` of it.
    """

    def respond(error: Exception) -> Response:
        discard_body(request.environ, max_body_bytes)
        return _respond(error)

    app.register_error_handler(Exception, respond)


def _respond(error: Exception) -> Response:
    if isinstance(error, MlapiError) and error.status != 500:
        return _problem(error.status, error.slug, error.title, str(error), error)
    if isinstance(error, HTTPException) and error.code and error.code < 500:
        return _problem(error.code, slug_of(error.name), error.name, _detail(error), error)
    if is_temporary(error):
        logger.error("request failed for now", exc_info=error, extra={"request_id": telemetry.request_id()})
        return _respond(Overloaded(f"the server lacks for now what this takes: {reason(error)}"))
    logger.error("request failed", exc_info=error, extra={"request_id": telemetry.request_id()})
    return _problem(500, MlapiError.slug, MlapiError.title, DEFECT, error)


def _problem(status: int, slug: str, title: str, detail: str, error: Exception) -> Response:
    document = problem_document(
        slug=slug,
        title=title,
        status=status,
        detail=detail,
        instance=request.root_path + request.path,
        request_id=telemetry.request_id(),
    )
    if isinstance(error, InvalidInput | Unanswerable) and error.findings:
        document["errors"] = [finding.to_json() for finding in error.findings]
        document["error_count"] = error.count
    if isinstance(error, Unanswerable) and error.warnings:
        document["warnings"] = [warning.to_json() for warning in error.warnings]
        document["warning_count"] = error.warning_count
    telemetry.note(request.environ, problem=slug)
    response = Response(encode_json(document), status, content_type=PROBLEM)
    for name, value in _headers(error):
        response.headers[name] = value
    return response


def _headers(error: Exception) -> list[tuple[str, str]]:
    """The headers that tell the client what would help: Allow, Accept, Retry-After."""
    if isinstance(error, MlapiError):
        return list(error.headers.items())
    if isinstance(error, HTTPException):
        own = error.get_response(request.environ).headers
        return [(name, value) for name, value in own if name.lower() not in _REPLACED]
    return []


def _detail(error: HTTPException) -> str:
    """Return the detail of an error that Werkzeug raises itself."""
    if isinstance(error, NotFound):
        slash = "; no path ends with a slash" if len(request.path) > 1 and request.path.endswith("/") else ""
        rows = "POST /predict/<model> takes rows, " if request.method == "POST" else ""
        return f"there is nothing at this path; {rows}GET / lists what there is{slash}"
    if isinstance(error, MethodNotAllowed):
        methods = ", ".join(sorted({*(error.valid_methods or ())} - _NO_CONTENT))
        return f"this path does not answer {request.method}, but {methods}"
    return error.description or error.name
