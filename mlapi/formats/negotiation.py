"""Which format a body has, and which one the client accepts: the table of formats, by media type.

Knows nothing of Flask or of models.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from mlapi.errors import NotAcceptable, UnsupportedFormat
from mlapi.formats.decoded import Decoded
from mlapi.formats.strict_json import JSON, decode_json, encode_json
from mlapi.formats.unreadable import BOM, unlike_any

PROBLEM = "application/problem+json"

_WEIGHT = re.compile(r"(?:^|;)\s*q=(\d(?:\.\d*)?)\s*(?:;|$)", re.IGNORECASE)
"""The weight among the parameters of a media range (RFC 9110, 12.4.2)."""

Decoder: TypeAlias = Callable[[bytes], Decoded]
"""Reads a body. Raises `MalformedBody` or `InvalidInput`."""

Encoder: TypeAlias = Callable[[Any], bytes]
"""Writes plain data, in which there may be arrays."""


@dataclass(frozen=True, slots=True)
class Format:
    """How bodies of one media type are read and written, at every route that takes or gives them.

    `encode` has to write any answer: `mlapi.schemas` has them all, `PredictResponse` that of a prediction.
    """

    decode: Decoder
    encode: Encoder


FORMATS: Mapping[str, Format] = {JSON: Format(decode_json, encode_json)}
"""The formats of bodies and answers, by media type: JSON alone so far. Images are in `mlapi.formats.images`.

The first is preferred where a client does not mind.
"""

JSON_ALONE: Mapping[str, Format] = {JSON: FORMATS[JSON]}
"""For a route whose answers another process writes, which knows no other format."""


def decode(content_type: str | None, body: bytes) -> Decoded:
    """Decode a body by the format that its Content-Type names.

    A body that starts as JSON is JSON unless the header names another supported format: curl and most
    small clients send forms' or no media type with it.

    Raises:
        MalformedBody: The body is empty or not of its format.
        UnsupportedFormat: The header names a format that is not supported.
        InvalidInput: JSON that can be read but that no model takes: a name twice, a number too large.
    """
    media_type = media_type_of(content_type)
    named = FORMATS.get(media_type)
    if named is None and (not media_type or media_type.endswith("+json") or _starts_as_json(body)):
        named = FORMATS[JSON]
    if named is None:
        raise UnsupportedFormat(
            f"cannot read {media_type[:80]}; can read {', '.join(FORMATS)}{unlike_any(media_type, body)}",
            headers={"Accept": ", ".join(FORMATS)},
        )
    return named.decode(body)


def media_type_of(content_type: str | None) -> str:
    """Return the media type that a Content-Type header names, without its parameters; "" for none."""
    if content_type == JSON:
        return JSON
    return (content_type or "").partition(";")[0].strip().lower()


def check_encoding(content_encoding: str | None) -> None:
    """Refuse compressed bodies: what they unpack to has no bound.

    Raises:
        UnsupportedFormat: The encoding is not identity.
    """
    if content_encoding and content_encoding.strip().lower() != "identity":
        raise UnsupportedFormat(
            "cannot read a compressed body; send it uncompressed",
            headers={"Accept-Encoding": "identity"},
        )


def encoder(accept: str | None, formats: Mapping[str, Format] = FORMATS) -> tuple[str, Encoder]:
    """Return the media type and the encoder that an Accept header asks for, of those in a table.

    Raises:
        NotAcceptable: It asks for none that there is.
    """
    if accept in (None, "", "*/*", JSON):  # nearly all requests: nothing to weigh
        return JSON, encode_json
    media_type = preferred(accept or "", formats)
    return media_type, formats[media_type].encode


def preferred(accept: str, formats: Mapping[str, Format]) -> str:
    """Return the media type that an Accept header prefers among those of a table (RFC 9110, 12.5.1).

    Each has the weight of the most specific range that it matches. The highest weight wins; among equals
    the type that is named more specifically, then the one that comes first in the table.

    Raises:
        NotAcceptable: No range matches one, or its weight is 0.
    """
    ranges = list(_media_ranges(accept))
    ranks = {media_type: _rank(media_type, ranges) for media_type in formats}
    best = max(ranks, key=ranks.__getitem__)
    if ranks[best][0] == 0:
        raise NotAcceptable(accept, formats)
    return best


def _media_ranges(accept: str) -> Iterator[tuple[str, float]]:
    """The media ranges of an Accept header, as `text/*`, with their weights; no other parameter counts."""
    for entry in accept.split(","):
        media_range, _, parameters = entry.partition(";")
        weight = _WEIGHT.search(parameters)
        yield media_range.strip().lower(), 1.0 if weight is None else min(float(weight[1]), 1.0)


def _rank(media_type: str, ranges: list[tuple[str, float]]) -> tuple[float, int]:
    """The weight of a media type, and how specific the range is that gives it; 0 where no range matches."""
    family = media_type.partition("/")[0] + "/*"
    for specificity, name in ((2, media_type), (1, family), (0, "*/*")):
        weights = [weight for media_range, weight in ranges if media_range == name]
        if weights:
            return max(weights), specificity
    return 0.0, 0


_NO_NUMBERS = frozenset({b"NaN", b"Infinity", b"-Infinity"})
"""What some encoders write into JSON, to be refused as broken JSON."""


def _starts_as_json(body: bytes) -> bool:
    """An object or a list by its first sign; a short word or number, or nothing, by reading it."""
    body = body.removeprefix(BOM)
    if body[:64].lstrip()[:1] in (b"{", b"[") or not body or body.isspace():
        return True
    try:
        orjson.loads(body[:1025])
    except orjson.JSONDecodeError:
        return body.strip() in _NO_NUMBERS
    return len(body) <= 1024
