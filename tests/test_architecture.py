"""The house rules: who may import whom, and where a few dangerous things may happen.

docs/architecture.md draws and explains them; the tables here hold them.
"""

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import house
from tests.support.house import ROOT, imports, nodes, tree

EVERYWHERE = {"errors", "wording"}
"""What any room may import."""

MAY_IMPORT = {
    "storage": set(),
    "data": set(),
    "estimators": {"data", "storage"},
    "artifacts": {"data", "estimators", "storage"},
    "settings": {"artifacts", "data"},
    "inference": {"artifacts", "data", "estimators"},
    "registry": {"artifacts", "inference", "settings", "storage"},
    "formats": {"data"},
    "schemas": {"data", "estimators", "formats"},
    "jobs": {"artifacts", "data", "estimators", "formats", "registry", "schemas", "storage"},
    "http": {"formats", "settings"},
    "resources": {
        "artifacts",
        "data",
        "formats",
        "http",
        "inference",
        "jobs",
        "registry",
        "schemas",
        "settings",
    },
    "training": {"artifacts", "data", "estimators", "inference", "jobs", "registry", "settings", "storage"},
    "server": {"data", "http", "jobs", "registry", "resources", "settings", "training"},
    "cli": {"artifacts", "data", "inference", "jobs", "registry", "server", "settings", "training"},
}
"""By room, in order: each imports from those above it alone."""

FLASK = {"http", "resources", "server"}
"""The rooms that may import Flask, Werkzeug or gunicorn."""

MARSHMALLOW = {"schemas", "resources"}

FILES = house.files()


def each_file(rule: Callable[[Path], None]) -> Callable[[], None]:
    """Make one test of a rule for all files: handing thousands of tests around took longer than they do."""

    def test() -> None:
        for path in FILES:
            try:
                rule(path)
            except AssertionError as error:
                error.add_note(f"in {path.relative_to(ROOT)}")
                raise

    test.__doc__ = rule.__doc__
    return test


def place(path: Path) -> str:
    """A file's path below mlapi/, or from training/ on: "registry/aliases.py"."""
    relative = path.relative_to(ROOT)
    return str(relative.relative_to("mlapi") if relative.parts[0] == "mlapi" else relative)


def room_of(path: Path) -> str:
    return place(path).partition("/")[0].removesuffix(".py")


@each_file
def test_a_room_imports_only_what_its_line_in_the_table_allows(path: Path) -> None:
    here = room_of(path)
    if here == "__init__":
        assert not [name for name in imports(path) if name.startswith("mlapi.")]
        return
    allowed = {here, *(EVERYWHERE if here not in EVERYWHERE else {"wording"})}
    allowed |= MAY_IMPORT.get(here, set())
    for name in imports(path):
        if name.partition(".")[0] == "mlapi" and name != "mlapi.__version__":
            assert name.split(".")[1] in allowed, f"{here} imports {name}"


def test_the_table_has_every_room_and_no_line_that_nobody_needs() -> None:
    arrows = {room: targets - EVERYWHERE for room, targets in house.arrows().items()}

    assert {room: targets for room, targets in arrows.items() if room not in EVERYWHERE} == MAY_IMPORT


def test_the_table_leads_downwards_only() -> None:
    above: set[str] = set()
    for room, allowed in MAY_IMPORT.items():
        assert allowed <= above, room
        above.add(room)


@pytest.mark.parametrize("room", house.rooms())
def test_no_circle_at_any_depth(room: str) -> None:
    assert house.circle(house.arrows(room)) == []


def test_nothing_knows_the_worker() -> None:
    """gunicorn's configuration names it; so it can be thrown away."""
    inside = ROOT / "mlapi" / "server" / "worker"
    users = [
        path
        for path in FILES
        if inside not in path.parents
        and any(name.startswith("mlapi.server.worker") for name in imports(path))
    ]

    assert users == []


def test_a_folder_says_what_it_is_for_and_imports_nothing() -> None:
    for path in FILES:
        if path.name == "__init__.py" and path.parent.name not in ("mlapi", "training", "compiling"):
            words = ast.get_docstring(tree(path))
            assert words
            if path.parent.name not in ("algorithms", "errors", "resources"):  # whose tables it holds
                assert list(imports(path)) == [], path


def test_few_entries_meet_the_eye() -> None:
    assert len(house.entries(ROOT / "mlapi")) <= 18
    assert len(house.entries(ROOT / "training")) <= 14


def test_a_class_has_its_name_to_itself() -> None:
    assert house.owners() == {}


def test_functions_with_arrays_name_a_shape() -> None:
    named, silent = house.array_functions()

    assert len(named) >= 0.75 * (len(named) + len(silent)), silent


def test_few_names_are_participles_that_say_nothing() -> None:
    assert sum(house.vague_bindings().values()) <= 120, house.vague_bindings()


@each_file
def test_flask_and_marshmallow_stay_in_their_rooms(path: Path) -> None:
    packages = {name.split(".")[0] for name in imports(path)}
    here = room_of(path)

    if here not in FLASK:
        assert not packages & {"flask", "flask_restful", "gunicorn"}
        assert "werkzeug" not in packages or place(path) == "formats/multipart.py", (
            "its decoder knows no requests"
        )
    if here not in MARSHMALLOW:
        assert "marshmallow" not in packages


def test_training_is_imported_where_the_command_and_a_job_start_it() -> None:
    importers = {
        place(path)
        for path in FILES
        if room_of(path) != "training"
        and any(f"{name}.".startswith("mlapi.training.") for name in imports(path))
    }

    assert importers == {"cli/training.py", "server/pool_process.py"}


