"""The wheel and the sdist: they build, and the wheel works where there is no checkout."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sklearn import datasets

from tests.server import ROOT, running

ROW = datasets.load_wine().data[0].tolist()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    return folder


@pytest.fixture(scope="module")
def elsewhere(built: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """How to run the installed wheel: another folder, and its packages before the checkout's."""
    site = tmp_path_factory.mktemp("site")
    (wheel,) = built.glob("*.whl")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(site),
        str(wheel),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return {"cwd": tmp_path_factory.mktemp("elsewhere"), "env": {**os.environ, "PYTHONPATH": str(site)}}


def mlapi(elsewhere: dict[str, Any], *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "mlapi.cli", *words]
    return subprocess.run(command, **elsewhere, capture_output=True, text=True, timeout=60, check=False)


def test_the_wheel_carries_both_packages_and_the_servers_configuration(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())

    assert {
        *("mlapi/cli.py", "mlapi/algorithms/svm.py", "mlapi/templates/index.html", "mlapi/gunicorn.conf.py"),
        "mlapi/training/workflow.py",
    } <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"mlapi"}


def test_the_sdist_carries_what_a_checkout_needs(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}

    assert {"wsgi.py", "Makefile", "requirements.lock", "config/models.toml", "LICENSE", "README.md"} <= names


def test_the_wheel_is_what_runs_elsewhere(elsewhere: dict[str, Any]) -> None:
    code = "from mlapi import training; print(training.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", code], **elsewhere, capture_output=True, text=True, check=True
    )

    assert str(ROOT) not in found.stdout


def test_train_without_recipes_says_what_is_missing(elsewhere: dict[str, Any]) -> None:
    done = mlapi(elsewhere, "train")

    assert done.returncode == 1
    assert done.stderr.startswith("Error: config/models.toml is missing: it declares what to train")


def test_train_with_recipes_works(elsewhere: dict[str, Any]) -> None:
    config = elsewhere["cwd"] / "config"
    config.mkdir()
    (config / "models.toml").write_text('[flowers]\nalgorithm = "svm"\ndataset = "iris"\n')

    assert mlapi(elsewhere, "train").returncode == 0
    assert (elsewhere["cwd"] / "models" / "flowers" / "1" / "model.joblib").exists()
    (config / "models.toml").unlink()
    config.rmdir()


def test_serve_serves_any_models_folder(elsewhere: dict[str, Any], trained: Path, tmp_path: Path) -> None:
    (elsewhere["cwd"] / "gunicorn.conf.py").write_text("raise SystemExit('another file was run')")
    command = [sys.executable, "-m", "mlapi.cli", "serve", "--models-dir", str(trained), "--workers", "1"]
    environ = {"PYTHONPATH": elsewhere["env"]["PYTHONPATH"], "GUNICORN_CMD_ARGS": "--bind 127.0.0.1:1"}

    with running(tmp_path / "none", tmp_path, command, cwd=elsewhere["cwd"], **environ) as server:
        status, answer = server.post("/predict/svm", {"features": ROW})

        assert (status, answer["prediction"]) == (200, [0])
        assert len(server.workers) == 1
