"""Export a trained network as an ONNX file, and measure how far the file's answers are from its own.

There are two comparisons, because rounding changes answers and must not hide errors: the folded network with
the trained one, and onnxruntime with PyTorch, both with the rounded weights that the file has.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mlapi.estimators.networks.augmentation import normalize
from mlapi.estimators.networks.onnx_file import onnx_file
from mlapi.estimators.networks.plan import RawImages
from mlapi.estimators.networks.residual import ResidualNetwork, fold, in_float32, round_weights
from mlapi.estimators.networks.runtime import Runtime

TOLERANCE = 1e-4
"""How far apart two probabilities may be that should be the same."""

_COMPARED = 200
"""About how many of the training images both answer."""

_NOISE = 50
"""How many images of noise both answer."""


class Exported(NamedTuple):
    """An ONNX file, and the largest differences between probabilities that were measured."""

    network: bytes
    """The file."""
    folding: float
    """Between the trained network and the one with its norms folded in, before the weights are rounded."""
    apart: float
    """Between onnxruntime and PyTorch, both with the rounded weights."""
    rounding: float
    """Between the folded networks before and after the weights are rounded."""

    def check(self) -> None:
        """Refuse a file that is not the trained network.

        Raises:
            FloatingPointError: The folded network, or onnxruntime, differs by more than `TOLERANCE`, or by
                NaN.
        """
        if not self.folding <= TOLERANCE:
            raise FloatingPointError(
                f"the folded network answers {self.folding:.2g} apart from the trained one"
            )
        if not self.apart <= TOLERANCE:
            raise FloatingPointError(f"onnxruntime answers {self.apart:.2g} apart from PyTorch")


def export_network(
    network: ResidualNetwork, mean: Any, std: Any, images: RawImages, probes: RawImages | None
) -> Exported:
    """Write a trained network as ONNX, and compare the answers on some images, the probes, and noise.

    Args:
        network: The trained network, which takes normalized images.
        mean: `(channels,)`, a tensor; the exported network normalizes by it.
        std: `(channels,)`, a tensor; likewise.
        images: Raw training images; about `_COMPARED` of them are answered.
        probes: Raw images of the same shape, all of which are answered; or None.
    """
    mean, std = mean.cpu(), std.cpu()
    exact = fold(network, mean, std)
    rounded = round_weights(exact)
    _, height, width, channels = images.shape
    shape = height, width, channels
    content = onnx_file(rounded, shape)
    compared = _compared(images, probes)
    raw = torch.from_numpy(compared)
    trained = _probabilities(in_float32(network), normalize(raw, mean, std))
    before, after = (_probabilities(each, raw.permute(0, 3, 1, 2)) for each in (exact, rounded))
    return Exported(
        content,
        folding=_difference(before, trained),
        apart=_difference(Runtime(content, shape, rounded.head.out_features).probabilities(compared), after),
        rounding=_difference(after, before),
    )


def _probabilities(network: ResidualNetwork, images: Any) -> NDArray[np.float32]:
    with torch.inference_mode():
        return network.probabilities(images).numpy()  # type: ignore[no-any-return]


def _difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the largest absolute difference; NaN if there is one."""
    return float(np.abs(one - other).max())


def _compared(images: RawImages, probes: RawImages | None) -> NDArray[np.float32]:
    """Return the images to compare answers on: some of these, the probes, noise, all black and all white."""
    some = images[:: math.ceil(len(images) / _COMPARED)].astype(np.float32)
    black, white = some.min(), some.max()
    noise = np.random.default_rng(0).uniform(black, white, (_NOISE, *some.shape[1:])).astype(np.float32)
    plain = np.stack([np.full(some.shape[1:], value, np.float32) for value in (black, white)])
    extra = [] if probes is None else [probes.astype(np.float32)]
    return np.concatenate([some, *extra, noise, plain])
