"""Pictures as they are trained on: moved, mirrored, mixed, with a hole, normalized; never the same twice."""

from typing import Any

import torch

from mlapi.estimators.networks.plan import Shape


class Augmentation:
    """`crop` and `cutout` are shares of a side: how far pictures are moved at most, how large the hole is.
    `mix` is the share of pictures that get a part of another."""

    def __init__(self, shape: Shape, *, crop: float, cutout: float, mix: float) -> None:
        sides = shape[:2]
        self._reach = [min(round(crop * side), side - 1) for side in sides]
        self._hole = [round(cutout * side) for side in sides]
        self._sides = sides
        self._mix = mix

    def moved(self, pictures: Any, chosen: Any, flipped: Any, generator: Any) -> Any:
        """The chosen pictures (n, height, width, channels), moved; what is missing is mirrored."""
        rows, columns = (self._places(axis, len(chosen), generator) for axis in (0, 1))
        columns = torch.where(flipped[:, None], columns.flip(1), columns)
        device = pictures.device
        return pictures[
            chosen.to(device)[:, None, None],
            rows.to(device)[:, :, None],
            columns.to(device)[:, None, :],
        ]

    def mixed(self, pictures: Any, generator: Any) -> tuple[Any, Any, Any]:
        """Pictures (n, height, width, channels), some with a rectangle of another (CutMix, arXiv 1905.04899).

        Returns with them whose part each has, and the share of each that is its own.
        """
        count = len(pictures)
        partners = torch.randperm(count, generator=generator)
        given, chance = torch.rand((2, count), generator=generator)
        lengths = given.sqrt() * (chance < self._mix)  # so that areas are spread evenly
        rows, columns = (self._part(axis, lengths, generator) for axis in (0, 1))
        foreign = rows[:, :, None] & columns[:, None, :]
        own = 1 - foreign.float().mean((1, 2))
        place = foreign[..., None].to(pictures.device)
        return torch.where(place, pictures[partners.to(pictures.device)], pictures), partners, own

    def pierced(self, pictures: Any, generator: Any) -> Any:
        """Normalized pictures (n, channels, height, width), a rectangle of each set to the mean."""
        if not all(self._hole):
            return pictures
        rows, columns = (self._inside(axis, len(pictures), generator) for axis in (0, 1))
        hole = rows[:, None, :, None] & columns[:, None, None, :]
        return pictures.masked_fill(hole.to(pictures.device), 0)

    def _places(self, axis: int, count: int, generator: Any) -> Any:
        """Which pixel comes to stand in each place."""
        side, reach = self._sides[axis], self._reach[axis]
        shift = torch.randint(-reach, reach + 1, (count, 1), generator=generator)
        place = (torch.arange(side) + shift).abs()
        return torch.where(place < side, place, 2 * (side - 1) - place)

    def _inside(self, axis: int, count: int, generator: Any) -> Any:
        side, hole = self._sides[axis], self._hole[axis]
        start = torch.randint(1 - hole, side, (count, 1), generator=generator)
        place = torch.arange(side)
        return (place >= start) & (place < start + hole)

    def _part(self, axis: int, lengths: Any, generator: Any) -> Any:
        """Which pixels a part of such lengths covers, its middle anywhere."""
        side = self._sides[axis]
        middle = torch.rand(len(lengths), generator=generator)[:, None] * side
        return (torch.arange(side) + 0.5 - middle).abs() < lengths[:, None] * side / 2


def normalized(pictures: Any, mean: Any, std: Any) -> Any:
    """Raw values (n, height, width, channels) -> (n, channels, height, width), laid out as before."""
    return ((pictures.float() - mean) / std).permute(0, 3, 1, 2)
