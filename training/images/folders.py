"""Decide from the names, sizes and colors of files which image has which class, and which size all get.

The first pass over the files (`scan`) notes these of each file. Nothing is decoded here.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlapi.data.images.decoding import open_image
from mlapi.data.signature import IMAGE, Feature
from mlapi.errors import DatasetError, MlapiError
from mlapi.training.images.archives import ImageFile
from mlapi.wording import counted, quoted

TRAINING = "train"
"""The part of a data set that estimators are fitted on."""

VALIDATION = "validation"
"""The part by which the epoch of a network is chosen."""

TEST = "test"
"""The part on which the result is evaluated."""

_PARTS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), TRAINING),
    **dict.fromkeys(("val", "valid", "validation"), VALIDATION),
    **dict.fromkeys(("test", "testing"), TEST),
}
"""The part that a folder above the classes stands for, by its name in lower case."""

SMALLEST = 16
"""The smallest side that is chosen where images differ in size."""

LARGEST = 64
"""The largest side that is chosen where images differ in size."""

LARGEST_COMMON = 128
"""The longest side of a size that is kept because all images have it. A network takes sixteen times as long
for a side that is four times as long."""

_GREY_MODES = frozenset({"1", "L", "I", "I;16", "I;16B", "F"})
"""Pillow's modes of images without color."""

_EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".avif", ".svg")
"""How the names of files end that somebody takes for images, whether they can be read or not."""

_SHOWN = 3
"""How many files a note names."""


class ScannedFile(NamedTuple):
    """What is known of a file that was not decoded."""

    name: str
    """The path inside the folder or archive, with slashes."""
    digest: bytes
    """The SHA-256 of its bytes."""
    size: tuple[int, int] | None = None
    """The width and height; None if it is no image that can be read."""
    channels: int = 0
    """1 for grey, 3 for colors, 4 for colors with transparency; 0 without a size."""


def scan(file: ImageFile) -> ScannedFile:
    """Note what can be known of a file without decoding it; it may still turn out to be damaged."""
    digest = hashlib.sha256(file.content).digest()
    try:
        image = open_image(file.content)
    except MlapiError:
        return ScannedFile(file.name, digest)
    channels = 4 if image.has_transparency_data else 1 if image.mode in _GREY_MODES else 3
    return ScannedFile(file.name, digest, image.size, channels)


def assign_classes(source: str, entries: Sequence[ScannedFile]) -> dict[str, tuple[str, str]]:
    """Return the part and the class of each file that lies in the folder of a class, by the file's name.

    Folders that all images lie in are ignored. Below them are `train/<class>/…`, `test/<class>/…`, or
    `<class>/…`; then the part is "". If one part has classes, files outside of the parts and their classes
    have none: the unlabelled images in the `test/` of a competition, samples beside `train/`.

    Args:
        source: The name of the folder or archive, for messages.
        entries: All of its files.

    Raises:
        DatasetError: There are no images, or no classes.
    """
    folders = {entry.name: entry.name.split("/")[:-1] for entry in entries}
    if not any(entry.size for entry in entries):
        raise DatasetError(f"{source} holds no pictures: expected a folder for each class, pictures in it")
    images = [entry.name for entry in entries if _is_meant_as_image(entry)]
    common = _common_folders(["/".join(folders[name]) for name in images])
    inner = {name: parts[len(common) :] for name, parts in folders.items() if parts[: len(common)] == common}
    has_parts = any(_part(inner[name]) for name in images)
    assigned = {}
    for name, parts in inner.items():
        if not has_parts and parts:
            assigned[name] = ("", parts[0])
        elif part := _part(parts):
            assigned[name] = (part, parts[1])
    if not any(entry.size and entry.name in assigned for entry in entries):
        only = f"only one class, {quoted(common[-1])}" if common else "pictures, and no folders"
        raise DatasetError(
            f"{source} holds {only}: to tell classes apart, each needs a folder of its own, with two at least"
        )
    return assigned


def _part(folders: Sequence[str]) -> str:
    """Return the part that the folders of a file stand for, or "".

    The folder of a part has folders of classes in it: a folder `train` with images in it is a class.
    """
    return _PARTS.get(folders[0].lower(), "") if len(folders) > 1 else ""


def _is_meant_as_image(entry: ScannedFile) -> bool:
    """Return whether a file is an image, or has the name of one: also a damaged image shows its class."""
    return entry.size is not None or entry.name.lower().endswith(_EXTENSIONS)


def _common_folders(folders: Sequence[str]) -> list[str]:
    """Return the folders that all of these paths begin with."""
    common = os.path.commonpath(folders)
    return common.split("/") if common else []


def feature_for(images: Sequence[ScannedFile], size: int | None) -> Feature:
    """Decide the size and the channels that all images get, as a feature of kind "image".

    The size is the one that is asked for, as the side of a square; else the one that all images have, up to
    `LARGEST_COMMON`; else a square with the median of their shorter sides, from `SMALLEST` to `LARGEST`. The
    channels are those of all images if they agree, else 3.
    """
    sizes = [entry.size for entry in images if entry.size]
    if size is not None:
        width, height = size, size
    elif len(set(sizes)) == 1 and max(sizes[0]) <= LARGEST_COMMON:
        width, height = sizes[0]
    else:
        side = int(np.clip(np.median([min(both) for both in sizes]), SMALLEST, LARGEST))
        width, height = side, side
    channels = {entry.channels for entry in images}
    common = channels.pop() if len(channels) == 1 else 3
    return Feature(IMAGE, IMAGE, width=width, height=height, channels=common, minimum=0, maximum=255)


def validation_as_test(parts: NDArray[np.str_]) -> NDArray[np.str_]:
    """Return the parts `(images,)` with validation in the place of a missing test part.

    A data set with a folder for validation and none for test is evaluated on the former.
    """
    return parts if TEST in parts else np.where(parts == VALIDATION, TEST, parts)


def notes_on(
    chosen: Sequence[ScannedFile], unread: Sequence[str], stray: Sequence[str], feature: Feature
) -> Iterator[str]:
    """Yield notes on how the files were read, a phrase each.

    Args:
        chosen: The images that lie in the folder of a class.
        unread: The names of files in such folders that could not be read.
        stray: The names of files outside of such folders.
        feature: The size and the channels that the images got.
    """
    sizes = {entry.size for entry in chosen if entry.size}
    if sizes != {(feature.width, feature.height)}:
        many = f"{len(sizes):,} sizes" if len(sizes) > 1 else "{} × {} pixels".format(*min(sizes))
        yield (
            f"the pictures have {many}; each is scaled to {feature.width} × {feature.height}, and what juts "
            f"out is cropped"
        )
    if unread:
        yield f"{counted(len(unread), 'file')} could not be read as a picture: {_first(unread)}"
    if stray:
        yield f"{counted(len(stray), 'file')} in no folder of a class passed over: {_first(stray)}"


def _first(names: Sequence[str]) -> str:
    """Name the first files, and how many more there are."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(quoted(name, 60) for name in names[:_SHOWN]) + more
