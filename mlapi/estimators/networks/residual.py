"""The network: a whitening layer, three groups of convolutions, and a linear head, as PyTorch modules.

The layers and their first weights follow Jordan 2024 (arXiv 2404.00498): a first layer of fixed filters that
whiten patches, convolutions that begin as the identity, batch norms without a scale. The modules take
normalized images, channels first, as torch tensors. They know nothing of data sets, of training, or of files.
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
"""The first layer scales larger images down to sides of about this many pixels."""

_MOST_COMPONENTS = 16
"""The most principal components of a patch that are used: all of them for 2 x 2 pixels with four channels."""

_VARIANCE_FLOOR = 5e-4
"""Is added to the variance of each component, so that noise is not amplified."""

_REDUCTION = 8
"""How many channels share one number in the middle of a `Gate`."""

_HEAD_SCALE = 1 / 9
"""The factor of the logits: the head's inputs are large, because each is the maximum of many values."""


class NormedConvolution(nn.Module):  # type: ignore[misc]
    """A 3 x 3 convolution that begins as the identity, max pooling if it `halves`, and a batch norm.

    Maps `(batch, inputs, height, width)` to `(batch, outputs, height, width)`, or half the height and width.
    """

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
    """Multiply each channel by a factor from 0 to 2, computed of the means of all channels.

    Squeeze and excitation (Hu et al. 2018, arXiv 1709.01507). Begins as the identity; keeps the shape
    `(batch, channels, height, width)`.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, max(1, channels // _REDUCTION))
        self.excite = nn.Linear(self.squeeze.out_features, channels)
        nn.init.zeros_(self.excite.weight)
        nn.init.zeros_(self.excite.bias)

    def forward(self, x: Any) -> Any:
        factors = 2 * torch.sigmoid(self.excite(functional.gelu(self.squeeze(x.mean((2, 3))))))
        return x * factors[:, :, None, None]


class Group(nn.Module):  # type: ignore[misc]
    """Two or three convolutions; maps `(batch, inputs, height, width)` to half the sides, `outputs` channels.

    With a third convolution the group is residual: the first one's result is added to the third one's.
    """

    def __init__(self, inputs: int, outputs: int, *, is_first: bool) -> None:
        super().__init__()
        self.first = NormedConvolution(inputs, outputs, halves=True)
        self.second = NormedConvolution(outputs, outputs)
        # In the first group, with the most pixels, a third takes a twentieth of the time and gains little.
        self.third = None if is_first else NormedConvolution(outputs, outputs)
        self.gate = nn.Identity() if is_first else Gate(outputs)

    def forward(self, x: Any) -> Any:
        x = functional.gelu(self.first(x))
        y = functional.gelu(self.second(x))
        return y if self.third is None else functional.gelu(self.gate(self.third(y)) + x)


class ResidualNetwork(nn.Module):  # type: ignore[misc]
    """The whole network; maps normalized images `(images, channels, height, width)` to logits
    `(images, classes)`.

    If it `mirrors`, its probabilities are the mean over an image and its mirror image.
    """

    def __init__(
        self, shape: tuple[int, int, int], classes: int, width: int, *, mirrors: bool = False
    ) -> None:
        super().__init__()
        self.mirrors = mirrors
        height, width_px, channels = shape
        stride = max(1, round(min(height, width_px) / SIDE))
        patch = (min(max(2, stride), height), min(max(2, stride), width_px))
        filters = 2 * min(_MOST_COMPONENTS, channels * patch[0] * patch[1])
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

    def probabilities(self, images: Any) -> Any:
        """Return the probabilities of normalized images `(images, channels, height, width)`.

        They are `(images, classes)`, float32.
        """
        return self.views(images).softmax(2).mean(0)

    def views(self, images: Any) -> Any:
        """Return the logits of each view of the images, `(views, images, classes)`, float32.

        There are two views if the network `mirrors`, the images and their mirror images; else one.
        """
        views = (images, images.flip(3)) if self.mirrors else (images,)
        return torch.stack([self(view).float() for view in views])

    def whiten(self, images: Any) -> None:
        """Set the filters of the first layer: the principal components of patches, and their negatives.

        The patches are those of normalized images `(images, channels, height, width)`; each component is
        divided by its standard deviation.
        """
        layer = self.whitening
        patches = functional.unfold(images, layer.kernel_size, stride=layer.stride).transpose(1, 2)
        patches = patches.reshape(-1, patches.shape[-1]).double()
        variances, components = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (components / (variances.clamp(min=0) + _VARIANCE_FLOOR).sqrt()).T.flip(0)
        filters = filters[: layer.out_channels // 2].reshape(-1, *layer.weight.shape[1:])
        layer.weight.data.copy_(torch.cat((filters, -filters)))


def pool_of(shape: Sequence[int]) -> tuple[int, int]:
    """Return the window of the max pooling, as height and width: 2, or 1 where a side has one pixel only.

    The last two lengths of `shape` are the height and the width.
    """
    return min(2, shape[-2]), min(2, shape[-1])


def in_float32(network: ResidualNetwork) -> ResidualNetwork:
    """Return a copy for prediction that computes in float32, on the CPU."""
    copy: ResidualNetwork = deepcopy(network).float().cpu().eval()
    return copy


def fold(network: ResidualNetwork, mean: Any, std: Any) -> ResidualNetwork:
    """Return a copy for prediction that takes raw values, without norms.

    The normalization by `mean` and `std`, tensors `(channels,)`, becomes part of the first layer, each batch
    norm part of its convolution, the scale of the logits part of the head. A norm after max pooling may
    become part of the convolution before it because the norm's scale is positive.
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


def round_weights(network: ResidualNetwork) -> ResidualNetwork:
    """Return a copy whose weights fit float16; not those of the first layer.

    The first layer computes differences of raw values, and needs all digits of its weights.
    """
    copy = deepcopy(network)
    for module in copy.modules():
        if isinstance(module, NormedConvolution):
            _round(module.convolution.weight)
    _round(copy.head.weight)
    return copy


def _round(weight: Any) -> None:
    """Round a weight to float16, unless that overflows, as after a channel that is the same in all images."""
    round_weights = weight.data.half().float()
    if round_weights.isfinite().all():
        weight.data = round_weights
