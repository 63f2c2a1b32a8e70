"""Bytes of a picture -> pixels: formats, colors, sizes, and what is refused."""

import io
import struct
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from mlapi.data.images import decoding
from mlapi.data.signature import Feature
from mlapi.errors import MalformedBody, TooLarge, UnsupportedFormat
from tests.support.pictures import COLORS, DIGIT, FORMATS, file_of

ALPHA = Feature("image", "image", minimum=0, maximum=255, width=8, height=8, channels=4)

RANDOM = np.random.default_rng(0)


def noise(*shape: int) -> Image.Image:
    return Image.fromarray(RANDOM.integers(0, 256, shape, dtype=np.uint8))


def smooth(width: int, height: int) -> Image.Image:
    """Red grows to the right, green downwards."""
    red = np.linspace(0, 255, width)[None, :].repeat(height, axis=0)
    green = np.linspace(0, 255, height)[:, None].repeat(width, axis=1)
    return Image.fromarray(np.stack([red, green, np.zeros_like(red)], axis=2).astype(np.uint8))


@pytest.mark.parametrize("form", FORMATS)
def test_a_picture_of_the_right_size_is_not_touched(form: str) -> None:
    file = file_of(noise(8, 8, 3), form)

    found = decoding.read(file, COLORS)

    np.testing.assert_array_equal(found, np.asarray(Image.open(io.BytesIO(file)).convert("RGB")))


@pytest.mark.parametrize(
    ("picture", "image", "expected"),
    [
        (Image.new("1", (8, 8), 1), DIGIT, [255]),
        (Image.new("1", (8, 8), 1), COLORS, [255, 255, 255]),
        (Image.new("L", (8, 8), 77), COLORS, [77, 77, 77]),
        (Image.new("RGB", (8, 8), (255, 0, 0)), DIGIT, [76]),
        (Image.new("L", (8, 8), 77), ALPHA, [77, 77, 77, 255]),
        (Image.new("RGBA", (8, 8), (0, 0, 0, 0)), COLORS, [255, 255, 255]),
        (Image.new("RGBA", (8, 8), (0, 0, 0, 0)), DIGIT, [255]),
        (Image.new("RGBA", (8, 8), (200, 100, 0, 51)), COLORS, [244, 224, 204]),
        (Image.new("RGBA", (8, 8), (255, 0, 255, 128)), ALPHA, [255, 0, 255, 128]),
        (Image.new("LA", (8, 8), (0, 0)), COLORS, [255, 255, 255]),
        (Image.new("I;16", (8, 8), 65_535), DIGIT, [255]),
        (Image.new("I;16", (8, 8), 511), COLORS, [1, 1, 1]),
        (Image.new("I;16", (8, 8), 32_768), DIGIT, [128]),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else "",
)
@pytest.mark.parametrize("size", [8, 20])
def test_colors_are_what_a_person_sees(picture: Any, image: Feature, expected: Any, size: int) -> None:
    file = file_of(picture.resize((size, size), Image.Resampling.NEAREST))

    found = decoding.read(file, image)

    assert found.shape == (8, 8, image.channels)
    np.testing.assert_array_equal(found, np.full(found.shape, expected))


@pytest.mark.parametrize(("form", "transparency"), [("PNG", 1), ("PNG", bytes([255, 0])), ("GIF", 1)])
def test_transparent_entries_of_a_palette_are_white(form: str, transparency: Any) -> None:
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((0, 0), 0)

    found = decoding.read(file_of(picture, form, transparency=transparency), COLORS)

    assert found[0, 0].tolist() == [255, 0, 0]
    assert (found[1:] == 255).all()


def test_a_transparent_color_of_a_picture_without_a_palette_is_white() -> None:
    picture = Image.new("RGB", (8, 8), (1, 2, 3))

    found = decoding.read(file_of(picture, transparency=(1, 2, 3)), COLORS)

    assert (found == 255).all()


def test_cmyk_and_ycbcr_are_colors() -> None:
    red = Image.new("RGB", (8, 8), (250, 10, 10))

    for mode in ("CMYK", "YCbCr"):
        found = decoding.read(file_of(red.convert(mode), "JPEG", quality=95), COLORS)
        assert np.abs(found.astype(int) - [250, 10, 10]).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(8, 8), (40, 24), (24, 40)])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_turned_upright(orientation: int, size: tuple[int, int], form: str) -> None:
    upright = smooth(*size)
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}.get(orientation)
    lying = upright if back is None else upright.transpose(Image.Transpose(back))
    exif = Image.Exif()
    exif[0x0112] = orientation

    found = decoding.read(file_of(lying, form, exif=exif), COLORS)

    expected = decoding.read(file_of(upright, "PNG"), COLORS)
    assert np.abs(found.astype(int) - expected)[..., :2].max() < 40
    assert np.corrcoef(found[..., 0].ravel(), expected[..., 0].ravel())[0, 1] > 0.97


