"""Steps that look around: weights are moved uphill before the slope is taken, so that what is found is flat.

Sharpness-aware minimization (Foret et al. 2021, arXiv 2010.01412). Each weight is moved by a share of its own
length, since behind a norm only its direction counts.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

_TINY = 1e-12
"""A slope is at least so long: nothing is divided by zero."""


@contextmanager
def perturbed(network: Any, loss: Callable[[], Any], distance: float) -> Iterator[None]:
    """Within it the weights are where this loss is higher; after it they are back where they were.

    `distance` is a share of each weight's length; 0 leaves them where they are, and asks for no loss.
    """
    if not distance:
        yield
        return
    weights = [value for value in network.parameters() if value.requires_grad and value.ndim > 1]
    with _unmeasured(network):
        slopes = torch.autograd.grad(loss(), weights)
    moves = [_move(*pair, distance) for pair in zip(weights, slopes, strict=True)]
    kept = [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        for weight, move in zip(weights, moves, strict=True):
            weight.add_(move)
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, value in zip(weights, kept, strict=True):
                weight.copy_(value)


def _move(weight: Any, slope: Any, distance: float) -> Any:
    return slope * (distance * weight.detach().norm() / slope.norm().clamp(min=_TINY))


@contextmanager
def _unmeasured(network: Any) -> Iterator[None]:
    """The norms keep their moments as they are."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    yield
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
