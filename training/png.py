"""Pixels -> a PNG file, without a library for pictures: what training draws, and what the model card shows.

W3C, "Portable Network Graphics (PNG) Specification (Third Edition)", sections 5 and 11.
"""

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_COLOR_TYPES = {1: 0, 3: 2, 4: 6}
"""By channels: grey, red-green-blue, and with alpha."""


def encode(picture: NDArray[np.uint8]) -> bytes:
    """(height, width, 1, 3 or 4) pixels as a file."""
    height, width, channels = picture.shape
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each begins with its filter: 0 is none
    rows[:, 1:] = picture.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOR_TYPES[channels], 0, 0, 0)
    content = (
        _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)) + _chunk(b"IEND", b"")
    )
    return b"\x89PNG\r\n\x1a\n" + content


def in_words(picture: NDArray[np.uint8]) -> str:
    """The file in Base64, as JSON and data: URIs have it."""
    return base64.b64encode(encode(picture)).decode()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
