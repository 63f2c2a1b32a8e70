"""A file of skops' -> the pickle that would make the same objects, so that one unpickler checks them all.

skops describes objects in JSON, with the class of each and what makes it (`__loader__`). Its own reader
imports and calls what is named there, once a list of trusted names has passed; wherever what it checked was
not what it called, that was a hole (CVE-2024-37065, CVE-2025-54412, CVE-2025-54413). Here nothing is imported
or called: what a loader makes becomes the opcodes that pickle writes for it, and names, states and calls are
judged as those of any pickle. A loader that has no such form is refused.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import Any

import numpy as np
import orjson
import scipy.sparse
from numpy.typing import NDArray

from mlapi.artifacts.pickles import opcodes
from mlapi.artifacts.pickles.archives import Parts
from mlapi.artifacts.pickles.parts.names import NotAllowed
from mlapi.artifacts.pickles.parts.neighbor_trees import DISTANCES, NEIGHBOR_TREES
from mlapi.artifacts.pickles.parts.random_states import check_random_state
from mlapi.artifacts.pickles.parts.trees import TREE
from mlapi.artifacts.pickles.pickling import most_expanded
from mlapi.errors import BrokenArtifact

Node = Mapping[str, Any]

SCHEMA = "schema.json"
"""The part of the archive that describes the objects."""

_SCHEMA_BYTES = 1 << 26
"""What every description may become once it is decompressed. A thousand trees have 20 MB."""

_NEWEST = 2
"""The newest protocol that is known here (skops 0.16)."""

_DEEPEST = 120
"""The most nodes that lie within each other."""

_ALTERED = "its description is not as skops writes it: it is damaged, or somebody has altered it"

_KEYS: Mapping[str, Callable[[str], Any]] = {
    "builtins.bool": lambda key: {"true": True, "false": False}[key.lower()],
    "builtins.float": float,
    "builtins.int": int,
    "builtins.str": str,
    "numpy.str_": str,
    **{
        f"numpy.{kind}{bits}": getattr(np, f"{kind}{bits}")
        for kind in ("float", "int", "uint")
        for bits in (16, 32, 64)
    },
}
"""By the class of a dictionary's key, what makes the key of its text."""

_SPARSE = {
    f"{kind}_{what}": getattr(scipy.sparse, f"{kind}_{what}")
    for kind in ("csc", "csr")
    for what in ("array", "matrix")
}
"""By name the classes of sparse matrices."""


def as_pickle(content: bytes) -> bytes:
    """Return the pickle that makes the objects that a file of skops' describes.

    Raises:
        BrokenArtifact: It is damaged, or has what no pickle of an estimator has.
    """
    parts = Parts(content, most_expanded(content))
    try:
        schema = orjson.loads(Parts(content, most_expanded(content, least=_SCHEMA_BYTES)).read(SCHEMA))
        _check_protocol(schema["protocol"])
        return opcodes.whole(_Description(parts).part(schema))
    except NotAllowed as error:
        raise BrokenArtifact(str(error)) from error
    except BrokenArtifact:
        raise
    except Exception as error:  # whatever it is in place of what skops writes
        raise BrokenArtifact(_ALTERED) from error


def _check_protocol(protocol: Any) -> None:
    if type(protocol) is not int or protocol < 0:
        raise NotAllowed(_ALTERED)
    if protocol > _NEWEST:
        raise NotAllowed(
            "a newer skops has saved it than is known here: joblib.dump what skops.io.load gives you"
        )


