"""marshmallow's tree of errors -> findings, each with its place in the body; and what an error answer has."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields
from marshmallow.exceptions import SCHEMA

from mlapi.data.rows.violations import InvalidRows
from mlapi.errors import InvalidInput
from mlapi.wording import SHOWN, Finding, Place


class FindingEntry(Schema):
    """A violation or a warning, and a JSON pointer (RFC 6901) to where it stands in the body."""

    pointer = fields.String(required=True)
    detail = fields.String(required=True)


class ProblemResponse(Schema):
    """The answer to every request that fails (RFC 9457); made by `mlapi.http.problem_document`.

    Where rows are refused, `errors` lists the first 20 findings, and `error_count` counts all. Where the
    estimator has no answer to them, `warnings` are those that an answer would have had.
    """

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True, strict=True)
    detail = fields.String(required=True)
    instance = fields.String(required=True, allow_none=True)
    request_id = fields.String(required=True)
    errors = fields.List(fields.Nested(FindingEntry))
    error_count = fields.Integer(strict=True)
    warnings = fields.List(fields.Nested(FindingEntry))
    warning_count = fields.Integer(strict=True)


def findings_of(error: ValidationError) -> tuple[list[Finding], int]:
    """Return the findings of marshmallow's error, and how many more there are that were not kept.

    The error, and each error within it, loses its traceback. An error and its traceback hold each other, and
    so would hold the whole request, until Python's collector comes by.
    """
    error.__traceback__ = None
    return findings_in(error.messages)


def findings_in(tree: Any) -> tuple[list[Finding], int]:
    """Return the findings in marshmallow's tree of errors, and how many more there are that were not kept.

    In the tree's lists are details, or an `InvalidRows`, whose findings stand below the place of the list.
    """
    findings: list[Finding] = []
    hidden = 0
    for place, leaf in _leaves(tree, ()):
        if isinstance(leaf, InvalidRows):
            leaf.__traceback__ = None
            findings += [finding.below(*place) for finding in leaf.findings]
            hidden += leaf.count - len(leaf.findings)
        else:
            findings.append(Finding(place, leaf))
    return findings, hidden


def invalid(findings: Collection[Finding], hidden: int = 0) -> InvalidInput:
    """Make an error of findings: it keeps the first 20, and counts all of them and `hidden` more."""
    return InvalidInput([*findings][:SHOWN], len(findings) + hidden)


def _leaves(node: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    """Each entry of each list in the tree, with the list's place; the outermost key `_schema` is the body."""
    if isinstance(node, Mapping):
        for token, child in node.items():
            yield from _leaves(child, place if token == SCHEMA and not place else (*place, token))
    else:
        yield from ((place, leaf) for leaf in node)
