"""A trained network -> its ONNX file, and how far the two are apart.

Two comparisons, since rounding changes answers and errors must not hide behind that: the folded network with
the trained one, then onnxruntime with PyTorch, both with the weights as the file has them.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mlapi.estimators.networks.augmentation import normalized
from mlapi.estimators.networks.onnx_file import onnx_file
from mlapi.estimators.networks.residual import ResidualNetwork, folded, in_float32, rounded
from mlapi.estimators.networks.runtime import Runtime

TOLERANCE = 1e-4
"""Between two probabilities that are to be the same."""

_SOME, _NOISE = 200, 50


class Exported(NamedTuple):
    """`network` is an ONNX file; the others are the largest differences between probabilities."""

    network: bytes
    folding: float
    """Of the network with its norms folded in, before anything is rounded, from the one that was trained."""
    apart: float
    """Of onnxruntime's from PyTorch's, both with the rounded weights."""
    rounding: float
    """Of those before the weights were rounded from those after."""

    def check(self) -> None:
        """
        Raises:
            FloatingPointError: It is not the network that was trained.
        """
        if not self.folding <= TOLERANCE:
            raise FloatingPointError(
                f"the folded network answers {self.folding:.2g} apart from the trained one"
            )
        if not self.apart <= TOLERANCE:
            raise FloatingPointError(f"onnxruntime answers {self.apart:.2g} apart from PyTorch")


def exported(
    network: ResidualNetwork, mean: Any, std: Any, pictures: NDArray[Any], probes: NDArray[Any] | None
) -> Exported:
    """The ONNX file, and how it answers some pictures, the probes, and noise."""
    mean, std = mean.cpu(), std.cpu()
    whole = folded(network, mean, std)
    short = rounded(whole)
    _, height, width, channels = pictures.shape
    shape = height, width, channels
    content = onnx_file(short, shape)
    asked = _asked(pictures, probes)
    raw = torch.from_numpy(asked)
    trained = _probabilities(in_float32(network), normalized(raw, mean, std))
    before, after = (_probabilities(plain, raw.permute(0, 3, 1, 2)) for plain in (whole, short))
    return Exported(
        content,
        folding=_apart(before, trained),
        apart=_apart(Runtime(content, shape, short.head.out_features).probabilities(asked), after),
        rounding=_apart(after, before),
    )


def _probabilities(network: ResidualNetwork, pictures: Any) -> NDArray[np.float32]:
    with torch.inference_mode():
        return network.probabilities(pictures).numpy()  # type: ignore[no-any-return]


def _apart(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(np.abs(one - other).max())


def _asked(pictures: NDArray[Any], probes: NDArray[Any] | None) -> NDArray[np.float32]:
    some = pictures[:: math.ceil(len(pictures) / _SOME)].astype(np.float32)
    black, white = some.min(), some.max()
    noise = np.random.default_rng(0).uniform(black, white, (_NOISE, *some.shape[1:])).astype(np.float32)
    plain = np.stack([np.full(some.shape[1:], value, np.float32) for value in (black, white)])
    told = [] if probes is None else [probes.astype(np.float32)]
    return np.concatenate([some, *told, noise, plain])
