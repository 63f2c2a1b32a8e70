"""The network itself: a whitening layer, three groups of convolutions, a linear head.

Its parts and their first values follow Jordan 2024 (arXiv 2404.00498): a first layer of fixed filters that
whiten patches, convolutions that begin as the identity, norms without a scale. Takes normalized pictures,
channels first; knows nothing of data sets, of training, or of files.
"""

from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

SIDE = 32
"""The first layer scales larger pictures down to about this many pixels."""

_PATCH_PARTS = 16
"""At most so many principal components of a patch are kept: all of 2 x 2 pixels with four channels."""

_PATCH_FLOOR = 5e-4
"""Added to the variance of each component, so that noise is not blown up."""

_SQUEEZE = 8
"""So many channels share one number of those that decide how much of each goes on."""

_HEAD_SCALE = 1 / 9
"""Of the logits: what comes in is large, because each is the greatest of many values."""


class NormedConvolution(nn.Module):  # type: ignore[misc]
    """A convolution that begins as the identity, the greatest of each 2 x 2 pixels where told, and a norm."""

    def __init__(self, inputs: int, outputs: int, *, halves: bool = False) -> None:
        super().__init__()
        self.halves = halves
        self.convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        nn.init.dirac_(self.convolution.weight.data[:inputs])
        self.norm = nn.BatchNorm2d(outputs, momentum=0.4)
        self.norm.weight.requires_grad = False

    def forward(self, x: Any) -> Any:
        x = self.convolution(x)
        return self.norm(functional.max_pool2d(x, pool_of(x.shape)) if self.halves else x)


class Gate(nn.Module):  # type: ignore[misc]
    """How much of each channel goes on: twice as much at most, by the means of all of them.

    Squeeze and excitation (Hu et al. 2018, arXiv 1709.01507). Begins as the identity.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, max(1, channels // _SQUEEZE))
        self.excite = nn.Linear(self.squeeze.out_features, channels)
        nn.init.zeros_(self.excite.weight)
        nn.init.zeros_(self.excite.bias)

    def forward(self, x: Any) -> Any:
        opened = self.excite(functional.gelu(self.squeeze(x.mean((2, 3)))))
        return x * (2 * torch.sigmoid(opened))[:, :, None, None]


class Group(nn.Module):  # type: ignore[misc]
    """Halves the picture; where there is a third convolution, the first one's result is added to its."""

    def __init__(self, inputs: int, outputs: int, *, is_first: bool) -> None:
        super().__init__()
        self.first = NormedConvolution(inputs, outputs, halves=True)
        self.second = NormedConvolution(outputs, outputs)
        # In the first group, with its many pixels, it takes a twentieth of the time, and gains little.
        self.third = None if is_first else NormedConvolution(outputs, outputs)
        self.gate = nn.Identity() if is_first else Gate(outputs)

    def forward(self, x: Any) -> Any:
        x = functional.gelu(self.first(x))
        y = functional.gelu(self.second(x))
        return y if self.third is None else functional.gelu(self.gate(self.third(y)) + x)


class ResidualNetwork(nn.Module):  # type: ignore[misc]
    """Pictures (n, channels, height, width) -> logits (n, classes).

    One that `mirrors` answers with the mean of the probabilities for a picture and its mirror image.
    """

    def __init__(
        self, shape: tuple[int, int, int], classes: int, width: int, *, mirrors: bool = False
    ) -> None:
        super().__init__()
        self.mirrors = mirrors
        height, width_px, channels = shape
        stride = max(1, round(min(height, width_px) / SIDE))
        patch = (min(max(2, stride), height), min(max(2, stride), width_px))
        filters = 2 * min(_PATCH_PARTS, channels * patch[0] * patch[1])
        self.whitening = nn.Conv2d(channels, filters, patch, stride)
        self.whitening.weight.requires_grad = False
        nn.init.zeros_(self.whitening.bias)
        sizes = (filters, 3 * width // 2, 4 * width, 8 * width)
        groups = enumerate(pairwise(sizes))
        self.groups = nn.ModuleList(Group(*pair, is_first=place == 0) for place, pair in groups)
        self.head = nn.Linear(sizes[-1], classes, bias=False)
        self.scale = _HEAD_SCALE

    def forward(self, x: Any) -> Any:
        x = functional.gelu(self.whitening(x))
        for group in self.groups:
            x = group(x)
        return self.head(x.amax((2, 3))) * self.scale

    def probabilities(self, pictures: Any) -> Any:
        """(n, classes), in float32."""
        return self.views(pictures).softmax(2).mean(0)

    def views(self, pictures: Any) -> Any:
        """The logits (1 or 2, n, classes) of pictures, and of their mirror images where these count too."""
        seen = (pictures, pictures.flip(3)) if self.mirrors else (pictures,)
        return torch.stack([self(view).float() for view in seen])

    def whiten(self, pictures: Any) -> None:
        """Set the first filters: the principal components of these pictures' patches, and their negatives."""
        layer = self.whitening
        patches = functional.unfold(pictures, layer.kernel_size, stride=layer.stride).transpose(1, 2)
        patches = patches.reshape(-1, patches.shape[-1]).double()
        variances, components = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (components / (variances.clamp(min=0) + _PATCH_FLOOR).sqrt()).T.flip(0)
        filters = filters[: layer.out_channels // 2].reshape(-1, *layer.weight.shape[1:])
        layer.weight.data.copy_(torch.cat((filters, -filters)))


def pool_of(shape: Sequence[int]) -> tuple[int, int]:
    """How many pixels become one, by side: two, or the only one."""
    return min(2, shape[-2]), min(2, shape[-1])


def in_float32(network: ResidualNetwork) -> ResidualNetwork:
    """A copy that answers in float32, on the processor."""
    copy: ResidualNetwork = deepcopy(network).float().cpu().eval()
    return copy


def folded(network: ResidualNetwork, mean: Any, std: Any) -> ResidualNetwork:
    """A copy for prediction, which takes raw values: norms and the head's scale are part of the layers.

    A norm may be folded into a convolution before the pool, because its scale is positive.
    """
    copy = in_float32(network)
    first = copy.whitening
    first.weight.data /= std.view(1, -1, 1, 1)
    first.bias.data -= (first.weight.data * mean.view(1, -1, 1, 1)).sum((1, 2, 3))
    for module in copy.modules():
        if isinstance(module, NormedConvolution):
            module.convolution = fuse_conv_bn_eval(module.convolution, module.norm)
            module.norm = nn.Identity()
    copy.head.weight.data *= copy.scale
    copy.scale = 1.0
    return copy


def rounded(network: ResidualNetwork) -> ResidualNetwork:
    """A copy with weights of two bytes, but in the first layer: differences of raw values need the digits."""
    copy = deepcopy(network)
    for module in copy.modules():
        if isinstance(module, NormedConvolution):
            _round(module.convolution.weight)
    _round(copy.head.weight)
    return copy


def _round(weight: Any) -> None:
    """Not where a channel that was always the same has made weights too large for it."""
    rounded = weight.data.half().float()
    if rounded.isfinite().all():
        weight.data = rounded
