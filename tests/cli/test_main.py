"""The command line: what it prints, and how it fails."""

import json
import os
import re
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
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import PairwiseKernel
from sklearn.linear_model import LogisticRegression

from mlapi.cli import main, terminal
from mlapi.registry.aliases import LOCK
from mlapi.storage import locks
from tests.conftest import STATE
from tests.support.pictures import digits, drawn, file_of, fitted_digits, publish_pictures
from tests.support.waiting import HANG_S

ROOT = Path(__file__).parents[2]
Run = Callable[..., Result]

COMMAND = Path(sys.executable).with_name("mlapi")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`mlapi` in a folder with the shipped config/, on a wide terminal."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLAPI_STATE_DIR")
    monkeypatch.setattr(main, "stdout", Console(width=140, markup=False))

    def run(*words: str, status: int = 0, **environ: str) -> Result:
        done = CliRunner().invoke(main.main, words, env=environ)
        assert done.exit_code == status, done.output
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return run


def serving(folder: Path) -> dict[str, str]:
    """The environment of who serves what the tests trained."""
    return {"MLAPI_MODELS_DIR": str(folder), "MLAPI_STATE_DIR": str(STATE)}


def assert_one_line(done: Result, words: str) -> None:
    assert words in done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


def test_the_command_is_installed(tmp_path: Path) -> None:
    done = subprocess.run(
        [COMMAND, "train"], cwd=tmp_path, capture_output=True, text=True, timeout=HANG_S, check=False
    )

    assert done.returncode == 1
    assert done.stderr.startswith("Error: config/models.toml is missing")


def test_nothing_is_said_where_nobody_reads_any_further(tmp_path: Path) -> None:
    read, written = os.pipe()
    os.close(read)

    done = subprocess.run(
        [COMMAND, "settings"],
        cwd=tmp_path,
        stdout=written,
        stderr=subprocess.PIPE,
        timeout=HANG_S,
        check=False,
    )

    os.close(written)
    assert (done.returncode, done.stderr) == (1, b"")


def test_train_models_verify_promote(run: Run, tmp_path: Path) -> None:
    trained = run("train")
    assert all(name in trained.stdout for name in ("linear_regression", "logistic_regression", "svm"))
    assert "accuracy 1" in trained.stdout

    again = run("train", "svm").stdout
    assert "svm: version 2 is promoted: accuracy 1 against 1 of version 1, on the same held-out" in again
    assert run("train", "--missing").stdout == "", "steps already done are not repeated"
    assert "production = 2" in run("models").stdout

    assert run("rollback", "svm").stdout == "svm: production = 1 (was 2)\n"
    assert_one_line(run("rollback", "svm", status=1), "has held no other version that serves")
    assert run("promote", "svm", "2", "--alias", "canary").stdout == "svm: canary = 2\n"
    assert "1, 2" in run("models").stdout
    assert "canary = 2, production = 1" in run("models").stdout

    assert run("verify").stdout.count("ok") == 4
    (tmp_path / "models" / "svm" / "1" / "reference.json").write_bytes(b"x")
    done = run("verify", status=1)
    assert "altered" in done.stdout
    assert_one_line(done, "1 broken")
    assert run("verify", "linear_regression").stdout.count("ok") == 1
    assert_one_line(run("promote", "svm", "1", status=1), "broken")
    assert_one_line(run("promote", "svm", "9", status=1), "no version 9; versions: 1, 2")


def test_a_file_does_not_write_on_the_terminal(run: Run, tmp_path: Path) -> None:
    """The classes that it names are told: whoever is asked to allow them has to see them."""
    name = b"a\x1b[2K\r.system"
    (tmp_path / "mine.joblib").write_bytes(b"\x80\x04\x8c\x02os\x8c" + bytes([len(name)]) + name + b"\x93.")
    (tmp_path / "rows.csv").write_text("a\n1\n")

    done = run("register", "mine", "mine.joblib", "--sample", "rows.csv", status=1)

    assert_one_line(done, r"os.a\x1b[2K\r.system")
    assert done.stderr[:-1].isprintable()


