"""The house rules: who may import whom, and where a few dangerous things may happen.

docs/architecture.md explains them; the tables here hold them.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

FLOORS = {
    0: {
        *("errors", "names", "settings", "signature", "reference", "disk", "keys", "locks", "release"),
        "remote",
    },
    1: {
        *("acceptance", "algorithms", "aliases", "artifact", "audit", "bucket", "calendar", "cells"),
        *(
            "changes",
            "compiled",
            "compiling",
            "copies",
            "estimator_calls",
            "golden",
            "inspection",
            "inventory",
            "jobs",
            "labels",
            "ledger",
            "loading",
        ),
        *(
            "manifest",
            "mirror",
            "model",
            "networks",
            "numpy_pickles",
            "pickle_calls",
            "pickle_names",
            "pickling",
            "preprocessing",
            "publication",
        ),
        *(
            "pictures",
            "pool",
            "refusals",
            "registry",
            "rows",
            "snapshot",
            "sparse_pickles",
            "token_patterns",
            "store",
            "tables",
        ),
        *(
            "picture_formats",
            "picture_rows",
            "picture_structure",
            "tree_pickles",
            "trust",
            "unpickling",
            "values",
            "widths",
        ),
        *("column_invariants", "fitted_attributes", "fitted_invariants", "fitted_states", "neighbor_pickles"),
    },
    2: {
        *("fits", "formats", "multipart", "number_tables", "schemas", "streams", "subscriptions", "uploads"),
        *("fit_schemas", "job_schemas", "orders", "parameter_schemas", "tasks"),
    },
    3: {"telemetry", "application", "body", "problems", "resources"},
    4: {
        *("app", "server", "offline", "cli", "terminal"),
        *("job_commands", "keeper", "training_commands", "training_display"),
        *("worker", "leadership", "loop", "doors", "connections", "framing", "large_requests"),
        *("answering", "configuration", "error_pages", "heads", "shares"),
    },
}
FLOOR = {module: floor for floor, modules in FLOORS.items() for module in modules}

FILES = sorted(path for folder in ("mlapi", "training") for path in (ROOT / folder).rglob("*.py"))
MLAPI = [path for path in FILES if path.relative_to(ROOT).parts[0] == "mlapi"]
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree(path)))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, `from a import b` as "a.b" too; not those for types alone."""
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


def room(module: str) -> str | None:
    """The room of mlapi/ that a dotted name is in; training/, imported as `mlapi.training`, is none."""
    parts = module.split(".")
    return parts[1] if parts[0] == "mlapi" and parts[1:2] not in ([], ["training"]) else None


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "mlapi").parts[0].removesuffix(".py")


def test_every_room_has_its_floor() -> None:
    rooms = {room_of(path) for path in MLAPI} - {"__init__"}

    assert rooms == set(FLOOR)


@pytest.mark.parametrize("path", MLAPI, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_from_its_own_floor_or_below(path: Path) -> None:
    if path.name == "__init__.py" and path.parent.name == "mlapi":
        assert list(imports(path)) == []
        return
    here = FLOOR[room_of(path)]
    for module in imports(path):
        target = room(module)
        if target is not None:
            assert FLOOR[target] <= here, f"{module} is above"
        else:
            assert module.split(".") != ["mlapi"], "nobody imports the package root"


def test_there_are_no_cycles() -> None:
    graph: dict[str, set[str]] = {name: set() for name in (*FLOOR, "__init__")}
    for path in MLAPI:
        graph[room_of(path)] |= {found for module in imports(path) if (found := room(module))}
    done: set[str] = set()

    def visit(here: str, way: tuple[str, ...]) -> None:
        assert here not in way, f"a cycle: {' -> '.join((*way, here))}"
        if here not in done:
            for target in graph[here] - {here}:
                visit(target, (*way, here))
            done.add(here)

    for start in graph:
        visit(start, ())


@each_file
def test_flask_and_marshmallow_stay_on_their_floors(path: Path) -> None:
    packages = {module.split(".")[0] for module in imports(path)}
    floor = FLOOR.get(room_of(path), 0) if path in MLAPI else 1

    if floor <= 2:
        assert not packages & {"flask", "flask_restful", "gunicorn"}
        assert "werkzeug" not in packages or room_of(path) == "multipart", "its decoder knows no requests"
    if floor <= 1:
        assert "marshmallow" not in packages


def test_training_knows_only_the_two_lowest_floors() -> None:
    for path in set(FILES) - set(MLAPI):
        for module in imports(path):
            target = room(module)
            assert target is None or FLOOR[target] <= 1, f"{path.name} imports {module}"


def test_training_is_imported_where_the_command_and_a_job_start_it() -> None:
    importers = {
        path.name for path in MLAPI if any(f"{name}.".startswith("mlapi.training.") for name in imports(path))
    }

    assert importers == {"training_commands.py", "keeper.py"}


def calls(path: Path, *names: str) -> set[str]:
    """Which of these the file calls or touches, as they are written there."""
    found = {ast.unparse(node) for node in nodes(path) if isinstance(node, ast.Attribute | ast.Name)}
    return {name for name in names if name in found}


@each_file
def test_only_settings_reads_the_environment(path: Path) -> None:
    if path.name != "settings.py":
        assert not calls(path, "os.environ", "os.getenv", "os.environb")


@each_file
def test_only_one_room_pickles_and_unpickles_and_one_only_looks(path: Path) -> None:
    packages = {module.split(".")[0] for module in imports(path)}

    assert not packages & {"cloudpickle", "dill", "shelve", "marshal"}
    if path.name in ("engine.py", "estimator_calls.py"):
        # joblib also runs things in parallel: where training does, and where no estimator may
        assert "pickle" not in packages
    elif path.name not in ("pickling.py", "unpickling.py", "inventory.py"):
        assert not packages & {"joblib", "pickle"}


@each_file
def test_few_rooms_write_and_all_through_one(path: Path) -> None:
    readers = {"artifact.py"}
    writers = {"aliases.py", "audit.py", "copies.py", "keys.py", "mirror.py", "publication.py", "store.py"}
    writers |= {"checkpoint.py", "checkpoints.py", "ledger.py", "locks.py"}
    if path in {ROOT / "mlapi" / "jobs.py", ROOT / "mlapi" / "pool" / "server.py"}:
        writers.add(path.name)
    attributes = [node for node in nodes(path) if isinstance(node, ast.Attribute)]
    methods = {node.attr for node in attributes if ast.unparse(node.value) != "disk"}
    through_disk = {node.attr for node in attributes} - methods
    if path.name not in readers | writers:
        assert "mlapi.disk" not in set(imports(path))
    if path.name in readers:
        assert through_disk <= {"read", "open_plain"}
    if path.name != "disk.py":
        assert not methods & {"write_text", "write_bytes", "mkdir", "rename", "unlink", "rmdir", "rmtree"}
        modes = [
            argument.value
            for node in nodes(path)
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("open")
            for argument in node.args
            if isinstance(argument, ast.Constant)
        ]
        assert not [mode for mode in modes if set(mode) & set("wax+")]


@each_file
def test_no_room_without_a_meaning(path: Path) -> None:
    assert path.stem not in {"utils", "helpers", "common", "base", "manager", "core"}
    assert ast.get_docstring(tree(path)), "each module says what it is for"


@each_file
def test_nothing_evaluates_text(path: Path) -> None:
    assert not calls(path, "eval", "exec", "os.system", "subprocess")
