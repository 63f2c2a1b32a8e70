"""The optimizer of a network: SGD with Nesterov momentum, scaled as in Jordan 2024 (arXiv 2404.00498)."""

from typing import Any

import torch

from mlapi.estimators.networks.schedule import rate

_MOMENTUM = 0.85
"""The share of the last step that the next one repeats."""

_BIAS_FACTOR = 64
"""How many times as fast as weights biases learn."""


def optimizer(network: Any, batch_size: int, learning_rate: float, weight_decay: float) -> Any:
    """Return the optimizer for a loss that is summed over the images of a batch.

    The learning rate and the weight decay are those of a batch of 1,024 images, without the factor that
    momentum brings: so the same values do for batches of any size.
    """
    scale = 1024 * (1 + 1 / (1 - _MOMENTUM))
    decay = weight_decay * batch_size / scale  # of each value in a step, however fast it learns
    learned = [value for value in network.parameters() if value.requires_grad]
    groups = [
        _group([value for value in learned if value.ndim == 1], learning_rate * _BIAS_FACTOR / scale, decay),
        _group([value for value in learned if value.ndim > 1], learning_rate / scale, decay),
    ]
    return torch.optim.SGD(groups, momentum=_MOMENTUM, nesterov=True)


def set_rate(optimizer: Any, share: float) -> float:
    """Set the learning rate for a training of which this share is done, from 0 to 1.

    Returns the rate as a share of the highest.
    """
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * rate(share)
    return rate(share)


def _group(values: list[Any], learning_rate: float, decay: float) -> dict[str, Any]:
    """Return a parameter group; PyTorch multiplies its weight decay by the learning rate."""
    return {
        "params": values,
        "lr": learning_rate,
        "initial_lr": learning_rate,
        "weight_decay": decay / learning_rate,
    }
