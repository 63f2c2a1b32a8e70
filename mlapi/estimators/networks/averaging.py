"""The running average of a network's weights, to which the network is set back again and again.

Lookahead (Zhang et al. 2019, arXiv 1907.08610). As in Jordan 2024 (arXiv 2404.00498) the average follows the
network at once early in a training, and ever more slowly later.
"""

from typing import Any

import torch

EVERY = 5
"""How many steps lie between two updates of the average."""

_DECAY = 0.95
"""The share of the average that is left after a step, at the end of a training."""


class Average:
    """The average of all floating-point values of a network, the statistics of its norms among them."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._values = {name: value.clone() for name, value in self._floats()}

    def update(self, steps: int, share: float) -> None:
        """Take the network's values into the average, then set the network to the average.

        Args:
            steps: How many steps were made since the last update.
            share: How much of the training is done, from 0 to 1.
        """
        decay = _DECAY**steps * share**3
        with torch.no_grad():
            for name, value in self._floats():
                value.copy_(self._values[name].lerp_(value, 1 - decay))

    def state(self) -> dict[str, Any]:
        """Return the averages by name, for a checkpoint; the tensors are shared, not copied."""
        return dict(self._values)

    def load(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        for name, value in state.items():
            self._values[name].copy_(value)

    def _floats(self) -> Any:
        values = self._network.state_dict().items()
        return [(name, value) for name, value in values if value.is_floating_point()]
