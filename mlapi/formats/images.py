"""Bodies for a model of pictures: files as forms and curl send them, or JSON as `mlapi.formats.strict_json`
reads it.

Bytes in, plain Python out. Knows media types; decodes no picture.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from mlapi.data.images.formats import FORMATS, kind_of
from mlapi.errors import Finding, InvalidInput, MalformedBody, UnsupportedFormat
from mlapi.formats import multipart, negotiation
from mlapi.formats.multipart import Part
from mlapi.wording import bounded

FIELD = "image"
"""The field of a form that holds a picture; it may stand there many times."""

MEDIA_TYPES = (*negotiation.FORMATS, multipart.MEDIA_TYPE, *FORMATS.values())

_CURL = f"curl -F {FIELD}=@picture.png"


class Uploads(NamedTuple):
    """Pictures as they came, not looked into yet; `field` is what held them in a form."""

    contents: Sequence[bytes]
    field: str | None = None


def decode(content_type: str | None, body: bytes, most: int) -> Any:
    """The body as `Uploads`, or as `negotiation.decode` gives it.

    A body that starts as a picture is one unless the header names another format: curl sends a form's or no
    media type with it.

    Args:
        most: So many pictures may be in one request.

    Raises:
        MalformedBody: The body is empty or not of its format.
        TooLarge: It has more pictures.
        UnsupportedFormat: The header names a format that is not read.
        InvalidInput: A form without pictures or with something else; or as `negotiation.decode`.
    """
    media_type = negotiation.media_type_of(content_type)
    if media_type == multipart.MEDIA_TYPE:
        return _of_form(multipart.parts(content_type or "", body, most))
    if media_type.startswith("image/"):
        if not body:
            raise MalformedBody("the body is empty; expected a picture")
        return Uploads([body])
    if media_type not in negotiation.FORMATS and kind_of(body):
        return Uploads([body])
    try:
        return negotiation.decode(content_type, body)
    except UnsupportedFormat as error:
        readable = ", ".join(MEDIA_TYPES)
        raise UnsupportedFormat(
            f"cannot read {media_type[:80]}; can read {readable}", headers={"Accept": readable}
        ) from error


def _of_form(parts: Sequence[Part]) -> Uploads:
    shown, count = bounded(_strays(parts))
    if count:
        raise InvalidInput(shown, count)
    return Uploads([part.content for part in parts], FIELD)


def _strays(parts: Sequence[Part]) -> Iterator[Finding]:
    """Every part that is no picture."""
    if not parts:
        yield Finding((FIELD,), f"no picture; send one with {_CURL}")
    number = 0
    for part in parts:
        if part.name != FIELD:
            what = f'unknown field; a picture goes into the field "{FIELD}": {_CURL}'
            yield Finding((part.name,), what)
            continue
        if not part.content:
            yield Finding((FIELD, number), f"empty: choose a file that has bytes, {_CURL}")
        elif part.file_name is None and not kind_of(part.content):
            yield Finding((FIELD, number), f"a text and no file; with an @ curl sends the file: {_CURL}")
        number += 1
