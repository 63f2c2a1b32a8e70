"""The wheel and the sdist: they build, and the wheel works where there is no checkout, beside any files."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sklearn import datasets

from mlapi import __version__
from tests.support.customers import write_customers
from tests.support.server import ROOT, Server, running
from tests.support.waiting import HANG_S, until

ROW = datasets.load_wine().data[0].tolist()

THEIRS = (
    *("training", "mlapi", "tests", "config", "jobs", "models", "tasks", "utils", "settings", "cli"),
    *("queue", "random", "json", "struct", "signal", "selectors", "tempfile", "ctypes", "logging", "copy"),
    *("numpy", "pandas", "sklearn", "joblib", "orjson", "flask", "gunicorn", "click"),
)
"""What a user's own modules may be called, in the folder where a server or a training is started."""

GUNICORN = """#!{python}
from gunicorn.app.wsgiapp import run

run()
"""
"""The program that pip makes of gunicorn."""


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel in it; the other packages are those that run the tests."""

    bin: Path

    def run(self, folder: Path, *words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        program, *rest = words
        return subprocess.run(
            [str(self.bin / program), *rest],
            cwd=folder,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            timeout=HANG_S,
            check=False,
        )


def build(project: Path, folder: Path, *words: str) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder), *words]
    subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=HANG_S)
    return folder


def names(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (wheel,) = built.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist's folder."""
    (sdist,) = built.glob("*.tar.gz")
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (inner,) = folder.iterdir()
    return inner


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", str(wheel)], check=True, timeout=HANG_S)
    (site,) = folder.glob("lib/python*/site-packages")
    packages = [place for place in sys.path if Path(place).name == "site-packages"]
    (site / "others.pth").write_text("\n".join(packages))
    (folder / "bin" / "gunicorn").write_text(GUNICORN.format(python=python))
    (folder / "bin" / "gunicorn").chmod(0o755)
    return Installed(folder / "bin")


@pytest.fixture
def shadows(tmp_path: Path) -> Path:
    """A user's folder: modules under all those names, which write down that they were imported."""
    folder = tmp_path / "work"
    for name in THEIRS:
        text = f"open({str(tmp_path / 'imported')!r}, 'a').write(__name__ + ' ')\n"
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(text)
        (folder / f"{name}.py").write_text(text)
    return folder


def imported(folder: Path) -> str:
    """The user's modules that were."""
    file = folder.parent / "imported"
    return file.read_text() if file.exists() else ""


def test_the_wheel_claims_one_name_and_carries_the_servers_configuration(wheel: Path) -> None:
    assert {
        *(
            "mlapi/cli/main.py",
            "mlapi/estimators/algorithms/svm.py",
            "mlapi/resources/templates/index.html",
            "mlapi/gunicorn.conf.py",
        ),
        *("mlapi/training/workflows/train.py", f"sklearn_mlapi-{__version__}.dist-info/METADATA"),
    } <= names(wheel)
    assert {name.split("/")[0] for name in names(wheel) if ".dist-info/" not in name} == {"mlapi"}


def test_the_sdist_carries_what_a_checkout_needs(unpacked: Path) -> None:
    for name in ("wsgi.py", "Makefile", "requirements.lock", "config/models.toml", "LICENSE", "README.md"):
        assert (unpacked / name).is_file()
    assert (unpacked / "training" / "workflows" / "train.py").is_file()


def test_the_sdist_makes_the_same_wheel(unpacked: Path, wheel: Path, tmp_path: Path) -> None:
    (again,) = build(unpacked, tmp_path, "--target", "wheel").glob("*.whl")

    assert names(again) == names(wheel)


@pytest.mark.parametrize("link", [None, "../training"], ids=["missing", "a file"])
def test_a_copy_without_links_makes_the_same_wheel_and_is_mended_by_make(
    unpacked: Path, wheel: Path, tmp_path: Path, link: str | None
) -> None:
    """Some archives have no links, and git writes them as files where core.symlinks is off."""
    copy = shutil.copytree(unpacked, tmp_path / "copy")
    if link is not None:
        (copy / "mlapi" / "training").write_text(link)
    command = [sys.executable, "-m", "mlapi.cli.main", "train"]

    (again,) = build(copy, tmp_path / "dist", "--target", "wheel").glob("*.whl")
    before = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=HANG_S, check=False)
    subprocess.run(["make", "link"], cwd=copy, check=True, capture_output=True, timeout=HANG_S)

    assert names(again) == names(wheel)
    assert before.stderr == (
        "Error: mlapi/training is no link to training/, as it is in a checkout; `make link` mends it\n"
    )
    assert (copy / "mlapi" / "training" / "recipes.py").samefile(copy / "training" / "recipes.py")


def test_the_wheel_is_what_runs_elsewhere(installed: Installed, tmp_path: Path) -> None:
    code = "from mlapi import training; print(training.__file__)"

    assert str(ROOT) not in installed.run(tmp_path, "python", "-c", code).stdout
    assert installed.run(tmp_path, "mlapi", "--version").stdout == f"mlapi, version {__version__}\n"


def test_train_without_recipes_says_what_is_missing(installed: Installed, tmp_path: Path) -> None:
    done = installed.run(tmp_path, "mlapi", "train")

    assert done.returncode == 1
    assert done.stderr.startswith("Error: config/models.toml is missing: it declares what to train")


