"""`mlapi train` as people use it on a table of their own, and `training.train` from Python."""

import json
import math
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlapi import training
from mlapi.artifacts.folder import read_manifest
from mlapi.cli.progress import Display
from mlapi.errors import DatasetError, RecipeError
from mlapi.training.execution.progress import Candidate, DataDescription
from mlapi.training.search.search import tune
from tests.conftest import STATE, Run, assert_no_training, trusting
from tests.support.server import children
from tests.support.waiting import HANG_S

ROOT = Path(__file__).parents[2]

RECIPES = """
[price]
data = "homes.csv"
target = "price"
algorithm = "linear_regression"
drop = ["agent"]
"""


@pytest.fixture
def homes() -> pd.DataFrame:
    """Prices by size and town; who sold it says little, and some cells are blank."""
    random = np.random.default_rng(0)
    size = random.uniform(30, 200, 240).round(1)
    town = np.array(["Aa", "Be", "Ce"])[random.integers(3, size=240)]
    price = (size * 2000 + (town == "Aa") * 50_000 + random.normal(0, 9_000, 240)).round(-2)
    agent = np.array(["x", "y"])[random.integers(2, size=240)]
    frame = pd.DataFrame({"size": size, "town": town, "agent": agent, "price": price})
    frame.loc[::17, "size"] = None
    return frame


@pytest.fixture
def folder(homes: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the table and its recipe lie, and where the command runs."""
    homes.to_csv(tmp_path / "homes.csv", index=False)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "models.toml").write_text(RECIPES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def recipe_of(folder: Path, name: str, version: int = 1) -> dict[str, object]:
    return dict(read_manifest(folder / "models" / name / str(version), trusting()).recipe)


LINE = ("--data", "homes.csv", "--target", "price")


def test_a_table_is_trained_with_an_account_of_it(run: Run, folder: Path) -> None:
    told = run("train", *LINE, "--algorithm", "linear_regression").stdout

    for words in (
        "homes.csv: 240 rows; price is numbers",
        "town    category",
        "95 % interval",
        "guessing",
        "price version 1: linear_regression, learnt from 180 rows and judged by 60",
        "models/price/1/report.html shows it all.",
    ):
        assert words in told
    assert (folder / "models" / "price" / "1" / "report.html").is_file()
    tables = [line for line in told.splitlines() if not line.endswith(".")]
    assert max(map(len, tables)) <= 80


def test_of_several_models_each_line_and_table_names_the_one_that_it_is_about(
    capsys: pytest.CaptureFixture[str],
) -> None:
    homes = DataDescription(("homes.csv: 240 rows.",), (), ("Warning: only 45 rows.",))
    candidate = Candidate("svm", 0.9, 0.1, 1.0, None)

    for of_several in (False, True):
        with Display(of_several=of_several) as display:
            display.data_described("price", homes)
            display.algorithms_compared((candidate,), "r2")

    alone, *several = capsys.readouterr().out.split("homes.csv: 240 rows.\n")[1:]
    assert "price" not in alone.rpartition("\n")[0]
    assert "price: Warning: only 45 rows.\nalgorithm of price" in several[0]


def test_without_an_algorithm_those_that_suit_are_compared(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tune.__kwdefaults__, "trials", 3)
    told = run("train", *LINE, "--budget", "1h").stdout

    assert "r2, cross-validated" in told
    for name in ("linear_regression", "svm", "decision_tree", "random_forest", "gradient_boosting"):
        assert name in told
    assert "choices of parameters" in told


@pytest.mark.parametrize(
    ("options", "recipe"),
    [
        (["--name", "homes", "--algorithm", "svm"], {"algorithm": "svm"}),
        (["--drop", "agent", "--drop", "town", "--budget", "0"], {"drop": ["agent", "town"], "budget": 0.0}),
        (["--categorical", "town", "--group", "agent"], {"categorical": ["town"], "group": "agent"}),
        (["--polynomial", "2", "--seed", "3"], {"polynomial": 2, "seed": 3}),
        (["--splines", "4", "--test-size", "0.5", "--metric", "mae"], {"splines": 4, "metric": "mae"}),
        (
            ["--algorithm", "svm", "--parameter", "C=10", "--parameter", "kernel=linear"],
            {"parameters": {"C": 10, "kernel": "linear"}},
        ),
    ],
)
def test_options_are_what_a_recipe_has(
    run: Run, folder: Path, options: list[str], recipe: dict[str, object]
) -> None:
    few = [] if "--algorithm" in options else ["--algorithm", "linear_regression"]
    run("train", *LINE, *options, *few)

    found = recipe_of(folder, "homes" if "--name" in options else "price")
    assert {key: found[key] for key in recipe} == recipe


def test_a_recipe_is_trained_by_its_name_and_what_is_told_now_wins(run: Run, folder: Path) -> None:
    run("train")
    run("train", "price", "--drop", "town", "--seed", "5")

    assert recipe_of(folder, "price") == {
        "data": "homes.csv",
        "target": "price",
        "algorithm": "linear_regression",
        "drop": ["agent"],
    }
    assert recipe_of(folder, "price", 2) == {**recipe_of(folder, "price"), "drop": ["town"], "seed": 5}


@pytest.mark.parametrize("target", ["price", "town"])
def test_a_group_is_on_one_side_and_no_feature_and_the_share_is_kept(
    folder: Path, homes: pd.DataFrame, target: str
) -> None:
    sizes = [120, 60, 30, 20, 10]
    homes["street"] = np.repeat(["Long Street", "b", "c", "d", "e"], sizes)
    algorithm = "linear_regression" if target == "price" else "logistic_regression"

    manifest = training.train(homes, target=target, group="street", algorithm=algorithm).manifest

    assert 40 <= manifest.data["test_rows"] <= 80
    assert manifest.data["columns"][-1]["story"] == "left out: it says which rows are a group"
    assert "street" not in manifest.signature.names
    assert "street" in manifest.signature.ignored


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "homes.csv"], "Expected --data and --target"),
        (["--data", "nowhere.csv", "--target", "price"], "nowhere.csv"),
        (["--data", "homes.csv", "--target", "prize"], "has no column 'prize', did you mean \"price\"?"),
        ([*LINE, "--drop", "colour"], "there is no column 'colour'"),
        ([*LINE, "--budget", "soon"], "budget: expected a time such as 90, 60s or 5m"),
        ([*LINE, "--algorithm", "magic"], "no algorithm 'magic'"),
        ([*LINE, "--engine", "http://localhost"], "unknown engine"),
        ([*LINE, "--again", "price@1"], "--again takes the version's own recipe"),
        (["price", "--name", "other"], "--name goes with --data"),
        (["--again", "nothing@1"], "the models folder cannot be read"),
    ],
)
def test_mistakes_are_one_line_and_publish_nothing(folder: Path, words: list[str], message: str) -> None:
    assert_no_training(folder, words, message)


def test_a_version_is_trained_again_and_is_the_same_until_its_data_is_another(
    run: Run, folder: Path, homes: pd.DataFrame
) -> None:
    run("train", *LINE, "--algorithm", "svm")

    same = run("train", "--again", "price@1").stdout
    assert "trained again, it gives the same predictions for its 60 held-out rows" in same

    homes.iloc[:-10].to_csv("homes.csv", index=False)
    other = run("train", "--again", "price@1", status=1)
    assert "the data is another: 230 rows, and then 240" in other.stdout
    assert other.stderr == "Error: not the same\n"
    assert len(list(folder.glob("models/price/*/manifest.json"))) == 1, "nothing is published"


ON_ITS_TERMINAL = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from mlapi.cli.main import main
main()
"""


def on_a_terminal(words: list[str], folder: Path, *, until: str, presses: int) -> tuple[int, str]:
    """Run the command on a terminal, and press Ctrl-C when it says so; its exit status and what it showed.

    Again only once the first has ended processes that fit: two at a moment may be one to a busy machine.
    """
    master, slave = pty.openpty()
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "MLAPI_STATE_DIR": str(STATE), "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-c", ON_ITS_TERMINAL, "train", *words],
        cwd=folder, env=environ, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    shown, most, ends = "", math.inf, time.monotonic() + HANG_S
    while time.monotonic() < ends:
        if select.select([master], [], [], 0.1)[0]:
            try:
                shown += os.read(master, 65536).decode(errors="replace")
            except OSError:  # nobody holds the other end any more
                break
        if presses and until in shown and len(children(process.pid)) <= most:
            most = max(0, len(children(process.pid)) - 1)
            os.write(master, b"\x03")
            presses -= 1
    os.close(master)
    return process.wait(HANG_S), shown