def test_every_change_is_in_the_audit_log(run: Run, tmp_path: Path) -> None:
    run("train", "svm")
    run("train", "svm")
    run("rollback", "svm")
    run("gc", "--keep", "1")
    run("train", "svm")
    run("gc", "--keep", "1")

    lines = (tmp_path / "state" / "audit.jsonl").read_text().splitlines()
    told = [json.loads(line) for line in lines]
    assert [(line["what"], line["from"], line["to"]) for line in told] == [
        ("publish", None, 1),
        ("promote", None, 1),
        ("publish", None, 2),
        ("promote", 1, 2),
        ("rollback", 2, 1),
        ("publish", None, 3),
        ("promote", 1, 3),
        ("delete", 2, None),
    ]
    assert {line["model"] for line in told} == {"svm"}
    assert all("@" in line["who"] and line["time"] for line in told)


@pytest.mark.parametrize("error", [KeyError("uid not found"), OSError("No username set")])
def test_a_user_without_a_name_is_told_by_number(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse() -> str:
        raise error

    monkeypatch.setattr("getpass.getuser", refuse)

    run("train", "svm")

    line, *_ = (tmp_path / "state" / "audit.jsonl").read_text().splitlines()
    assert json.loads(line)["who"].startswith(f"{os.getuid()}@")


def test_gc_keeps_the_newest_what_aliases_name_and_what_they_held(run: Run, tmp_path: Path) -> None:
    for _ in range(5):
        run("train", "svm")
    run("promote", "svm", "1", "--alias", "first")

    assert run("gc", "--keep", "1").stdout.splitlines() == [
        "svm: version 2 is deleted",
        "svm: version 3 is deleted",
        "2 deleted",
    ]

    assert "1, 4, 5" in run("models").stdout
    run("train", "svm")
    assert "1, 4, 5, 6" in run("models").stdout, "no number is used twice"


def test_keys_are_made_replaced_and_listed(run: Run, tmp_path: Path) -> None:
    first = run("keys", "create").stdout.strip()
    assert first.startswith("ed25519:")
    assert (tmp_path / "state" / "keys" / "local.key").stat().st_mode & 0o777 == 0o600
    assert_one_line(run("keys", "create", status=1), "--replace makes a new one")

    run("train", "svm")
    second = run("keys", "create", "--replace").stdout.strip()

    listed = run("keys", "list").stdout
    assert first in listed
    assert second in listed
    assert first != second
    assert run("verify").stdout.count("ok") == 1, "what the old key signed stays good"


def test_what_another_machine_trained_is_served_once_its_key_is_trusted(run: Run, tmp_path: Path) -> None:
    key = run("keys", "create", MLAPI_STATE_DIR="theirs").stdout.strip()
    run("train", "svm", MLAPI_STATE_DIR="theirs")

    assert_one_line(run("verify", status=1), "1 broken")
    assert "not trusted here" in run("verify", status=1).stdout

    assert "ok" in run("verify", MLAPI_TRUSTED_KEYS=key).stdout
    assert "ok" in run("verify", MLAPI_REQUIRE_SIGNATURE="false").stdout


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("never", "not promoted: its recipe says never"),
        ("always", "promoted: its recipe says always"),
        ("if_not_worse", "not promoted: accuracy 0.4 against 1 of version 1"),
    ],
)
def test_the_gate_decides_what_becomes_production(run: Run, tmp_path: Path, policy: str, told: str) -> None:
    recipe = '[svm]\nalgorithm = "svm"\ndataset = "wine"\n'
    (tmp_path / "config" / "models.toml").write_text(recipe)
    run("train")
    worse = f'parameters = {{kernel = "sigmoid", C = 0.01, gamma = 0.0001}}\npromote = "{policy}"\n'
    (tmp_path / "config" / "models.toml").write_text(recipe + worse)

    shown = run("train").stdout

    assert f"svm: version 2 is {told}" in shown
    assert f"production = {2 if policy == 'always' else 1}" in run("models").stdout


