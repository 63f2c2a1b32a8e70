"""How long to train, in which steps, at which rate: plain arithmetic."""

import math
from dataclasses import dataclass

from mlapi.estimators.networks.plan import Shape

_PEAK, _FIRST = 0.23, 0.2
"""The learning rate rises from a fifth to the whole in this share of the training, then falls to nothing.

As in Jordan 2024 (arXiv 2404.00498), where it ends a little earlier."""

_EPOCHS, _STEPS = 10, 400
"""Where nobody told: so many epochs, or more if few pictures make few steps."""

_MOST_EPOCHS = 200
"""Within a budget: more gain nothing."""

_LEAST_BATCH, _STEPS_PER_EPOCH = 16, 25
"""Few pictures make small batches, so that there are steps enough."""

_PIXELS = 1 << 22
"""At once: a thousand pictures of 64 pixels, 64 of 256."""

_DEAR, _LATE = 0.03, 0.8
"""Validation takes no more than this share of the time, until the training is late."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """`seconds` are those that the steps may take, None if they may take as long as they need."""

    batch: int
    steps_per_epoch: int
    epochs: int
    seconds: float | None = None

    def share(self, step: int, seconds: float) -> float:
        """How much of the training is done: of its steps or of its time, whichever is more."""
        of_steps = step / (self.epochs * self.steps_per_epoch)
        return min(1.0, of_steps if self.seconds is None else max(of_steps, seconds / self.seconds))

    def validates(self, epoch: int, share: float, pictures: int) -> bool:
        """Whether so many pictures are asked for after an epoch: near the end always."""
        # A picture is answered in a third of the time in which it is trained on, which takes a way back too.
        every = math.ceil(pictures / (3 * self.batch * self.steps_per_epoch) / _DEAR)
        return share >= _LATE or epoch % every == 0


def schedule(pictures: int, *, epochs: int | None, batch_size: int, budget: float | None) -> Schedule:
    """Fit the steps to the number of pictures."""
    batch = min(batch_size, max(_LEAST_BATCH, pictures // _STEPS_PER_EPOCH), pictures)
    steps = pictures // batch
    if epochs is None:
        epochs = max(_EPOCHS, math.ceil(_STEPS / steps)) if budget is None else _MOST_EPOCHS
    return Schedule(batch, steps, epochs, budget)


def largest_batch(shape: Shape) -> int:
    """How many pictures of a shape are learned from, or asked about, at once at most."""
    return max(2, _PIXELS // (shape[0] * shape[1]))


def rate(share: float) -> float:
    """The learning rate, as a share of the highest."""
    if share < _PEAK:
        return _FIRST + (1 - _FIRST) * share / _PEAK
    return (1 - share) / (1 - _PEAK)
