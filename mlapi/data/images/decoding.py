"""Bytes of a picture -> the pixels that a model takes. Training and serving read pictures with this alone.

The one place that imports Pillow, and only once a picture is there. What comes in is hostile: its size is
looked at before it is decoded, and whatever Pillow raises on it is an error of ours. Knows nothing of HTTP,
of rows, or of files.
"""

import re
import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import cache
from io import BytesIO
from math import ceil, floor
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlapi.data.images import structure
from mlapi.data.images.formats import format_of
from mlapi.data.limits import DEFAULT_PIXELS
from mlapi.data.signature import Feature, Matrix
from mlapi.errors import MalformedBody, MlapiError, TooLarge

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels: TypeAlias = NDArray[np.uint8]
"""(height, width, channels), from 0, black, to 255, white."""

Size: TypeAlias = tuple[int, int]
"""Width and height."""

_COPIES: Mapping[str, int] = {"WEBP": 4}
"""How often a decoder holds the picture: libwebp's for animations twice, Pillow twice more (measured)."""

_SMALL = 2_000_000
"""Pixels; larger ones are decoded one at a time, so that threads do not add up their memory."""

_STRIP = 500_000
"""Pixels whose colors are converted at once."""

_BLOCK = 64 * 1024 * 1024
"""Bytes that Pillow asks for at once. What is larger than 32 MB goes back to the system (mallopt(3)), and
of Pillow's own 16 MB nothing does: four threads held 1,000 MB after pictures of 200 MB each."""

_TURNS: Mapping[int, str] = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""What makes a picture upright, by EXIF's orientation; from 5 on its sides change places."""

_ORIENTATION = 0x0112

_MODES: Mapping[int | None, str] = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's name for so many channels."""

_alone = Lock()


def read(content: bytes, image: Feature, most_pixels: int = DEFAULT_PIXELS) -> Pixels:
    """A picture in the size and the channels of a feature of kind image.

    It is turned as EXIF says, scaled to cover the size, and its middle is cut out; one that has the size is
    left as it is. A GIF or another animation gives its first picture; what is transparent becomes white
    where the model has no channel for it.

    Raises:
        MalformedBody: It is no picture, or is damaged or cut off.
        TooLarge: It has too many pixels.
        UnsupportedFormat: It is of a format that is not read.
    """
    return pixels(open_image(content, most_pixels), image)


