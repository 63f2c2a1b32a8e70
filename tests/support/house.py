"""The structure of the code, read off its syntax: rooms, arrows between them, names with several owners,
docstrings.

A room is a folder, or a module beside folders. `python -m tests.support.house` prints the figures.
"""

import ast
import builtins
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache, reduce
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]

VAGUE = ("found", "given", "told", "kept", "seen")
"""Participles that say nothing of a value: what was found is a row, or a version, or an error."""

_SHAPE = re.compile(r"\((?:\w+,|(?:[\w.+]+|\w+ \w+)(?:, (?:[\w.+]+|\w+ \w+))+)\)")
"""As in `(rows, features)` or `(rows,)`."""

_ARRAY = re.compile(r"\bNDArray\b|\bndarray\b|\bDataFrame\b|\bSeries\b")

_QUOTED = re.compile(r"`([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)[^`]*`")

_EXTRAS = ("torch", "onnx", "distributed", "s3fs", "gcsfs", "pyarrow")
"""Packages that may be missing."""

_DOTTED = re.compile(r"(?<![/\w])mlapi(?:\.\w+)+")


def files() -> list[Path]:
    """All modules of mlapi/ and training/, in order."""
    return sorted(path for folder in ("mlapi", "training") for path in (ROOT / folder).rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree(path)))


def module_of(path: Path) -> str:
    """The dotted name that a file is imported by; of a package, that of its __init__."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("mlapi", *parts) if parts[0] == "training" else parts)


@cache
def modules() -> Mapping[str, Path]:
    """The modules by dotted name."""
    return {module_of(path): path for path in files()}


def imports(path: Path) -> Iterator[str]:
    """Every dotted name that a file imports, `from a import b` as "a.b" too; not those for types alone."""
    for_types = {
        inner
        for node in nodes(path)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in nodes(path):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def resolved(name: str) -> str | None:
    """The module of ours that a dotted name is in, or is; None for anybody else's."""
    while name:
        for module in (name, f"{name}.__init__"):
            if module in modules():
                return module
        name = name.rpartition(".")[0]
    return None


def arrows(room: str = "mlapi") -> dict[str, set[str]]:
    """Which of the parts of a room import which others: files and folders, by their names in it."""
    graph: dict[str, set[str]] = defaultdict(set)
    depth = room.count(".") + 1
    for module, path in modules().items():
        here = module.split(".")
        if not module.startswith(f"{room}.") or here[depth] == "__init__":
            continue
        graph[here[depth]] |= set()
        for name in imports(path):
            target = resolved(name)
            if target is not None and target.startswith(f"{room}."):
                there = target.split(".")[depth]
                if there not in (here[depth], "__init__"):
                    graph[here[depth]].add(there)
    return dict(graph)


def rooms() -> list[str]:
    """Every folder with modules, by dotted name."""
    return sorted({module.rpartition(".")[0] for module in modules()})


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Parts that import each other, in a row; empty if there is no circle."""
    done: set[str] = set()

    def visit(part: str, way: list[str]) -> list[str]:
        if part in way:
            return [*way[way.index(part) :], part]
        if part not in done:
            for target in sorted(graph.get(part, ())):
                if back := visit(target, [*way, part]):
                    return back
            done.add(part)
        return []

    return next((way for part in graph if (way := visit(part, []))), [])


def entries(folder: Path) -> list[str]:
    """What a reader sees in a folder."""
    hidden = ("__pycache__", ".")
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith(hidden))


def owners() -> dict[str, list[str]]:
    """The classes and type aliases that more than one module defines, with the modules."""
    where: dict[str, list[str]] = defaultdict(list)
    for module, path in modules().items():
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef):
                where[node.name].append(module)
            elif isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias":
                where[ast.unparse(node.target)].append(module)
    return {name: found for name, found in where.items() if len(found) > 1 and not name.startswith("_")}


def bindings(path: Path) -> Iterator[str]:
    """Every name that a file binds: variables, arguments, attributes, functions, classes."""
    for node in nodes(path):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name


def vague_bindings() -> dict[str, int]:
    """How often each of the vague names is bound."""
    counts = dict.fromkeys(VAGUE, 0)
    for path in files():
        for name in bindings(path):
            if name in counts:
                counts[name] += 1
    return counts


@cache
def _array_aliases() -> tuple[frozenset[str], frozenset[str]]:
    """Type aliases for arrays; and those of them whose own words say a shape."""
    arrays, shaped = set(), set()
    for path in files():
        body = tree(path).body
        for node, after in zip(body, [*body[1:], None], strict=True):
            if not isinstance(node, ast.AnnAssign) or node.value is None:
                continue
            if ast.unparse(node.annotation) != "TypeAlias" or not _ARRAY.search(ast.unparse(node.value)):
                continue
            arrays.add(ast.unparse(node.target))
            words = ast.unparse(after) if isinstance(after, ast.Expr) else ""
            if _SHAPE.search(words):
                shaped.add(ast.unparse(node.target))
    return frozenset(arrays), frozenset(shaped)


def public_functions(path: Path) -> Iterator[ast.FunctionDef]:
    """Functions, and methods of public classes, whose names begin with no underscore."""
    for node in tree(path).body:
        inner = node.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_") else [node]
        yield from (one for one in inner if isinstance(one, ast.FunctionDef) and not one.name.startswith("_"))


def _annotations(function: ast.FunctionDef) -> str:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    parts = [argument.annotation for argument in every] + [function.returns]
    return " ".join(ast.unparse(part) for part in parts if part is not None)


def array_functions() -> tuple[list[str], list[str]]:
    """Public functions that take or give arrays: those that name a shape, and those that do not."""
    arrays, shaped = _array_aliases()
    named, silent = [], []
    for module, path in modules().items():
        for function in public_functions(path):
            annotations = _annotations(function)
            words = set(re.findall(r"\w+", annotations))
            if not (_ARRAY.search(annotations) or words & arrays):
                continue
            says = _SHAPE.search(ast.get_docstring(function) or "") or words & shaped
            (named if says else silent).append(f"{module}.{function.name}")
    return named, silent


def docstrings(path: Path) -> Iterator[str]:
    """Of the module, its classes, functions and constants: every text that stands alone."""
    for node in nodes(path):
        text = (
            node.value.value if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) else None
        )
        if isinstance(text, str):
            yield text


def dotted_names(path: Path) -> set[str]:
    """The names of ours that a file's docstrings mention, as `mlapi.data.signature.Signature`."""
    return {name for text in docstrings(path) for name in _DOTTED.findall(text)}