def calls(path: Path, *names: str) -> set[str]:
    """Which of these the file calls or touches, as they are written there."""
    written = {ast.unparse(node) for node in nodes(path) if isinstance(node, ast.Attribute | ast.Name)}
    return {name for name in names if name in written}


@each_file
def test_only_settings_reads_the_environment(path: Path) -> None:
    if place(path) != "settings.py":
        assert not calls(path, "os.environ", "os.getenv", "os.environb")


@each_file
def test_only_one_room_pickles_and_unpickles_and_one_only_looks(path: Path) -> None:
    packages = {name.split(".")[0] for name in imports(path)}

    assert not packages & {"cloudpickle", "dill", "shelve", "marshal"}
    if place(path) in ("training/execution/engine.py", "inference/estimator_calls.py"):
        # joblib also runs things in parallel: where training does, and where no estimator may
        assert "pickle" not in packages
    elif not place(path).startswith("artifacts/pickles/"):
        assert not packages & {"joblib", "pickle"}


WRITERS = {
    *(
        "artifacts/allowing.py",
        "artifacts/keys.py",
        "artifacts/mapped_copies.py",
        "estimators/networks/checkpoint.py",
        "storage/locks.py",
    ),
    *("jobs/database.py", "jobs/jobs.py", "jobs/pool/server.py", "training/execution/checkpoints.py"),
    *("registry/aliases.py", "registry/audit.py", "registry/ledger.py", "registry/publication.py"),
    *("registry/backends/folder.py", "registry/backends/mirror.py"),
}
"""Who may write, by way of `mlapi.storage.disk`."""

READER = "artifacts/folder.py"


@each_file
def test_few_modules_write_and_all_through_one(path: Path) -> None:
    attributes = [node for node in nodes(path) if isinstance(node, ast.Attribute)]
    methods = {node.attr for node in attributes if ast.unparse(node.value) != "disk"}
    through_disk = {node.attr for node in attributes} - methods
    if place(path) not in {READER, *WRITERS}:
        assert "mlapi.storage.disk" not in set(imports(path))
    if place(path) == READER:
        assert through_disk <= {"read", "open_plain"}
    if place(path) != "storage/disk.py":
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
def test_what_a_docstring_names_exists(path: Path) -> None:
    assert [name for name in sorted(house.dotted_names(path)) if not house.exists(name)] == []
    assert [name for name in sorted(house.quoted_names(path)) if not house.is_known(name, path)] == []


@each_file
def test_nothing_evaluates_text(path: Path) -> None:
    assert not calls(path, "eval", "exec", "os.system", "subprocess")


def page() -> str:
    return (ROOT / "docs" / "architecture.md").read_text()


def test_the_page_has_every_room_with_its_own_words() -> None:
    lines = page().splitlines()
    for room in house.rooms():
        path = house.modules()[f"{room}.__init__"]
        words = (ast.get_docstring(tree(path)) or "").partition("\n\n")[0].replace("\n", " ")
        if room not in ("mlapi", "mlapi.training"):
            name = room.removeprefix("mlapi.").removeprefix("training.").replace(".", "/")
            assert f"| `{name}/` | {words} |" in lines


def test_the_page_has_the_table_of_imports() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", page(), re.MULTILINE))

    assert {room: set(re.findall(r"`(\w+)`", rows.get(room, ""))) for room in MAY_IMPORT} == MAY_IMPORT


def test_the_drawing_leads_downwards() -> None:
    drawing = page().partition("## Who may import whom")[2].split("```")[1]
    below: set[str] = set()
    for line in reversed(drawing.split("\n")[1:-1]):
        for room in line.split():
            assert MAY_IMPORT[room] <= below, room
        below |= set(line.split())

    assert below == set(MAY_IMPORT)


def test_each_word_of_the_glossary_has_an_owner() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text()
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE)
    owners = {term: re.findall(r"`([\w.]+)`", cell) for term, cell in rows if term not in ("term", "---")}

    assert len(owners) >= 40
    for term, names in owners.items():
        assert names, term
        assert all(house.exists(f"mlapi.{name.removeprefix('mlapi.')}") for name in names), term


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_what_a_page_names_exists(path: Path) -> None:
    text = path.read_text()
    names = re.findall(
        r"(?<![/\w])(?:mlapi|training)(?:\.[a-z]\w*)+", re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    )
    files = re.findall(r"`((?:mlapi|training|tests|config|benchmarks|compatibility)/[\w./]*)`", text)

    assert [name for name in files if not (ROOT / name).exists()] == []
    names = [name for name in names if not name.endswith((".md", ".py", ".toml"))]
    assert [name for name in names if not house.exists(f"mlapi.{name.removeprefix('mlapi.')}")] == []


PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]

VALUES = {
    "app": "flask.Flask",
    "data": "mlapi.artifacts.provenance.Provenance",
    "model": "mlapi.inference.model.Model",
    "registry": "mlapi.registry.registry.Registry",
}
"""What the pages mean by a value of this name; `data` is that of a manifest."""

FILES_ON_PAGES = (
    ".py",
    ".md",
    ".html",
    ".joblib",
    ".json",
    ".key",
    ".lock",
    ".onnx",
    ".pub",
    ".sqlite",
    ".toml",
)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_dotted_name_in_backticks_on_a_page_exists(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)

    for name in house.names_in_backticks(text):
        value, _, attribute = name.partition(".")
        full = f"{VALUES.get(value, value)}.{attribute}"
        assert name.endswith(FILES_ON_PAGES) or house.is_known_to_readers(full), name
