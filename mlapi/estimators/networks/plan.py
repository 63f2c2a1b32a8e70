"""What a training is told, and what it tells, as plain values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Shape: TypeAlias = tuple[int, int, int]
"""Height, width, channels."""


@dataclass(frozen=True, slots=True)
class LabeledImages:
    """Pictures (n, height, width, channels), and for each the place of its class."""

    pictures: NDArray[Any]
    labels: NDArray[np.int64]

    @property
    def shape(self) -> Shape:
        height, width, channels = self.pictures.shape[1:]
        return height, width, channels


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train, in the words of `mlapi.estimators.algorithms.cnn`."""

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
    """Where a training is: loss and accuracy are of this epoch, each picture as it was learned from."""

    epoch: int
    share: float
    """Of the whole training that is done."""
    loss: float
    accuracy: float
    pictures_per_second: float
    seconds_left: float
    validation_accuracy: float | None
    """After the last epoch that was followed by one."""


Watch: TypeAlias = Callable[[EpochState], object]


@dataclass(frozen=True, slots=True)
class TrainedNetwork:
    """A network that is done: `network` is its ONNX file, `mean` and `std` are by channel, of raw values."""

    network: bytes
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    history: list[dict[str, Any]]
    apart: float
    """How far a probability of onnxruntime's is from PyTorch's at most, with the same weights."""
    rounding: float
    """How far rounding the weights to two bytes moved a probability at most."""