class _Description:
    """Makes parts of a pickle of nodes, in the order in which they stand there: a node that is met again is
    the object that was remembered where it was met first.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._places: dict[int, int | None] = {}
        """By identity of an object where it was saved: its place; None while it is open."""
        self._remembered = 0
        self._depth = 0

    def part(self, node: Node) -> bytes:
        """Return what a node describes, and remember it."""
        identity = node.get("__id__")
        if identity in self._places:
            place = self._places[identity]
            if place is None:
                raise NotAllowed("it has a part that holds itself")
            return opcodes.get(place)
        if type(identity) is not int:
            return self._made(node)
        self._places[identity] = None
        made = self._made(node)
        self._remembered += 1
        self._places[identity] = self._remembered
        return opcodes.put(made, self._remembered)

    def _made(self, node: Node) -> bytes:
        loader = node["__loader__"]
        if loader not in _LOADERS:
            raise NotAllowed(_refused(loader))
        self._depth += 1
        if self._depth > _DEEPEST:
            raise NotAllowed("it has parts within parts, too many of them")
        made = _LOADERS[loader](self, node)
        self._depth -= 1
        return made

    def _json(self, node: Node) -> bytes:
        return opcodes.value(_scalar(node))

    def _items(self, node: Node) -> Iterator[bytes]:
        return map(self.part, node["content"])

    def _list(self, node: Node) -> bytes:
        _require_class(node, "builtins.list")
        return opcodes.list_of(self._items(node))

    def _tuple(self, node: Node) -> bytes:
        _require_class(node, "builtins.tuple")
        return opcodes.tuple_of(self._items(node))

    def _set(self, node: Node) -> bytes:
        _require_class(node, "builtins.set")
        return opcodes.set_of(self._items(node))

    def _pairs(self, node: Node) -> Iterator[tuple[bytes, bytes]]:
        kinds = node["key_types"]["content"]
        for kind, (key, content) in zip(kinds, node["content"].items(), strict=True):
            yield opcodes.value(_KEYS[_class(kind)](key)), self.part(content)

    def _dict(self, node: Node) -> bytes:
        if _class(node) == "collections.OrderedDict":
            ordered = opcodes.called(opcodes.named("collections", "OrderedDict"), opcodes.NOTHING)
            return opcodes.filled(ordered, self._pairs(node))
        _require_class(node, "builtins.dict")
        return opcodes.dict_of(self._pairs(node))

    def _default_dict(self, node: Node) -> bytes:
        content = node["content"]
        made = opcodes.called(
            opcodes.named("collections", "defaultdict"),
            opcodes.tuple_of([self.part(content["default_factory"])]),
        )
        return opcodes.filled(made, self._pairs(content["main"]))

    def _bytes(self, node: Node) -> bytes:
        _require_class(node, "builtins.bytes")
        return opcodes.value(self._parts.read(node["file"]))

    def _bytearray(self, node: Node) -> bytes:
        _require_class(node, "builtins.bytearray")
        content = opcodes.value(self._parts.read(node["file"]))
        return opcodes.called(opcodes.named("builtins", "bytearray"), opcodes.tuple_of([content]))

    def _slice(self, node: Node) -> bytes:
        limits = [node["content"][name] for name in ("start", "stop", "step")]
        if not all(limit is None or type(limit) is int for limit in limits):
            raise NotAllowed(_ALTERED)
        return opcodes.called(opcodes.named("builtins", "slice"), opcodes.value(tuple(limits)))

    def _name(self, node: Node) -> bytes:
        if "content" in node:  # as protocol 0 wrote a function: under other names than are shown
            raise NotAllowed("skops before 0.9 has saved it; load it with that skops, and joblib.dump it")
        return opcodes.named(*_names(node))

    def _partial(self, node: Node) -> bytes:
        _require_class(node, "functools.partial")
        content = node["content"]
        kind = opcodes.named("functools", "partial")
        made = opcodes.called(kind, opcodes.tuple_of([self.part(content["func"])]))
        state = [self.part(content[name]) for name in ("func", "args", "kwds", "namespace")]
        return opcodes.with_state(made, opcodes.tuple_of(state))

    def _constructed(self, node: Node) -> bytes:
        return opcodes.called(opcodes.named(*_names(node)), self.part(node["content"]))

    def _object(self, node: Node) -> bytes:
        kind, name = opcodes.named(*_names(node)), _class(node)
        made = opcodes.empty(kind)
        if name in NEIGHBOR_TREES or name in DISTANCES:  # pickle calls what makes them
            made = opcodes.called(opcodes.named(_names(node)[0], "newObj"), opcodes.tuple_of([kind]))
        content = node.get("content")
        if content is None or (content["__loader__"] == "JsonNode" and _scalar(content) is None):
            return made
        return opcodes.with_state(made, self.part(content))

    def _reduced(self, node: Node) -> bytes:
        """Return a tree, or a loss: what its class makes of arguments, with a state if it has one."""
        made = opcodes.called(opcodes.named(*_names(node)), self.part(node["__reduce__"]["args"]))
        content = node["content"]
        return opcodes.with_state(made, self.part(content)) if content["content"] else made

    def _tree(self, node: Node) -> bytes:
        _require_class(node, TREE)
        return self._reduced(node)

    def _array(self, node: Node) -> bytes:
        if node["type"] == "json":
            _require_class(node, "numpy.ndarray")
            return opcodes.with_state(_EMPTY_ARRAY, opcodes.tuple_of(self._array_state(node)))
        array = self._numbers(node)
        if _class(node) == "numpy.ndarray":
            return opcodes.value(array)
        number = array[()]
        if array.ndim or f"numpy.{type(number).__name__}" != _class(node):
            raise NotAllowed(_ALTERED)
        return opcodes.value(number)

    def _array_state(self, node: Node) -> list[bytes]:
        """Return the parts of an array's state, as numpy pickles it."""
        if node["type"] != "json":
            return [opcodes.value(part) for part in self._numbers(node).__reduce__()[2]]
        shape = tuple(_scalar(length) for length in node["shape"]["content"])
        cells = opcodes.list_of(map(self.part, _cells(node["content"], len(shape))))
        of_objects = opcodes.value(np.dtype("O"))
        return [opcodes.value(1), opcodes.value(shape), of_objects, opcodes.value(False), cells]

    def _masked(self, node: Node) -> bytes:
        _require_class(node, "numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray")
        mask = self._numbers(node["content"]["mask"])
        if mask.dtype != np.bool_:
            raise NotAllowed(_ALTERED)
        kind = opcodes.named("numpy.ma", "MaskedArray")
        arguments = [kind, opcodes.named("numpy", "ndarray"), opcodes.value((0,)), opcodes.value(b"b")]
        made = opcodes.called(opcodes.named("numpy.ma.core", "_mareconstruct"), opcodes.tuple_of(arguments))
        hidden = [opcodes.value(mask.tobytes("A")), opcodes.value(None)]
        return opcodes.with_state(
            made, opcodes.tuple_of([*self._array_state(node["content"]["data"]), *hidden])
        )

    def _dtype(self, node: Node) -> bytes:
        content = node["content"]
        return opcodes.value(np.dtype("O") if content["type"] == "json" else self._numbers(content).dtype)

    def _random_state(self, node: Node) -> bytes:
        document = self._decoded(node["content"])
        state = np.random.RandomState(_bit_generator(document))
        state.set_state(document)
        return opcodes.value(state)

    def _generator(self, node: Node) -> bytes:
        document = self._decoded(node["content"]["bit_generator"])
        bits = _bit_generator(document)
        bits.state = document
        return opcodes.value(np.random.Generator(bits))

    def _decoded(self, node: Node) -> Any:
        """Return the plain value or array of numbers that a node is."""
        if node["__loader__"] == "DictNode":
            return {key: self._decoded(content) for key, content in node["content"].items()}
        return self._numbers(node) if node["__loader__"] == "NdArrayNode" else _scalar(node)

    def _sparse(self, node: Node) -> bytes:
        content = self._parts.read(node["file"])
        inner = Parts(content, most_expanded(content))
        arrays = {
            name: _array_of(inner.read(f"{name}.npy")) for name in ("data", "indices", "indptr", "shape")
        }
        kind = _SPARSE[_names(node)[1]]
        made = kind(tuple(arrays[name] for name in ("data", "indices", "indptr")), arrays["shape"].tolist())
        return opcodes.value(made)

    def _numbers(self, node: Node) -> NDArray[Any]:
        """Return the array `(any shape)` of numbers or texts that a node has in a part of its own."""
        if node["type"] != "numpy":
            raise NotAllowed(_ALTERED)
        return _array_of(self._parts.read(node["file"]))


