"""Whether pandas reads the same rows in a CSV file as `mlapi.data.tables.csv_files`, by its bytes alone.

pandas accepts what the strict reader refuses, and makes rows of it that nobody wrote: after `"24"",1` it
glues the rows up to the next quote together. `is_plain` takes a few passes in C over the bytes. What to do
with a file that is not plain is decided by `mlapi.training.tables.csv_frames`.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mlapi.data.tables.dialects import DELIMITERS

PIECE = 128 * 1024
"""Bytes looked at in one go: they stay in the processor's cache, which makes a pass four times as fast."""

_QUOTE, _SPACE, _EQUALS = map(ord, '" =')


def pieces(content: bytes) -> Iterator[NDArray[np.uint8]]:
    """Yield the bytes in order, as arrays `(bytes,)` of `PIECE` bytes, the last one perhaps shorter."""
    octets = np.frombuffer(content, np.uint8)
    return (octets[start : start + PIECE] for start in range(0, len(octets), PIECE))


def is_plain(content: bytes, delimiter: str, *, padded: bool, columns: int) -> bool:
    """Return whether every reader finds the same rows in a content in UTF-8, without a byte order mark.

    All readers find the same rows if lines end as usual, and if quotes either stand around whole cells, and
    are doubled inside of them, or begin no cell: then quotes are characters like others.

    Args:
        padded: Whether spaces after a delimiter do not belong to the cell.
        columns: How many cells a row needs. Where it is one, a line that is nothing but a quoted space is a
            row for one reader and blank for the other, so that quotes around cells do not count as plain.
    """
    if delimiter not in DELIMITERS:
        return False
    if b"\r" in content and content.count(b"\r") != content.count(b"\r\n"):
        return False
    if b'"' not in content:
        return True
    octets = np.frombuffer(b"\n" + content + b"\n", np.uint8)
    if any((octets[quotes - 1] == _EQUALS).any() for quotes in _quotes(octets)):
        return False  # ="00123" may be a cell of Excel's, which stands for its text
    ends = np.zeros(256, np.bool_)
    ends[[ord(delimiter), ord("\n"), ord("\r")]] = True
    return (columns > 1 and _are_around_cells(octets, ends, padded)) or _open_no_cell(octets, ends, padded)


def _are_around_cells(octets: NDArray[np.uint8], ends: NDArray[np.bool_], padded: bool) -> bool:
    """Whether quotes open and close in turn, and each beside a cell's end or beside the quote before it.

    A doubled quote is then one that closes and one that opens again.
    """
    beside = ends.copy()
    beside[_QUOTE] = True
    is_open = False
    for quotes in _quotes(octets):
        opening, closing = quotes[is_open::2], quotes[not is_open :: 2]
        if not (beside[_before(octets, opening, padded)].all() and beside[octets[closing + 1]].all()):
            return False
        is_open ^= len(quotes) % 2 == 1
    return not is_open


def _open_no_cell(octets: NDArray[np.uint8], ends: NDArray[np.bool_], padded: bool) -> bool:
    if padded:  # any number of spaces may stand before a cell
        return False
    return not any(ends[octets[quotes - 1]].any() for quotes in _quotes(octets))


def _quotes(octets: NDArray[np.uint8]) -> Iterator[NDArray[np.intp]]:
    """Yield the places of quotes, some at a time."""
    return (
        start + np.flatnonzero(octets[start : start + PIECE] == _QUOTE)
        for start in range(0, len(octets), PIECE)
    )


def _before(octets: NDArray[np.uint8], places: NDArray[np.intp], padded: bool) -> NDArray[np.uint8]:
    """Return the bytes before these places, or before one space that stands there.

    A quote before one that opens has always closed, since they come in turn.
    """
    before = octets[places - 1]
    return np.where(before == _SPACE, octets[places - 2], before) if padded else before