def open_image(content: bytes, most_pixels: int = DEFAULT_PIXELS) -> "Image":
    """A picture of which no more than the size and such is read yet.

    Raises:
        MalformedBody, TooLarge, UnsupportedFormat: As `read`.
    """
    form = format_of(content)
    structure.check(form, content)
    pillow = _pillow()
    _hush()
    try:
        picture: Image = pillow.open(BytesIO(content), formats=(form,))
    except pillow.DecompressionBombError as error:  # Pillow's own limit, which max_pixels cannot exceed
        raise TooLarge(f"the {form} has more than the {most_pixels:,} pixels that are read") from error
    except Exception as error:  # hostile bytes in many decoders, each with exceptions of its own
        raise _damaged(form, error) from error
    _check_size(picture.size, form, most_pixels // _COPIES.get(form, 1))
    return picture


def pixels(picture: "Image", image: Feature) -> Pixels:
    """What `open_image` gave, decoded.

    Raises:
        MalformedBody: It is damaged or cut off.
    """
    if picture.width * picture.height <= _SMALL:
        return _decoded(picture, image)
    with _alone, closing(picture):  # or the next one is decoded while this one's memory is still held
        return _decoded(picture, image)


def png(pixels: Pixels) -> bytes:
    """(height, width, 1, 3 or 4) pixels as a file, which `read` gives back as they are."""
    picture = _pillow().fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    content = BytesIO()
    picture.save(content, "PNG", optimize=True)
    return content.getvalue()


def to_matrix(pictures: Sequence[Pixels], image: Feature) -> Matrix:
    """A row a picture, from `image.minimum` (black) to `image.maximum` (white)."""
    low, high = image.minimum or 0.0, image.maximum or 0.0
    rows = np.array(pictures, dtype=np.float64).reshape(len(pictures), image.size)
    return rows if (low, high) == (0, 255) else rows * ((high - low) / 255) + low


@cache
def _pillow() -> Any:
    from PIL import (  # noqa: PLC0415 - only where there are pictures: its import takes 20 ms
        BmpImagePlugin,  # noqa: F401 - by name, or Pillow imports all formats that it has
        GifImagePlugin,  # noqa: F401
        Image,
        JpegImagePlugin,  # noqa: F401
        PngImagePlugin,  # noqa: F401
        WebPImagePlugin,  # noqa: F401
    )

    Image.core.set_block_size(_BLOCK)  # type: ignore[attr-defined] # it is in Pillow's documentation
    return Image


def _damaged(form: str, error: Exception) -> MlapiError:
    if isinstance(error, MemoryError):
        return TooLarge(f"the {form} takes more memory than there is")
    return MalformedBody(f"the {form} is damaged or cut off")


def _check_size(size: Size, form: str, most: int) -> None:
    width, height = size
    if width * height > most:
        raise TooLarge(
            f"the {form} has {width:,} × {height:,} pixels; at most {most:,} are read: scale it down"
        )
    if width < 1 or height < 1:
        raise MalformedBody(f"the {form} has no pixels")


def _decoded(picture: "Image", image: Feature) -> Pixels:
    size = image.width or 0, image.height or 0
    try:
        if picture.format == "PNG":
            picture.load()  # its EXIF may stand behind the pixels
        turn = _TURNS.get(_orientation(picture))
        turned = size[::-1] if turn in ("TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90") else size
        if picture.size != turned:
            picture.draft(None, (2 * turned[0], 2 * turned[1]))
        picture.load()
        found = _fitted(picture, turned, _MODES[image.channels])
        if turn is not None:
            found = found.transpose(_pillow().Transpose[turn])
    except Exception as error:  # as in `open_image`
        raise _damaged(picture.format or "picture", error) from error
    return np.frombuffer(found.tobytes(), dtype=np.uint8).reshape(size[1], size[0], image.channels or 0)


def _orientation(picture: "Image") -> int:
    """As EXIF says; a block that cannot be read says nothing."""
    if not any(
        name in picture.info for name in ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")
    ):
        return 1
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # as in `open_image`
        return 1


def _fitted(picture: "Image", size: Size, mode: str) -> "Image":
    """The middle of a picture in this size."""
    if picture.size == size:
        return _painted(picture, mode)
    scale = min(picture.width / size[0], picture.height / size[1])
    # Rounded, either side may be a hair longer than the picture, and what is beyond its edge is black.
    width, height = min(size[0] * scale, picture.width), min(size[1] * scale, picture.height)
    left, top = (picture.width - width) / 2, (picture.height - height) / 2
    right, bottom = min(ceil(left + width), picture.width), min(ceil(top + height), picture.height)
    outer = floor(left), floor(top), right, bottom
    # The filter gets two pixels and more for each that it makes, and a strip stays small.
    factor = max(1, min(int(scale / 2), _STRIP // (outer[2] - outer[0])))
    small = _reduced(picture, outer, factor, mode)
    left, top = (left - outer[0]) / factor, (top - outer[1]) / factor
    inner = left, top, min(left + width / factor, small.width), min(top + height / factor, small.height)
    return small.resize(size, _pillow().Resampling.BICUBIC, inner)


def _reduced(picture: "Image", box: tuple[int, int, int, int], factor: int, mode: str) -> "Image":
    """A part of a picture in these colors, each side `factor` times shorter; in strips, for the memory."""
    left, top, right, bottom = box
    width, height = ceil((right - left) / factor), ceil((bottom - top) / factor)
    small: Image = _pillow().new(mode, (width, height))
    step = max(1, _STRIP // ((right - left) * factor))
    for row in range(0, height, step):
        upper = top + row * factor
        strip = picture.crop((left, upper, right, min(upper + step * factor, bottom)))
        small.paste(_painted(strip, mode).reduce(factor), (0, row))
    return small


def _painted(picture: "Image", mode: str) -> "Image":
    """A picture in other colors, as a person expects them: what is transparent, on white paper."""
    if picture.mode.startswith("I"):
        picture = _of_eight_bits(picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        if mode != "RGBA":
            paper = _pillow().new("RGBA", picture.size, "white")
            paper.alpha_composite(picture)
            picture = paper.convert("RGB")
    return picture if picture.mode == mode else picture.convert(mode)


def _of_eight_bits(picture: "Image") -> "Image":
    """The upper half of sixteen, as Pillow itself does with colors; its `convert` cuts off at 255."""
    values = np.asarray(picture).clip(0, 65_535) >> 8
    found: Image = _pillow().fromarray(values.astype(np.uint8))
    return found


_QUIET = ("ignore", None, Warning, re.compile("PIL"), 0)


def _hush() -> None:
    """What Pillow warns of concerns the client; a filter for each call would not be safe in threads."""
    if _QUIET not in warnings.filters:
        warnings.filterwarnings("ignore", module="PIL")
