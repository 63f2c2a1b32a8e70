"""Pictures as they are trained on: moved, mirrored, with a hole, normalized; never the same twice."""

from typing import Any

import torch

from mlapi.networks.plan import Shape


class Augmentation:
    """`crop` and `cutout` are shares of a side: how far pictures are moved at most, how large the hole is."""

    def __init__(self, shape: Shape, *, crop: float, cutout: float) -> None:
        sides = shape[:2]
        self._reach = [min(round(crop * side), side - 1) for side in sides]
        self._hole = [round(cutout * side) for side in sides]
        self._sides = sides

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


def normalized(pictures: Any, mean: Any, std: Any) -> Any:
    """Raw values (n, height, width, channels) -> (n, channels, height, width), laid out as before."""
    return ((pictures.float() - mean) / std).permute(0, 3, 1, 2)