def test_the_orientation_of_a_png_may_stand_behind_its_pixels() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    entry = b"eXIf" + exif.tobytes()[6:]
    upright = smooth(8, 8)
    file = file_of(upright.transpose(Image.Transpose.ROTATE_180))
    chunk = struct.pack(">I", len(entry) - 4) + entry + struct.pack(">I", zlib.crc32(entry))
    file = file[:-12] + chunk + file[-12:]

    np.testing.assert_array_equal(decoding.read(file, COLORS), np.asarray(upright))


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0", b"\xff" * 300]
)
def test_a_corrupt_exif_block_is_passed_over(exif: bytes) -> None:
    picture = smooth(8, 8)

    for form in ("JPEG", "PNG", "WEBP"):
        found = decoding.read(file_of(picture, form, exif=exif), COLORS)
        np.testing.assert_array_equal(found, decoding.read(file_of(picture, form), COLORS))


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (9, 8), (100, 8), (8, 3000), (777, 1300), (2400, 1800)])
@pytest.mark.parametrize("form", FORMATS)
def test_any_size_is_scaled_and_its_middle_cut_out(size: tuple[int, int], form: str) -> None:
    file = file_of(smooth(*size), form)

    found = decoding.read(file, COLORS)

    whole = Image.open(io.BytesIO(file)).convert("RGB")
    expected = np.asarray(ImageOps.fit(whole, (8, 8), Image.Resampling.BICUBIC))
    assert np.abs(found.astype(int) - expected).mean() < 5


def test_fine_patterns_do_not_alias() -> None:
    """A board of black and white pixels is grey from afar."""
    board = (np.indices((800, 800)).sum(axis=0) % 2 * 255).astype(np.uint8)

    found = decoding.read(file_of(Image.fromarray(board)), DIGIT)

    assert np.abs(found.astype(int) - 127).max() <= 2


def test_a_large_picture_is_reduced_as_at_once() -> None:
    """In strips, which show at no edge."""
    picture = smooth(3001, 2003)

    found = decoding.read(file_of(picture, "BMP"), COLORS).astype(int)

    left = (3001 - 2003) / 2
    expected = picture.resize((8, 8), Image.Resampling.BICUBIC, (left, 0, left + 2003, 2003))
    assert np.abs(found - np.asarray(expected)).max() <= 2


def test_white_stays_white_in_every_size() -> None:
    """Rounding makes some a hair larger than their picture; beyond its edge all is black."""
    random = np.random.default_rng(1)
    for side in range(4, 130):
        image = Feature("image", "image", minimum=0, maximum=255, width=side, height=side, channels=1)
        squares = random.integers(1, 400, (4, 1)).repeat(2, axis=1)
        for width, height in (*squares.tolist(), *random.integers(1, 400, (4, 2)).tolist()):
            white = Image.new("L", (width, height), 255)
            assert (decoding.decode(white, image) == 255).all(), (side, width, height)


def test_an_animation_is_its_first_picture() -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]

    for form in ("GIF", "PNG", "WEBP"):
        file = file_of(frames[0], form, save_all=True, append_images=frames[1:])
        assert np.abs(decoding.read(file, COLORS).astype(int) - [255, 0, 0]).max() < 8


