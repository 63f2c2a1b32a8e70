"""Decode image files: the bytes of a file -> an array of pixels in the size that a model takes.

Training and serving both read images with this module alone, so a model gets the same pixels in both. It is
the only module that imports Pillow, and imports it when the first image comes. The bytes may be hostile: the
size is checked before anything is decoded, and every exception of Pillow's becomes an error of ours. Knows
nothing of HTTP, of rows, or of paths.
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
"""One image, `(height, width, channels)`, uint8: 0 is black, 255 is white. With one channel it is grey, with
three red, green and blue; a fourth is alpha, where 0 is transparent."""

Images: TypeAlias = NDArray[np.uint8]
"""Images of one size, `(images, height, width, channels)`, uint8, each as `Pixels`."""

Size: TypeAlias = tuple[int, int]
"""Width and height in pixels, in Pillow's order. Shapes of arrays have the height first."""

_COPIES: Mapping[str, int] = {"WEBP": 4}
"""How many copies of an image are in memory while a format is decoded, where it is not one: libwebp's decoder
for animations holds two, and Pillow two more (measured)."""

_SMALL = 2_000_000
"""Images with more pixels are decoded one at a time, so that the memory of threads does not add up."""

_STRIP = 500_000
"""How many pixels are converted to other colors at once."""

_BLOCK = 64 * 1024 * 1024
"""How many bytes Pillow allocates at once. Blocks above 32 MB go back to the system when they are freed
(mallopt(3)), Pillow's default of 16 MB does not: four threads held 1,000 MB after images of 200 MB each."""

_TRANSPOSE: Mapping[int, str] = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""Pillow's transposition that makes an image upright, by EXIF's orientation. From 5 on, width and height
change places."""

_ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held."""

_MODES: Mapping[int | None, str] = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's color mode, by the number of channels."""

_large_images = Lock()
"""Held while an image of more than `_SMALL` pixels is decoded."""


def read(content: bytes, feature: Feature, max_pixels: int = DEFAULT_PIXELS) -> Pixels:
    """Decode an image file, in the size and with the channels of a feature of kind "image".

    The image is turned as EXIF says, scaled until it covers the feature's size, and cropped to its middle. An
    image that has the size already keeps its pixels. Of an animation the first frame is taken. Where the
    feature has no alpha channel, the image is put on white.

    Args:
        content: The bytes of a PNG, JPEG, WebP, GIF or BMP file.
        feature: Says the shape of the result, `(height, width, channels)`.
        max_pixels: The most pixels that the file itself may have, before it is scaled.

    Raises:
        MalformedBody: It is no image, or is damaged or cut off.
        TooLarge: It has more pixels than `max_pixels`.
        UnsupportedFormat: It is an image of a format that is not read.
    """
    return decode(open_image(content, max_pixels), feature)


