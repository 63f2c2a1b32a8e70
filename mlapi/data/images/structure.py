"""The parts of a picture file, counted before Pillow reads them: in one pass, and without looking into them.

Pillow walks through segments and chunks in Python, and adds some of them up by copying all that it has;
libjpeg walks through the whole picture for each scan. A small file can so take minutes. Whatever else is
wrong with a file is Pillow's to find.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from struct import Struct

from mlapi.errors import MalformedBody

_MOST_PARTS = 1_000
"""Segments of a JPEG, or chunks of a PNG that hold no pixels; ordinary files have twenty at most."""

_MOST_PIECES = 20_000
"""Chunks of a PNG that hold pixels; libpng writes one for each 8 kB."""

_MOST_METADATA = 2 * 1024 * 1024
"""Bytes that are no pixels."""

_MOST_SCANS = 64
"""Of a JPEG; cameras and editors write ten at most."""

_MOST_BLOCKS = 20_000
"""Of a GIF before its first picture, 255 bytes each at most."""

_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9

_SEQUENTIAL = frozenset({0xC0, 0xC1, 0xC3, 0xC5, 0xC7, 0xC9, 0xCB, 0xCD, 0xCF})
"""Frames that are no progressive ones (ITU T.81, table B.1)."""

_ALONE = frozenset({0x01, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)})
"""Markers that no length follows, as Pillow reads them."""

_MARKER = re.compile(rb"\xff[^\x00\xff]")
_MARKER_AFTER_PIXELS = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")

_CHUNK = Struct(">I4s")

_LOOP = re.compile(rb"\xff[\x0b-\xff]NETSCAPE2\.0")

_OF_PIXELS = frozenset({b"IDAT", b"fcTL", b"fdAT"})


def check(form: str, content: bytes) -> None:
    """Refuse a file of this format, by Pillow's name, that has more parts than a picture needs.

    Raises:
        MalformedBody: It has; or it is a JPEG without pixels.
    """
    found = _CHECKS.get(form)
    if found is not None:
        found(content)


def _check_jpeg(content: bytes) -> None:
    scans = 0
    for number, (marker, place) in enumerate(_segments(content)):
        if number >= _MOST_PARTS:
            raise _refusal("JPEG", f"{_MOST_PARTS:,} segments")
        if not scans and place > _MOST_METADATA:
            break
        scans += marker == _START_OF_SCAN
        if scans > _MOST_SCANS:
            raise _refusal("JPEG", f"{_MOST_SCANS} scans")
    if not scans and len(content) > _MOST_METADATA:
        raise _refusal("JPEG", f"{_MOST_METADATA:,} bytes before its pixels")
    if not scans:
        raise MalformedBody("the JPEG is damaged or cut off")


def _segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Each marker and where it stands, up to the end of the picture.

    They are found as Pillow and libjpeg do it, past whatever lies between two segments.
    """
    place, components, pattern = 2, 0, _MARKER
    while found := pattern.search(content, place):
        place = found.start()
        marker = content[place + 1]
        if marker == _END_OF_IMAGE and pattern is _MARKER_AFTER_PIXELS:
            return
        yield marker, place
        if marker in _SEQUENTIAL:
            components = int.from_bytes(content[place + 9 : place + 10])
        if marker == _START_OF_SCAN:
            if 0 < components <= int.from_bytes(content[place + 4 : place + 5]):
                return  # all of a sequential picture: libjpeg takes no other scan (jdinput.c)
            pattern = _MARKER_AFTER_PIXELS
        place += 2 if marker in _ALONE else 2 + max(2, int.from_bytes(content[place + 2 : place + 4]))


def _check_png(content: bytes) -> None:
    place, pieces, others, metadata = 8, 0, 0, 0
    while place + _CHUNK.size <= len(content):
        length, kind = _CHUNK.unpack_from(content, place)
        place += 12 + length
        if kind in _OF_PIXELS:
            pieces += 1
        else:
            others, metadata = others + 1, metadata + length
        if others > _MOST_PARTS or pieces > _MOST_PIECES:
            raise _refusal("PNG", f"{_MOST_PARTS:,} chunks, or {_MOST_PIECES:,} of pixels")
        if place > len(content) or kind == b"IEND":
            return
        if metadata > _MOST_METADATA:
            raise _refusal("PNG", f"{_MOST_METADATA:,} bytes beside its pixels")


def _check_gif(content: bytes) -> None:
    for number, _ in enumerate(_blocks(content)):
        if number >= _MOST_BLOCKS:
            raise _refusal("GIF", f"{_MOST_BLOCKS:,} blocks before its picture")


def _blocks(content: bytes) -> Iterator[int]:
    """Where each block and each stray byte before the first picture is, as Pillow finds them."""
    flags = int.from_bytes(content[10:11])
    place = 13 + (6 << (flags & 7) if flags & 0x80 else 0)
    while (sign := content[place : place + 1]) not in (b"", b",", b";"):
        yield place
        place += 1
        if sign == b"!":
            # Pillow looks into the first blocks of all but comments, and reads on though one is the last.
            looked_at = int(content[place : place + 1] != b"\xfe") + bool(_LOOP.match(content, place))
            place += 1
            while place < len(content) and (content[place] or looked_at > 0):
                yield place
                place += 1 + content[place]
                looked_at -= 1
            place += 1


def _refusal(form: str, what: str) -> MalformedBody:
    return MalformedBody(f"the {form} has more than {what}: save it anew, without its metadata")


_CHECKS: Mapping[str, Callable[[bytes], None]] = {
    "JPEG": _check_jpeg,
    "PNG": _check_png,
    "GIF": _check_gif,
}
