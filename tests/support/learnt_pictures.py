"""Pictures to learn from: some of CIFAR-10 where they lie beside the checkout, and drawn ones."""

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mlapi.estimators.algorithms.cnn import ConvolutionalNetwork
from tests.conftest import ROOT

ACROSS_OR_DOWN = Path(__file__).with_name("across_or_down.onnx")
"""The `network_` of a ConvolutionalNetwork(width=3, epochs=15, flip=False, random_state=0) that was fitted to
`drawn(2000, (8, 8, 1))`."""

CIFAR = ROOT.parent / "shared" / "data" / "cifar10-images.tar.gz"


def drawn(count: int, shape: tuple[int, int, int], *, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Noise with a bright bar across, or a bright bar down."""
    random = np.random.default_rng(seed)
    height, width, _ = shape
    X = random.integers(0, 120, (count, *shape), np.uint8)
    y = np.arange(count) % 2
    for picture, label in zip(X, y, strict=True):
        if label:
            picture[:, random.integers(width)] += 130
        else:
            picture[random.integers(height)] += 130
    return X, np.array(["across", "down"])[y]


def across_or_down() -> ConvolutionalNetwork:
    """Fitted, as it is after its pickle was read: without PyTorch."""
    made = ConvolutionalNetwork()
    made.__setstate__(
        {
            **made.get_params(),
            "shape_": (8, 8, 1),
            "n_features_in_": 64,
            "classes_": np.array(["across", "down"]),
            "network_": ACROSS_OR_DOWN.read_bytes(),
        }
    )
    return made


def cifar(count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """So many pictures of each class of its training set."""
    files = cifar_files("train", count)
    X = np.stack([seen(file) for some in files.values() for file in some])
    return X, np.repeat(list(files), count)


def cifar_files(part: str, count: int) -> dict[str, list[bytes]]:
    """So many files of each class of its training set (`train`) or its test set (`test`)."""
    if not CIFAR.exists():
        pytest.skip(f"the pictures of CIFAR-10 are not in {CIFAR.parent.name}/")
    found: dict[str, list[bytes]] = {}
    with tarfile.open(CIFAR, "r|gz") as archive:
        for member in archive:
            parts = member.name.split("/")
            if member.isfile() and parts[-3] == part and len(found.setdefault(parts[-2], [])) < count:
                found[parts[-2]].append(archive.extractfile(member).read())
    return found


def seen(file: bytes) -> NDArray[Any]:
    """The pixels of a picture, by Pillow alone."""
    with Image.open(io.BytesIO(file)) as picture:
        return np.asarray(picture.convert("RGB"))
