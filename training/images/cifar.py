"""CIFAR-10 and CIFAR-100 as their authors give them away: the files of the python and the binary version.

The python version is pickled. These pickles are not run: their opcodes are read one by one, the few that such
a file has are understood, and an array of bytes is made by hand of what it would be called with. The formats:
Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009), https://www.cs.toronto.edu/~kriz/cifar.html.
"""

import io
import pickletools
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlapi.errors import DatasetError

SIDE, CHANNELS = 32, 3
_PIXELS = SIDE * SIDE * CHANNELS

_TRAINING = tuple(f"data_batch_{number}" for number in range(1, 6))

_PARTS = (*_TRAINING, "test_batch", "train", "test")
"""The files with pictures; in the binary version their names end with .bin."""

_WORDS: Mapping[str, str] = {
    "batches.meta": "label_names",
    "meta": "fine_label_names",
    "batches.meta.txt": "",
    "fine_label_names.txt": "",
}
"""The files with the names of the classes; of the pickled ones, under which key."""

NAMES = frozenset({*_PARTS, *(f"{part}.bin" for part in _PARTS), *_WORDS})
"""What the files are called whose bytes `read` takes."""

T = TypeVar("T")

_FOREIGN = "is not as CIFAR's authors have written it"


class CifarFile(NamedTuple):
    """(n, 32, 32, 3) pictures, the numbers of their classes, and their names."""

    X: NDArray[np.uint8]
    labels: NDArray[np.intp]
    names: Sequence[str]
    is_test: bool


class Cifar(NamedTuple):
    parts: tuple[CifarFile, ...]
    classes: tuple[str, ...]


def read(files: Mapping[str, bytes]) -> Cifar:
    """All parts that are there, by the files' names.

    Raises:
        DatasetError: A file is missing, or is not what it is called.
    """
    words = next((name for name in _WORDS if name in files), None)
    names = [name for name in files if name not in _WORDS]
    if words is None or not any("test" not in name for name in names):
        raise DatasetError(
            f"of CIFAR there {'is' if len(files) == 1 else 'are'} only {', '.join(sorted(files))}: expected "
            f"data_batch_1 to data_batch_5, test_batch and batches.meta (or the same as .bin)"
        )
    try:
        classes = tuple(_words(files[words], _WORDS[words]))
        parts = tuple(_part(name, files[name], len(classes)) for name in sorted(names, key=_tests_last))
    except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise DatasetError(f"a file of CIFAR {_FOREIGN}: {error}") from error
    return Cifar(parts, classes)


def unpickled(content: bytes) -> Any:
    """What a pickle of CIFAR's holds: nothing is imported or called, whatever it asks for.

    Raises:
        ValueError: It is no pickle, or one that does other things than theirs.
    """
    with warnings.catch_warnings(action="ignore"):  # of `pickletools`, on words that are none of theirs
        return _Machine().run(content)


def _tests_last(name: str) -> tuple[bool, str]:
    return "test" in name, name


def _part(name: str, content: bytes, classes: int) -> CifarFile:
    if name.endswith(".bin"):
        rows, labels = _records(content, of_100="data_batch" not in name and "test_batch" not in name)
        names: Sequence[str] = [f"{name}#{number}" for number in range(len(rows))]
    else:
        found = unpickled(content)
        rows = found["data"]
        labels = np.array(_all(int, found["labels" if "labels" in found else "fine_labels"]), dtype=np.intp)
        names = [PurePosixPath(word).name for word in _all(str, found["filenames"])]
    if rows.dtype != np.uint8 or rows.shape != (len(labels), _PIXELS) or len(names) != len(labels):
        raise ValueError(f"{name} has other shapes")
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"{name} has classes that nobody named")
    X = rows.reshape(-1, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1)  # plane by plane, as it is stored
    return CifarFile(np.ascontiguousarray(X), labels, names, "test" in name)


