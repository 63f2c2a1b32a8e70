"""The golden rows of a version that takes images: drawn images and crops of scikit-learn's sample photos.

The golden rows are in the artifact as a client would send them, and whoever gets the artifact gets them too.
So they are never the user's own images: what somebody trains on stays where it is.
"""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_sample_images

from mlapi.artifacts.golden import TOLERANCE, Golden
from mlapi.data.images.decoding import Images, Pixels, png
from mlapi.data.images.reader import BASE64
from mlapi.data.signature import Feature
from mlapi.training.images.dataset import flat, rescaled
from mlapi.training.versions.golden import SINGLE, outputs

DRAWN = 28
"""How many images are drawn."""

CROPPED = 12
"""How many crops of photos there are."""


def make_golden(estimator: Any, feature: Feature, seed: int, *, is_network: bool) -> Golden:
    """Return golden rows as a client sends them, with the estimator's answers.

    For a network, only images are taken whose answers rounding cannot turn into another class.

    Args:
        estimator: Takes flat images, `(images, columns)`.
        feature: The feature of the signature.
        seed: Decides which images are drawn.

    Raises:
        Unanswerable: An answer is not finite.
    """
    X = golden_images(feature, seed)
    if is_network:
        X = X[_is_clear(estimator.predict_proba(flat(X)))]
    rows: list[Any] = [{BASE64: b64encode(png(image)).decode()} for image in X]
    return Golden(rows, outputs(estimator, flat(X)), SINGLE if is_network else TOLERANCE)


def golden_images(feature: Feature, seed: int) -> Images:
    """Return black, white, noise, gradients, shapes, and crops of photos, in a feature's size and channels.

    One seed gives the same `DRAWN + CROPPED` images.
    """
    random = np.random.default_rng(seed)
    images = (*_drawn(feature, random), *_crops(random))
    return np.stack([rescaled(each[None], feature)[0] for each in images])


def _is_clear(probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return, `(images,)`, whether the two highest probabilities `(images, classes)` are far enough apart.

    Far enough is what rounding on another processor cannot bridge. If no answer is, all count as clear.
    """
    second, first = np.sort(probabilities, axis=1)[:, -2:].T
    is_clear: NDArray[np.bool_] = first - second > 10 * SINGLE
    return is_clear if is_clear.any() else ~is_clear


def _drawn(feature: Feature, random: np.random.Generator) -> Iterator[Pixels]:
    """Yield `DRAWN` images of the feature's size: black, white, two of noise, then gradients and shapes."""
    height, width, channels = feature.height or 0, feature.width or 0, feature.channels or 0
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
    """Return values from 0 to 1 that rise in a random direction, `(height, width)` as `down` and `across`."""
    angle = random.uniform(0, 2 * np.pi)
    slope: NDArray[np.float64] = down * np.sin(angle) + across * np.cos(angle)
    return np.asarray((slope - slope.min()) / max(np.ptp(slope), 1e-9))


def _shape(
    down: NDArray[np.float64], across: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    """Return a disc, a box or stripes, 1 inside and 0 outside, `(height, width)` as `down` and `across`.

    `down` and `across` are the coordinates of each pixel, from 0 to 1.
    """
    (row, column), size = random.uniform(0.3, 0.7, 2), random.uniform(0.15, 0.4)
    inside = (
        np.hypot(down - row, across - column) < size,
        np.maximum(abs(down - row), abs(across - column)) < size,
        np.sin((down * row + across * column) * 10 / size) > 0,
    )
    return np.asarray(inside[random.integers(len(inside))], np.float64)


def _crops(random: np.random.Generator) -> Iterator[Pixels]:
    """Yield `CROPPED` squares cut out of scikit-learn's sample photos, of different sizes."""
    photos = load_sample_images().images
    for number in range(CROPPED):
        photo = photos[number % len(photos)]
        side = int(random.integers(80, min(photo.shape[:2])))
        top, left = (int(random.integers(0, edge - side + 1)) for edge in photo.shape[:2])
        yield np.ascontiguousarray(photo[top : top + side, left : left + side])
