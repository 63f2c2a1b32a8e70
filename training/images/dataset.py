"""Load a data set of images, with a folder for each class, into one array of pixels.

There are two passes over the files, so that large photos are never in memory all at once: the first notes
names, digests and sizes, the second decodes, by the same function that reads what clients send.
"""

import hashlib
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlapi.data.images.decoding import Images, Pixels, png, read
from mlapi.data.images.formats import READABLE
from mlapi.data.signature import IMAGE, Feature
from mlapi.errors import DatasetError, MlapiError
from mlapi.training.images import cifar
from mlapi.training.images.archives import ImageFile, ImageFiles
from mlapi.training.images.folders import (
    TEST,
    TRAINING,
    VALIDATION,
    ScannedFile,
    assign_classes,
    feature_for,
    notes_on,
    scan,
    validation_as_test,
)
from mlapi.wording import counted, listed, quoted

FEWEST_IMAGES = 20
"""The fewest images of a data set, all classes together."""

_MEMORY = 0.25
"""The share of this machine's memory that the pixels may take: they are copied, and training needs more."""

_CHUNK = 32
"""The most files that one thread decodes in one go."""

_CHUNK_BYTES = 1 << 20
"""The bytes from which on fewer files are enough for one thread."""

_Assigned: TypeAlias = Mapping[str, tuple[str, str]]
"""The part and the class of each file, by its name: what `assign_classes` returns."""


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Images of one size with their classes. All arrays and `names` are in the same order."""

    source: str
    """The name of the folder or archive."""
    X: Images
    y: NDArray[np.str_]
    """`(images,)`, the class of each image."""
    names: tuple[str, ...]
    """The file of each image: the path in the folder or archive."""
    parts: NDArray[np.str_]
    """`(images,)`, the part of the image by its folder: `TRAINING`, `VALIDATION`, `TEST`, or "" for none."""
    classes: tuple[str, ...]
    """All classes, sorted."""
    digest: str
    """The SHA-256 of the names and the bytes of the files, in hexadecimal."""
    notes: tuple[str, ...] = ()
    """Phrases on how the files were read."""

    def take(self, rows: NDArray[np.intp]) -> "ImageDataset":
        """Return some of the images, by their positions `(rows,)`. Classes, digest and notes stay."""
        names = tuple(self.names[row] for row in rows)
        return replace(self, X=self.X[rows], y=self.y[rows], names=names, parts=self.parts[rows])


def load(source: str, size: int | None = None) -> ImageDataset:
    """Load the images of a folder or archive, all in one size.

    It has `train/<class>/…` and `test/<class>/…`, or `<class>/…`; or it is CIFAR-10 or CIFAR-100 as their
    authors publish them.

    Args:
        source: A path, or a URL.
        size: The side of the square that all images are scaled and cropped to; None to choose one.

    Raises:
        DatasetError: There are no two classes with images to learn from, too few images, or too many for the
            memory; the message says what would do.
        OSError: It cannot be read.
    """
    files = ImageFiles(source)
    entries, cifar_files = _first_pass(files)
    if cifar_files:
        return _checked(_from_cifar(files.name, cifar_files, size))
    entries = sorted(entries)
    assigned = assign_classes(files.name, entries)
    feature = feature_for([entry for entry in entries if entry.size and entry.name in assigned], size)
    return _checked(_decoded(files, entries, assigned, feature))


def flat(X: Images) -> NDArray[np.uint8]:
    """Return images as rows, `(images, columns)`, as scikit-learn's estimators take them; a view."""
    return X.reshape(len(X), -1)


def feature_of(X: Images) -> Feature:
    """Return a feature with the size and the channels of these images, their values from 0 to 255."""
    _, height, width, channels = X.shape
    return Feature(IMAGE, IMAGE, width=width, height=height, channels=channels, minimum=0, maximum=255)


def rescaled(X: Images, feature: Feature) -> Images:
    """Return images in the size and the channels of a feature, as if a client had sent them as PNG files."""
    wanted = (feature.height, feature.width, feature.channels)
    if X.shape[1:] == wanted:
        return X
    return np.stack([read(png(image), feature) for image in X])


def _first_pass(files: Iterable[ImageFile]) -> tuple[list[ScannedFile], Mapping[str, bytes]]:
    """Return what is known of every file; and CIFAR's own files by name, with their content.

    The latter are those of the folder with the most of them, and none if there is any image: then a file
    called train, or meta, is a file like any other.
    """
    entries: list[ScannedFile] = []
    by_folder: dict[str, dict[str, bytes]] = {}
    has_images = False
    for file in files:
        entries.append(scan(file))
        has_images = has_images or entries[-1].size is not None
        folder, _, base = file.name.rpartition("/")
        if has_images:
            by_folder.clear()
        elif base in cifar.NAMES:
            by_folder.setdefault(folder, {})[base] = file.content
    return entries, max(by_folder.values(), key=len, default={})


