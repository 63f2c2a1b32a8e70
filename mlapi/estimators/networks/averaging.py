"""The average of a network's recent states, which the network itself follows (Lookahead, arXiv 1907.08610).

Early in a training the average forgets at once, later it takes ever longer, as in Jordan 2024
(arXiv 2404.00498).
"""

from typing import Any

import torch

EVERY = 5
"""Steps between two updates."""

_MEMORY = 0.95
"""How much of the average is left after a step, at the end of a training."""


class Average:
    """The average of all numbers of a network."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._values = {name: value.clone() for name, value in self._numbers()}

    def update(self, steps: int, share: float) -> None:
        """Take in where the network has come in so many steps, and put it onto the average."""
        memory = _MEMORY**steps * share**3
        with torch.no_grad():
            for name, value in self._numbers():
                value.copy_(self._values[name].lerp_(value, 1 - memory))

    def state(self) -> dict[str, Any]:
        return dict(self._values)

    def load(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            self._values[name].copy_(value)

    def _numbers(self) -> Any:
        values = self._network.state_dict().items()
        return [(name, value) for name, value in values if value.is_floating_point()]
