"""joblib's unpickler within limits: it imports only what is permitted, and calls only what is known.

A pickle is a list of opcodes for a machine with a stack. Python's unpickler has a method `load_*` for each;
those that import, call, alter or fill something are overridden here, and check before they do it. What nobody
has allowed in particular is put on the stack as a `Name`, which no opcode can call or alter.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from mmap import mmap
from pickle import (
    ADDITEMS,
    APPEND,
    APPENDS,
    BUILD,
    BYTEARRAY8,
    DICT,
    FROZENSET,
    INST,
    NEWOBJ,
    NEWOBJ_EX,
    OBJ,
    REDUCE,
    SETITEM,
    SETITEMS,
)
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler, Unpickler

from mlapi.artifacts.pickles.calls import CALLS, ENCODE, Allowance, Keys
from mlapi.artifacts.pickles.fitted.invariants import INVARIANTS
from mlapi.artifacts.pickles.named_sets import MADE_EMPTY
from mlapi.artifacts.pickles.object_states import BOOSTERS, check_state
from mlapi.artifacts.pickles.parts.arrays import ARRAY, MASKED, check_mask, copy_dtype, fields_of, give_state
from mlapi.artifacts.pickles.parts.names import OURS, Name, NotAllowed, current_name, name_of
from mlapi.artifacts.pickles.parts.neighbor_trees import DISTANCES, NEIGHBOR_TREES
from mlapi.artifacts.pickles.parts.random_states import BIT_GENERATORS, SEEDS
from mlapi.artifacts.pickles.parts.sparse_matrices import MATRICES
from mlapi.artifacts.pickles.parts.values import VALUES
from mlapi.wording import reason

SHARED_BYTES = 1 << 16
"""Arrays of this size or more are views of the file's bytes; smaller ones are cheaper as copies.

A tree copies its arrays once more: a forest of 50 MB takes 60 MB with this size, and 100 MB with 1 MiB.
"""

WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"
"""joblib's description of an array, whose bytes follow in the file."""

_MADE_EMPTY = frozenset({*INVARIANTS, *MATRICES, *MADE_EMPTY, WRAPPER})
"""Classes of which a pickle makes an object without arguments, and then gives it a state, which is
checked."""


