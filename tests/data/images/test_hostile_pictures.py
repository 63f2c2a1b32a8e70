"""Files made to break a decoder: each is answered or refused, and the server lives on with bounded memory."""

import base64
import http.client
import json
import random
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from mlapi.server.app import create_app
from tests.conftest import settings_for
from tests.support.cost import cost
from tests.support.pictures import digits, drawn, file_of, fitted_digits, publish_pictures
from tests.support.problems import assert_problem
from tests.support.server import Server, running
from tests.support.waiting import HANG_S

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "PNG": ("PNG", {}),
    "palette": ("PNG", {}),
    "JPEG": ("JPEG", {}),
    "progressive": ("JPEG", {"progressive": True}),
    "WebP": ("WEBP", {}),
    "lossless": ("WEBP", {"lossless": True}),
    "GIF": ("GIF", {}),
    "BMP": ("BMP", {}),
    "animated": ("PNG", {"save_all": True}),
}


def seeds() -> list[bytes]:
    """Small pictures of all formats, with what makes their headers long."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (11, 9, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    found = []
    for name, (form, options) in KINDS.items():
        picture = noise.quantize(16) if name == "palette" else noise
        more = {"append_images": [noise.rotate(90, expand=False)]} if name == "animated" else {}
        given = {} if form in ("GIF", "BMP") else {"exif": exif}
        found.append(file_of(picture, form, **options, **more, **given))
    found.append(file_of(noise.convert("CMYK"), "JPEG"))
    found.append(file_of(noise.convert("RGBA"), "PNG"))
    found.append(file_of(Image.new("I;16", (9, 11), 999), "PNG"))
    return found


def damaged(file: bytes, chance: random.Random) -> bytes:
    """Bytes that are changed, cut out, doubled, or made extreme."""
    content = bytearray(file)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        place = chance.randrange(max(1, min(len(content), chance.choice((60, 200, 10_000)))))
        match chance.randrange(5):
            case 0:
                content[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                content[place : place + 4] = chance.choice(
                    (b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff")
                )
            case 2:
                del content[place : place + chance.randrange(1, 30)]
            case 3:
                content[place:place] = content[place : place + chance.randrange(1, 60)]
            case _:
                content[place : place + 2] = struct.pack(">H", chance.choice((0, 1, 255, 4096, 65_535)))
    return bytes(content)


def png_of_zeros(width: int, height: int, channels: int) -> bytes:
    """A thousandth of what it unpacks to, made without ever being that large; 0 channels are one bit."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    depth, color = {0: (1, 0), 1: (8, 0), 3: (8, 2), 4: (8, 6)}[channels]
    packer = zlib.compressobj(9)
    row = bytes(1 + (width * channels if channels else (width + 7) // 8))
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    publish_pictures(folder, "digits", fitted_digits())
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[FlaskClient]:
    with create_app(settings_for(folder, image_model="digits")).test_client() as client:
        yield client


ANSWERS = {200, 400, 413, 415}


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_picture_is_answered_or_refused(client: FlaskClient, seed: int) -> None:
    """Alone and in JSON, where each has a place of its own."""
    chance = random.Random(seed)
    files = [damaged(file, chance) for file in seeds()]

    for file in files:
        response = client.post("/classify", data=file, content_type="image/png")
        assert response.status_code in ANSWERS, (response.get_json(), file)
    rows = [{"b64": base64.b64encode(file).decode()} for file in files]
    assert client.post("/predict/digits", json={"X": rows}).status_code in {200, 413, 422}


def test_damage_is_of_all_sorts(client: FlaskClient) -> None:
    """Else the test above would look at nothing but what is refused at once."""
    chance = random.Random(0)
    files = [damaged(file, chance) for _ in range(10) for file in seeds()]

    found = Counter(
        client.post("/classify", data=file, content_type="image/png").status_code for file in files
    )

    assert min(found[200], found[400]) > 10


EMPTY = struct.pack(">I", zlib.crc32(b"teSt"))

ENDLESS: dict[str, Callable[[], bytes]] = {
    "EXIF in pieces": lambda: b"\xff\xd8" + (b"\xff\xe1\x00\x12Exif\0\0" + b"M" * 10) * 800_000,
    "empty segments": lambda: b"\xff\xd8" + b"\xff\xe1\x00\x02" * 4_000_000,
    "empty chunks": lambda: seeds()[0][:33] + (bytes(4) + b"teSt" + EMPTY) * 1_300_000,
}


@pytest.mark.parametrize("made", ENDLESS.values(), ids=ENDLESS)
def test_sixteen_megabytes_of_headers_are_refused_in_no_time(
    client: FlaskClient, made: Callable[[], bytes]
) -> None:
    file = made()

    def refuse() -> None:
        response = client.post("/classify", data=file, content_type="image/png")
        assert "save it anew" in assert_problem(response, 400, "malformed-body")["detail"]

    assert cost(refuse) < 60


def peak_memory(process: int) -> int:
    """Bytes: the most that a process has ever held."""
    (line,) = (line for line in Path(f"/proc/{process}/status").read_text().splitlines() if "VmHWM" in line)
    return int(line.split()[1]) * 1024


def ask(server: Server, file: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=HANG_S)
    try:
        connection.request("POST", "/classify", file, {"Content-Type": "image/png"})
        response = connection.getresponse()
        json.loads(response.read())
        return response.status
    finally:
        connection.close()


@pytest.mark.exhaustive
def test_bombs_cost_a_server_bounded_memory_and_no_worker(
    folder: Path, tmp_path: Path, worker_class: str
) -> None:
    """Sixteen at once; twelve take 196 MB each, and a worker decodes one at a time."""
    bombs = [png_of_zeros(7000, 7000, 3)] * 12 + [png_of_zeros(20_000, 20_000, 0)] * 4
    digit = file_of(drawn(digits()[0][3]))
    environ = {"MLAPI_IMAGE_MODEL": "digits", "MLAPI_WORKER_CLASS": worker_class}
    with running(folder, tmp_path, **environ) as server:
        workers = server.wait_for_workers()
        assert [ask(server, digit) for _ in range(6)] == [200] * 6
        before = max(map(peak_memory, workers))

        with ThreadPoolExecutor(16) as pool:
            statuses = list(pool.map(partial(ask, server), bombs))

        assert statuses == [200] * 12 + [413] * 4
        assert ask(server, digit) == 200
        assert server.workers == workers
        assert max(map(peak_memory, workers)) - before < 260_000_000
        assert "Traceback" not in server.log