_EMPTY_ARRAY = opcodes.called(
    opcodes.named("numpy._core.multiarray", "_reconstruct"),
    opcodes.tuple_of([opcodes.named("numpy", "ndarray"), opcodes.value((0,)), opcodes.value(b"b")]),
)
"""The part that is an array without a state, as numpy pickles one."""

_LOADERS: Mapping[str, Callable[[_Description, Node], bytes]] = {
    "BytearrayNode": _Description._bytearray,
    "BytesNode": _Description._bytes,
    "ConstructorFromReduceNode": _Description._constructed,
    "DTypeNode": _Description._dtype,
    "DefaultDictNode": _Description._default_dict,
    "DictNode": _Description._dict,
    "FunctionNode": _Description._name,
    "JsonNode": _Description._json,
    "ListNode": _Description._list,
    "LossNode": _Description._reduced,
    "MaskedArrayNode": _Description._masked,
    "NdArrayNode": _Description._array,
    "ObjectNode": _Description._object,
    "PartialNode": _Description._partial,
    "RandomGeneratorNode": _Description._generator,
    "RandomStateNode": _Description._random_state,
    "SetNode": _Description._set,
    "SliceNode": _Description._slice,
    "SparseMatrixNode": _Description._sparse,
    "TreeNode": _Description._tree,
    "TupleNode": _Description._tuple,
    "TypeNode": _Description._name,
}
"""By the name of skops' loader, what makes the part of a pickle."""