def open_image(content: bytes, max_pixels: int = DEFAULT_PIXELS) -> "Image":
    """Open an image file with Pillow: its size and mode are known, its pixels are not decoded yet.

    Raises:
        MalformedBody, TooLarge, UnsupportedFormat: As for `read`.
    """
    image_format = format_of(content)
    structure.check(image_format, content)
    pillow = _pillow()
    _ignore_warnings()
    try:
        image: Image = pillow.open(BytesIO(content), formats=(image_format,))
    except pillow.DecompressionBombError as error:  # Pillow's own limit, which max_pixels cannot exceed
        raise TooLarge(f"the {image_format} has more than the {max_pixels:,} pixels that are read") from error
    except Exception as error:  # hostile bytes in many decoders, each with exceptions of its own
        raise _damaged(image_format, error) from error
    _check_size(image.size, image_format, max_pixels // _COPIES.get(image_format, 1))
    return image


def decode(image: "Image", feature: Feature) -> Pixels:
    """Decode what `open_image` returned; the result is that of `read`.

    Raises:
        MalformedBody: It is damaged or cut off.
        TooLarge: There is not enough memory.
    """
    if image.width * image.height <= _SMALL:
        return _decoded(image, feature)
    with _large_images, closing(image):  # or the next is decoded while this one's memory is still held
        return _decoded(image, feature)


def png(pixels: Pixels) -> bytes:
    """Encode an image as a PNG file, from which `read` decodes the same pixels."""
    image = _pillow().fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    content = BytesIO()
    image.save(content, "PNG", optimize=True)
    return content.getvalue()


def to_matrix(images: Sequence[Pixels], feature: Feature) -> Matrix:
    """Put images into a matrix `(images, columns)`, one row each: pixel after pixel, channels last.

    The values are scaled from 0 to 255 to the feature's `minimum` (black) to `maximum` (white).
    """
    low, high = feature.bounds
    rows = np.array(images, dtype=np.float64).reshape(len(images), feature.size)
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


def _damaged(image_format: str, error: Exception) -> MlapiError:
    if isinstance(error, MemoryError):
        return TooLarge(f"the {image_format} takes more memory than there is")
    return MalformedBody(f"the {image_format} is damaged or cut off")


def _check_size(size: Size, image_format: str, max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise TooLarge(
            f"the {image_format} has {width:,} × {height:,} pixels; at most {max_pixels:,} are read: "
            f"scale it down"
        )
    if width < 1 or height < 1:
        raise MalformedBody(f"the {image_format} has no pixels")


def _decoded(image: "Image", feature: Feature) -> Pixels:
    size = feature.width or 0, feature.height or 0
    try:
        if image.format == "PNG":
            image.load()  # its EXIF may stand behind the pixels
        transposition = _TRANSPOSE.get(_orientation(image))
        swaps_sides = transposition in ("TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90")
        stored_size = size[::-1] if swaps_sides else size
        if image.size != stored_size:
            image.draft(None, (2 * stored_size[0], 2 * stored_size[1]))  # a JPEG decodes in a smaller size
        image.load()
        scaled = _cropped_to(image, stored_size, _MODES[feature.channels])
        if transposition is not None:
            scaled = scaled.transpose(_pillow().Transpose[transposition])
    except Exception as error:  # as in `open_image`
        raise _damaged(image.format or "picture", error) from error
    return np.frombuffer(scaled.tobytes(), dtype=np.uint8).reshape(size[1], size[0], feature.channels or 0)


def _orientation(image: "Image") -> int:
    """Return EXIF's orientation, from 1 to 8; 1, which is upright, where EXIF is missing or unreadable."""
    if not any(name in image.info for name in ("exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif")):
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # as in `open_image`
        return 1


def _cropped_to(image: "Image", size: Size, mode: str) -> "Image":
    """Scale an image until it covers the size, and crop it to its middle."""
    if image.size == size:
        return _converted(image, mode)
    scale = min(image.width / size[0], image.height / size[1])
    # Rounding may make either side a hair longer than the image, and what is beyond its edge is black.
    width, height = min(size[0] * scale, image.width), min(size[1] * scale, image.height)
    left, top = (image.width - width) / 2, (image.height - height) / 2
    right, bottom = min(ceil(left + width), image.width), min(ceil(top + height), image.height)
    outer = floor(left), floor(top), right, bottom
    # The filter is left two pixels and more for each that it makes, and a strip stays small.
    factor = max(1, min(int(scale / 2), _STRIP // (outer[2] - outer[0])))
    small = _reduced(image, outer, factor, mode)
    left, top = (left - outer[0]) / factor, (top - outer[1]) / factor
    inner = left, top, min(left + width / factor, small.width), min(top + height / factor, small.height)
    return small.resize(size, _pillow().Resampling.BICUBIC, inner)


def _reduced(image: "Image", box: tuple[int, int, int, int], factor: int, mode: str) -> "Image":
    """Crop a box (left, top, right, bottom), convert its colors, and shrink each side by a whole factor.

    It is done in strips of at most `_STRIP` pixels, which bounds the memory.
    """
    left, top, right, bottom = box
    width, height = ceil((right - left) / factor), ceil((bottom - top) / factor)
    small: Image = _pillow().new(mode, (width, height))
    step = max(1, _STRIP // ((right - left) * factor))
    for row in range(0, height, step):
        upper = top + row * factor
        strip = image.crop((left, upper, right, min(upper + step * factor, bottom)))
        small.paste(_converted(strip, mode).reduce(factor), (0, row))
    return small


def _converted(image: "Image", mode: str) -> "Image":
    """Convert an image to another color mode, put on white where that has no alpha."""
    if image.mode.startswith("I"):
        image = _to_eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if mode != "RGBA":
            background = _pillow().new("RGBA", image.size, "white")
            background.alpha_composite(image)
            image = background.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def _to_eight_bits(image: "Image") -> "Image":
    """Keep the upper eight of sixteen bits, as Pillow does with colors; `convert` would cut off at 255."""
    values = np.asarray(image).clip(0, 65_535) >> 8
    converted: Image = _pillow().fromarray(values.astype(np.uint8))
    return converted


_NO_WARNINGS = ("ignore", None, Warning, re.compile("PIL"), 0)
"""The entry of `warnings.filters` that ignores every warning of Pillow's."""


def _ignore_warnings() -> None:
    """Ignore Pillow's warnings, which are about the client's file, from now on.

    The filter stays: one that is set and removed for each call would not be safe in threads.
    """
    if _NO_WARNINGS not in warnings.filters:
        warnings.filterwarnings("ignore", module="PIL")