def test_what_would_break_callers_is_not_promoted_unless_told(run: Run, tmp_path: Path) -> None:
    recipe = '[m]\nalgorithm = "logistic_regression"\npromote = "always"\ndataset = '
    (tmp_path / "config" / "models.toml").write_text(f'{recipe}"wine"')
    run("train")
    (tmp_path / "config" / "models.toml").write_text(f'{recipe}"iris"')

    shown = run("train").stdout
    assert "m: version 2 is not promoted: it would break callers of version 1 (alcohol is gone, " in shown

    assert "m: version 3 is promoted: its recipe says always" in run("train", "--breaking").stdout


def test_a_recipe_without_a_version_that_serves_is_trained_again(run: Run, tmp_path: Path) -> None:
    run("train", "svm")
    (tmp_path / "models" / "svm" / "1" / "model.joblib").unlink()

    run("train", "--missing", "svm")

    assert (tmp_path / "models" / "svm" / "2").is_dir()


def test_a_production_that_is_broken_is_told_and_trained_for_once(run: Run, tmp_path: Path) -> None:
    run("train", "svm")
    (tmp_path / "config" / "models.toml").write_text(
        '[svm]\nalgorithm = "svm"\ndataset = "wine"\npromote = "never"'
    )
    (tmp_path / "models" / "svm" / "1" / "model.joblib").unlink()

    told = [run("train", "--missing", "svm").stdout for _ in range(2)]

    words = "`production` is version 1, which does not serve, until `mlapi promote svm 2`"
    assert all(words in each for each in told)
    assert not (tmp_path / "models" / "svm" / "3").exists()


def test_a_production_that_is_broken_is_replaced_by_what_is_trained(run: Run, tmp_path: Path) -> None:
    run("train", "svm")
    (tmp_path / "models" / "svm" / "1" / "model.joblib").unlink()

    told = run("train", "--missing", "svm").stdout

    assert "svm: version 2 is promoted: no version answers for `production`" in told


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
        ("", "is empty"),
        ("alcohol\n", "has no rows"),
        ("alcohol,alcohol\n1,2\n", "two columns are called 'alcohol'"),
        ("alcohol\n1\n", "line 2, column malic_acid: missing"),
        ("alcool\n1\n", 'column alcool: unknown feature, did you mean "alcohol"?'),
        ("alcohol,hue\n1\n", "1 cell where the header has 2"),
        ('alcohol\n"1', "not a CSV file"),
        ("alcohol\nx\n", 'expected a number, got "x"'),
        ("alcohol\n\n\n", "has no rows"),
        ('hue,"alcohol"\n\n1,"a\nb"\n', 'line 3, column alcohol: expected a number, got "a'),
        ("alcohol\n1_0\n", 'expected a number, got "1_0"'),
        ("alcohol\nnan\n", 'expected a number, got "nan"'),
    ],
)
def test_rows_that_do_not_fit_are_named_by_line_and_column(
    trained: Path, run: Run, tmp_path: Path, content: str, words: str
) -> None:
    (tmp_path / "rows.csv").write_text(content)

    done = run("predict", "svm", "rows.csv", status=1, **serving(trained))

    assert_one_line(done, words)


def test_predict_answers_pictures_of_a_model_of_pictures(run: Run, tmp_path: Path) -> None:
    publish_pictures(tmp_path / "models", "digits", fitted_digits())
    rows, labels = digits()
    for number in (7, 8):
        (tmp_path / f"{number}.png").write_bytes(file_of(drawn(rows[number])))

    done = run("predict", "digits", "7.png", "8.png", **serving(tmp_path / "models"))

    assert done.stdout == f"file,prediction\n7.png,{labels[7]}\n8.png,{labels[8]}\n"