class _ArrayView(NumpyArrayWrapper):  # type: ignore[misc]
    """In place of joblib's description of an array: a large array becomes a view of the file's bytes."""

    def read_array(self, unpickler: "RestrictedUnpickler", ensure_native_byte_order: bool) -> Any:
        """Return the array that comes next in the file, in the shape that the description says.

        An array of objects is a pickle of its own, and is read within the same limits.
        """
        shape = tuple(int(length) for length in self.shape)
        size = math.prod(shape) * self.dtype.itemsize
        if self.dtype.hasobject:
            return _InnerUnpickler(unpickler).load()
        if not self.dtype.isnative or size < SHARED_BYTES:
            return super().read_array(unpickler, ensure_native_byte_order)
        file = unpickler.file_handle
        if self.safe_get_numpy_array_alignment_bytes() is not None:
            file.read(file.read(1)[0])
        start = file.tell()
        flat = np.frombuffer(unpickler.content, self.dtype, size // self.dtype.itemsize, start)
        file.seek(start + size)
        return flat.reshape(shape[::-1]).T if self.order == "F" else flat.reshape(shape)

    def __setstate__(self, state: Any) -> None:
        """Take the attributes that joblib writes.

        Raises:
            NotAllowed: There is another one, which could take the place of a method; or one of another type.
        """
        kind = state.get("subclass")
        if (
            not state.keys() <= _WRITTEN
            or not isinstance(state["dtype"], np.dtype)
            or not (isinstance(kind, Name) and kind.full == ARRAY)
        ):
            raise NotAllowed("it describes an array in another way than joblib does")
        _check_entries(state["dtype"])
        self.__dict__.update(state, subclass=np.ndarray, dtype=copy_dtype(state["dtype"]))


_WRITTEN = frozenset({"subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"})
"""The attributes of joblib's description of an array."""


class _Restricted:
    """What a pickle may do. It is mixed into pickle's own unpickler, and into joblib's.

    All methods raise NotAllowed for what a pickle may not do. `self.stack[-1]` is the top of the stack; the
    unpickler moves what lies below an open mark to `self.metastack`.
    """

    permit: Callable[[str], None]
    """Raises NotAllowed for a name that may not be imported."""
    allowed: list[Any]
    """The classes and functions that somebody has allowed in particular, as far as this pickle names them."""
    keys: Keys
    allowance: Allowance
    texts: Allowance
    """For the texts of which protocols 0 to 2 make bytes."""
    settled: dict[int, Any]
    """By identity, the objects that have got their state, and get no other."""
    proto: int
    """The protocol of the pickle, which one of its opcodes says."""
    stack: list[Any]
    metastack: list[list[Any]]
    pop_mark: Callable[[], list[Any]]
    read: Callable[[int], bytes]

    def find_class(self, module: str, name: str) -> Any:
        """Import a class or function, for GLOBAL and STACK_GLOBAL, once its name is permitted.

        A name that calls have a replacement for, or whose objects are made empty, becomes a `Name`.
        """
        module, name = current_name(module, name, self.proto)
        full = f"{module}.{name}"
        self.permit(full)
        try:
            real = super().find_class(module, name)  # type: ignore[misc]
        except Exception as error:  # whatever somebody else's module raises
            way_out = "; install the scikit-learn that saved it, or fit it anew" * module.startswith(
                "sklearn."
            )
            problem = f"it names {full}, which cannot be imported here ({reason(error)}){way_out}"
            raise NotAllowed(problem) from error
        if full in VALUES:
            return real
        if full == WRAPPER:
            return Name(full, _ArrayView)
        if full in CALLS or full in _MADE_EMPTY or full in ONLY_ARGUMENTS:
            return Name(full, real)
        self.allowed.append(real)
        return real

    # Opcodes that call.

    def load_reduce(self) -> None:
        """REDUCE calls a function: only our replacement of a known one, or one that was allowed by name."""
        arguments = _as_tuple(self.stack.pop())
        function = self.stack[-1]
        if isinstance(function, Name):
            if function.full not in CALLS:
                raise NotAllowed(f"it calls {function.full} itself")
            (self.texts if function.full == ENCODE else self.allowance).spend(*arguments)
            self.stack[-1] = CALLS[function.full](*arguments)
            return
        self._check_allowed(function)
        if getattr(function, "__module__", None) in OURS:  # called, a class of ours could take any memory
            raise NotAllowed(f"it calls {name_of(function)} itself")
        self.stack[-1] = function(*arguments)

    def load_newobj(self) -> None:
        """NEWOBJ calls `__new__` of a class: without arguments for what gets a state that is checked."""
        arguments = _as_tuple(self.stack.pop())
        self.stack[-1] = self._new(self.stack[-1], arguments, {})

    def load_newobj_ex(self) -> None:
        """NEWOBJ_EX is NEWOBJ with keyword arguments, and is limited as that is."""
        keywords, arguments = self.stack.pop(), _as_tuple(self.stack.pop())
        self.stack[-1] = self._new(self.stack[-1], arguments, keywords)

    def _new(self, kind: Any, arguments: Any, keywords: Any) -> Any:
        if isinstance(kind, Name):
            if kind.full not in _MADE_EMPTY or arguments or keywords:
                raise NotAllowed(f"it makes a {kind.full} in another way than pickle does")
            return kind.real.__new__(kind.real)
        self._check_allowed(kind)
        return kind.__new__(kind, *arguments, **keywords)

    def _check_allowed(self, function: Any) -> None:
        """Refuse what this pickle has not imported by an allowed name, and what lays arrays over memory."""
        if not any(function is allowed for allowed in self.allowed):
            raise NotAllowed(f"it calls {name_of(function)}, which it does not name")
        if isinstance(function, type) and issubclass(function, np.ndarray):
            raise NotAllowed(f"it calls numpy's {function.__name__} itself")

    def load_old_object(self) -> None:
        """INST and OBJ call a class as Python 2 did; nothing that Python 3 writes has them."""
        raise NotAllowed("it makes an object in a way that Python 3 has no use for")

    # The opcode that gives an object its state.

    def load_build(self) -> None:
        """BUILD gives an object its state: once, in the form that its class writes, and never to a class.

        A dtype gets the state that numpy itself gives to one like it. Compiled code looks at the states of
        arrays and trees only once, so they are checked before they get them.
        """
        state, inst = self.stack[-1], self.stack[-2]
        if isinstance(inst, np.dtype):
            give_state(inst, self.stack.pop())
            self.allowance.take(fields_of(inst))
            return
        if isinstance(inst, _UNALTERED):
            raise NotAllowed("it alters a class")
        if not hasattr(inst, "__dict__") or name_of(type(inst)) in BOOSTERS:  # an object of compiled code
            self._settle(inst)
        if isinstance(inst, np.ndarray):
            state = self.stack[-1] = self._array_state(inst, state)
        kind = name_of(type(inst))
        if kind in _MADE_EMPTY and type(state) is not dict:
            raise NotAllowed(f"it gives a {type(inst).__name__} another state than pickle does")
        check_state(inst, kind, state)
        if kind in NEIGHBOR_TREES:
            self.settled |= {id(part): part for part in state}  # its metric may not change after the check
        super().load_build()  # type: ignore[misc]

    def _settle(self, part: Any) -> None:
        if id(part) in self.settled:
            raise NotAllowed(f"it gives a {type(part).__name__} its state twice, or too late")
        self.settled[id(part)] = part

    def _array_state(self, array: Any, state: Any) -> tuple[Any, ...]:
        """Return an array's state with a copy of its dtype, as the pickle's may be given another state
        later."""
        _, shape, kind, _, content, *_ = state
        if array.size or not isinstance(kind, np.dtype):
            raise NotAllowed("it alters an array")
        _check_entries(kind)
        is_whole = type(shape) is tuple and all(type(length) is int and length >= 0 for length in shape)
        if kind.hasobject:  # numpy reads on behind a list that is shorter
            is_whole = is_whole and type(content) is list and len(content) == math.prod(shape)
        if not is_whole:
            raise NotAllowed("it has an array of fewer entries than it says")
        if isinstance(array, np.ma.MaskedArray):
            check_mask(state)
        self.allowance.spend(*state)
        return (*state[:2], copy_dtype(kind), *state[3:])

    # Opcodes that fill a list, a dictionary or a set.

    def load_append(self) -> None:
        """APPEND adds to what must be a list: on any other object it would call a method of its own."""
        self._check_filled(self.stack[-2], list)
        super().load_append()  # type: ignore[misc]

    def load_appends(self) -> None:
        """APPENDS is APPEND for all entries above a mark."""
        self._check_filled(self.metastack[-1][-1], list)
        super().load_appends()  # type: ignore[misc]

    def load_setitem(self) -> None:
        """SETITEM adds to what must be a dictionary; its key may not take for ever to hash or compare."""
        self._check_filled(self.stack[-3], dict, [self.stack[-2]])
        super().load_setitem()  # type: ignore[misc]

    def load_setitems(self) -> None:
        """SETITEMS is SETITEM for all pairs above a mark."""
        self._check_filled(self.metastack[-1][-1], dict, self.stack[::2])
        super().load_setitems()  # type: ignore[misc]

    def load_additems(self) -> None:
        """ADDITEMS adds to what must be a set; its members are hashed, as keys are."""
        self._check_filled(self.metastack[-1][-1], set, self.stack)
        super().load_additems()  # type: ignore[misc]

    def load_dict(self) -> None:
        """DICT makes a dictionary of all pairs above a mark, as protocol 0 does; its keys are checked."""
        self.keys.check(self.stack[::2])
        super().load_dict()  # type: ignore[misc]

    def load_frozenset(self) -> None:
        """FROZENSET makes one of all members above a mark; they are hashed, as keys are."""
        self.keys.check(self.stack)
        super().load_frozenset()  # type: ignore[misc]

    def _check_filled(self, target: Any, kind: type, keys: Iterable[Any] = ()) -> None:
        if not isinstance(target, kind):
            raise NotAllowed(f"it fills a {type(target).__name__} as if it were a {kind.__name__}")
        self.keys.check(keys)

    def load_bytearray8(self) -> None:
        """BYTEARRAY8 reads bytes before it takes memory for them; pickle's own takes what the length says."""
        size = int.from_bytes(self.read(8), "little")
        self.stack.append(bytearray(self.read(size)))

    def persistent_load(self, _: Any) -> Any:
        """PERSID and BINPERSID ask for an object that is not in the pickle; joblib writes none."""
        raise NotAllowed("it refers to objects outside of itself")

    def get_extension(self, _: Any) -> Any:
        """EXT1, EXT2 and EXT4 import by a number, past the list of allowed names."""
        raise NotAllowed("it refers to copyreg's extension registry")


def _as_tuple(arguments: Any) -> tuple[Any, ...]:
    """Return the arguments of a call, which must be a tuple: a range becomes more than it has bytes."""
    if type(arguments) is not tuple:
        raise NotAllowed("it calls something with other arguments than pickle does")
    return arguments


def _check_entries(kind: "np.dtype[Any]") -> None:
    """Refuse arrays whose entries are arrays: numpy makes none, and reads memory that nobody has written."""
    if kind.subdtype is not None:
        raise NotAllowed("it has an array whose entries are arrays")


ONLY_ARGUMENTS = frozenset(
    {
        ARRAY,
        SEEDS,
        *BIT_GENERATORS,
        *MASKED,
        *DISTANCES,
        *NEIGHBOR_TREES,
    }
)
"""Classes that are arguments of calls, and are not called themselves: one could take any memory for objects,
and others may never end."""

_UNALTERED = (type, FunctionType, BuiltinFunctionType, MethodType, ModuleType, Name, np.ufunc, type(np.mean))
"""Types of objects that BUILD may not alter: the whole process shares them."""

_LIMITED: Mapping[int, Callable[[Any], None]] = {
    ADDITEMS[0]: _Restricted.load_additems,
    APPEND[0]: _Restricted.load_append,
    APPENDS[0]: _Restricted.load_appends,
    BUILD[0]: _Restricted.load_build,
    BYTEARRAY8[0]: _Restricted.load_bytearray8,
    DICT[0]: _Restricted.load_dict,
    FROZENSET[0]: _Restricted.load_frozenset,
    INST[0]: _Restricted.load_old_object,
    NEWOBJ[0]: _Restricted.load_newobj,
    NEWOBJ_EX[0]: _Restricted.load_newobj_ex,
    OBJ[0]: _Restricted.load_old_object,
    REDUCE[0]: _Restricted.load_reduce,
    SETITEM[0]: _Restricted.load_setitem,
    SETITEMS[0]: _Restricted.load_setitems,
}
"""By opcode, the overridden method: Python's unpickler looks up methods in such a table, and not by name."""


class _InnerUnpickler(_Restricted, Unpickler):  # type: ignore[misc]
    """Reads an array of objects, which joblib writes as a pickle within the pickle.

    What is counted and remembered is that of the pickle around it.
    """

    dispatch = {**Unpickler.dispatch, **_LIMITED}
    proto = 0

    def __init__(self, around: "RestrictedUnpickler") -> None:
        super().__init__(around.file_handle)
        self.permit, self.allowed = around.permit, around.allowed
        self.keys, self.settled = around.keys, around.settled
        self.allowance, self.texts = around.allowance, around.texts


class RestrictedUnpickler(_Restricted, NumpyUnpickler):  # type: ignore[misc]
    """Reads what joblib wrote, within the limits."""

    dispatch = {**NumpyUnpickler.dispatch, **_LIMITED}
    proto = 0

    def __init__(self, content: bytes | mmap, permit: Callable[[str], None]) -> None:
        """
        Args:
            content: The pickle. Large arrays are views of it, so it has to stay as it is.
            permit: Called with each full name; raises NotAllowed if it may not be imported.
        """
        file = content if isinstance(content, mmap) else BytesIO(content)
        file.seek(0)
        super().__init__("", file, ensure_native_byte_order=True)
        self.content = content
        self.permit = permit
        self.allowed = []
        self.keys, self.settled = Keys(), {}
        self.allowance, self.texts = Allowance(len(content)), Allowance(len(content))
