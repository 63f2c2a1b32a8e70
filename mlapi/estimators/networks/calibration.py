"""How sure a network is, as often as it is right: temperature scaling (Guo et al. 2017, arXiv 1706.04599)."""

import math

import torch
from scipy.optimize import minimize_scalar

_LIKELY = 0.5
"""Of few pictures one knows little: the logarithm of the factor is this far from 0 as a rule."""

_FARTHEST = 5.0
"""The largest factor, and one over it the smallest."""


def inverse_temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """By what to multiply logits (views, n, classes), so that the mean of their probabilities fits best with
    these labels, of pictures that the network has not learned from."""
    logits = logits.double()

    def surprise(log_factor: float) -> float:
        found = (logits * math.exp(log_factor)).softmax(2).mean(0)
        chosen = found.gather(1, labels[:, None]).clamp(min=1e-300)
        return float(-chosen.log().sum()) + (log_factor / _LIKELY) ** 2 / 2

    farthest = math.log(_FARTHEST)
    return math.exp(minimize_scalar(surprise, bounds=(-farthest, farthest), method="bounded").x)
