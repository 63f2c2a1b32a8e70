"""The README's commands, as a reader would type them: each one succeeds and prints what is shown."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mlapi import errors
from mlapi.errors import MlapiError
from mlapi.settings import Settings, settings_rows
from tests.support.customers import write_customers
from tests.support.server import ROOT, Server, running
from tests.support.waiting import HANG_S, until

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(console|python)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = [
    (command, output.strip())
    for language, block in BLOCKS
    if language == "console"
    for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """`make serve`, in this checkout whose environment is ready, with a models folder of its own."""
    if not (ROOT / ".venv" / ".ready").exists():
        pytest.skip("the README's commands run in .venv: `make setup` makes it")
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "config", folder / "config")
    (folder / ".venv").symlink_to(ROOT / ".venv")
    (folder / "samples").symlink_to(ROOT / "samples")
    shutil.copytree(ROOT / "models" / "cifar10" / "1", folder / "models" / "cifar10" / "1")
    command = ["make", "serve", "PORT={port}", "WORKERS=1"]
    with running(folder / "models", folder, command, MLAPI_FIT_WORKERS="1") as server:
        yield server, folder


def run(command: str, served: tuple[Server, Path]) -> str:
    server, folder = served
    done = subprocess.run(
        command.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}"),
        shell=True,
        cwd=folder,
        env={**os.environ, "MLAPI_MODELS_DIR": str(folder / "models"), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def assert_same(got: Any, shown: Any, digits: int) -> None:
    """Equal, with numbers to so many digits: the last ones depend on the processor."""
    if isinstance(shown, dict):
        assert list(got) == list(shown)
        got, shown = list(got.values()), list(shown.values())
    if isinstance(shown, list):
        assert len(got) == len(shown)
        for one, other in zip(got, shown, strict=True):
            assert_same(one, other, digits)
    elif isinstance(shown, float):
        assert math.isclose(got, shown, rel_tol=10**-digits)
    else:
        assert got == shown


def answered(command: str, served: tuple[Server, Path]) -> str:
    """What it prints, "" while the server does not know the model."""
    output = run(command, served)
    return "" if "model-not-found" in output else output


def test_the_commands_do_what_the_readme_shows(served: tuple[Server, Path]) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: apt-get install curl")
    assert COMMANDS[0] == ("make serve", ""), "the fixture has run it"
    write_customers(served[1])
    (python,) = [block for language, block in BLOCKS if language == "python"]
    subprocess.run([sys.executable, "-c", python], cwd=served[1], check=True, timeout=HANG_S)

    for command, shown in COMMANDS[1:]:
        output = run(command, served)
        if "model-not-found" in output:  # "running servers follow within seconds"
            output = until(partial(answered, command, served))
        if shown.startswith("{"):
            # A network computes in half as many digits as the others.
            assert_same(json.loads(output), json.loads(shown), digits=4 if "image=@" in command else 9)
        elif shown:
            lines = [line.rstrip() for line in output.splitlines()]
            assert lines == shown.splitlines(), command
    assert len(COMMANDS) > 8


def test_make_serve_trains_nothing_twice(served: tuple[Server, Path]) -> None:
    _, folder = served

    again = run(f"make -C {ROOT} -n serve", served)

    assert "pip" not in again, "what is installed is not installed again"
    assert run(".venv/bin/mlapi train --missing", served) == ""
    assert not (folder / "models" / "linear_regression" / "2").exists()


def test_only_the_command_line_opens_the_server_to_a_network() -> None:
    def planned(*words: str, **environ: str) -> str:
        command = ["make", "-n", "serve", *words]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert 'MLAPI_HOST="0.0.0.0"' in planned("HOST=0.0.0.0")
    assert "MLAPI_HOST" not in planned(HOST="some.public.name")
    assert 'MLAPI_PORT="9"' in planned(PORT="9")


def test_make_help_shows_every_target() -> None:
    shown = subprocess.run(
        ["make"], cwd=ROOT, capture_output=True, text=True, timeout=HANG_S, check=True
    ).stdout

    for target in ("setup", "train", "serve", "test", "lint", "help"):
        assert f"make {target} " in shown


def test_every_problem_is_documented() -> None:
    documented = re.findall(
        r"^\| `([a-z-]+)` \| (\d+) \|", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE
    )
    classes = [
        each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, MlapiError)
    ]
    ours = {(each.slug, str(each.status)) for each in classes}
    frameworks = {("not-found", "404"), ("method-not-allowed", "405")}

    assert set(documented) == ours | frameworks


def test_every_setting_is_documented() -> None:
    documented = re.findall(
        r"^\| `([a-z_]+)` \| (.*?) \| (.*) \|$", (ROOT / "docs" / "operating.md").read_text(), re.MULTILINE
    )
    rows = settings_rows(ROOT / "none.toml", {})

    assert documented == [(row.name, f"`{_written(row.value)}`", row.help) for row in rows]
    assert len(rows) == len(Settings.__dataclass_fields__)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(value)
    return "" if value is None else str(value)


def test_the_shipped_settings_are_the_defaults() -> None:
    assert all(row.source == "default" for row in settings_rows(ROOT / "config" / "mlapi.toml", {}))


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name
)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
