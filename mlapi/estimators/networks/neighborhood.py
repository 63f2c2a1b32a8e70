"""Sharpness-aware minimization: take the gradient where the loss is higher nearby, to end in flat minima.

Foret et al. 2021, arXiv 2010.01412. Each weight tensor is moved by a share of its own norm, because before a
batch norm only the direction of a weight counts.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

_SMALLEST_NORM = 1e-12
"""A gradient counts as at least so long, so that nothing is divided by zero."""


@contextmanager
def perturbed(network: Any, loss: Callable[[], Any], distance: float) -> Iterator[None]:
    """Move the weights uphill, along the gradient of the loss, within the context; then set them back.

    The statistics of the batch norms do not change while the loss is computed for this.

    Args:
        loss: Computes the loss with the network as it is; called once, not at all if the distance is 0.
        distance: How far each weight tensor moves, as a share of its norm; 0 leaves all as they are.
    """
    if not distance:
        yield
        return
    weights = [value for value in network.parameters() if value.requires_grad and value.ndim > 1]
    with _frozen_statistics(network):
        gradients = torch.autograd.grad(loss(), weights)
    moves = [_move(*pair, distance) for pair in zip(weights, gradients, strict=True)]
    originals = [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        for weight, move in zip(weights, moves, strict=True):
            weight.add_(move)
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, original in zip(weights, originals, strict=True):
                weight.copy_(original)


def _move(weight: Any, gradient: Any, distance: float) -> Any:
    return gradient * (distance * weight.detach().norm() / gradient.norm().clamp(min=_SMALLEST_NORM))


@contextmanager
def _frozen_statistics(network: Any) -> Iterator[None]:
    """Keep the running means and variances of all batch norms as they are."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    yield
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
