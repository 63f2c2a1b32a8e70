"""Read CIFAR-10 and CIFAR-100 as their authors publish them: the files of the Python and the binary version.

The Python version is pickled. These pickles are not loaded, which would run code from them: their opcodes are
read one by one, only the few that such a file has are known, and where one would call numpy to make an array,
the array is made here. The formats are described in Krizhevsky, "Learning Multiple Layers of Features from
Tiny Images" (2009), and at https://www.cs.toronto.edu/~kriz/cifar.html.
"""

import io
import pickletools
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlapi.data.images.decoding import Images
from mlapi.errors import DatasetError

SIDE = 32
"""The height and the width of every image."""

CHANNELS = 3
"""Red, green and blue."""

_PIXELS = SIDE * SIDE * CHANNELS
"""How many bytes an image takes."""

_TRAINING = tuple(f"data_batch_{number}" for number in range(1, 6))
"""The files with CIFAR-10's training images."""

_IMAGE_FILES = (*_TRAINING, "test_batch", "train", "test")
"""The files with images; in the binary version their names end with .bin."""

_CLASS_NAME_FILES: Mapping[str, str] = {
    "batches.meta": "label_names",
    "meta": "fine_label_names",
    "batches.meta.txt": "",
    "fine_label_names.txt": "",
}
"""The files with the names of the classes, and the key of the names in a pickled one; "" for plain text."""

NAMES = frozenset({*_IMAGE_FILES, *(f"{name}.bin" for name in _IMAGE_FILES), *_CLASS_NAME_FILES})
"""The names of all files that `read` takes."""

T = TypeVar("T")

_FOREIGN = "is not as CIFAR's authors have written it"
"""What messages say of a file that is altered or another."""


class CifarFile(NamedTuple):
    """The content of one file with images."""

    X: Images
    """`(images, 32, 32, 3)`."""
    labels: NDArray[np.intp]
    """`(images,)`, the position of each image's class in `Cifar.classes`."""
    names: Sequence[str]
    """The names of the images."""
    is_test: bool
    """Whether these are test images."""


class Cifar(NamedTuple):
    """The content of all files, those with test images last."""

    files: tuple[CifarFile, ...]
    classes: tuple[str, ...]
    """The names of all classes; of CIFAR-100 the hundred fine ones."""


def read(files: Mapping[str, bytes]) -> Cifar:
    """Read the files of one version, by their names, with their bytes; there need not be all.

    Raises:
        DatasetError: There are no training images or no names of classes, or a file is not as CIFAR's authors
            have written it.
    """
    names_file = next((name for name in _CLASS_NAME_FILES if name in files), None)
    image_files = [name for name in files if name not in _CLASS_NAME_FILES]
    if names_file is None or not any("test" not in name for name in image_files):
        raise DatasetError(
            f"of CIFAR there {'is' if len(files) == 1 else 'are'} only {', '.join(sorted(files))}: expected "
            f"data_batch_1 to data_batch_5, test_batch and batches.meta (or the same as .bin)"
        )
    try:
        classes = tuple(_class_names(files[names_file], _CLASS_NAME_FILES[names_file]))
        in_order = sorted(image_files, key=_tests_last)
        contents = tuple(_image_file(name, files[name], len(classes)) for name in in_order)
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise DatasetError(f"a file of CIFAR {_FOREIGN}: {error}") from error
    return Cifar(contents, classes)


def unpickled(content: bytes) -> Any:
    """Return what a pickle of CIFAR's holds: dicts, lists, texts, numbers, arrays of bytes.

    Nothing is imported or called, whatever the pickle asks for.

    Raises:
        ValueError: It is no pickle, or one that does other things than CIFAR's.
        LookupError, TypeError, AttributeError: Its opcodes do not go together.
    """
    with warnings.catch_warnings(action="ignore"):  # those of `pickletools`, about texts that CIFAR has not
        return _PickleReader().run(content)


def _tests_last(name: str) -> tuple[bool, str]:
    return "test" in name, name


def _image_file(name: str, content: bytes, classes: int) -> CifarFile:
    if name.endswith(".bin"):
        rows, labels = _records(content, of_100="data_batch" not in name and "test_batch" not in name)
        names: Sequence[str] = [f"{name}#{number}" for number in range(len(rows))]
    else:
        batch = unpickled(content)
        rows = batch["data"]
        labels = np.array(_all(int, batch["labels" if "labels" in batch else "fine_labels"]), dtype=np.intp)
        names = [PurePosixPath(path).name for path in _all(str, batch["filenames"])]
    if rows.dtype != np.uint8 or rows.shape != (len(labels), _PIXELS) or len(names) != len(labels):
        raise ValueError(f"{name} has other shapes")
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"{name} has classes that nobody named")
    X = rows.reshape(-1, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1)  # stored channel after channel
    return CifarFile(np.ascontiguousarray(X), labels, names, "test" in name)


def _records(content: bytes, *, of_100: bool) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """Read the binary version: `(images, 3072)` pixels and `(images,)` labels.

    Each record has a label, in CIFAR-100 a coarse and a fine one, and the pixels.
    """
    labels = 2 if of_100 else 1
    records = np.frombuffer(content, np.uint8).reshape(-1, labels + _PIXELS)
    return records[:, labels:], records[:, labels - 1].astype(np.intp)


def _class_names(content: bytes, key: str) -> list[str]:
    if not key:
        return content.decode().split()
    return _all(str, unpickled(content)[key])