def _decoded(
    files: ImageFiles, entries: Sequence[ScannedFile], assigned: _Assigned, feature: Feature
) -> ImageDataset:
    """Decode the files that have a class, in the size and the channels of the feature.

    Files that cannot be decoded are left out, with a note; each class has to keep one at least.
    """
    chosen = [entry for entry in entries if entry.size and entry.name in assigned]
    _check_memory(len(chosen), feature)
    X = np.empty((len(chosen), feature.height or 0, feature.width or 0, feature.channels or 0), np.uint8)
    places = {entry.name: place for place, entry in enumerate(chosen)}
    is_read = np.zeros(len(chosen), bool)
    for name, image in _second_pass(files, places, feature):
        X[places[name]], is_read[places[name]] = image, True
    X = X if is_read.all() else X[is_read]
    decoded = [entry for entry, read in zip(chosen, is_read, strict=True) if read]
    unread = sorted(assigned.keys() - {entry.name for entry in decoded})
    stray = sorted({entry.name for entry in entries} - assigned.keys())
    parts, classes = zip(*(assigned[entry.name] for entry in decoded), strict=True) if decoded else ((), ())
    _check_classes(assigned, set(classes))
    digest = hashlib.sha256()
    for entry in decoded:
        digest.update(entry.name.encode() + b"\0" + entry.digest)
    return ImageDataset(
        source=files.name,
        X=X,
        y=np.array(classes),
        names=tuple(entry.name for entry in decoded),
        parts=validation_as_test(np.array(parts)),
        classes=tuple(sorted(set(classes))),
        digest=digest.hexdigest(),
        notes=tuple(notes_on(chosen, unread, stray, feature)),
    )


def _second_pass(
    files: Iterable[ImageFile], wanted: Mapping[str, int], feature: Feature
) -> Iterator[tuple[str, Pixels]]:
    """Decode the wanted files, by name, in threads; yield name and pixels of each that can be decoded.

    Two chunks for each processor are in work at a time, so that few files are in memory.
    """
    workers = os.cpu_count() or 1
    waiting: deque[Future[list[tuple[str, Pixels]]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for chunk in _chunks(file for file in files if file.name in wanted):
            waiting.append(pool.submit(_decode_chunk, chunk, feature))
            if len(waiting) == 2 * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _chunks(files: Iterable[ImageFile]) -> Iterator[list[ImageFile]]:
    """Divide files into chunks for one thread each: many small files, or a large one."""
    chunk: list[ImageFile] = []
    for file in files:
        chunk.append(file)
        if len(chunk) == _CHUNK or sum(len(each.content) for each in chunk) >= _CHUNK_BYTES:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _decode_chunk(chunk: Iterable[ImageFile], feature: Feature) -> list[tuple[str, Pixels]]:
    images = []
    for file in chunk:
        try:
            images.append((file.name, read(file.content, feature)))
        except MlapiError:
            continue
    return images


def _from_cifar(source: str, files: Mapping[str, bytes], size: int | None) -> ImageDataset:
    """Read CIFAR's own files, by name, and scale their images to a square if a size is asked for."""
    content = cifar.read(files)
    X = np.concatenate([file.X for file in content.files])
    parts = [[TEST if file.is_test else TRAINING] * len(file.X) for file in content.files]
    labels = np.concatenate([file.labels for file in content.files])
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256(files[name]).digest())
    if size is not None:
        X = rescaled(X, replace(feature_of(X), width=size, height=size))
    return ImageDataset(
        source=source,
        X=X,
        y=np.array(content.classes)[labels],
        names=tuple(name for file in content.files for name in file.names),
        parts=np.concatenate(parts),
        classes=tuple(sorted(content.classes[label] for label in np.unique(labels))),
        digest=digest.hexdigest(),
    )


def _check_memory(count: int, feature: Feature) -> None:
    needed = count * feature.size
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > _MEMORY * installed:
        raise DatasetError(
            f"{counted(count, 'picture')} of {feature.width} × {feature.height} × {feature.channels} take "
            f"{needed / 2**30:.1f} GiB, and this machine has {installed / 2**30:.1f}: choose a smaller --size"
        )


def _check_classes(assigned: _Assigned, decoded: set[str]) -> None:
    """Refuse a data set with a class, other than the decoded ones, none of whose files could be decoded."""
    unreadable = sorted({name for _, name in assigned.values()} - decoded)
    if unreadable:
        raise DatasetError(
            f"no file of {listed(map(quoted, unreadable))} could be read as a picture: {READABLE} can; "
            f"convert the files, or take the folder away"
        )


def _checked(dataset: ImageDataset) -> ImageDataset:
    """Return the data set if something can be learned from it.

    Raises:
        DatasetError: It has fewer than two classes, or too few images, or a class has fewer than two to learn
            from.
    """
    is_held_out = np.isin(dataset.parts, (TEST, VALIDATION))
    training = dataset.y[~is_held_out]
    untrained = sorted(set(dataset.y[is_held_out].tolist()) - set(training.tolist()))
    if untrained:
        raise DatasetError(
            f"{listed(map(quoted, untrained))} has pictures to judge by and none to learn from: move some, "
            f"or take the folder away"
        )
    if len(dataset.classes) < 2:
        raise DatasetError(
            f"{dataset.source} has only one class, {quoted(dataset.classes[0])}: to tell classes apart there "
            f"must be two, each in a folder of its own"
        )
    single = [name for name, count in sorted(Counter(training.tolist()).items()) if count < 2]
    if single:
        raise DatasetError(
            f"{listed(map(quoted, single))} has a single picture to learn from: each class needs two at least"
        )
    if len(dataset.y) < FEWEST_IMAGES:
        raise DatasetError(
            f"{len(dataset.y)} pictures are too few to learn from: bring {FEWEST_IMAGES} at least"
        )
    return dataset
