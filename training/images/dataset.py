"""Folders of pictures, a folder a class -> one array of pixels, with what is known of each picture.

Two passes over the files, so that folders of large photos never lie in memory: the first looks at names,
digests and sizes, the second decodes, through the very function that reads what clients send.
"""

import hashlib
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mlapi.data.images.decoding import Pixels, png, read
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
"""Pictures in all."""

_MEMORY = 0.25
"""The share of this machine's memory that the pixels may take: they are copied, and training needs more."""

_CHUNK, _CHUNK_BYTES = 32, 1 << 20
"""What one thread decodes in one go: so many files, or fewer that have so many bytes."""


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """`X` is (n, height, width, channels), `parts` what each picture's folder said, "" where there is none.

    `digest` is sha256 over names and bytes; `notes` are sentences on what was read.
    """

    source: str
    X: Pixels
    y: NDArray[np.str_]
    names: tuple[str, ...]
    parts: NDArray[np.str_]
    classes: tuple[str, ...]
    digest: str
    notes: tuple[str, ...] = ()

    def take(self, rows: NDArray[np.intp]) -> "ImageDataset":
        names = tuple(self.names[row] for row in rows)
        return replace(self, X=self.X[rows], y=self.y[rows], names=names, parts=self.parts[rows])


def load(source: str, size: int | None = None) -> ImageDataset:
    """A folder or archive with `train/<class>/…` and `test/<class>/…`, or `<class>/…`; or CIFAR's own files.

    Raises:
        DatasetError: There are no classes of pictures to learn from; the message says what would do.
        OSError: It cannot be read.
    """
    files = ImageFiles(source)
    entries, raw = _first_pass(files)
    if raw:
        return _checked(_of_cifar(files.name, raw, size))
    entries = sorted(entries)
    found = assign_classes(files.name, entries)
    feature = feature_for([entry for entry in entries if entry.size and entry.name in found], size)
    return _checked(_decoded(files, entries, found, feature))


def flat(X: Pixels) -> Pixels:
    """A row a picture, as estimators take them."""
    return X.reshape(len(X), -1)


def feature_of(X: Pixels) -> Feature:
    """The feature whose pictures these are."""
    _, height, width, channels = X.shape
    return Feature(IMAGE, IMAGE, width=width, height=height, channels=channels, minimum=0, maximum=255)


def rescaled(X: Pixels, feature: Feature) -> Pixels:
    """The pictures as another size and other channels have them: as if a client had sent them."""
    wanted = (feature.height, feature.width, feature.channels)
    if X.shape[1:] == wanted:
        return X
    return np.stack([read(png(picture), feature) for picture in X])


def _first_pass(files: Iterable[ImageFile]) -> tuple[list[ScannedFile], Mapping[str, bytes]]:
    """What is there; and where there is no picture the content of CIFAR's own files, of the folder with most.

    Among pictures a file called train, or meta, is a file like any other.
    """
    entries: list[ScannedFile] = []
    raw: dict[str, dict[str, bytes]] = {}
    has_pictures = False
    for file in files:
        entries.append(scan(file))
        has_pictures = has_pictures or entries[-1].size is not None
        folder, _, base = file.name.rpartition("/")
        if has_pictures:
            raw.clear()
        elif base in cifar.NAMES:
            raw.setdefault(folder, {})[base] = file.content
    return entries, max(raw.values(), key=len, default={})


def _decoded(
    files: ImageFiles, entries: Sequence[ScannedFile], found: Mapping[str, tuple[str, str]], feature: Feature
) -> ImageDataset:
    chosen = [entry for entry in entries if entry.size and entry.name in found]
    _check_memory(len(chosen), feature)
    X = np.empty((len(chosen), feature.height or 0, feature.width or 0, feature.channels or 0), np.uint8)
    places = {entry.name: place for place, entry in enumerate(chosen)}
    is_read = np.zeros(len(chosen), bool)
    for name, picture in _second_pass(files, places, feature):
        X[places[name]], is_read[places[name]] = picture, True
    X = X if is_read.all() else X[is_read]
    kept = [entry for entry, read in zip(chosen, is_read, strict=True) if read]
    unread = sorted(found.keys() - {entry.name for entry in kept})
    stray = sorted({entry.name for entry in entries} - found.keys())
    parts, classes = zip(*(found[entry.name] for entry in kept), strict=True) if kept else ((), ())
    _check_classes(found, set(classes))
    digest = hashlib.sha256()
    for entry in kept:
        digest.update(entry.name.encode() + b"\0" + entry.digest)
    return ImageDataset(
        source=files.name,
        X=X,
        y=np.array(classes),
        names=tuple(entry.name for entry in kept),
        parts=validation_as_test(np.array(parts)),
        classes=tuple(sorted(set(classes))),
        digest=digest.hexdigest(),
        notes=tuple(notes_on(chosen, unread, stray, feature)),
    )


