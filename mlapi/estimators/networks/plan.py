"""What goes into the training of a network and what comes out, as plain values. Never imports PyTorch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Shape: TypeAlias = tuple[int, int, int]
"""The height, width and channels of each image."""

RawImages: TypeAlias = NDArray[Any]
"""`(images, height, width, channels)`: the values of the pixels as they are, not normalized, best from 0 to
255; uint8 or a float type."""

Probabilities: TypeAlias = NDArray[np.float64]
"""`(images, classes)`, float64; each row sums to 1."""

ChannelValues: TypeAlias = NDArray[np.float64]
"""`(channels,)`, float64: a mean or a standard deviation of raw values."""


@dataclass(frozen=True, slots=True)
class LabeledImages:
    """Images of one shape, and their classes."""

    images: RawImages
    labels: NDArray[np.int64]
    """`(images,)`, the position of each image's class, from 0."""

    @property
    def shape(self) -> Shape:
        """The shape of each image."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train: the parameters of `mlapi.estimators.algorithms.cnn`, which describes them."""

    epochs: int | None
    budget: float | None
    batch_size: int
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    crop: float
    cutout: float
    mix: float
    neighborhood: float
    flip: bool
    width: int
    random_state: int


@dataclass(frozen=True, slots=True)
class EpochState:
    """How far a training is. The fields, without the seconds that are left, are in `history_` too."""

    epoch: int
    """The epoch that is running, from 1."""
    share: float
    """How much of the whole training is done, from 0 to 1."""
    loss: float
    """The mean loss in this epoch so far, of the images as they were augmented."""
    accuracy: float
    """The share of right answers in this epoch so far, of the images as they were augmented."""
    pictures_per_second: float
    seconds_left: float
    validation_accuracy: float | None
    """The accuracy on the validation set when it was last measured; None before."""


Watch: TypeAlias = Callable[[EpochState], object]
"""Is called some times a second while a network is trained; what it raises ends the training."""


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """The result of a training."""

    network: bytes
    """An ONNX file, which takes `RawImages` as float32 and gives `Probabilities` as float32."""
    mean: ChannelValues
    """Of the training images."""
    std: ChannelValues
    """Of the training images."""
    history: list[dict[str, Any]]
    """An entry for each epoch."""
    apart: float
    """The largest difference between a probability of onnxruntime's and PyTorch's, with the same weights."""
    rounding: float
    """The largest change of a probability by rounding the weights to two bytes."""
