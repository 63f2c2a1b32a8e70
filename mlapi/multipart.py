"""A multipart/form-data body (RFC 7578) -> its parts. Bytes in, bytes out; knows nothing of pictures.

The body is in memory already and bounded, so that a few searches in it do.
"""

import re
from typing import NamedTuple

from mlapi.errors import MalformedBody, TooLarge

MEDIA_TYPE = "multipart/form-data"

_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)

_LONGEST_HEAD = 16 * 1024

_DISPOSITION = re.compile(rb"^content-disposition[ \t]*:[ \t]*form-data\b(.*)$", re.IGNORECASE | re.MULTILINE)

_PARAMETER = re.compile(rb';[ \t]*([\w*]+)[ \t]*=[ \t]*(?:"((?:[^"\\\r]|\\.)*)"|([^;\s]*))')
"""One by one, so that what stands in the quotes of a file's name is no parameter."""


class Part(NamedTuple):
    name: str
    is_file: bool
    content: bytes


def parts(content_type: str, body: bytes, most: int) -> list[Part]:
    """The parts in their order.

    Raises:
        MalformedBody: It is not what its header says.
        TooLarge: It has more than `most` parts.
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise MalformedBody(f"{MEDIA_TYPE} without a boundary: let the client write this header itself")
    delimiter = b"\r\n--" + (boundary[1] or boundary[2]).encode("latin1", "replace")
    pieces = (b"\r\n" + body).split(delimiter, most + 2)
    if len(pieces) > most + 2:
        raise TooLarge(f"more than {most:,} parts in one request")
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise MalformedBody(f"{MEDIA_TYPE} that does not end with its boundary: it is cut off, or not one")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> Part:
    end = piece.find(b"\r\n\r\n", 0, _LONGEST_HEAD)
    if end < 0 and len(piece) < _LONGEST_HEAD:
        end = len(piece)  # some writers leave out the blank line before a part that is empty
    head = _DISPOSITION.search(piece, 0, end + 2) if end >= 0 else None
    if head is None:
        raise MalformedBody(f"{MEDIA_TYPE} with a part that has no Content-Disposition: form-data")
    given = {key.lower(): quoted or plain for key, quoted, plain in _PARAMETER.findall(head[1])}
    is_file = b"filename" in given or b"filename*" in given
    return Part(given.get(b"name", b"").decode("utf-8", "replace"), is_file, piece[end + 4 :])