@pytest.mark.exhaustive
def test_train_with_recipes_works(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "models.toml").write_text('[flowers]\nalgorithm = "svm"\ndataset = "iris"\n')

    assert installed.run(tmp_path, "mlapi", "train").returncode == 0
    assert (tmp_path / "models" / "flowers" / "1" / "model.joblib").exists()


def test_serve_serves_any_models_folder(installed: Installed, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("raise SystemExit('another file was run')")
    command = [str(installed.bin / "mlapi"), "serve", "--models-dir", str(trained), "--workers", "1"]
    environ = {"GUNICORN_CMD_ARGS": "--bind 127.0.0.1:1"}

    with running(tmp_path / "none", tmp_path, command, cwd=tmp_path, **environ) as server:
        status, answer = server.post("/predict/svm", {"features": ROW})

        assert (status, answer["prediction"]) == (200, [0])
        assert server.worker


@pytest.mark.exhaustive
def test_no_module_of_the_current_folder_is_imported_by_a_training(
    installed: Installed, shadows: Path
) -> None:
    write_customers(shadows)
    words = "mlapi train --data customers.csv --target churn --algorithm logistic_regression --budget 1s"

    tuned = installed.run(shadows, *words.split())

    assert tuned.returncode == 0, tuned.stderr
    assert tuned.stderr == "", "nothing that was started beside it failed either"
    assert imported(shadows) == ""


@pytest.mark.exhaustive
@pytest.mark.parametrize("program", ["mlapi serve", "gunicorn"])
def test_no_module_of_the_current_folder_is_imported_by_a_server(
    installed: Installed, shadows: Path, program: str
) -> None:
    """Nor by its pool: fits and jobs work, and `import training` is the user's own."""
    command = [str(installed.bin / "mlapi"), "serve", "--workers", "1"]
    if program == "gunicorn":
        shutil.copy(ROOT / "wsgi.py", shadows)
        shutil.copy(ROOT / "config" / "gunicorn.conf.py", shadows / "config")
        command = [str(installed.bin / "gunicorn"), "-c", "config/gunicorn.conf.py", "wsgi:app"]
    pool = {
        "MLAPI_FIT_WORKERS": "1",
        "MLAPI_JOB_WORKERS": "1",
        "MLAPI_FIT_SECONDS": "300",
        "MLAPI_ALLOW_WRITES": "true",
    }
    rows = {"X": [[1, 5], [2, 3], [3, 4], [4, 1]] * 10, "y": [3, 5, 7, 9] * 10}

    with running(shadows.parent / "made", shadows.parent, command, cwd=shadows, **pool) as server:
        fitted = server.post("/fit/linear_regression", {**rows, "predict": [[10, 0]]})
        job = server.post("/models/line/versions", {**rows, "algorithm": "linear_regression"})
        ended = end(server, job[1]["id"])

        assert fitted[0] == 200, server.log
        assert (ended["state"], ended["version"]) == ("succeeded", 1), server.log
        assert imported(shadows) == ""
    theirs = installed.run(shadows, "python", "-c", "import training; print(training.__file__)")
    assert theirs.stdout.startswith(str(shadows))


def end(server: Server, job: str) -> Any:
    """What a job has come to; it is asked for until then."""

    def over() -> Any:
        _, status = server.get(f"/jobs/{job}")
        return status["state"] not in ("queued", "running") and status

    return until(over, lambda: server.log)


OWN = """
from sklearn.linear_model import LinearRegression


class Doubling(LinearRegression):
    def predict(self, X):
        return 2 * super().predict(X)
"""

DUMP = """
import joblib, doubling, pandas

rows = pandas.DataFrame({"x": [1.0, 2, 3, 4], "z": [0.5, 1, 2, 1]})
joblib.dump(doubling.Doubling().fit(rows, [1, 2, 3, 4]), "own.joblib")
rows.to_csv("rows.csv", index=False)
"""


def run_all(installed: Installed, folder: Path, commands: Iterable[str], **environ: str) -> None:
    for command in commands:
        done = installed.run(folder, *command.split(), **environ)
        assert done.returncode == 0, done.stderr


@pytest.mark.exhaustive
def test_an_estimators_own_module_is_found_in_pythonpath_and_not_in_the_current_folder(
    installed: Installed, tmp_path: Path
) -> None:
    folder, own = tmp_path / "work", tmp_path / "own"
    for place in (folder, own):
        place.mkdir()
        (place / "doubling.py").write_text(OWN)
    (tmp_path / "dump.py").write_text(DUMP)
    classes = {"MLAPI_ALLOWED_CLASSES": "doubling.Doubling,sklearn.linear_model._base.LinearRegression"}
    found = {**classes, "PYTHONPATH": str(own)}

    run_all(
        installed,
        folder,
        (f"python {tmp_path / 'dump.py'}", "mlapi register own own.joblib --sample rows.csv"),
        **found,
    )
    there = installed.run(folder, "mlapi", "verify", **found)
    only_here = installed.run(folder, "mlapi", "verify", **classes)

    assert there.returncode == 0, there.stdout
    assert only_here.returncode == 1
    assert "No module named 'doubling'" in only_here.stdout
