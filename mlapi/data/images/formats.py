"""What a file is by its first bytes: a picture that is read, one that is not, or something else."""

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
"""The media type of each format that is read, by Pillow's name."""

WORDS = "PNG, JPEG, WebP, GIF and BMP"

_SIGNS: Mapping[str, re.Pattern[bytes]] = {
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
"""How files begin: those that are read, and those that people send for pictures."""


def kind_of(content: bytes) -> str | None:
    """What a file is by its first bytes, if it is one that is read, or one that is taken for a picture."""
    return next((kind for kind, sign in _SIGNS.items() if sign.match(content)), None)


def format_of(content: bytes) -> str:
    """The format of a picture that can be read, by Pillow's name.

    Raises:
        MalformedBody: It is nothing that is known.
        UnsupportedFormat: It is known, and not read.
    """
    kind = kind_of(content)
    if kind in FORMATS:
        return str(kind)
    if kind is not None:
        detail = f"cannot read a file of the kind {kind} as a picture; can read {WORDS}"
        raise UnsupportedFormat(detail, headers={"Accept": ", ".join(FORMATS.values())})
    raise MalformedBody(f"not a picture; can read {WORDS}" if content else "the picture is empty")
