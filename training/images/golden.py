"""The golden pictures of a version: drawn ones and crops of scikit-learn's samples, never the user's own.

They go into the version as a client sends them, and with it to whoever gets it: what a user trains on stays
where it is.
"""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_sample_images

from mlapi.artifacts.golden import TOLERANCE, Golden
from mlapi.data.images.decoding import Pixels, png
from mlapi.data.images.reader import BASE64
from mlapi.data.signature import Feature
from mlapi.training.images.dataset import flat, rescaled
from mlapi.training.versions.golden import SINGLE, outputs

DRAWN, CROPPED = 28, 12


def golden(estimator: Any, image: Feature, seed: int, *, is_network: bool) -> Golden:
    """Pictures as a client sends them, with the estimator's answers.

    Raises:
        Unanswerable: An answer is not finite.
    """
    X = golden_images(image, seed)
    if is_network:
        X = X[_is_clear(estimator.predict_proba(flat(X)))]
    rows: list[Any] = [{BASE64: b64encode(png(picture)).decode()} for picture in X]
    return Golden(rows, outputs(estimator, flat(X)), SINGLE if is_network else TOLERANCE)


def golden_images(image: Feature, seed: int) -> Pixels:
    """(n, height, width, channels): black, white, noise, gradients, shapes, and crops of photos."""
    random = np.random.default_rng(seed)
    drawn = [rescaled(picture[None], image)[0] for picture in (*_drawn(image, random), *_crops(random))]
    return np.stack(drawn)


def _is_clear(probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which answers another processor cannot turn into another class; all, where there is no such one."""
    second, first = np.sort(probabilities, axis=1)[:, -2:].T
    found: NDArray[np.bool_] = first - second > 10 * SINGLE
    return found if found.any() else ~found


def _drawn(image: Feature, random: np.random.Generator) -> Iterator[Pixels]:
    height, width, channels = image.height or 0, image.width or 0, image.channels or 0
    yield np.zeros((height, width, channels), np.uint8)
    yield np.full((height, width, channels), 255, np.uint8)
    for _ in range(2):
        yield random.integers(0, 256, (height, width, channels), np.uint8)
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    for number in range(DRAWN - 4):
        one, other = random.integers(0, 256, (2, channels))
        share = _gradient(down, across, random) if number % 3 == 0 else _shape(down, across, random)
        mixed = one + (other - one) * share[..., None]
        yield np.rint(mixed).astype(np.uint8)


def _gradient(
    down: NDArray[np.float64], across: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    angle = random.uniform(0, 2 * np.pi)
    slope: NDArray[np.float64] = down * np.sin(angle) + across * np.cos(angle)
    return np.asarray((slope - slope.min()) / max(np.ptp(slope), 1e-9))


def _shape(
    down: NDArray[np.float64], across: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    """A disc, a box or stripes: 1 within, 0 outside."""
    (row, column), size = random.uniform(0.3, 0.7, 2), random.uniform(0.15, 0.4)
    inside = (
        np.hypot(down - row, across - column) < size,
        np.maximum(abs(down - row), abs(across - column)) < size,
        np.sin((down * row + across * column) * 10 / size) > 0,
    )
    return np.asarray(inside[random.integers(len(inside))], np.float64)


def _crops(random: np.random.Generator) -> Iterator[Pixels]:
    photos = load_sample_images().images
    for number in range(CROPPED):
        photo = photos[number % len(photos)]
        side = int(random.integers(80, min(photo.shape[:2])))
        top, left = (int(random.integers(0, edge - side + 1)) for edge in photo.shape[:2])
        yield np.ascontiguousarray(photo[top : top + side, left : left + side])