def test_values_go_from_black_to_white() -> None:
    black, white = (decoding.read(file_of(Image.new("L", (8, 8), value)), DIGIT) for value in (0, 255))

    matrix = decoding.to_matrix([black, white], DIGIT)

    assert matrix.dtype == np.float64
    assert matrix.flags.c_contiguous
    np.testing.assert_array_equal(matrix, np.repeat([[0.0], [16.0]], 64, axis=1))


def test_pixels_stand_row_by_row_and_channels_last() -> None:
    picture = noise(8, 8, 3)

    row = decoding.to_matrix([decoding.read(file_of(picture), COLORS)], COLORS)[0]

    assert row[:6].tolist() == [*picture.getpixel((0, 0)), *picture.getpixel((1, 0))]  # type: ignore[misc]


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_cut_off_is_refused(form: str) -> None:
    file = file_of(noise(64, 64, 3), form)

    for end in (len(file) // 8, len(file) // 2, len(file) - 200):
        with pytest.raises(MalformedBody, match=r"damaged or cut off"):
            decoding.read(file[:end], COLORS)


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<?xml version='1.0'?>\n<!-- a -->\n<svg></svg>", "SVG"),
        (b"<!DOCTYPE html><title>404</title>", "HTML"),
        (b"\n<html lang=en>", "HTML"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"MM\0*\0\0\0\x08", "TIFF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "AVIF"),
        (b"\0\0\0\x20ftypisom\0\0\0\0", "video"),
        (b"%PDF-1.7\n", "PDF"),
    ],
)
def test_other_formats_are_named_with_what_can_be_read(file: bytes, kind: str) -> None:
    with pytest.raises(UnsupportedFormat, match=f"{kind}.*PNG, JPEG, WebP, GIF and BMP") as caught:
        decoding.read(file, COLORS)

    assert caught.value.headers["Accept"].startswith("image/png, image/jpeg")


@pytest.mark.parametrize("file", [b"", b"\0", b"hello", b"BM a text about cars", b"GIF", bytes(100)])
def test_what_is_no_picture_is_refused(file: bytes) -> None:
    with pytest.raises(MalformedBody, match=r"not a picture|empty"):
        decoding.read(file, COLORS)


def png_that_claims(width: int, height: int) -> bytes:
    """A file that is good as far as its header goes."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunk = struct.pack(">I", len(head) - 4) + head + struct.pack(">I", zlib.crc32(head))
    whole = file_of(Image.new("1", (8, 8)))
    return whole[:8] + chunk + whole[8 + len(chunk) :]


@pytest.mark.parametrize("size", [(20_000, 20_000), (10_000, 10_000), (7_072, 7_072), (50_000_001, 1)])
def test_too_many_pixels_are_refused_before_they_are_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(TooLarge, match="50,000,000"):
        decoding.read(png_that_claims(*size), COLORS)


def test_a_photo_of_a_phone_passes() -> None:
    file = file_of(Image.new("RGB", (8064, 6048), "navy"), "JPEG")

    found = decoding.read(file, COLORS)

    assert np.abs(found.astype(int) - [0, 0, 128]).max() <= 2


def test_a_webp_counts_four_times() -> None:
    file = file_of(Image.new("RGB", (100, 26)), "WEBP", lossless=True)

    with pytest.raises(TooLarge, match="100 × 26 pixels; at most 2,500"):
        decoding.read(file, COLORS, max_pixels=10_000)


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    file = file_of(noise(8, 8, 3), "JPEG", progressive=True)
    scan = file[file.rindex(b"\xff\xda") : -2]

    with pytest.raises(MalformedBody, match="scans"):
        decoding.read(file[:-2] + scan * 100 + file[-2:], COLORS)


def test_what_pillow_warns_of_neither_leaks_nor_fails() -> None:
    file = file_of(
        Image.new("RGB", (8, 8), "red"), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0" + b"\x12\x01" * 9
    )

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        decoding.read(file, COLORS)

    assert not caught
