"""Which numbers of a network are learned how fast: SGD, as Jordan 2024 (arXiv 2404.00498) tunes it."""

from typing import Any

import torch

from mlapi.estimators.networks.schedule import rate

_MOMENTUM = 0.85

_BIAS_RATE = 64
"""Biases learn so many times as fast."""


def optimizer(network: Any, batch: int, learning_rate: float, weight_decay: float) -> Any:
    """For a loss that is a sum over the batch.

    The learning rate is that of 1,024 pictures, momentum's part taken out: one rate does for all batches.
    """
    scale = 1024 * (1 + 1 / (1 - _MOMENTUM))
    decay = weight_decay * batch / scale  # of each number a step, however fast it learns
    learned = [value for value in network.parameters() if value.requires_grad]
    groups = [
        _group([value for value in learned if value.ndim == 1], learning_rate * _BIAS_RATE / scale, decay),
        _group([value for value in learned if value.ndim > 1], learning_rate / scale, decay),
    ]
    return torch.optim.SGD(groups, momentum=_MOMENTUM, nesterov=True)


def set_rate(optimizer: Any, share: float) -> float:
    """Learn as fast as this share of the training asks for; returns that rate, as a share of the highest."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * rate(share)
    return rate(share)


def _group(values: list[Any], learning_rate: float, decay: float) -> dict[str, Any]:
    return {
        "params": values,
        "lr": learning_rate,
        "initial_lr": learning_rate,
        "weight_decay": decay / learning_rate,
    }
