"""Pictures that the tests draw: discs, boxes and stripes, which a small estimator can tell apart."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CLASSES = ("box", "disc", "stripes")


def shape(kind: str, number: int, *, side: int = 16, channels: int = 3) -> NDArray[np.uint8]:
    """(side, side, channels), the same for the same number."""
    random = np.random.default_rng([CLASSES.index(kind), number])
    down, across = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j] + random.uniform(-0.2, 0.2, (2, 1, 1))
    inside = {
        "box": np.maximum(abs(down), abs(across)) < 0.6,
        "disc": np.hypot(down, across) < 0.5,
        "stripes": np.sin(down * 14) > 0,
    }[kind]
    dark, bright = random.integers(0, 90, channels), random.integers(150, 256, channels)
    found = np.where(inside[..., None], bright, dark) + random.integers(0, 12, (side, side, channels))
    return found.clip(0, 255).astype(np.uint8)


def encoded(picture: NDArray[np.uint8], form: str = "PNG", **options: Any) -> bytes:
    content = io.BytesIO()
    Image.fromarray(picture.squeeze()).save(content, form, **options)
    return content.getvalue()


def write(folder: Path, parts: dict[str, int], *, classes: tuple[str, ...] = CLASSES, **how: Any) -> Path:
    """So many pictures of each class under each part's folder; "" is none."""
    for part, count in parts.items():
        for kind in classes:
            home = folder / part / kind
            home.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                drawn = shape(kind, number + 1000 * (part == "test"), **how)
                (home / f"{number:03}.png").write_bytes(encoded(drawn))
    return folder
