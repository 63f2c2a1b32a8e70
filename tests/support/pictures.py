"""A model of pictures for tests: a support vector machine on scikit-learn's digits, and files for it."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from mlapi.artifacts.golden import Golden
from mlapi.artifacts.manifest import Draft, Manifest
from mlapi.data.signature import Feature, Signature, Target
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import CLASSIFICATION, IMAGE_CLASSIFICATION
from mlapi.registry.backends.folder import Folder
from mlapi.registry.publication import publish
from tests.conftest import KEY, trusting

DIGIT = Feature("image", "image", minimum=0, maximum=16, width=8, height=8, channels=1)
"""What scikit-learn's digits are: 16 is white."""

COLORS = Feature("image", "image", minimum=0, maximum=255, width=8, height=8, channels=3)

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")


def digits() -> tuple[Any, Any]:
    """Some rows of 64 pixels, and what they are."""
    data = load_digits()
    return data.data[:300], data.target[:300]


def fitted_digits() -> Any:
    """Tells probabilities."""
    return ALGORITHMS["svm"].build(CLASSIFICATION, {"gamma": 0.002}).fit(*digits())


def publish_pictures(
    folder: Path, name: str, estimator: Any, image: Feature = DIGIT, algorithm: str = "svm"
) -> Manifest:
    """Publish a classifier of pictures, its golden rows lists of pixels."""
    rows = np.random.default_rng(0).integers(0, int(image.maximum or 0), (4, image.size)).astype(np.float64)
    classes = tuple(estimator.classes_.tolist())
    draft = Draft(
        name=name,
        algorithm=algorithm,
        task=IMAGE_CLASSIFICATION,
        signature=Signature((image,), Target("digit", "category", classes, NAMES[: len(classes)])),
        parameters={},
        metrics={},
        data={},
    )
    golden = Golden(rows.tolist(), {"prediction": estimator.predict(rows).tolist()})
    classes_ = trusting(sorted({*ALGORITHMS["svm"].classes}))
    return publish(Folder(folder), draft, estimator, golden, {}, KEY, classes_)


def drawn(row: Any) -> Image.Image:
    """The picture of one of the digits, as a person would save it: 16 is white."""
    return Image.fromarray((np.asarray(row).reshape(8, 8) * (255 / 16)).round().astype(np.uint8))


def file_of(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()
