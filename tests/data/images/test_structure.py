"""The parts of picture files are counted: ordinary files pass, endless ones do not, and both are quick."""

import struct
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from PIL import Image

from mlapi.data.images import decoding
from mlapi.data.images.structure import check
from mlapi.errors import MalformedBody
from tests.support.cost import cost
from tests.support.pictures import COLORS, file_of

RANDOM = np.random.default_rng(0)

NOISE = Image.fromarray(RANDOM.integers(0, 256, (64, 48, 3), dtype=np.uint8))

FRAME = b"\xff\xc0\x00\x11\x08\x00\x08\x00\x08\x03" + bytes(9)
"""Sequential, of three components."""


def scan(components: int, pixels: bytes = b"\x12\xff\x00\xff\xd0\x34") -> bytes:
    return (
        struct.pack(">2sHB", b"\xff\xda", 6 + 2 * components, components) + bytes(3 + 2 * components) + pixels
    )


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_with(extra: bytes, before: bytes = b"IDAT") -> bytes:
    """A PNG with chunks before its first one of a kind."""
    file = file_of(NOISE)
    place = file.index(before) - 4
    return file[:place] + extra + file[place:]


def jpeg_with(extra: bytes) -> bytes:
    file = file_of(NOISE, "JPEG")
    return file[:2] + extra + file[2:]


def gif_with(extra: bytes) -> bytes:
    """A GIF with blocks before its picture."""
    file = file_of(NOISE.quantize(4), "GIF")
    place = 13 + (6 << (file[10] & 7))
    return file[:place] + extra + file[place:]


EXIF = b"\xff\xe1\x00\x12Exif\0\0" + b"M" * 10

MEGABYTE = 1 << 20