def _records(content: bytes, *, of_100: bool) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """Records of a label (of CIFAR-100: the coarse one and the fine one) and the pixels."""
    before = 2 if of_100 else 1
    records = np.frombuffer(content, np.uint8).reshape(-1, before + _PIXELS)
    return records[:, before:], records[:, before - 1].astype(np.intp)


def _words(content: bytes, key: str) -> list[str]:
    if not key:
        return content.decode().split()
    return _all(str, unpickled(content)[key])


def _all(kind: type[T], values: Any) -> list[T]:
    """The values, which are a list of one kind: numpy, `str` and `hash` would follow what is nested."""
    if type(values) is not list or not all(type(value) is kind for value in values):
        raise ValueError(f"something else than a list of {kind.__name__}")
    return values


class _Array:
    """What becomes an array once its state is known."""

    def __init__(self) -> None:
        self.made: NDArray[np.uint8] | None = None

    def become(self, state: Any) -> None:
        _, shape, dtype, is_fortran, content = state
        if dtype != "u1" or not all(type(side) is int and side >= 0 for side in shape):
            raise ValueError("an array of something else than bytes")
        given = content.encode("latin-1") if isinstance(content, str) else content
        self.made = np.frombuffer(given, np.uint8).reshape(shape, order="F" if is_fortran else "C")


_RECONSTRUCT = frozenset({"numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"})
_DTYPE = "numpy dtype"


class _Machine:
    """The stack and the memory that a pickle's opcodes work on, for the opcodes of these files alone."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memory: dict[int, Any] = {}

    def run(self, content: bytes) -> Any:
        # `genops` decodes BINSTRING as Latin-1, which keeps every byte.
        for opcode, argument, _ in pickletools.genops(io.BytesIO(content)):
            if opcode.name == "STOP":
                return _settled(self._stack.pop())
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
        self._stack[-1].update(zip(keys, map(_settled, values[1::2]), strict=True))

    def since_mark(self) -> list[Any]:
        start = self._marks.pop()
        taken = self._stack[start:]
        del self._stack[start:]
        return taken

    def last(self, count: int) -> list[Any]:
        return [self._stack.pop() for _ in range(count)][::-1]

    def reduce(self, _: Any) -> None:
        name, given = self.last(2)
        if type(name) is not str:
            raise ValueError("a pickle that calls what has no name")
        if name in _RECONSTRUCT:
            self.push(_Array())
        elif name == _DTYPE:
            self.push(given[0])
        else:
            raise ValueError(f"a pickle that calls {name!r:.60}")

    def build(self, _: Any) -> None:
        state = self._stack.pop()
        if isinstance(self._stack[-1], _Array):
            self._stack[-1].become(state)
        elif not isinstance(self._stack[-1], str):  # a dtype's state says its byte order: bytes have none
            raise ValueError("a pickle that gives a state to something else than an array")


def _settled(value: Any) -> Any:
    return value.made if isinstance(value, _Array) else value


def _constant(value: Callable[[], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.push(value())


_VALUES = ("BININT", "BININT1", "BININT2", "SHORT_BINSTRING", "BINSTRING", "BINUNICODE", "BINBYTES", "GLOBAL")

_STEPS: Mapping[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(_VALUES, _Machine.push),
    **dict.fromkeys(("PROTO", "FRAME"), lambda *_: None),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _Machine.remember),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _Machine.recall),
    "MARK": _Machine.mark,
    "EMPTY_DICT": _constant(dict),
    "EMPTY_LIST": _constant(list),
    "EMPTY_TUPLE": _constant(tuple),
    "NONE": _constant(lambda: None),
    "NEWTRUE": _constant(lambda: True),
    "NEWFALSE": _constant(lambda: False),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.since_mark())),
    "APPEND": lambda machine, _: machine.extend(machine.last(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.update(machine.last(2)),
    "SETITEMS": lambda machine, _: machine.update(machine.since_mark()),
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}
"""By opcode; every other one is refused."""
