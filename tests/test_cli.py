"""The command line: what it prints, and how it fails."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import joblib
import pytest
from click.testing import CliRunner, Result
from rich.console import Console
from sklearn import datasets
from sklearn.linear_model import LogisticRegression

from mlapi import cli

ROOT = Path(__file__).parent.parent
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`mlapi` in a folder with the shipped config/, on a wide terminal."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "stdout", Console(width=140, markup=False))

    def run(*words: str, status: int = 0, **environ: str) -> Result:
        done = CliRunner().invoke(cli.main, words, env=environ)
        assert done.exit_code == status, done.output
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return run


def assert_one_line(done: Result, words: str) -> None:
    assert words in done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


def test_the_command_is_installed(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("mlapi")

    done = subprocess.run(
        [command, "train"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 1
    assert done.stderr.startswith("Error: config/models.toml is missing")


def test_train_models_verify_promote(run: Run, tmp_path: Path) -> None:
    trained = run("train")
    assert all(name in trained.stdout for name in ("linear_regression", "logistic_regression", "svm"))
    assert "accuracy 1" in trained.stdout

    assert "`production` is version 1 until `mlapi promote svm 2`" in run("train", "svm").stdout
    assert run("train", "--missing").stdout == "", "steps already done are not repeated"

    assert "1, 2" in run("models").stdout
    assert "svm: production = 2" in run("promote", "svm", "2").stdout
    assert "production = 2" in run("models").stdout

    assert run("verify").stdout.count("ok") == 4
    (tmp_path / "models" / "svm" / "1" / "model.joblib").write_bytes(b"x")
    done = run("verify", status=1)
    assert "altered" in done.stdout
    assert_one_line(done, "1 broken")
    assert run("verify", "linear_regression").stdout.count("ok") == 1
    assert_one_line(run("promote", "svm", "1", status=1), "broken")
    assert_one_line(run("promote", "svm", "9", status=1), "no version '9'")


def test_a_recipe_without_a_version_that_serves_is_trained_again(run: Run, tmp_path: Path) -> None:
    run("train", "svm")
    (tmp_path / "models" / "svm" / "1" / "model.joblib").unlink()

    run("train", "--missing", "svm")

    assert (tmp_path / "models" / "svm" / "2").is_dir()


def test_a_production_that_is_broken_is_told_and_trained_for_once(run: Run, tmp_path: Path) -> None:
    run("train", "svm")
    (tmp_path / "models" / "svm" / "1" / "model.joblib").unlink()

    told = [run("train", "--missing", "svm").stdout for _ in range(2)]

    assert all("`production` is version 1 until `mlapi promote svm 2`" in each for each in told)
    assert not (tmp_path / "models" / "svm" / "3").exists()


def test_what_was_trained_before_one_failed_is_told(run: Run, tmp_path: Path) -> None:
    with (tmp_path / "config" / "models.toml").open("a") as file:
        file.write('[small]\nalgorithm = "svm"\ndataset = "wine"\ntest_size = 0.001\n')

    done = run("train", status=1)

    assert "logistic_regression" in done.stdout
    assert_one_line(done, "[small] test_size 0.001")


@pytest.mark.parametrize(
    "words", [["--bogus"], ["nothing"], ["train", "--bogus"], ["predict"], ["promote", "x", "0"]]
)
def test_wrong_usage_is_one_line_with_a_status_of_its_own(run: Run, words: list[str]) -> None:
    assert_one_line(run(*words, status=2), "--help`")


def test_predict_gives_what_the_estimator_gives(run: Run, tmp_path: Path) -> None:
    run("train", "svm")
    wine = datasets.load_wine(as_frame=True)
    wine.frame.to_csv(tmp_path / "rows.csv", index=False)
    estimator = joblib.load(tmp_path / "models" / "svm" / "1" / "model.joblib")

    done = run("predict", "svm", "rows.csv", "--include", "probabilities")

    header, *lines = done.stdout.splitlines()
    assert header == "prediction,probabilities_0,probabilities_1,probabilities_2"
    assert [int(line.split(",")[0]) for line in lines] == estimator.predict(wine.data.to_numpy()).tolist()
    assert [float(lines[0].split(",")[1])] == pytest.approx(
        estimator.predict_proba(wine.data.to_numpy()[:1])[0, :1].tolist(), rel=1e-9
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "has no rows"),
        ("alcohol\n", "has no rows"),
        ("alcohol,alcohol\n1,2\n", "two columns are called 'alcohol'"),
        ("alcohol\n1\n", "line 2, column malic_acid: missing"),
        ("alcool\n1\n", 'column alcool: unknown feature, did you mean "alcohol"?'),
        ("alcohol,hue\n1\n", "1 cells where the header has 2"),
        ('alcohol\n"1', "not a CSV file"),
        ("alcohol\nx\n", 'expected a number, got "x"'),
        ("alcohol\n\n\n", "has no rows"),
        ('hue,"alcohol"\n\n1,"a\nb"\n', 'line 4, column alcohol: expected a number, got "a'),
        ("alcohol\n1_0\n", 'expected a number, got "1_0"'),
        ("alcohol\nnan\n", 'expected a number, got "nan"'),
    ],
)
def test_rows_that_do_not_fit_are_named_by_line_and_column(
    trained: Path, run: Run, tmp_path: Path, content: str, words: str
) -> None:
    (tmp_path / "rows.csv").write_text(content)

    done = run("predict", "svm", "rows.csv", status=1, MLAPI_MODELS_DIR=str(trained))

    assert_one_line(done, words)


def test_predict_warns_beside_the_answers(trained: Path, run: Run, tmp_path: Path) -> None:
    frame = datasets.load_diabetes(as_frame=True).data.head(2).assign(bmi=[0.0, 99.0])
    frame.to_csv(tmp_path / "rows.csv", index=False)

    done = run("predict", "linear_regression", "rows.csv", MLAPI_MODELS_DIR=str(trained))

    assert len(done.stdout.splitlines()) == 3
    assert "line 3, column bmi: 99.0 is outside" in done.stderr


def test_register_publishes_a_fitted_estimator(run: Run, tmp_path: Path) -> None:
    iris = datasets.load_iris(as_frame=True)
    joblib.dump(LogisticRegression(max_iter=500).fit(iris.data, iris.target), tmp_path / "own.joblib")
    iris.data.head().to_csv(tmp_path / "X.csv", index=False)

    done = run("register", "flowers", "own.joblib", "--sample", "X.csv")

    assert done.stdout == "flowers version 1: logistic_regression, classification\n"
    assert run("predict", "flowers", "X.csv").stdout.splitlines() == ["prediction", *["0"] * 5]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "nothing"], "no recipe 'nothing'"),
        (["predict", "svm", "nothing.csv"], "nothing.csv"),
        (["predict", "nothing", "nothing.csv"], "no model 'nothing'"),
        (["predict", "svm", "config"], "config"),
        (["register", "x", "nothing.joblib", "--sample", "nothing.csv"], "nothing.csv"),
        (["promote", "svm", "1", "--alias", "latest"], "no alias can be called 'latest'"),
    ],
)
def test_a_users_mistake_is_one_line(trained: Path, run: Run, words: list[str], message: str) -> None:
    assert_one_line(run(*words, status=1, MLAPI_MODELS_DIR=str(trained)), message)


@pytest.mark.parametrize("command", [["train"], ["serve"], ["models"], ["settings"], ["verify"]])
def test_bad_settings_stop_every_command(run: Run, command: list[str]) -> None:
    done = run(*command, status=1, MLAPI_PORTT="1", MLAPI_WORKERS="many")

    assert_one_line(done, "MLAPI_PORTT: unknown setting, did you mean port?")
    assert "MLAPI_WORKERS" in done.stderr


def test_settings_show_where_each_value_came_from(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config" / "mlapi.toml").write_text("workers = 7\n")

    lines = run("settings", MLAPI_PORT="9999").stdout.splitlines()

    rows = {line.split()[0]: line for line in lines[1:] if line[0] != " "}
    assert "9999" in rows["port"]
    assert "MLAPI_PORT" in rows["port"]
    assert "config/mlapi.toml: workers" in rows["workers"]
    assert "default" in rows["host"]


def test_brackets_in_a_path_are_shown_as_they_are(run: Run) -> None:
    assert "models[old]" in run("settings", MLAPI_MODELS_DIR="models[old]").stdout


def test_train_without_recipes_says_what_is_missing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config" / "models.toml").unlink()

    assert_one_line(run("train", status=1), "config/models.toml is missing: it declares what to train")


def test_a_folder_that_cannot_be_written_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")

    assert "models" in run("train", "svm", status=1).stderr


def test_help_names_every_command(run: Run) -> None:
    shown = run("--help").stdout

    for command in ("serve", "train", "models", "predict", "register", "promote", "verify", "settings"):
        assert command in shown


def test_the_recipes_of_the_checkout_are_valid_toml_for_the_manifest(trained: Path) -> None:
    """What a recipe says is found again in what it made."""
    manifest = json.loads((trained / "svm" / "1" / "manifest.json").read_text())

    assert manifest["parameters"]["kernel"] == "rbf"