def _refused(loader: Any) -> str:
    return (
        f"it has a part that no server loads ({loader!s:.40}, in the words of skops): methods and operators "
        f"can run any code. Put a function of a module that is installed in its place, and save it again"
    )


def _names(node: Node) -> tuple[str, str]:
    """Return the module and the name that a node names."""
    module, name = node["__module__"], node["__class__"]
    if not (name.isidentifier() and all(part.isidentifier() for part in module.split("."))):
        raise NotAllowed(_ALTERED)
    # numpy's universal functions do not say their module, and skops finds them in the one that has them
    return ("numpy", name) if module.endswith("._multiarray_umath") else (module, name)


def _class(node: Node) -> str:
    return ".".join(_names(node))


def _require_class(node: Node, *classes: str) -> None:
    """Refuse another class than a loader is for: skops would call it."""
    if _class(node) not in classes:
        raise NotAllowed(_ALTERED)


def _scalar(node: Node) -> Any:
    if node["__loader__"] != "JsonNode":
        raise NotAllowed(_ALTERED)
    value = json.loads(node["content"])
    if not isinstance(value, str | int | float | None):
        raise NotAllowed(_ALTERED)
    return value


def _bit_generator(document: Any) -> np.random.BitGenerator:
    """Return a bit generator of the kind of a state, which is one of numpy's."""
    check_random_state(document)
    made: np.random.BitGenerator = getattr(np.random, document["bit_generator"])(0)
    return made


def _cells(nodes: list[Node], depth: int) -> Iterator[Node]:
    """Yield the nodes in lists within lists, as many as an array has dimensions."""
    for node in nodes:
        if depth > 1:
            yield from _cells(node["content"], depth - 1)
        else:
            yield node


def _array_of(content: bytes) -> NDArray[Any]:
    """Return the array `(any shape)` of a part in numpy's own format; no memory is taken for more than is
    there."""
    file = BytesIO(content)
    read_header = _HEADERS[np.lib.format.read_magic(file)]
    shape, by_columns, dtype = read_header(file)
    start = file.tell()
    count = int(np.prod(shape, dtype=object))
    if dtype.hasobject or not dtype.itemsize or count * dtype.itemsize != len(content) - start:
        raise NotAllowed(_ALTERED)
    flat: NDArray[Any] = np.frombuffer(content, dtype, count, start)
    return flat.reshape(shape, order="F" if by_columns else "C").copy("K")


_HEADERS: Mapping[tuple[int, int], Callable[[BytesIO], Any]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
"""By the version of numpy's format, what reads the beginning."""
