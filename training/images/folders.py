"""Names, sizes and colors of files -> which picture is of which class, and what size all of them get.

Looks at nothing but what the first pass over the files has noted; decodes nothing.
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

TRAINING, VALIDATION, TEST = "train", "validation", "test"

_FOLDERS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), TRAINING),
    **dict.fromkeys(("val", "valid", "validation"), VALIDATION),
    **dict.fromkeys(("test", "testing"), TEST),
}
"""What the folders above the classes may be called."""

SMALLEST, LARGEST = 16, 64
"""Sides that are chosen where pictures differ in size; a size that all of them have is kept up to `MOST`."""

MOST = 128
"""Pixels of the longer side: a network takes sixteen times as long for a side that is four times as long."""

_GREY = frozenset({"1", "L", "I", "I;16", "I;16B", "F"})
"""Pillow's names for pictures without color."""

_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".avif", ".svg")

_NAMED = 3
"""Files that a note names."""


class ScannedFile(NamedTuple):
    """What the first pass saw of a file; without a size it is no picture."""

    name: str
    digest: bytes
    size: tuple[int, int] | None = None
    channels: int = 0


def scan(file: ImageFile) -> ScannedFile:
    """What can be said of a file without decoding it."""
    digest = hashlib.sha256(file.content).digest()
    try:
        image = open_image(file.content)
    except MlapiError:
        return ScannedFile(file.name, digest)
    channels = 4 if image.has_transparency_data else 1 if image.mode in _GREY else 3
    return ScannedFile(file.name, digest, image.size, channels)


def assign_classes(source: str, entries: Sequence[ScannedFile]) -> dict[str, tuple[str, str]]:
    """Part and class of each file that lies in a class's folder.

    Where one part has classes, what lies outside of parts and classes is of none: the unlabelled `test/` of
    a contest, sample pictures beside `train/`.

    Raises:
        DatasetError: There are no classes.
    """
    folders = {entry.name: entry.name.split("/")[:-1] for entry in entries}
    if not any(entry.size for entry in entries):
        raise DatasetError(f"{source} holds no pictures: expected a folder for each class, pictures in it")
    meant = [entry.name for entry in entries if _is_meant(entry)]
    above = _above(["/".join(folders[name]) for name in meant])
    inner = {name: parts[len(above) :] for name, parts in folders.items() if parts[: len(above)] == above}
    has_parts = any(_part(inner[name]) for name in meant)
    found = {}
    for name, parts in inner.items():
        if not has_parts and parts:
            found[name] = ("", parts[0])
        elif part := _part(parts):
            found[name] = (part, parts[1])
    if not any(entry.size and entry.name in found for entry in entries):
        only = f"only one class, {quoted(above[-1])}" if above else "pictures, and no folders"
        raise DatasetError(
            f"{source} holds {only}: to tell classes apart, each needs a folder of its own, with two at least"
        )
    return found


def _part(folders: Sequence[str]) -> str:
    """Which part a class's folder lies in, if in any: `train` with pictures in it is a class of trains."""
    return _FOLDERS.get(folders[0].lower(), "") if len(folders) > 1 else ""


def _is_meant(entry: ScannedFile) -> bool:
    """Whether somebody takes it for a picture: one that cannot be read shows its class all the same."""
    return entry.size is not None or entry.name.lower().endswith(_ENDINGS)


def _above(folders: Sequence[str]) -> list[str]:
    """The folders that all of them lie in."""
    above = os.path.commonpath(folders)
    return above.split("/") if above else []


def feature_for(pictures: Sequence[ScannedFile], size: int | None) -> Feature:
    """The size and channels that all pictures get."""
    sizes = [entry.size for entry in pictures if entry.size]
    if size is not None:
        width, height = size, size
    elif len(set(sizes)) == 1 and max(sizes[0]) <= MOST:
        width, height = sizes[0]
    else:
        side = int(np.clip(np.median([min(both) for both in sizes]), SMALLEST, LARGEST))
        width, height = side, side
    channels = {entry.channels for entry in pictures}
    kept = channels.pop() if len(channels) == 1 else 3
    return Feature(IMAGE, IMAGE, width=width, height=height, channels=kept, minimum=0, maximum=255)


def validation_as_test(parts: NDArray[np.str_]) -> NDArray[np.str_]:
    """Where a folder is called validation and none is test, it is what there is to judge by."""
    return parts if TEST in parts else np.where(parts == VALIDATION, TEST, parts)


def notes_on(
    chosen: Sequence[ScannedFile], unread: Sequence[str], stray: Sequence[str], feature: Feature
) -> Iterator[str]:
    """What was made of the files, in sentences."""
    sizes = {entry.size for entry in chosen if entry.size}
    if sizes != {(feature.width, feature.height)}:
        many = f"{len(sizes):,} sizes" if len(sizes) > 1 else "{} × {} pixels".format(*min(sizes))
        yield (
            f"the pictures have {many}; each is scaled to {feature.width} × {feature.height}, and what juts "
            f"out is cropped"
        )
    if unread:
        yield f"{counted(len(unread), 'file')} could not be read as a picture: {_some(unread)}"
    if stray:
        yield f"{counted(len(stray), 'file')} in no folder of a class passed over: {_some(stray)}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(quoted(name, 60) for name in names[:_NAMED]) + more
