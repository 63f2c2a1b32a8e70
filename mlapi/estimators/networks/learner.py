"""A network with all that makes it learn: its pictures, its optimizer, its average, its dice.

One step after the other, each told how much of the training is done; when to stop is not known here.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from mlapi.estimators.networks.augmentation import Augmentation, normalized
from mlapi.estimators.networks.averaging import Average
from mlapi.estimators.networks.calibration import inverse_temperature
from mlapi.estimators.networks.device import autocast, device
from mlapi.estimators.networks.export import Exported, exported
from mlapi.estimators.networks.neighborhood import perturbed
from mlapi.estimators.networks.optimizer import optimizer, set_rate
from mlapi.estimators.networks.plan import LabeledImages, Plan, Shape
from mlapi.estimators.networks.residual import ResidualNetwork
from mlapi.estimators.networks.schedule import largest_batch

_WHITENED, _WHITENED_NUMBERS = 1000, 1 << 24
"""Pictures that the first layer's filters are made of (a million patches, where they have 32 pixels), and the
numbers in all patches: of large pictures fewer do, and a thousand would take gigabytes."""

_BIAS_EPOCHS = 3
"""After these the first layer stays as it is, and no gradient is computed for it."""

_LOOKED_AT = 0.25
"""The share of a step's pictures that says where uphill is: few do it as well, or better, and cost less."""

_ASKED = 1000
"""Pictures at once where only answers are wanted; of large ones fewer."""


class TrainingBatch(NamedTuple):
    """The pictures of one step, their labels, those of the pictures that they got a part of, and how much of
    each picture is its own."""

    pictures: Any
    labels: Any
    others: Any
    own: Any

    def first(self, count: int) -> "TrainingBatch":
        """So many of them."""
        return TrainingBatch(*(values[:count] for values in self))


class Learner:
    """`sums` are those of the epoch: loss, right answers, pictures."""

    def __init__(self, data: LabeledImages, plan: Plan, *, classes: int, batch: int) -> None:
        self._plan, self._batch, self._shown = plan, batch, data.pictures
        self._device = device()
        self.mean, self.std = channel_statistics(data.pictures)
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
        lot = self._lot(chosen)
        used = set_rate(self._optimizer, share)
        self._network.whitening.bias.requires_grad = epoch <= _BIAS_EPOCHS
        self._network.train()
        self._optimizer.zero_grad(set_to_none=True)
        some = lot.first(max(2, math.ceil(_LOOKED_AT * len(chosen))))  # a norm needs two
        with perturbed(self._network, lambda: self._loss(self._logits(some), some), self._plan.neighborhood):
            logits = self._logits(lot)
            loss = self._loss(logits, lot)
            loss.backward()
        self._optimizer.step()
        right = (logits.argmax(1) == torch.where(lot.own >= 0.5, lot.labels, lot.others)).sum()
        self.sums += torch.stack([loss.detach(), right, right.new_tensor(len(chosen))]).double()
        return used

    def follow_average(self, steps: int, share: float) -> None:
        """See `Average.update`."""
        self._average.update(steps, share)

    def accuracy(self, data: LabeledImages) -> float:
        """The share of right answers, as they are while training: before the network is exported."""
        found = self._views(data).softmax(2).mean(0).argmax(1)
        return float((found == self._tensor(data.labels)).double().mean())

    def calibrate(self, data: LabeledImages) -> None:
        """Let the network be as sure as it is right about pictures that it has not learned from."""
        self._network.scale *= inverse_temperature(self._views(data), self._tensor(data.labels))

    def exported(self, probes: NDArray[Any] | None) -> Exported:
        """See `mlapi.estimators.networks.export.exported`."""
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

    def _views(self, data: LabeledImages) -> Any:
        """See `ResidualNetwork.views`; a part of the pictures at a time."""
        self._network.eval()
        count = min(_ASKED, largest_batch(data.shape))
        parts = []
        for start in range(0, len(data.labels), count):
            pictures = self._tensor(data.pictures[start : start + count])
            with torch.inference_mode(), autocast(self._device):
                parts.append(self._network.views(normalized(pictures, self._mean, self._std)))
        return torch.cat(parts, 1)

    def _logits(self, lot: TrainingBatch) -> Any:
        with autocast(self._device):
            return self._network(lot.pictures).float()

    def _loss(self, logits: Any, lot: TrainingBatch) -> Any:
        """Of all of them together."""
        smoothing = self._plan.label_smoothing
        one, other = (
            functional.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")
            for labels in (lot.labels, lot.others)
        )
        return (lot.own * one + (1 - lot.own) * other).sum()

    def _lot(self, chosen: Any) -> TrainingBatch:
        """The chosen pictures as the network gets them."""
        how = self._augmentation
        pictures = how.moved(self._pictures, chosen, self._flips[chosen], self._generator)
        pictures, partners, own = how.mixed(pictures, self._generator)
        labels = self._labels[chosen.to(self._device)]
        return TrainingBatch(
            how.pierced(normalized(pictures, self._mean, self._std), self._generator),
            labels,
            labels[partners.to(self._device)],
            own.to(self._device),
        )

    def _first_network(self, shape: Shape, classes: int) -> ResidualNetwork:
        with torch.random.fork_rng(devices=[]):  # the caller's own chance stays as it was
            torch.manual_seed(self._plan.random_state)
            network = ResidualNetwork(shape, classes, self._plan.width, mirrors=self._plan.flip)
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


def channel_statistics(pictures: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation by channel; a channel that never changes has the latter 1."""
    parts = [pictures[start : start + 1000] for start in range(0, len(pictures), 1000)]
    count = pictures.size // pictures.shape[-1]
    mean = sum(part.sum(axis=(0, 1, 2), dtype=np.float64) for part in parts) / count
    middle = mean.astype(np.float32)  # half the time, where pictures are bytes
    squares = sum(np.square(part - middle).sum(axis=(0, 1, 2), dtype=np.float64) for part in parts)
    std = np.sqrt(squares / count)
    return mean, np.where(std > 0, std, 1.0)
