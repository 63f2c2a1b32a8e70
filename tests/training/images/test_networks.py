"""A network from pictures through the command: trained, broken off, gone on with, published, and asked."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training networks needs PyTorch: `make test-vision` installs it")

from mlapi.artifacts.folder import read_manifest  # noqa: E402
from mlapi.cli.progress import Display  # noqa: E402
from mlapi.server.app import create_app  # noqa: E402
from mlapi.training.versions.golden import SINGLE  # noqa: E402
from tests.conftest import ROOT, STATE, Run, settings_for, trusting  # noqa: E402
from tests.support.drawn import encoded, shape, write  # noqa: E402
from tests.support.waiting import until  # noqa: E402

CHECKPOINT = STATE / "training" / "shapes.ckpt"
SMALL = ("--parameter", "epochs=3", "--parameter", "width=4", "--parameter", "batch_size=40")
LINE = ("train", "--images", "shapes", *SMALL)

pytestmark = [pytest.mark.vision, pytest.mark.usefixtures("one_torch_thread")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    write(tmp_path / "shapes", {"train": 60, "test": 12})
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    CHECKPOINT.unlink(missing_ok=True)


def network_of(folder: Path, version: int) -> dict[str, Any]:
    golden = json.loads((folder / "models" / "shapes" / str(version) / "golden.json").read_bytes())
    return dict(golden["outputs"])


def broken_off(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody presses Ctrl-C in the second epoch."""

    def press(_: Display, state: Any) -> None:
        if state.epoch > 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Display, "network_advanced", press)
        run(*LINE, status=1)
    assert CHECKPOINT.is_file()


def test_a_network_is_trained_published_and_asked(run: Run, folder: Path) -> None:
    done = run(*LINE)

    assert "162 to learn from, 18 choose the epoch, 36 to judge by." in done.stdout
    lines = re.findall(r"shapes: epoch (\d): loss [\d.]+, .+% right.* pictures/s, (\d+)% done", done.stderr)
    assert lines[-1] == ("3", "100")
    assert len(lines) == len(set(lines)) <= 3
    assert not CHECKPOINT.exists()
    manifest = read_manifest(folder / "models" / "shapes" / "1", trusting())
    assert (manifest.algorithm, manifest.task) == ("cnn", "image-classification")
    assert manifest.data["epochs"] == 3
    assert "PyTorch" in manifest.data["machine"]
    assert manifest.data["apart"] < 1e-4, "golden pictures among those on which it is measured"
    assert SINGLE <= manifest.tolerance <= 1e-3
    image = manifest.signature.image
    assert image is not None
    assert image.mean is not None
    assert len(image.mean) == 3
    card = (folder / "models" / "shapes" / "1" / "report.html").read_text()
    for words in ("Loss by epoch", "Accuracy by epoch", "Learning rate by epoch", "3 epochs in"):
        assert words in card
    assert "18 of the others, by chance, chose the best epoch" in card
    client = create_app(settings_for(folder / "models")).test_client()
    content = base64.b64encode(encoded(shape("disc", 7000))).decode()
    body = {"instances": [{"b64": content}]}
    answer = client.post("/predict/shapes?include=probabilities", json=body).get_json()
    assert sum(answer["probabilities"][0]) == pytest.approx(1)


def test_pictures_in_a_folder_for_it_choose_the_epoch(run: Run, folder: Path) -> None:
    write(folder / "shapes", {"val": 4})

    done = run(*LINE)

    assert "180 to learn from, 12 choose the epoch, 36 to judge by." in done.stdout
    card = (folder / "models" / "shapes" / "1" / "report.html").read_text()
    assert "12 in a folder for it, chose the best epoch" in card


def test_a_training_that_broke_off_goes_on_to_the_same_network(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(*LINE)
    broken_off(run, monkeypatch)

    run(*LINE, "--resume")

    assert network_of(folder, 2) == network_of(folder, 1)
    assert not CHECKPOINT.exists()


def test_a_training_that_was_killed_goes_on_from_its_last_epoch(run: Run, folder: Path) -> None:
    line = (*LINE, "--parameter", "epochs=12")
    run(*line)
    command = [sys.executable, "-m", "mlapi.cli.main", *line]
    alike = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=alike, stderr=subprocess.DEVNULL) as running:
        until(lambda: running.poll() is not None or (CHECKPOINT.exists() and CHECKPOINT.stat().st_size))
        running.kill()

    assert CHECKPOINT.exists()
    run(*line, "--resume")

    assert network_of(folder, 2) == network_of(folder, 1)


def test_a_training_that_broke_off_is_not_forgotten_by_chance(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off(run, monkeypatch)

    refused = run(*LINE, status=1)
    assert "--resume goes on where it stopped, --restart forgets it and begins anew" in refused.stderr
    other = run(*LINE, "--seed", "5", "--resume", status=1)
    assert "another training" in other.stderr
    assert CHECKPOINT.is_file()

    run(*LINE, "--seed", "5", "--restart")
    assert not CHECKPOINT.exists()


def test_a_budget_is_kept_and_told(run: Run, folder: Path) -> None:
    run("train", "--images", "shapes", "--parameter", "width=4", "--budget", "6s")

    manifest = read_manifest(folder / "models" / "shapes" / "1", trusting())
    assert manifest.data["seconds"] < 12
    assert manifest.recipe["budget"] == 6