def test_predict_answers_what_it_can_read_and_fails_in_the_end(run: Run, tmp_path: Path) -> None:
    publish_pictures(tmp_path / "models", "digits", fitted_digits())
    (tmp_path / "1.png").write_text("none")
    (tmp_path / "2.png").write_bytes(file_of(drawn(digits()[0][2])))

    done = run("predict", "digits", "1.png", "2.png", status=1, **serving(tmp_path / "models"))

    assert done.stdout == "file,prediction\n2.png,2\n"
    assert done.stderr.splitlines() == [
        "1.png: not a picture; can read PNG, JPEG, WebP, GIF and BMP",
        "Error: 1 of 2 files cannot be read",
    ]


def test_predict_answers_a_file_of_pixels(run: Run, tmp_path: Path) -> None:
    publish_pictures(tmp_path / "models", "digits", fitted_digits())
    rows, labels = digits()
    names = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    (tmp_path / "rows.csv").write_text("\n".join(",".join(map(str, row)) for row in (names, *rows[:3])))

    done = run("predict", "digits", "rows.csv", **serving(tmp_path / "models"))

    assert done.stdout.split() == ["prediction", *map(str, labels[:3])]


def test_predict_takes_one_file_of_rows(trained: Path, run: Run) -> None:
    done = run("predict", "svm", "a.csv", "b.csv", status=2, **serving(trained))

    assert "one file at a time" in done.stderr


def test_predict_warns_beside_the_answers(trained: Path, run: Run, tmp_path: Path) -> None:
    frame = datasets.load_diabetes(as_frame=True).data.head(2).assign(bmi=[0.0, 99.5])
    frame.to_csv(tmp_path / "rows.csv", index=False)

    done = run("predict", "linear_regression", "rows.csv", **serving(trained))

    assert len(done.stdout.splitlines()) == 3
    assert "line 3, column bmi: 99.5 is outside" in done.stderr


def test_register_publishes_a_fitted_estimator(run: Run, tmp_path: Path) -> None:
    iris = datasets.load_iris(as_frame=True)
    joblib.dump(LogisticRegression(max_iter=500).fit(iris.data, iris.target), tmp_path / "own.joblib")
    iris.data.head().to_csv(tmp_path / "X.csv", index=False)

    done = run("register", "flowers", "own.joblib", "--sample", "X.csv")

    assert done.stdout == "flowers version 1: logistic_regression, classification\n"
    assert run("predict", "flowers", "X.csv").stdout.splitlines() == ["prediction", *["0"] * 5]


def test_register_is_told_what_a_sample_cannot_say(run: Run, tmp_path: Path) -> None:
    iris = datasets.load_iris(as_frame=True)
    model = LogisticRegression(max_iter=500).fit(iris.data, iris.target)
    joblib.dump(model, tmp_path / "own.joblib")
    iris.data.to_csv(tmp_path / "all.csv", index=False)
    iris.data.head().assign(kind=model.predict(iris.data.head())).to_csv(tmp_path / "X.csv", index=False)
    iris.data.head().assign(kind=2).to_csv(tmp_path / "wrong.csv", index=False)
    words = ["register", "flowers", "own.joblib", "--types", "sepal length (cm)=number", "--expect", "kind"]

    wrong = run(*words, "--sample", "wrong.csv", status=1)
    done = run(*words, "--sample", "X.csv", "--ranges-from", "all.csv")

    assert_one_line(
        wrong, "5 rows of 5 of the sample get another answer than expected: row 1: expected 2, got 0"
    )
    assert done.stdout == "flowers version 1: logistic_regression, classification\n"
    assert run("predict", "flowers", "all.csv").stderr == "", "no value is outside of the ranges"


