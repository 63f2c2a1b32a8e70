"""The most that one request may bring of rows or pictures. Assembly makes the values of the settings."""

from typing import NamedTuple

DEFAULT_PIXELS = 50_000_000
"""Of one picture, where nobody says more."""


class TableLimits(NamedTuple):
    """What the table that a fit or a job is sent may be."""

    rows: int
    columns: int
    classes: int


class ImageLimits(NamedTuple):
    """What the pictures of one request may be; None for any number of them."""

    pixels: int = DEFAULT_PIXELS
    pictures: int | None = None
