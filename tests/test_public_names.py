"""What a program may import of `mlapi`: five names, and nothing is loaded before it is used."""

import subprocess
import sys
from pathlib import Path

import pytest

import mlapi
import mlapi.server.app
import mlapi.training
from mlapi.settings import Settings
from tests.conftest import ROOT
from tests.support.waiting import HANG_S

HEAVY = ("sklearn", "numpy", "pandas", "flask", "marshmallow", "gunicorn", "onnxruntime", "matplotlib")


def test_the_names_are_few_and_documented() -> None:
    assert mlapi.__all__ == ["__version__", "create_app", "load", "publish", "train"]
    assert mlapi.train is mlapi.training.train
    assert mlapi.publish is mlapi.training.publish
    assert mlapi.load is mlapi.training.load
    assert mlapi.create_app is mlapi.server.app.create_app
    pages = "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    assert all(f"mlapi.{name}(" in pages for name in ("train", "publish", "load", "create_app"))


def test_there_are_no_others() -> None:
    with pytest.raises(AttributeError, match="module 'mlapi' has no attribute 'fit'"):
        mlapi.fit  # noqa: B018


def test_importing_the_package_is_cheap() -> None:
    code = "import sys, mlapi; mlapi.__version__; print(*sys.modules)"

    printed = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, timeout=HANG_S, text=True)

    assert not set(HEAVY) & set(printed.split())
    assert [name for name in printed.split() if name.partition(".")[0] == "mlapi"] == ["mlapi"]


def test_an_application_answers_without_a_server(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()

    app = mlapi.create_app(Settings(models_dir=tmp_path / "models", state_dir=tmp_path / "state"))

    assert app.test_client().get("/health/live").json == {"status": "live"}
