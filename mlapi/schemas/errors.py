"""marshmallow's tree of errors <-> findings with JSON pointers, of which no more are kept than are shown."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from marshmallow import (
    ValidationError,
)
from marshmallow.exceptions import SCHEMA

from mlapi.data.rows.violations import InvalidRows, Path, Remark
from mlapi.errors import Finding, InvalidInput
from mlapi.wording import SHOWN, pointer


class More(str):
    """A message of marshmallow's that stands for `hidden` problems, too many to keep."""

    hidden: int

    def __new__(cls, hidden: int) -> "More":
        message = super().__new__(cls, f"and {hidden} more")
        message.hidden = hidden
        return message


def tree_of(error: InvalidRows) -> dict[Any, Any] | list[str]:
    """The remarks as marshmallow nests them; no path begins with another's whole path."""
    if error.remarks[0][0] == ():
        return [detail for _, detail in error.remarks]
    tree: dict[Any, Any] = {}
    for path, detail in error.remarks:
        node = tree
        for token in path[:-1]:
            node = node.setdefault(token, {})
        node[path[-1]] = [detail]
    return _with_rest(tree, error.count - len(error.remarks))


def _with_rest(tree: dict[Any, Any], hidden: int) -> dict[Any, Any]:
    return {**tree, SCHEMA: [More(hidden)]} if hidden else tree


def remarks_of(error: ValidationError) -> list[Remark]:
    """marshmallow's errors, flat. The traceback goes: it and the error hold each other, and with them all of
    the request, until Python's collector comes by."""
    error.__traceback__ = None
    return list(leaves(error.messages))


def leaves(node: Any, path: Path = ()) -> Iterator[Remark]:
    """marshmallow's tree of errors, flat; its key `_schema` stands for the body itself."""
    if isinstance(node, Mapping):
        for token, child in node.items():
            yield from leaves(child, path if token == SCHEMA and not path else (*path, token))
    else:
        yield from ((path, detail) for detail in node)


def invalid(remarks: Collection[Remark], hidden: int) -> InvalidInput:
    hidden += sum(detail.hidden for _, detail in remarks if isinstance(detail, More))
    shown = [remark for remark in remarks if not isinstance(remark[1], More)]
    findings = [Finding(pointer(path), detail) for path, detail in shown[:SHOWN]]
    return InvalidInput(findings, len(shown) + hidden)
