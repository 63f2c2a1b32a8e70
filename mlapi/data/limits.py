"""How much data one request may bring. The values come from the settings; those who check get them as
arguments."""

from typing import NamedTuple

DEFAULT_PIXELS = 50_000_000
"""The most pixels of one image file, where the settings say nothing else: 50 megapixels."""


class TableLimits(NamedTuple):
    """The largest table that a fit or a job may be sent."""

    rows: int
    columns: int
    classes: int
    """How many different values the target of a classifier may have."""


class ImageLimits(NamedTuple):
    """The most pixels of each image file, and the most images in one request; None for no such limit."""

    pixels: int = DEFAULT_PIXELS
    images: int | None = None