@pytest.fixture
def to_allow(tmp_path: Path) -> list[str]:
    """The command that registers an estimator with a class that nobody has allowed."""
    iris = datasets.load_iris(as_frame=True)
    process = GaussianProcessRegressor(PairwiseKernel(), optimizer=None)
    joblib.dump(process.fit(iris.data[::5], iris.target[::5]), tmp_path / "own.joblib")
    iris.data.head().to_csv(tmp_path / "X.csv", index=False)
    return ["register", "flowers", "own.joblib", "--sample", "X.csv"]


KERNEL = "sklearn.gaussian_process.kernels.PairwiseKernel"


def test_register_names_what_it_would_import_and_waits_until_it_is_allowed(
    run: Run, tmp_path: Path, to_allow: list[str]
) -> None:
    refused = run(*to_allow, status=1)

    assert_one_line(refused, f"names classes that are not allowed: {KERNEL} (of scikit-learn ")
    (line,) = re.findall("allowed_classes = .*", refused.stderr)
    (tmp_path / "config" / "mlapi.toml").write_text(line)
    assert "flowers version 1: gaussian_process_regressor, regression" in run(*to_allow).stdout
    assert "ok" in run("verify").stdout


def test_register_allows_what_is_trusted_and_says_so(run: Run, tmp_path: Path, to_allow: list[str]) -> None:
    file = tmp_path / "config" / "mlapi.toml"
    file.write_text("workers = 7  # of four\n")
    line = f'allowed_classes = ["{KERNEL}"]'

    assert_one_line(
        run(*to_allow, "--allow", status=1),
        f"repeat it with --yes, or write into {Path('config/mlapi.toml')}",
    )
    assert file.read_text() == "workers = 7  # of four\n"
    allowed = run(*to_allow, "--allow", "--yes")

    assert "flowers version 1" in allowed.stdout
    assert f"has now {line}. Servers read it when they are restarted." in allowed.stderr
    assert file.read_text() == f"workers = 7  # of four\n{line}\n"
    assert_one_line(run(*to_allow, "--yes", status=2), "--yes goes with --allow")


def test_a_variable_that_hides_the_file_is_named(run: Run, to_allow: list[str]) -> None:
    refused = run(*to_allow, "--allow", "--yes", status=1, MLAPI_ALLOWED_CLASSES="a.B")

    assert_one_line(refused, f"The environment is in force here, and not {Path('config/mlapi.toml')}.")
    assert f"MLAPI_ALLOWED_CLASSES=a.B,{KERNEL}" in refused.stderr


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
    assert_one_line(run(*words, status=1, **serving(trained)), message)


@pytest.mark.parametrize("command", [["train"], ["serve"], ["models"], ["settings"], ["verify"]])
def test_bad_settings_stop_every_command(run: Run, command: list[str]) -> None:
    done = run(*command, status=1, MLAPI_PORTT="1", MLAPI_WORKERS="many")

    assert_one_line(done, 'MLAPI_PORTT: unknown setting, did you mean "port"?')
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

    for command in main.main.commands:
        assert command in shown


def test_the_recipes_of_the_checkout_are_valid_toml_for_the_manifest(trained: Path) -> None:
    """What a recipe says is found again in what it made."""
    manifest = json.loads((trained / "svm" / "1" / "manifest.json").read_text())

    assert manifest["parameters"]["kernel"] == "rbf"


def test_a_command_says_which_lock_it_waits_for_and_ends(
    run: Run, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(locks, "TELL_S", 0.0)
    models_dir = shutil.copytree(trained, tmp_path / "copies")
    environ = {**serving(models_dir), "MLAPI_MODELS_DIR": str(models_dir)}

    with locks.locked(models_dir / "svm" / LOCK):
        done = run("promote", "svm", "1", "--alias", "canary", status=1, **environ)

    waits, ends = done.stderr.splitlines()
    assert waits.startswith(f"waits for {models_dir}/svm/{LOCK}, which somebody else holds (process ")
    assert ends.endswith(f"somebody else holds {LOCK} for 0.2 s and more: try again once that has ended")
    run("promote", "svm", "1", "--alias", "canary", **environ)
