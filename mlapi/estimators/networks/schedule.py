"""How long to train, in which steps and at which learning rate: plain arithmetic. Never imports PyTorch."""

import math
from dataclasses import dataclass

from mlapi.estimators.networks.plan import Shape

_PEAK = 0.23
"""The share of the training after which the learning rate is highest. As in Jordan 2024 (arXiv 2404.00498),
where the fall after it ends a little earlier."""

_FIRST_RATE = 0.2
"""The first learning rate, as a share of the highest; the last is 0."""

_EPOCHS = 10
"""How many epochs there are where neither epochs nor a budget are given."""

_STEPS = 400
"""How many steps there are at least in that case: with few images there are more epochs."""

_MOST_EPOCHS = 200
"""The most epochs within a budget: more gain nothing."""

_SMALLEST_BATCH = 16
"""How small a batch may become so that few images still make `_STEPS_PER_EPOCH` steps."""

_STEPS_PER_EPOCH = 25
"""How many steps an epoch should have at least."""

_PIXELS = 1 << 22
"""The most pixels in a batch: a thousand images of 64 x 64 pixels, 64 of 256 x 256."""

_VALIDATION_SHARE = 0.03
"""The most time that validation takes, as a share of the training, until the training is late."""

_LATE = 0.8
"""From this share of the training on every epoch is validated."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The steps of a training, and the time that they may take."""

    batch_size: int
    steps_per_epoch: int
    epochs: int
    seconds: float | None = None
    """How long the steps may take; None for as long as they need."""

    def share(self, step: int, seconds: float) -> float:
        """Return how much of the training is done after so many steps and seconds, from 0 to 1.

        That is the share of the steps or of the time, whichever is larger.
        """
        of_steps = step / (self.epochs * self.steps_per_epoch)
        return min(1.0, of_steps if self.seconds is None else max(of_steps, seconds / self.seconds))

    def validates(self, epoch: int, share: float, images: int) -> bool:
        """Return whether to measure the accuracy on a validation set after an epoch.

        Args:
            epoch: Its number, from 1.
            share: How much of the training is done.
            images: How many images the validation set has.
        """
        # An image is answered in a third of the time of a training step, which has a backward pass too.
        every = math.ceil(images / (3 * self.batch_size * self.steps_per_epoch) / _VALIDATION_SHARE)
        return share >= _LATE or epoch % every == 0


def schedule(images: int, *, epochs: int | None, batch_size: int, budget: float | None) -> Schedule:
    """Divide a training on so many images into epochs and steps.

    Few images make smaller batches than `batch_size`, and without `epochs` more epochs. With a budget of
    seconds, and without epochs, the time alone ends the training.
    """
    size = min(batch_size, max(_SMALLEST_BATCH, images // _STEPS_PER_EPOCH), images)
    steps = images // size
    if epochs is None:
        epochs = max(_EPOCHS, math.ceil(_STEPS / steps)) if budget is None else _MOST_EPOCHS
    return Schedule(size, steps, epochs, budget)


def largest_batch(shape: Shape) -> int:
    """Return how many images of a shape are computed with at once at most, in training and in validation."""
    return max(2, _PIXELS // (shape[0] * shape[1]))


def rate(share: float) -> float:
    """Return the learning rate, as a share of the highest, when this share of the training is done.

    It rises linearly from `_FIRST_RATE` to 1 at `_PEAK`, then falls linearly to 0.
    """
    if share < _PEAK:
        return _FIRST_RATE + (1 - _FIRST_RATE) * share / _PEAK
    return (1 - share) / (1 - _PEAK)
