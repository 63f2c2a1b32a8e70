"""A network with all that makes it learn: its pictures, its optimizer, its average, its dice.

One step after the other, each told how much of the training is done; when to stop is not known here.
"""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from mlapi.networks.augmentation import Augmentation, normalized
from mlapi.networks.averaging import Average
from mlapi.networks.device import autocast, device
from mlapi.networks.export import Exported, exported
from mlapi.networks.optimizer import optimizer, set_rate
from mlapi.networks.plan import Labeled, Plan, Shape
from mlapi.networks.residual import ResidualNetwork
from mlapi.networks.schedule import together

_WHITENED, _WHITENED_NUMBERS = 1000, 1 << 24
"""Pictures that the first layer's filters are made of (a million patches, where they have 32 pixels), and the
numbers in all patches: of large pictures fewer do, and a thousand would take gigabytes."""

_BIAS_EPOCHS = 3
"""After these the first layer stays as it is, and no gradient is computed for it."""

_UNMIXED = 0.9
"""In the last tenth of a training pictures are not mixed: it ends with what it will be asked."""

_ASKED = 1000
"""Pictures at once where only answers are wanted; of large ones fewer."""


class Learner:
    """`sums` are those of the epoch: loss, right answers, pictures."""

    def __init__(self, data: Labeled, plan: Plan, *, classes: int, batch: int) -> None:
        self._plan, self._batch, self._shown = plan, batch, data.pictures
        self._device = device()
        self.mean, self.std = moments(data.pictures)
        self._mean, self._std = (self._tensor(values.astype(np.float32)) for values in (self.mean, self.std))
        self._pictures, self._labels = self._tensor(data.pictures), self._tensor(data.labels)
        self._generator = torch.Generator().manual_seed(plan.random_state)
        self._flips = (torch.rand(len(data.labels), generator=self._generator) < 0.5) & plan.flip
        self._augmentation = Augmentation(data.shape, crop=plan.crop, cutout=plan.cutout, mix=plan.mix)
        self._network = self._first_network(data.shape, classes)
        self._average = Average(self._network)
        self._optimizer = optimizer(self._network, batch, plan.learning_rate, plan.weight_decay)
        self._order = torch.arange(0)
        self.sums = torch.zeros(3, dtype=torch.float64, device=self._device)

    def begin_epoch(self) -> None:
        """Shuffle the pictures; each is mirrored every other time (Jordan 2024, arXiv 2404.00498)."""
        self._order = torch.randperm(len(self._labels), generator=self._generator)
        self._flips ^= self._plan.flip
        self.sums.zero_()

    def step(self, epoch: int, place: int, share: float) -> float:
        """Learn from the next pictures of this epoch; returns the rate, as a share of the highest."""
        chosen = self._order[place * self._batch : (place + 1) * self._batch]
        pictures, partners, own = self._varied(chosen, share)
        labels = self._labels[chosen.to(self._device)]
        others = labels[partners.to(self._device)]
        used = set_rate(self._optimizer, share)
        self._network.whitening.bias.requires_grad = epoch <= _BIAS_EPOCHS
        self._network.train()
        with autocast(self._device):
            logits = self._network(pictures).float()
        own = own.to(self._device)
        loss = (own * self._losses(logits, labels) + (1 - own) * self._losses(logits, others)).sum()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        right = (logits.argmax(1) == torch.where(own >= 0.5, labels, others)).sum()
        self.sums += torch.stack([loss.detach(), right, right.new_tensor(len(chosen))]).double()
        return used

    def follow_average(self, steps: int, share: float) -> None:
        """See `Average.update`."""
        self._average.update(steps, share)

    def accuracy(self, data: Labeled) -> float:
        """The share of right answers, as they are while training: before the network is exported."""
        self._network.eval()
        right = 0
        count = min(_ASKED, together(data.shape))
        for start in range(0, len(data.labels), count):
            some = slice(start, start + count)
            pictures = normalized(self._tensor(data.pictures[some]), self._mean, self._std)
            with torch.inference_mode(), autocast(self._device):
                found = self._network(pictures).argmax(1)
            right += int((found == self._tensor(data.labels[some])).sum())
        return right / len(data.labels)

    def exported(self, probes: NDArray[Any] | None) -> Exported:
        """See `mlapi.networks.export.exported`."""
        return exported(self._network, self._mean, self._std, self._shown, probes)

    def weights(self) -> dict[str, Any]:
        """A copy of the network's numbers."""
        return {name: value.detach().clone() for name, value in self._network.state_dict().items()}

    def put(self, weights: dict[str, Any]) -> None:
        self._network.load_state_dict(weights)

    def state(self) -> dict[str, Any]:
        """Everything that the next steps depend on; valid until the next step."""
        return {
            "network": self._network.state_dict(),
            "average": self._average.state(),
            "optimizer": self._optimizer.state_dict(),
            "generator": self._generator.get_state(),
            "flips": self._flips,
            "order": self._order,
            "sums": self.sums,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.put(state["network"])
        self._average.load(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"])
        self._flips, self._order = state["flips"], state["order"]
        self.sums.copy_(state["sums"])

    def _losses(self, logits: Any, labels: Any) -> Any:
        smoothing = self._plan.label_smoothing
        return functional.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")

    def _varied(self, chosen: Any, share: float) -> tuple[Any, Any, Any]:
        """The chosen pictures as the network gets them, and with whom and how much each is mixed."""
        how = self._augmentation
        pictures = how.moved(self._pictures, chosen, self._flips[chosen], self._generator)
        partners, own = torch.arange(len(chosen)), torch.ones(len(chosen))
        if share < _UNMIXED and self._plan.mix:
            pictures, partners, own = how.mixed(pictures, self._generator)
        return how.pierced(normalized(pictures, self._mean, self._std), self._generator), partners, own

    def _first_network(self, shape: Shape, classes: int) -> ResidualNetwork:
        with torch.random.fork_rng(devices=[]):  # the caller's own chance stays as it was
            torch.manual_seed(self._plan.random_state)
            network = ResidualNetwork(shape, classes, self._plan.width)
        some = self._pictures[:: math.ceil(len(self._pictures) / _whitened(network, shape))]
        network.whiten(normalized(some, self._mean, self._std).cpu())
        network.to(self._device, memory_format=torch.channels_last)
        return network

    def _tensor(self, values: NDArray[Any]) -> Any:
        # PyTorch warns of arrays that it could not write to.
        return torch.from_numpy(np.require(values, requirements=["C", "W"])).to(self._device)


def _whitened(network: ResidualNetwork, shape: Shape) -> int:
    """How many pictures of a shape the first layer's filters are made of."""
    layer = network.whitening
    overlap = math.prod(k / s for k, s in zip(layer.kernel_size, layer.stride, strict=True))
    return min(_WHITENED, max(1, int(_WHITENED_NUMBERS / (math.prod(shape) * overlap))))


def moments(pictures: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation by channel; a channel that never changes has the latter 1."""
    parts = [pictures[start : start + 1000] for start in range(0, len(pictures), 1000)]
    count = pictures.size // pictures.shape[-1]
    mean = sum(part.sum(axis=(0, 1, 2), dtype=np.float64) for part in parts) / count
    middle = mean.astype(np.float32)  # half the time, where pictures are bytes
    squares = sum(np.square(part - middle).sum(axis=(0, 1, 2), dtype=np.float64) for part in parts)
    std = np.sqrt(squares / count)
    return mean, np.where(std > 0, std, 1.0)
