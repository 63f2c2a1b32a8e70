"""Count the parts of an image file before Pillow reads it, and refuse a file that has too many.

Pillow walks through segments and chunks in Python, and joins some of them by copying all that it has so far;
libjpeg walks through the whole image for each scan. So a small file with many parts can take minutes. The
count takes one pass over the file and does not look into the parts: whatever else is wrong with the file is
for Pillow to find.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from struct import Struct

from mlapi.errors import MalformedBody

_MOST_PARTS = 1_000
"""The most segments of a JPEG, or chunks of a PNG that hold no pixels; ordinary files have twenty at most."""

_MOST_PIXEL_CHUNKS = 20_000
"""The most chunks of a PNG that hold pixels; libpng writes one for each 8 kB."""

_MOST_METADATA = 2 * 1024 * 1024
"""The most bytes that are no pixels."""

_MOST_SCANS = 64
"""The most scans of a JPEG; cameras and editors write ten at most."""

_MOST_BLOCKS = 20_000
"""The most blocks of a GIF before its first frame; each has 255 bytes at most."""

_START_OF_SCAN = 0xDA
"""The marker of a JPEG before the pixels of one scan."""

_END_OF_IMAGE = 0xD9
"""The last marker of a JPEG."""

_SEQUENTIAL = frozenset({0xC0, 0xC1, 0xC3, 0xC5, 0xC7, 0xC9, 0xCB, 0xCD, 0xCF})
"""Markers of the frames of a JPEG that are not progressive (ITU T.81, table B.1)."""

_WITHOUT_LENGTH = frozenset({0x01, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)})
"""Markers of a JPEG that no length follows, as Pillow reads them."""

_MARKER = re.compile(rb"\xff[^\x00\xff]")
"""Any marker of a JPEG; FF 00 is a byte of pixels."""

_MARKER_AFTER_PIXELS = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
"""A marker that ends the pixels of a scan; D0 to D7 are restarts within them."""

_CHUNK = Struct(">I4s")
"""The head of a chunk of a PNG: how many bytes it holds, and its type."""

_LOOP = re.compile(rb"\xff[\x0b-\xff]NETSCAPE2\.0")
"""The extension of a GIF that says how often to repeat it."""

_PIXEL_CHUNKS = frozenset({b"IDAT", b"fcTL", b"fdAT"})
"""The types of the chunks of a PNG that hold pixels, those of an animation among them."""


def check(image_format: str, content: bytes) -> None:
    """Refuse a file that has more parts than an image of its format needs.

    Args:
        image_format: The format by Pillow's name; every file of a format that is not checked passes.
        content: The whole file.

    Raises:
        MalformedBody: It has too many parts, or it is a JPEG without pixels.
    """
    check_format = _CHECKS.get(image_format)
    if check_format is not None:
        check_format(content)


def _check_jpeg(content: bytes) -> None:
    scans = 0
    for number, (marker, place) in enumerate(_segments(content)):
        if number >= _MOST_PARTS:
            raise _too_many("JPEG", f"{_MOST_PARTS:,} segments")
        if not scans and place > _MOST_METADATA:
            break
        scans += marker == _START_OF_SCAN
        if scans > _MOST_SCANS:
            raise _too_many("JPEG", f"{_MOST_SCANS} scans")
    if not scans and len(content) > _MOST_METADATA:
        raise _too_many("JPEG", f"{_MOST_METADATA:,} bytes before its pixels")
    if not scans:
        raise MalformedBody("the JPEG is damaged or cut off")


def _segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Yield each marker of a JPEG and its offset, up to the end of the image.

    The search goes on as Pillow's and libjpeg's does, past whatever lies between two segments.
    """
    place, components, pattern = 2, 0, _MARKER
    while match := pattern.search(content, place):
        place = match.start()
        marker = content[place + 1]
        if marker == _END_OF_IMAGE and pattern is _MARKER_AFTER_PIXELS:
            return
        yield marker, place
        if marker in _SEQUENTIAL:
            components = int.from_bytes(content[place + 9 : place + 10])
        if marker == _START_OF_SCAN:
            if 0 < components <= int.from_bytes(content[place + 4 : place + 5]):
                return  # all of a sequential image: libjpeg takes no other scan (jdinput.c)
            pattern = _MARKER_AFTER_PIXELS
        place += 2
        if marker not in _WITHOUT_LENGTH:
            place += max(2, int.from_bytes(content[place : place + 2]))


def _check_png(content: bytes) -> None:
    place, pixel_chunks, others, metadata = 8, 0, 0, 0
    while place + _CHUNK.size <= len(content):
        length, kind = _CHUNK.unpack_from(content, place)
        place += 12 + length
        if kind in _PIXEL_CHUNKS:
            pixel_chunks += 1
        else:
            others, metadata = others + 1, metadata + length
        if others > _MOST_PARTS or pixel_chunks > _MOST_PIXEL_CHUNKS:
            raise _too_many("PNG", f"{_MOST_PARTS:,} chunks, or {_MOST_PIXEL_CHUNKS:,} of pixels")
        if place > len(content) or kind == b"IEND":
            return
        if metadata > _MOST_METADATA:
            raise _too_many("PNG", f"{_MOST_METADATA:,} bytes beside its pixels")


def _check_gif(content: bytes) -> None:
    for number, _ in enumerate(_blocks(content)):
        if number >= _MOST_BLOCKS:
            raise _too_many("GIF", f"{_MOST_BLOCKS:,} blocks before its picture")


def _blocks(content: bytes) -> Iterator[int]:
    """Yield the offset of each block, and of each stray byte, before a GIF's first frame, as Pillow walks."""
    flags = int.from_bytes(content[10:11])
    place = 13 + (6 << (flags & 7) if flags & 0x80 else 0)
    while (introducer := content[place : place + 1]) not in (b"", b",", b";"):
        yield place
        place += 1
        if introducer == b"!":
            # Pillow reads the first blocks of all extensions but comments, even if one says it is the last.
            read_anyway = int(content[place : place + 1] != b"\xfe") + bool(_LOOP.match(content, place))
            place += 1
            while place < len(content) and (content[place] or read_anyway > 0):
                yield place
                place += 1 + content[place]
                read_anyway -= 1
            place += 1


def _too_many(image_format: str, what: str) -> MalformedBody:
    return MalformedBody(f"the {image_format} has more than {what}: save it anew, without its metadata")


_CHECKS: Mapping[str, Callable[[bytes], None]] = {
    "JPEG": _check_jpeg,
    "PNG": _check_png,
    "GIF": _check_gif,
}
"""By Pillow's name of the format."""
