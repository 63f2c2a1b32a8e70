"""What the project is called, and what its texts say of how to install it."""

import re
import tomllib
from pathlib import Path

import pytest

from mlapi import __version__
from mlapi.wording import EXTRAS, how_to_install

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = {"mlapi", PROJECT["name"]}
"""The first is a stranger's on PyPI; the second is nobody's as long as it is not published there."""

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = [
    *(ROOT / name for name in ("Makefile", "pyproject.toml", ".ci/run", "wsgi.py")),
    *(
        path
        for folder in ("mlapi", "training", "config", "benchmarks", "compatibility")
        for path in (ROOT / folder).rglob("*.py")
    ),
    *(path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)),
]
INSTALLING = re.compile(r"\b(?:pip3?|pipx|uv)\s+(?:pip\s+|tool\s+)?(?:install|add|download)\s+([^`\n]*)")


def asked_for(text: str) -> list[str]:
    """Every word behind `pip install`, without quotes."""
    return [word.strip("'\".,;:)\\") for words in INSTALLING.findall(text) for word in words.split()]


def project(requirement: str) -> str:
    """Its name as an index compares it (PEP 503); a file's name stays another one."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~;@ ]", requirement)[0]).lower()


def test_nothing_advises_to_install_a_strangers_package() -> None:
    for path in filter(Path.exists, [*PAGES, *CODE]):  # an sdist leaves some out
        text = path.read_text()

        assert not {project(word) for word in asked_for(text)} & OURS, path
        assert not re.search(r"(?<![\w-])mlapi\[", text), f"{path}: an extra of somebody else's package"


@pytest.mark.parametrize(
    "advice",
    [
        "pip install mlapi",
        "`pip install 'mlapi[s3]'`",
        "uv pip install MLapi>=1",
        "pip install -U mlapi",
        "uv add mlapi",
    ],
)
def test_such_an_advice_would_be_noticed(advice: str) -> None:
    assert "mlapi" in {project(word) for word in asked_for(advice)}


def test_the_extras_are_those_of_the_project() -> None:
    optional = {name: tuple(needs) for name, needs in PROJECT["optional-dependencies"].items()}

    assert {name: optional[name] for name in EXTRAS} == EXTRAS
    assert set(optional) - set(EXTRAS) == {"build", "dev", "bench", "compatibility"}, (
        "of use in a checkout only"
    )


def test_an_extra_is_asked_for_by_the_packages_that_it_brings() -> None:
    assert how_to_install("vision") == "pip install 'torch>=2.9,<3' 'onnx>=1.19,<2'"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_pages_ask_for_the_projects_own_versions(page: Path) -> None:
    ranges = {word for word in asked_for(page.read_text()) if "=" in word}
    wheels = set(re.findall(r"[\w.]+-[\w.]+-py3-none-any\.whl", page.read_text()))

    assert ranges <= {need for needs in EXTRAS.values() for need in needs}
    assert wheels <= {f"{PROJECT['name'].replace('-', '_')}-{__version__}-py3-none-any.whl"}


def test_every_extra_is_documented() -> None:
    table = (ROOT / "docs" / "operating.md").read_text()

    for extra in EXTRAS:
        row = rf"^\| .* \| `{extra}` \| `{re.escape(how_to_install(extra))}` \|$"
        assert re.search(row, table, re.MULTILINE)
