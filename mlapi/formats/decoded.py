"""What a body can be once it is decoded: plain data, or a table that a decoder makes at once.

Every format decodes into one of these. Whoever takes bodies handles each kind, or asks for `plain_data`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from mlapi.data.signature import Matrix

PlainData: TypeAlias = dict[str, Any] | list[Any] | str | int | float | bool | None
"""What JSON can say, in Python's own types."""


class NumberTable(NamedTuple):
    """A body of rows of numbers and nothing else, as `{"instances": [[5.1, 3.5], …]}`."""

    form: str
    """The name of its one member: `instances` or `X`."""
    rows: Matrix
    """No number is missing, and all are finite."""
    plain: Callable[[], PlainData]
    """Decodes the same body anew, as plain data: to explain what is wrong with it."""


Decoded: TypeAlias = PlainData | NumberTable


def plain_data(body: Decoded) -> PlainData:
    """Return a body as plain data; the body of a table is decoded anew."""
    return body.plain() if isinstance(body, NumberTable) else body
