"""Calibrate a network, so that it is right as often as it says: temperature scaling.

Guo et al. 2017, arXiv 1706.04599.
"""

import math

import torch
from scipy.optimize import minimize_scalar

_PRIOR_STD = 0.5
"""The standard deviation that the logarithm of the factor is expected to have around 0. This prior counts
where there are few images to learn the factor from."""

_LARGEST = 5.0
"""The largest factor; the smallest is one over it."""


def inverse_temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the factor for the logits with which the probabilities fit the labels best.

    It minimizes the negative log-likelihood of the labels, with a normal prior on the factor's logarithm. An
    image's probability is the mean over its views.

    Args:
        logits: `(views, images, classes)`, of images that the network was not trained on.
        labels: `(images,)`, the position of each image's class.
    """
    logits = logits.double()

    def negative_log_posterior(log_factor: float) -> float:
        probabilities = (logits * math.exp(log_factor)).softmax(2).mean(0)
        of_label = probabilities.gather(1, labels[:, None]).clamp(min=1e-300)
        return float(-of_label.log().sum()) + (log_factor / _PRIOR_STD) ** 2 / 2

    bound = math.log(_LARGEST)
    return math.exp(minimize_scalar(negative_log_posterior, bounds=(-bound, bound), method="bounded").x)
