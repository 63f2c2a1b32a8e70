"""Which format a body has, and which one the client accepts: the table of formats, by media type.

Knows nothing of Flask or of models.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from mlapi.errors import NotAcceptable, UnsupportedFormat
from mlapi.formats.strict_json import JSON, decode_json, encode_json

PROBLEM = "application/problem+json"


_REFUSED = re.compile(r"(?:^|;)\s*q=0(?:\.0*)?\s*(?:;|$)")
"""The weight of a media type that is not acceptable (RFC 9110, 12.4.2)."""


Decoder: TypeAlias = Callable[[bytes], Any]


Encoder: TypeAlias = Callable[[Any], bytes]


@dataclass(frozen=True, slots=True)
class Format:
    decode: Decoder
    encode: Encoder


def decode(content_type: str | None, body: bytes) -> Any:
    """The body as plain data, or as a `Table`.

    A body that starts as JSON is JSON unless the header names another supported format: curl and most
    small clients send forms' or no media type with it.

    Raises:
        MalformedBody: The body is empty or not of its format.
        UnsupportedFormat: The header names a format that is not supported.
        InvalidInput: JSON that can be read but that no model takes: a name twice, a number too large.
    """
    media_type = media_type_of(content_type)
    found = FORMATS.get(media_type)
    if found is None and (not media_type or media_type.endswith("+json") or _starts_as_json(body)):
        found = FORMATS[JSON]
    if found is None:
        raise UnsupportedFormat(
            f"cannot read {media_type[:80]}; can read {', '.join(FORMATS)}",
            headers={"Accept": ", ".join(FORMATS)},
        )
    return found.decode(body)


def media_type_of(content_type: str | None) -> str:
    """What a Content-Type header names, without its parameters; empty for none."""
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


def encoder(accept: str | None) -> tuple[str, Encoder]:
    """The media type and the encoder that the Accept header asks for.

    Raises:
        NotAcceptable: It asks for none that there is.
    """
    if accept in (None, "", "*/*", JSON):
        return JSON, encode_json
    for wanted in (accept or "").split(","):
        media_type, _, parameters = wanted.partition(";")
        if _REFUSED.search(parameters):
            continue
        for offered, found in FORMATS.items():
            if media_type.strip().lower() in (offered, offered.split("/")[0] + "/*", "*/*"):
                return offered, found.encode
    raise NotAcceptable(accept or "", FORMATS)


_NO_NUMBERS = frozenset({b"NaN", b"Infinity", b"-Infinity"})
"""What some encoders write into JSON, to be refused as broken JSON."""


FORMATS: Mapping[str, Format] = {JSON: Format(decode_json, encode_json)}


def _starts_as_json(body: bytes) -> bool:
    """An object or a list by its first sign; a short word or number, or nothing, by reading it."""
    if body[:64].lstrip()[:1] in (b"{", b"[") or not body or body.isspace():
        return True
    try:
        orjson.loads(body[:1025])
    except orjson.JSONDecodeError:
        return body.strip() in _NO_NUMBERS
    return len(body) <= 1024
