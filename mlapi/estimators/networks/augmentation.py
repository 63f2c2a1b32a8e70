"""Augment training images: shift and mirror them, mix in a part of another, cut a hole. Also normalizes.

Images and index arrays are torch tensors. Random numbers come from the generator that the caller gives, on
the CPU, so that one seed gives the same images on any device.
"""

from typing import Any

import torch

from mlapi.estimators.networks.plan import Shape


class Augmentation:
    """The augmentations of one training.

    `crop` and `cutout` are shares of a side of the image: how far it is shifted at most, and how large the
    hole is. `mix` is the share of images that get a part of another.
    """

    def __init__(self, shape: Shape, *, crop: float, cutout: float, mix: float) -> None:
        sides = shape[:2]
        self._max_shift = [min(round(crop * side), side - 1) for side in sides]
        self._hole = [round(cutout * side) for side in sides]
        self._sides = sides
        self._mix = mix

    def shift(self, images: Any, chosen: Any, flipped: Any, generator: Any) -> Any:
        """Take some images, shift each by chance, and mirror those that are to be flipped.

        Where a shift uncovers an edge, the image is reflected there.

        Args:
            images: `(images, height, width, channels)`.
            chosen: `(batch,)`, the positions of the images to take.
            flipped: `(batch,)`, whether to mirror each of them from left to right.

        Returns:
            `(batch, height, width, channels)`, with the dtype and device of `images`.
        """
        rows, columns = (self._source_pixels(axis, len(chosen), generator) for axis in (0, 1))
        columns = torch.where(flipped[:, None], columns.flip(1), columns)
        device = images.device
        return images[
            chosen.to(device)[:, None, None],
            rows.to(device)[:, :, None],
            columns.to(device)[:, None, :],
        ]

    def cut_mix(self, images: Any, generator: Any) -> tuple[Any, Any, Any]:
        """Replace a rectangle in some images `(batch, height, width, channels)` by that of another (CutMix).

        Yun et al. 2019, arXiv 1905.04899.

        Returns:
            The images; `(batch,)`, the position of the image that each got a part of; and `(batch,)`, the
            share of each image's area that is still its own.
        """
        count = len(images)
        partners = torch.randperm(count, generator=generator)
        areas, chance = torch.rand((2, count), generator=generator)
        lengths = areas.sqrt() * (chance < self._mix)  # the root, so that areas are uniformly distributed
        rows, columns = (self._is_in_part(axis, lengths, generator) for axis in (0, 1))
        foreign = rows[:, :, None] & columns[:, None, :]
        own = 1 - foreign.float().mean((1, 2))
        place = foreign[..., None].to(images.device)
        return torch.where(place, images[partners.to(images.device)], images), partners, own

    def cut_out(self, images: Any, generator: Any) -> Any:
        """Set a rectangle of each normalized image `(batch, channels, height, width)` to the mean (Cutout).

        DeVries and Taylor 2017, arXiv 1708.04552.
        """
        if not all(self._hole):
            return images
        rows, columns = (self._is_in_hole(axis, len(images), generator) for axis in (0, 1))
        hole = rows[:, None, :, None] & columns[:, None, None, :]
        return images.masked_fill(hole.to(images.device), 0)

    def _source_pixels(self, axis: int, count: int, generator: Any) -> Any:
        """Return, `(count, side)`, which pixel of a row or column comes to stand in each place."""
        side, reach = self._sides[axis], self._max_shift[axis]
        shift = torch.randint(-reach, reach + 1, (count, 1), generator=generator)
        place = (torch.arange(side) + shift).abs()
        return torch.where(place < side, place, 2 * (side - 1) - place)

    def _is_in_hole(self, axis: int, count: int, generator: Any) -> Any:
        """Return, `(count, side)`, which pixels of a row or column are in the hole; it may cross an edge."""
        side, hole = self._sides[axis], self._hole[axis]
        start = torch.randint(1 - hole, side, (count, 1), generator=generator)
        place = torch.arange(side)
        return (place >= start) & (place < start + hole)

    def _is_in_part(self, axis: int, lengths: Any, generator: Any) -> Any:
        """Return, `(count, side)`, which pixels a part of these lengths covers, its middle anywhere.

        The lengths, `(count,)`, are shares of the side.
        """
        side = self._sides[axis]
        middle = torch.rand(len(lengths), generator=generator)[:, None] * side
        return (torch.arange(side) + 0.5 - middle).abs() < lengths[:, None] * side / 2


def normalize(images: Any, mean: Any, std: Any) -> Any:
    """Normalize raw values `(images, height, width, channels)` by the mean and std `(channels,)`.

    Returns `(images, channels, height, width)` as float32, a view in the memory order of the input.
    """
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)