ENDLESS: dict[str, Callable[[], bytes]] = {
    "EXIF in pieces, which Pillow adds up": lambda: jpeg_with(EXIF * (16 * MEGABYTE // len(EXIF) - 1000)),
    "empty segments": lambda: jpeg_with(b"\xff\xe1\x00\x02" * (4 * MEGABYTE - 1000)),
    "comments": lambda: jpeg_with(b"\xff\xfe\x00\x03!" * 2000),
    "markers alone": lambda: jpeg_with(b"\xff\xd0" * (8 * MEGABYTE - 5000)),
    "large segments": lambda: jpeg_with((b"\xff\xe2\xff\xff" + bytes(65_533)) * 33),
    "nothing": lambda: b"\xff\xd8\xff\xe0\x00\x02" + bytes(16 * MEGABYTE - 1000),
    "fill bytes": lambda: b"\xff\xd8" + b"\xff" * (16 * MEGABYTE - 1000),
    "segments between scans": lambda: b"\xff\xd8" + FRAME + scan(1) + b"\xff\xfe\x00\x02" * 4_000_000,
    "scans of one component": lambda: b"\xff\xd8" + FRAME + scan(1) * 65 + b"\xff\xd9",
    "empty chunks": lambda: png_with(chunk(b"teSt") * (16 * MEGABYTE // 12 - 2000)),
    "empty chunks of pixels": lambda: png_with(chunk(b"IDAT") * (16 * MEGABYTE // 12 - 2000)),
    "empty chunks at the end": lambda: png_with(chunk(b"teSt") * (16 * MEGABYTE // 12 - 2000), b"IEND"),
    "comments of a GIF": lambda: gif_with(b"!\xfe" + b"\x01a" * 8_000_000 + b"\0"),
    "stray bytes of a GIF": lambda: gif_with(bytes(16_000_000)),
    "empty extensions of a GIF": lambda: gif_with(b"!\xff\0\0" * 4_000_000),
    "blocks behind a loop": lambda: gif_with(b"!\xff\x0cNETSCAPE2.0!\0" + b"\1," * 8_000_000),
    "blocks behind an empty one": lambda: gif_with(b"!\xf9\0" + b"\1," * 8_000_000),
    "long chunks": lambda: png_with(chunk(b"teSt", bytes(MEGABYTE)) * 3),
}


@pytest.mark.parametrize("made", ENDLESS.values(), ids=ENDLESS)
def test_endless_parts_are_refused_in_no_time(made: Callable[[], bytes]) -> None:
    file = made()

    def refuse() -> None:
        with pytest.raises(MalformedBody, match=r"more than .*: save it anew"):
            decoding.open_image(file)

    assert cost(refuse) < 60


@pytest.mark.parametrize("pixels", [b"\xff\x00", b"\xff\xd0", b"\xff", b"\x00"])
def test_long_scans_are_passed_quickly(pixels: bytes) -> None:
    file = b"\xff\xd8" + FRAME + scan(1, pixels * (16 * MEGABYTE // len(pixels))) + b"\xff\xd9"

    assert cost(lambda: check("JPEG", file)) < 60


@pytest.mark.parametrize("progressive", [False, True])
def test_what_follows_the_end_of_a_jpeg_counts_for_nothing(progressive: bool) -> None:
    """A phone's moving picture: a JPEG, and a film behind it."""
    file = file_of(NOISE, "JPEG", progressive=progressive)
    film = RANDOM.bytes(6_000_000)
    assert film.count(b"\xff\xda") > 64

    found = decoding.read(file + film, COLORS)

    np.testing.assert_array_equal(found, decoding.read(file, COLORS))


def test_bytes_that_look_like_scans_are_none_in_a_segment() -> None:
    """Nor are those of a preview within EXIF."""
    file = jpeg_with(b"\xff\xe1\xff\xff" + b"\xff\xda" * 32_766 + b"!")

    np.testing.assert_array_equal(decoding.read(file, COLORS), decoding.read(jpeg_with(b""), COLORS))


def test_a_sequential_jpeg_may_have_a_scan_for_each_component() -> None:
    """What looks like scans counts, unless one of all components is before it."""
    check("JPEG", b"\xff\xd8" + FRAME + scan(1) * 3 + b"\xff\xd9")
    check("JPEG", b"\xff\xd8" + FRAME + scan(3) + scan(1) * 65)

    with pytest.raises(MalformedBody, match="more than 64 scans"):
        check("JPEG", b"\xff\xd8" + FRAME + scan(1) * 65)


def test_as_much_metadata_as_editors_write_passes() -> None:
    profile, comment = RANDOM.bytes(1_500_000), b"!" * 60_000
    frames = [NOISE.rotate(angle) for angle in range(30)]

    for file in (
        file_of(NOISE, "JPEG", icc_profile=profile, comment=comment, exif=b"Exif\0\0" + bytes(60_000)),
        file_of(NOISE, "JPEG", progressive=True, icc_profile=profile),
        png_with(chunk(b"teSt", bytes(1_900_000)) + chunk(b"teSt") * 900),
        png_with(chunk(b"IDAT") * 15_000),
        file_of(NOISE, "PNG", save_all=True, append_images=frames),
    ):
        assert decoding.read(file, COLORS).shape == (8, 8, 3)


def test_an_ordinary_file_costs_microseconds() -> None:
    photo = Image.fromarray(RANDOM.integers(0, 256, (1000, 1500, 3), dtype=np.uint8))

    for form in ("JPEG", "PNG"):
        file = file_of(photo, form)
        assert min(cost(partial(check, form, file)) for _ in range(20)) < 0.06


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_any_cut_is_damaged_or_left_to_pillow(form: str) -> None:
    file = file_of(NOISE, form, **({"progressive": True} if form == "JPEG" else {}))

    for end in (*range(3, 700), *range(700, len(file) - 200, 50)):
        with pytest.raises(MalformedBody, match=r"damaged or cut off|not a picture"):
            decoding.read(file[:end], COLORS)


def test_what_editors_write_into_a_gif_passes() -> None:
    loop = b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0"
    xmp = b"!\xff\x0bXMP DataXMP" + (b"\x50" + bytes(80)) * 5_000 + b"\0"
    expected = decoding.read(gif_with(b""), COLORS)

    for extra in (loop, xmp, b"!\xfe\5hello\0", b"!\xf9\4\0\0\0\0\0", loop + xmp + loop):
        np.testing.assert_array_equal(decoding.read(gif_with(extra), COLORS), expected)


def test_other_formats_are_not_looked_into() -> None:
    file = file_of(NOISE, "BMP")

    np.testing.assert_array_equal(
        decoding.read(file + b"\xff\xda" * 100, COLORS), decoding.read(file, COLORS)
    )
