"""A network while it is trained, with its images, its optimizer, its average and its random numbers.

The caller asks for one step after the other, and says at each how much of the training is done. When to stop,
and which state of the network is the best, is for `mlapi.estimators.networks.fitting` to decide.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from mlapi.estimators.networks.augmentation import Augmentation, normalize
from mlapi.estimators.networks.averaging import Average
from mlapi.estimators.networks.calibration import inverse_temperature
from mlapi.estimators.networks.device import autocast, device
from mlapi.estimators.networks.export import Exported, export_network
from mlapi.estimators.networks.neighborhood import perturbed
from mlapi.estimators.networks.optimizer import optimizer, set_rate
from mlapi.estimators.networks.plan import ChannelValues, LabeledImages, Plan, RawImages, Shape
from mlapi.estimators.networks.residual import ResidualNetwork
from mlapi.estimators.networks.schedule import largest_batch

_WHITENED = 1000
"""How many images the first layer's filters are computed of: a million patches, of 32 x 32 pixels."""

_WHITENED_NUMBERS = 1 << 24
"""The most numbers in all of these patches: of large images fewer do, and a thousand would take gigabytes."""

_BIAS_EPOCHS = 3
"""After so many epochs the first layer stays as it is, and no gradient is computed for it."""

_PERTURBED_SHARE = 0.25
"""The share of a batch of which the gradient for `perturbed` is computed: few images do as well, or better,
and cost less."""

_EVALUATED = 1000
"""The most images at once where only answers are wanted; fewer of large ones."""


class TrainingBatch(NamedTuple):
    """The images of one step as the network gets them, and their labels; all are tensors."""

    images: Any
    """`(batch, channels, height, width)`, augmented and normalized."""
    labels: Any
    """`(batch,)`, the position of the class of each image."""
    others: Any
    """`(batch,)`, the position of the class of the image that each got a part of."""
    own: Any
    """`(batch,)`, how much of each image's area is its own, from 0 to 1."""

    def first(self, count: int) -> "TrainingBatch":
        """Return the first images of the batch, so many, with all that belongs to them."""
        return TrainingBatch(*(values[:count] for values in self))


