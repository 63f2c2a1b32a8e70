"""numpy's parts of a pickle: these functions are called in place of numpy's own.

numpy's pickles are programs too. `numpy.ndarray` lays an array over any bytes, and the state of a dtype says
whether these bytes are objects: both together make objects of numbers. So no pickle gets numpy's functions.
It gets these, which take the arguments that numpy writes, and raise NotAllowed for any other.
"""

import math
import re
from typing import Any

import numpy as np
from numpy._core import multiarray
from numpy.typing import NDArray

from mlapi.artifacts.pickles.parts.names import Name, NotAllowed

_ALIGNED = 0x80
"""The flag of a dtype that is laid out as C does. It changes nothing here but how numpy shows the dtype."""

CODE = re.compile(r"[biufcOSUVMm][0-9]{1,9}")
"""How numpy writes the type and the size of an entry, without its order of bytes."""

_MOST_FIELDS = 1000
"""The most fields of a dtype, those of fields included."""

_UNIT = re.compile(r"generic|[A-Za-z]{1,2}")
"""A unit of time of a dtype."""

ARRAY = "numpy.ndarray"
"""The name of numpy's arrays."""

MASKED = frozenset({"numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray"})
"""The names of numpy's arrays with a mask, which a search keeps beside its estimator."""


def reconstruct(kind: Any, shape: Any, _: Any) -> NDArray[Any]:
    """Return an empty array, `(0,)`, int8; its state comes next, and says its shape and dtype.

    In place of `numpy._core.multiarray._reconstruct`.
    """
    if not _is_named(kind, ARRAY) or shape != (0,):
        raise NotAllowed("it makes an array of another kind than numpy does")
    return np.empty(0, np.int8)


def scalar(kind: Any, content: Any = b"") -> Any:
    """Return a number or a text of numpy's, in place of `numpy._core.multiarray.scalar`."""
    if not isinstance(kind, np.dtype) or kind.hasobject or len(content) != kind.itemsize:
        raise NotAllowed("it makes a number of something else")
    return multiarray.scalar(copy_dtype(kind), content)


def from_buffer(content: Any, kind: Any, shape: Any, order: Any, axes: Any = None) -> NDArray[Any]:
    """Return a copy of an array of numbers, `(rows, columns)` or of another shape.

    It stands in place of `numpy._core.numeric._frombuffer`.

    So protocol 5 writes arrays: numpy's own makes a view of the bytes, which others may be of as well.
    """
    is_whole = type(shape) is tuple and all(type(length) is int and length >= 0 for length in shape)
    if (
        not isinstance(content, bytes | bytearray)
        or not isinstance(kind, np.dtype)
        or kind.hasobject
        or kind.subdtype is not None
        or not is_whole
        or math.prod(shape) * kind.itemsize != len(content)
        or order not in ("C", "F", "K")
        or not (axes is None or sorted(axes) == list(range(len(shape))))
    ):
        raise NotAllowed("it makes an array in another way than numpy does")
    flat = np.frombuffer(content, copy_dtype(kind)) if content else np.empty(0, copy_dtype(kind))
    if order == "K" and axes is not None:
        return flat.reshape(shape).transpose(axes).copy("K")
    return flat.reshape(shape, order="F" if order == "F" else "C").copy("K")


def masked_array(kind: Any, base: Any, shape: Any, code: Any) -> Any:
    """Return an empty masked array, whose state comes next, in place of `numpy.ma.core._mareconstruct`."""
    from numpy.ma.core import MaskedArray, _mareconstruct  # type: ignore[attr-defined]  # noqa: PLC0415

    real = kind.real if isinstance(kind, Name) else kind
    if real is not MaskedArray or not _is_named(base, ARRAY) or shape != (0,) or code not in ("b", b"b"):
        raise NotAllowed("it makes an array of another kind than numpy does")
    return _mareconstruct(real, base.real, shape, "b")


def check_mask(state: Any) -> None:
    """Check what the state of a masked array has behind that of an array: its mask, and what fills it.

    Raises:
        NotAllowed: One is of another kind than numpy writes: numpy would make an array of it.
    """
    mask, filling = state[5:]
    if isinstance(filling, np.ndarray) and filling.shape == ():
        filling = filling.item() if filling.dtype.hasobject else None
    if type(mask) is not bytes or not isinstance(filling, str | bytes | int | float | np.generic | None):
        raise NotAllowed("it has a mask of another kind than numpy makes")


def dtype(code: Any, align: Any = False, _: Any = True) -> "np.dtype[Any]":
    """Return a dtype that nothing else has, as its state comes next; in place of `numpy.dtype`."""
    if type(code) is not str or not CODE.fullmatch(code) or align:
        raise NotAllowed("it names a dtype in another way than numpy does")
    return np.dtype(code, align=False, copy=True)


def copy_dtype(kind: "np.dtype[Any]") -> "np.dtype[Any]":
    """Return a copy of a dtype and of all within, for an array: a pickle may give its own another state
    later."""
    return kind.newbyteorder("I")  # changes nothing, and copies all; np.dtype(kind, copy=True) does not


def give_state(target: "np.dtype[Any]", state: Any) -> None:
    """Give a dtype its state: not the pickle's, but that of the dtype that numpy makes of what it describes.

    Raises:
        NotAllowed: It describes another kind or size, or mixes objects with other things.
    """
    _, order, within, names, fields, size, *rest = state
    if order not in ("<", ">", "=", "|") or size not in (-1, target.itemsize):
        raise NotAllowed("it has a dtype of another size than it says")
    if within is not None:
        _check_fields([within[0]])
        made = np.dtype((copy_dtype(within[0]), within[1]))
    elif names is not None:
        parts = [fields[name] for name in names]
        _check_fields([part[0] for part in parts])
        made = np.dtype(
            {
                "names": list(names),
                "formats": [copy_dtype(part[0]) for part in parts],
                "offsets": [part[1] for part in parts],
                "titles": [part[2] if len(part) > 2 else None for part in parts],
                "itemsize": target.itemsize,
            },
            align=bool(rest and rest[1] & _ALIGNED),
        )
    elif target.kind in "mM":
        unit, number = rest[2][1][:2]
        unit = unit.decode() if isinstance(unit, bytes) else unit
        if not _UNIT.fullmatch(unit) or type(number) is not int:
            raise NotAllowed("it has a unit of time that numpy does not know")
        made = np.dtype(f"{target.kind}8" + ("" if unit == "generic" else f"[{number}{unit}]"))
    else:
        made = np.dtype(target.str)
    if (made.kind, made.itemsize) != (target.kind, target.itemsize) or (made.hasobject and made.kind != "O"):
        raise NotAllowed("it has a dtype that holds objects beside other things, or of another kind")
    target.__setstate__(made.newbyteorder(order).__reduce__()[2])  # type: ignore[attr-defined]


def _check_fields(parts: list[Any]) -> None:
    """Refuse too many fields within fields: numpy makes those of each part anew, also if parts are shared."""
    if not all(isinstance(part, np.dtype) for part in parts) or sum(map(fields_of, parts)) > _MOST_FIELDS:
        raise NotAllowed(f"it has a dtype of more than {_MOST_FIELDS} fields, or of none that numpy has")


def fields_of(kind: "np.dtype[Any]") -> int:
    """Return how many fields a dtype has, those within fields included, and itself."""
    if kind.subdtype is not None:
        return fields_of(kind.subdtype[0])
    return 1 + sum(fields_of(field[0]) for field in (kind.fields or {}).values())


def _is_named(kind: Any, full: str) -> bool:
    return isinstance(kind, Name) and kind.full == full
