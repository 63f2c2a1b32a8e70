"""Bodies for a model of images: files as forms and curl send them, or a body in any other format.

Bytes in, plain Python out. Knows media types; decodes no image.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mlapi.data.images.formats import FORMATS, kind_of
from mlapi.errors import InvalidInput, MalformedBody, UnsupportedFormat
from mlapi.formats import multipart, negotiation
from mlapi.formats.decoded import Decoded
from mlapi.formats.multipart import Part
from mlapi.formats.unreadable import names_a_file
from mlapi.wording import Finding, bounded

FIELD = "image"
"""The field of a form that holds an image; a form may have it many times."""

MEDIA_TYPES = (*negotiation.FORMATS, multipart.MEDIA_TYPE, *FORMATS.values())
"""The media types of the bodies that a model of images takes."""

_CURL = f"curl -F {FIELD}=@picture.png"


class Uploads(NamedTuple):
    """Files as they came; nobody has looked into them yet."""

    contents: Sequence[bytes]
    field: str | None = None
    """The field of the form that held them; None for a body that is a file itself."""


def decode(content_type: str | None, body: bytes, most: int) -> Decoded | Uploads:
    """Decode a body of files as `Uploads`, and any other as `negotiation.decode` does.

    A body that starts as an image is one unless the header names another format: curl sends a form's or no
    media type with it.

    Args:
        most: How many parts a form may have.

    Raises:
        MalformedBody: The body is empty or not of its format.
        TooLarge: A form has more parts.
        UnsupportedFormat: The header names a format that is not read.
        InvalidInput: A form has no image, or something else; or as `negotiation.decode`.
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
        hint = f"; the body is the name of a file: send the file, {_CURL}" if names_a_file(body) else ""
        raise UnsupportedFormat(
            f"cannot read {media_type[:80]}; can read {readable}{hint}", headers={"Accept": readable}
        ) from error


def _of_form(parts: Sequence[Part]) -> Uploads:
    shown, count = bounded(_violations(parts))
    if count:
        raise InvalidInput(shown, count)
    return Uploads([part.content for part in parts], FIELD)


def _violations(parts: Sequence[Part]) -> Iterator[Finding]:
    """A finding for every part that is no image, and for a form without parts."""
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