class Learner:
    """A network that learns from one set of images. `mean` and `std` are those of the images, by channel.

    `sums` is a tensor of three numbers, summed over the epoch so far: the loss, right answers, images.
    """

    def __init__(self, data: LabeledImages, plan: Plan, *, classes: int, batch_size: int) -> None:
        self._plan, self._batch_size, self._raw_images = plan, batch_size, data.images
        self._device = device()
        self.mean, self.std = channel_statistics(data.images)
        self._mean, self._std = (self._tensor(values.astype(np.float32)) for values in (self.mean, self.std))
        self._images, self._labels = self._tensor(data.images), self._tensor(data.labels)
        self._generator = torch.Generator().manual_seed(plan.random_state)
        self._flips = (torch.rand(len(data.labels), generator=self._generator) < 0.5) & plan.flip
        self._augmentation = Augmentation(data.shape, crop=plan.crop, cutout=plan.cutout, mix=plan.mix)
        self._network = self._new_network(data.shape, classes)
        self._average = Average(self._network)
        self._optimizer = optimizer(self._network, batch_size, plan.learning_rate, plan.weight_decay)
        self._order = torch.arange(0)
        self.sums = torch.zeros(3, dtype=torch.float64, device=self._device)

    def begin_epoch(self) -> None:
        """Shuffle the images, and set the sums to 0.

        Each image is mirrored in every other epoch, instead of by chance (Jordan 2024, arXiv 2404.00498).
        """
        self._order = torch.randperm(len(self._labels), generator=self._generator)
        self._flips ^= self._plan.flip
        self.sums.zero_()

    def step(self, epoch: int, place: int, share: float) -> float:
        """Make one step of the optimizer on the next batch of this epoch.

        Args:
            epoch: Its number, from 1.
            place: The number of the step in the epoch, from 0.
            share: How much of the training is done, from 0 to 1.

        Returns:
            The learning rate of the step, as a share of the highest.
        """
        chosen = self._order[place * self._batch_size : (place + 1) * self._batch_size]
        batch = self._batch(chosen)
        used = set_rate(self._optimizer, share)
        self._network.whitening.bias.requires_grad = epoch <= _BIAS_EPOCHS
        self._network.train()
        self._optimizer.zero_grad(set_to_none=True)
        some = batch.first(max(2, math.ceil(_PERTURBED_SHARE * len(chosen))))  # a norm needs two
        with perturbed(self._network, lambda: self._loss(self._logits(some), some), self._plan.neighborhood):
            logits = self._logits(batch)
            loss = self._loss(logits, batch)
            loss.backward()
        self._optimizer.step()
        right = (logits.argmax(1) == torch.where(batch.own >= 0.5, batch.labels, batch.others)).sum()
        self.sums += torch.stack([loss.detach(), right, right.new_tensor(len(chosen))]).double()
        return used

    def follow_average(self, steps: int, share: float) -> None:
        """Set the network to its running average: see `Average.update`."""
        self._average.update(steps, share)

    def accuracy(self, data: LabeledImages) -> float:
        """Return the share of right answers of the network as it is now, before it is exported."""
        predicted = self._views(data).softmax(2).mean(0).argmax(1)
        return float((predicted == self._tensor(data.labels)).double().mean())

    def calibrate(self, data: LabeledImages) -> None:
        """Scale the logits, so that the probabilities fit these images, which it was not trained on."""
        self._network.scale *= inverse_temperature(self._views(data), self._tensor(data.labels))

    def export(self, probes: RawImages | None) -> Exported:
        """Export the network as it is: see `mlapi.estimators.networks.export.export_network`."""
        return export_network(self._network, self._mean, self._std, self._raw_images, probes)

    def weights(self) -> dict[str, Any]:
        """Return a copy of the network's parameters and statistics, by name."""
        return {name: value.detach().clone() for name, value in self._network.state_dict().items()}

    def load_weights(self, weights: dict[str, Any]) -> None:
        """Set the network to what `weights` returned."""
        self._network.load_state_dict(weights)

    def state(self) -> dict[str, Any]:
        """Return all that the next steps depend on, for a checkpoint.

        The tensors are shared, not copied: the state is valid until the next step.
        """
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
        """Go on from what `state` returned."""
        self.load_weights(state["network"])
        self._average.load(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"])
        self._flips, self._order = state["flips"], state["order"]
        self.sums.copy_(state["sums"])

    def _views(self, data: LabeledImages) -> Any:
        """Return the logits of `ResidualNetwork.views`, `(views, images, classes)`, computed in parts."""
        self._network.eval()
        count = min(_EVALUATED, largest_batch(data.shape))
        parts = []
        for start in range(0, len(data.labels), count):
            images = self._tensor(data.images[start : start + count])
            with torch.inference_mode(), autocast(self._device):
                parts.append(self._network.views(normalize(images, self._mean, self._std)))
        return torch.cat(parts, 1)

    def _logits(self, batch: TrainingBatch) -> Any:
        """Return `(batch, classes)`, in float32."""
        with autocast(self._device):
            return self._network(batch.images).float()

    def _loss(self, logits: Any, batch: TrainingBatch) -> Any:
        """Return the sum over the batch of the cross-entropy, both labels of an image weighted by area."""
        smoothing = self._plan.label_smoothing
        one, other = (
            functional.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")
            for labels in (batch.labels, batch.others)
        )
        return (batch.own * one + (1 - batch.own) * other).sum()

    def _batch(self, chosen: Any) -> TrainingBatch:
        """Return the images at these positions `(batch,)`, augmented and normalized."""
        augmentation = self._augmentation
        images = augmentation.shift(self._images, chosen, self._flips[chosen], self._generator)
        images, partners, own = augmentation.cut_mix(images, self._generator)
        labels = self._labels[chosen.to(self._device)]
        return TrainingBatch(
            augmentation.cut_out(normalize(images, self._mean, self._std), self._generator),
            labels,
            labels[partners.to(self._device)],
            own.to(self._device),
        )

    def _new_network(self, shape: Shape, classes: int) -> ResidualNetwork:
        """Return a network with its first weights, those of the first layer computed of the images."""
        with torch.random.fork_rng(devices=[]):  # PyTorch's own random numbers go on as without it
            torch.manual_seed(self._plan.random_state)
            network = ResidualNetwork(shape, classes, self._plan.width, mirrors=self._plan.flip)
        some = self._images[:: math.ceil(len(self._images) / _whitened_count(network, shape))]
        network.whiten(normalize(some, self._mean, self._std).cpu())
        network.to(self._device, memory_format=torch.channels_last)
        return network

    def _tensor(self, values: NDArray[Any]) -> Any:
        # PyTorch warns of arrays that it could not write to.
        return torch.from_numpy(np.require(values, requirements=["C", "W"])).to(self._device)


def _whitened_count(network: ResidualNetwork, shape: Shape) -> int:
    """Return how many images of a shape the first layer's filters are computed of."""
    layer = network.whitening
    overlap = math.prod(k / s for k, s in zip(layer.kernel_size, layer.stride, strict=True))
    return min(_WHITENED, max(1, int(_WHITENED_NUMBERS / (math.prod(shape) * overlap))))


def channel_statistics(images: RawImages) -> tuple[ChannelValues, ChannelValues]:
    """Return the mean and the standard deviation of each channel, over all pixels of all images.

    The standard deviation of a channel that is the same everywhere counts as 1.
    """
    parts = [images[start : start + 1000] for start in range(0, len(images), 1000)]
    count = images.size // images.shape[-1]
    mean = sum(part.sum(axis=(0, 1, 2), dtype=np.float64) for part in parts) / count
    mean32 = mean.astype(np.float32)  # takes half the time of float64, where images are uint8
    squares = sum(np.square(part - mean32).sum(axis=(0, 1, 2), dtype=np.float64) for part in parts)
    std = np.sqrt(squares / count)
    return mean, np.where(std > 0, std, 1.0)
