"""A multipart/form-data body (RFC 7578) -> its parts, by werkzeug's decoder, which knows nothing of requests.

Bytes in, bytes out; knows nothing of pictures.
"""

from collections.abc import Iterator
from typing import NamedTuple

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData, State

from mlapi.errors import MalformedBody, TooLarge

MEDIA_TYPE = "multipart/form-data"

_STEP = 64 * 1024
"""How many bytes the decoder gets at once. It may hold twice as many back: without a bound the head of a part
could become objects of a hundred times its size."""


class Part(NamedTuple):
    """One field of a form."""

    name: str
    content: bytes
    file_name: str | None = None
    """As the client calls it; None for a field that is no file."""


def parts(content_type: str, body: bytes, most: int) -> list[Part]:
    """Read the parts of a body, in their order.

    Args:
        content_type: The whole header, which names the boundary.

    Raises:
        MalformedBody: The header names no boundary, or the body is not of this format.
        TooLarge: It has more than `most` parts.
    """
    boundary = parse_options_header(content_type)[1].get("boundary")
    if not boundary:
        raise MalformedBody(f"{MEDIA_TYPE} without a boundary: let the client write this header itself")
    decoder = MultipartDecoder(boundary.encode("latin1", "replace"), 2 * _STEP)
    fields: list[tuple[str, list[bytes], str | None]] = []
    try:
        for event in _events(decoder, body):
            if isinstance(event, Field | File):
                if len(fields) == most:
                    raise TooLarge(f"more than {most:,} parts in one request")
                file_name = event.filename if isinstance(event, File) else None
                fields.append((event.name or "", [], file_name))
            elif isinstance(event, Data):
                fields[-1][1].append(event.data)
    except (ValueError, AttributeError, RequestEntityTooLarge) as error:  # how the decoder says it is stuck
        raise MalformedBody(f"{MEDIA_TYPE} that is broken, or does not end with its boundary") from error
    return [Part(name, b"".join(pieces), file_name) for name, pieces, file_name in fields]


def _events(decoder: MultipartDecoder, body: bytes) -> Iterator[Event]:
    for start in range(0, len(body), _STEP):
        decoder.receive_data(body[start : start + _STEP])
        while not isinstance(event := decoder.next_event(), NeedData):
            yield event
        if decoder.state is State.EPILOGUE:
            break  # what follows counts for nothing (RFC 2046, 5.1.1), and the decoder would keep it
    decoder.receive_data(None)
    while not isinstance(event := decoder.next_event(), Epilogue):
        yield event