def test_one_ctrl_c_keeps_the_best_so_far_and_two_stop(folder: Path, homes: pd.DataFrame) -> None:
    pd.concat([homes] * 4).to_csv(folder / "homes.csv", index=False)
    words = [*LINE, "--algorithm", "gradient_boosting", "--budget", "10m"]

    status, shown = on_a_terminal(words, folder, until="1 of 60 tried, best", presses=1)
    assert status == 0
    assert "Ctrl-C keeps it" in shown
    assert "until it was stopped by hand" in " ".join(shown.split())
    assert recipe_of(folder, "price")["budget"] == 600

    pd.concat([homes] * 20).to_csv(folder / "homes.csv", index=False)  # the second must not come too late
    status, shown = on_a_terminal(words, folder, until="1 of 60 tried, best", presses=2)
    assert status == 1, shown[-3000:]
    assert "Aborted!" in shown
    assert not (folder / "models" / "price" / "2").exists()


def test_a_frame_is_trained_from_python(folder: Path, homes: pd.DataFrame) -> None:
    trained = training.train(homes, target="price", algorithm="linear_regression", drop=["agent"])

    manifest = trained.manifest
    assert (manifest.name, manifest.version, manifest.data["source"]) == ("price", 1, "a DataFrame")
    assert manifest.signature.names == ("size", "town")
    assert manifest.metrics["r2"]["value"] > 0.7
    assert recipe_of(folder, "price") == {
        "target": "price",
        "algorithm": "linear_regression",
        "drop": ["agent"],
    }
    assert json.loads((STATE / "audit.jsonl").read_text().splitlines()[-1])["model"] == "price"


def test_a_file_is_trained_from_python_under_a_name(folder: Path) -> None:
    trained = training.train(folder / "homes.csv", target="price", name="homes", algorithm="svm")

    assert (trained.manifest.name, trained.manifest.data["rows"]) == ("homes", 240)


def test_mistakes_from_python_are_errors_of_ours(folder: Path, homes: pd.DataFrame) -> None:
    with pytest.raises(DatasetError, match='did you mean "price"'):
        training.train(homes, target="prize")
    with pytest.raises(RecipeError, match="unknown key 'colour'"):
        training.train(homes, target="price", colour=1)


def test_importing_recipes_needs_no_more_than_they_do() -> None:
    """The function that `training` exports must not bring in the room it starts."""
    script = "import mlapi.training.recipes, sys; print([n for n in sys.modules if n.startswith('mlapi.')])"

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert "mlapi.training.recipes" in done.stdout
    assert "mlapi.training.workflows.train" not in done.stdout