def quoted_names(path: Path) -> set[str]:
    """Other dotted names that docstrings have in backticks: `Model.predict`, `joblib.dump`."""
    return {
        name
        for text in docstrings(path)
        for name in names_in_backticks(text)
        if not name.startswith("mlapi.")
    }


def names_in_backticks(text: str) -> set[str]:
    """The dotted names that a text has in backticks, alone or with a call's arguments behind."""
    return set(_QUOTED.findall(text))


def is_known_to_readers(name: str) -> bool:
    """Whether a dotted name is something of ours, in full, from the module's or the class's own name on; or
    anybody else's that can be imported."""
    if name.startswith(("mlapi.", "training.")):
        return exists(f"mlapi.{name.removeprefix('mlapi.')}")
    first, _, rest = name.partition(".")
    is_in_a_module = any(exists(f"{module}.{rest}") for module in modules() if module.endswith(f".{first}"))
    is_of_a_class = first in _classes() and rest in _attributes()
    return is_in_a_module or is_of_a_class or _can_be_imported(name) or _can_be_imported(f"builtins.{name}")


def is_known(name: str, path: Path) -> bool:
    """Whether a name in backticks is what a file imports, a class of ours, or anybody else's that can be
    imported."""
    first, _, rest = name.partition(".")
    for imported in (target for target in imports(path) if target.rpartition(".")[2] == first):
        if exists(f"{imported}.{rest}") or _can_be_imported(f"{imported}.{rest}"):
            return True
    if first in {"self", *bindings(path), *_classes()}:  # a value, or a class, perhaps by inheritance
        return rest in _attributes()
    return _can_be_imported(name)


@cache
def _classes() -> Mapping[str, list[ast.ClassDef]]:
    """Our classes by name, without their modules."""
    kinds: dict[str, list[ast.ClassDef]] = defaultdict(list)
    for path in files():
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                kinds[node.name].append(node)
    return kinds


@cache
def _attributes() -> frozenset[str]:
    """The names of all that any class of ours has."""
    kinds = (kind for same in _classes().values() for kind in same)
    return frozenset(name for kind in kinds for node in _members(kind) for name in _defined(node))


def _can_be_imported(name: str) -> bool:
    parts = name.split(".")
    if hasattr(builtins, parts[0]):  # str.split
        parts = ["builtins", *parts]
    if parts[0] in _EXTRAS and find_spec(parts[0]) is None:  # where it is installed, its names are looked up
        return True
    for end in range(len(parts), 0, -1):
        try:
            value: object = import_module(".".join(parts[:end]))
        except ImportError:
            continue
        try:
            reduce(getattr, parts[end:], value)
        except AttributeError:
            return False
        return True
    return False


def exists(name: str) -> bool:
    """Whether a dotted name is a module of ours, or something that one defines; files are imported for it."""
    module = resolved(name)
    if module is None:
        return name in rooms()
    rest = name.removeprefix(module.removesuffix(".__init__")).strip(".").split(".")
    names: list[ast.stmt] = tree(modules()[module]).body
    for part in filter(None, rest):
        matches = [node for node in names if part in _defined(node)]
        if not matches:
            return False
        names = _members(matches[0]) if isinstance(matches[0], ast.ClassDef) else []
    return True


def _members(kind: ast.ClassDef) -> list[ast.stmt]:
    """Its methods and fields; also attributes that a method sets, as assignments to their names."""
    set_by_methods = [
        ast.parse(f"{target.attr} = None").body[0]
        for target in ast.walk(kind)
        if isinstance(target, ast.Attribute) and isinstance(target.ctx, ast.Store)
    ]
    return [*kind.body, *set_by_methods]


def _defined(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if (
            ast.unparse(targets[0]) == "__all__" and node.value is not None
        ):  # what is public and imported late
            return set(ast.literal_eval(node.value))
        return {inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)}
    return set()


def figures() -> dict[str, object]:
    """What docs/architecture.md claims of the whole."""
    named, silent = array_functions()
    return {
        "entries in mlapi/": len(entries(ROOT / "mlapi")),
        "entries in training/": len(entries(ROOT / "training")),
        "arrows between the rooms of mlapi/": sum(map(len, arrows("mlapi").values())),
        "arrows between the rooms of training/": sum(map(len, arrows("mlapi.training").values())),
        "circles": [way for room in rooms() if (way := circle(arrows(room)))],
        "names with two owners": owners(),
        "functions with arrays that name a shape": f"{len(named)} of {len(named) + len(silent)}",
        "vague names": vague_bindings(),
        "names in docstrings that do not exist": sorted(
            name for path in files() for name in dotted_names(path) if not exists(name)
        ),
    }


if __name__ == "__main__":
    for title, figure in figures().items():
        print(f"{title}: {figure}")
