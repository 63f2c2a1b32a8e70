"""Recognize a file's format by its first bytes: an image that can be read, one that cannot, or no image."""

import re
from collections.abc import Mapping

from mlapi.errors import MalformedBody, UnsupportedFormat

FORMATS: Mapping[str, str] = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
}
"""The media type of each format that is read, by Pillow's name of the format."""

READABLE = "PNG, JPEG, WebP, GIF and BMP"
"""The formats that are read, as a message lists them."""

_MAGIC_BYTES: Mapping[str, re.Pattern[bytes]] = {
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "WEBP": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "GIF": re.compile(rb"GIF8[79]a"),
    "BMP": re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL),
    "SVG": re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:svg|[?!].{0,2000}<svg)\b", re.DOTALL),
    "HTML": re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|body)\b", re.IGNORECASE),
    "TIFF": re.compile(rb"II[*+]\0|MM\0[*+]"),
    "HEIC": re.compile(rb".{4}ftyp(?:hei|hev|mif1|msf1)", re.DOTALL),
    "AVIF": re.compile(rb".{4}ftypavi", re.DOTALL),
    "PDF": re.compile(rb"%PDF-"),
    "JPEG XL": re.compile(rb"\xff\x0a|\0\0\0\x0cJXL "),
    "JPEG 2000": re.compile(rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  "),
    "Photoshop": re.compile(rb"8BPS\0"),
    "icon": re.compile(rb"\0\0[\1\2]\0[^\0]"),
    "video": re.compile(rb".{4}ftyp|\x1aE\xdf\xa3", re.DOTALL),
}
"""How files begin, by format: those that are read, and others that people send as images. The first match
counts."""


def kind_of(content: bytes) -> str | None:
    """Return the format of a file, by its first bytes: "PNG", "PDF", …; None if it is none of the known ones.

    Formats that are not read are among them, so that a message can name them.
    """
    return next((kind for kind, pattern in _MAGIC_BYTES.items() if pattern.match(content)), None)


def format_of(content: bytes) -> str:
    """Return the format of an image file that can be read, by Pillow's name: a key of `FORMATS`.

    Raises:
        MalformedBody: It is of no known format, or empty.
        UnsupportedFormat: It is of a known format that is not read; the answer's Accept header lists those
            that are.
    """
    kind = kind_of(content)
    if kind in FORMATS:
        return str(kind)
    if kind is not None:
        detail = f"cannot read a file of the kind {kind} as a picture; can read {READABLE}"
        raise UnsupportedFormat(detail, headers={"Accept": ", ".join(FORMATS.values())})
    raise MalformedBody(f"not a picture; can read {READABLE}" if content else "the picture is empty")