def _second_pass(
    files: Iterable[ImageFile], wanted: Mapping[str, int], feature: Feature
) -> Iterator[tuple[str, Pixels]]:
    """Two chunks a processor at a time, so that what waits to be decoded stays small."""
    workers = os.cpu_count() or 1
    waiting: deque[Future[list[tuple[str, Pixels]]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for chunk in _chunks(file for file in files if file.name in wanted):
            waiting.append(pool.submit(_rows, chunk, feature))
            if len(waiting) == 2 * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _chunks(files: Iterable[ImageFile]) -> Iterator[list[ImageFile]]:
    """Many small files, or a large one."""
    chunk: list[ImageFile] = []
    for file in files:
        chunk.append(file)
        if len(chunk) == _CHUNK or sum(len(each.content) for each in chunk) >= _CHUNK_BYTES:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _rows(chunk: Iterable[ImageFile], feature: Feature) -> list[tuple[str, Pixels]]:
    rows = []
    for file in chunk:
        try:
            rows.append((file.name, read(file.content, feature)))
        except MlapiError:
            continue
    return rows


def _of_cifar(source: str, raw: Mapping[str, bytes], size: int | None) -> ImageDataset:
    found = cifar.read(raw)
    X = np.concatenate([part.X for part in found.parts])
    kinds = [[TEST if part.is_test else TRAINING] * len(part.X) for part in found.parts]
    labels = np.concatenate([part.labels for part in found.parts])
    digest = hashlib.sha256()
    for name in sorted(raw):
        digest.update(name.encode() + b"\0" + hashlib.sha256(raw[name]).digest())
    if size is not None:
        X = rescaled(X, replace(feature_of(X), width=size, height=size))
    return ImageDataset(
        source=source,
        X=X,
        y=np.array(found.classes)[labels],
        names=tuple(name for part in found.parts for name in part.names),
        parts=np.concatenate(kinds),
        classes=tuple(sorted(found.classes[label] for label in np.unique(labels))),
        digest=digest.hexdigest(),
    )


def _check_memory(count: int, feature: Feature) -> None:
    needed = count * feature.size
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > _MEMORY * there:
        raise DatasetError(
            f"{counted(count, 'picture')} of {feature.width} × {feature.height} × {feature.channels} take "
            f"{needed / 2**30:.1f} GiB, and this machine has {there / 2**30:.1f}: choose a smaller --size"
        )


def _check_classes(found: Mapping[str, tuple[str, str]], read: set[str]) -> None:
    lost = sorted({name for _, name in found.values()} - read)
    if lost:
        raise DatasetError(
            f"no file of {listed(map(quoted, lost))} could be read as a picture: {READABLE} can; "
            f"convert the files, or take the folder away"
        )


def _checked(found: ImageDataset) -> ImageDataset:
    """The pictures, if there is something to learn from them."""
    apart = np.isin(found.parts, (TEST, VALIDATION))
    learnt = found.y[~apart]
    strangers = sorted(set(found.y[apart].tolist()) - set(learnt.tolist()))
    if strangers:
        raise DatasetError(
            f"{listed(map(quoted, strangers))} has pictures to judge by and none to learn from: move some, "
            f"or take the folder away"
        )
    if len(found.classes) < 2:
        raise DatasetError(
            f"{found.source} has only one class, {quoted(found.classes[0])}: to tell classes apart there "
            f"must be two, each in a folder of its own"
        )
    alone = [name for name, count in sorted(Counter(learnt.tolist()).items()) if count < 2]
    if alone:
        raise DatasetError(
            f"{listed(map(quoted, alone))} has a single picture to learn from: each class needs two at least"
        )
    if len(found.y) < FEWEST_IMAGES:
        raise DatasetError(
            f"{len(found.y)} pictures are too few to learn from: bring {FEWEST_IMAGES} at least"
        )
    return found