def _all(kind: type[T], values: Any) -> list[T]:
    """Return the values if they are a list of one type.

    Anything else is refused here: numpy, `str` and `hash` would follow what is nested without end.
    """
    if type(values) is not list or not all(type(value) is kind for value in values):
        raise ValueError(f"something else than a list of {kind.__name__}")
    return values


class _PendingArray:
    """An array of which a pickle has said that there is one, and says the content later."""

    def __init__(self) -> None:
        self.array: NDArray[np.uint8] | None = None

    def set_state(self, state: Any) -> None:
        """Make the array of the arguments that `numpy.ndarray.__setstate__` would get."""
        _, shape, dtype, is_fortran, content = state
        if dtype != "u1" or not all(type(side) is int and side >= 0 for side in shape):
            raise ValueError("an array of something else than bytes")
        values = content.encode("latin-1") if isinstance(content, str) else content
        self.array = np.frombuffer(values, np.uint8).reshape(shape, order="F" if is_fortran else "C")


_RECONSTRUCT = frozenset({"numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"})
"""The function that a pickle calls to make an empty array, by old and by new names."""

_DTYPE = "numpy dtype"
"""The class that a pickle calls with the name of a dtype."""


class _PickleReader:
    """The stack and the memory of a pickle that is read, for the opcodes that CIFAR's files have."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memory: dict[int, Any] = {}

    def run(self, content: bytes) -> Any:
        """Follow the opcodes to the end; return what is on top of the stack then."""
        # `genops` decodes BINSTRING as Latin-1, which keeps every byte.
        for opcode, argument, _ in pickletools.genops(io.BytesIO(content)):
            if opcode.name == "STOP":
                return _resolved(self._stack.pop())
            step = _STEPS.get(opcode.name)
            if step is None:
                raise ValueError(f"a pickle with the opcode {opcode.name}")
            step(self, argument)
        raise ValueError("a pickle without an end")

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def remember(self, place: int) -> None:
        self._memory[place] = self._stack[-1]

    def recall(self, place: int) -> None:
        self._stack.append(self._memory[place])

    def tuple_of(self, count: int) -> None:
        self._stack[len(self._stack) - count :] = [tuple(self._stack[len(self._stack) - count :])]

    def extend(self, values: list[Any]) -> None:
        self._stack[-1].extend(values)

    def update(self, values: list[Any]) -> None:
        keys = _all(str, values[::2])
        self._stack[-1].update(zip(keys, map(_resolved, values[1::2]), strict=True))

    def since_mark(self) -> list[Any]:
        start = self._marks.pop()
        taken = self._stack[start:]
        del self._stack[start:]
        return taken

    def last(self, count: int) -> list[Any]:
        return [self._stack.pop() for _ in range(count)][::-1]

    def reduce(self, _: Any) -> None:
        name, arguments = self.last(2)
        if type(name) is not str:
            raise ValueError("a pickle that calls what has no name")
        if name in _RECONSTRUCT:
            self.push(_PendingArray())
        elif name == _DTYPE:
            self.push(arguments[0])
        else:
            raise ValueError(f"a pickle that calls {name!r:.60}")

    def build(self, _: Any) -> None:
        state = self._stack.pop()
        if isinstance(self._stack[-1], _PendingArray):
            self._stack[-1].set_state(state)
        elif not isinstance(self._stack[-1], str):  # a dtype's state says its byte order: bytes have none
            raise ValueError("a pickle that gives a state to something else than an array")


def _resolved(value: Any) -> Any:
    """Return the array in the place of a pending one."""
    return value.array if isinstance(value, _PendingArray) else value


def _constant(value: Callable[[], Any]) -> Callable[[_PickleReader, Any], None]:
    return lambda reader, _: reader.push(value())


_VALUES = ("BININT", "BININT1", "BININT2", "SHORT_BINSTRING", "BINSTRING", "BINUNICODE", "BINBYTES", "GLOBAL")
"""The opcodes that put their argument on the stack; of GLOBAL it is a name, and nothing is imported."""

_STEPS: Mapping[str, Callable[[_PickleReader, Any], None]] = {
    **dict.fromkeys(_VALUES, _PickleReader.push),
    **dict.fromkeys(("PROTO", "FRAME"), lambda *_: None),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _PickleReader.remember),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _PickleReader.recall),
    "MARK": _PickleReader.mark,
    "EMPTY_DICT": _constant(dict),
    "EMPTY_LIST": _constant(list),
    "EMPTY_TUPLE": _constant(tuple),
    "NONE": _constant(lambda: None),
    "NEWTRUE": _constant(lambda: True),
    "NEWFALSE": _constant(lambda: False),
    "TUPLE1": lambda reader, _: reader.tuple_of(1),
    "TUPLE2": lambda reader, _: reader.tuple_of(2),
    "TUPLE3": lambda reader, _: reader.tuple_of(3),
    "TUPLE": lambda reader, _: reader.push(tuple(reader.since_mark())),
    "APPEND": lambda reader, _: reader.extend(reader.last(1)),
    "APPENDS": lambda reader, _: reader.extend(reader.since_mark()),
    "SETITEM": lambda reader, _: reader.update(reader.last(2)),
    "SETITEMS": lambda reader, _: reader.update(reader.since_mark()),
    "REDUCE": _PickleReader.reduce,
    "BUILD": _PickleReader.build,
}
"""What to do, by the name of the opcode; every other one is refused."""
