"""A trained network -> its ONNX file, and how far the two are apart."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mlapi.networks.onnx_file import onnx_file
from mlapi.networks.residual import ResidualNetwork, folded
from mlapi.networks.runtime import Runtime

TOLERANCE = 1e-4
"""Between the probabilities of onnxruntime and PyTorch."""

_SOME, _NOISE = 200, 50


def exported(
    network: ResidualNetwork, mean: Any, std: Any, pictures: NDArray[Any], probes: NDArray[Any] | None
) -> tuple[bytes, float]:
    """The ONNX file, and how far it is from PyTorch at most: on some pictures, the probes, and noise."""
    plain = folded(network, mean.cpu(), std.cpu())
    _, height, width, channels = pictures.shape
    content = onnx_file(plain, (height, width, channels))
    asked = _asked(pictures, probes)
    with torch.inference_mode():
        own = plain(torch.from_numpy(asked).permute(0, 3, 1, 2)).softmax(1).numpy()
    return content, float(np.abs(Runtime(content).probabilities(asked) - own).max())


def _asked(pictures: NDArray[Any], probes: NDArray[Any] | None) -> NDArray[np.float32]:
    some = pictures[:: math.ceil(len(pictures) / _SOME)].astype(np.float32)
    black, white = some.min(), some.max()
    noise = np.random.default_rng(0).uniform(black, white, (_NOISE, *some.shape[1:])).astype(np.float32)
    plain = np.stack([np.full(some.shape[1:], value, np.float32) for value in (black, white)])
    told = [] if probes is None else [probes.astype(np.float32)]
    return np.concatenate([some, *told, noise, plain])
