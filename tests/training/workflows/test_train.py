"""Recipes and the workflow: what is trained, how it is judged, what is published."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import datasets, metrics
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from mlapi.artifacts.folder import read_manifest
from mlapi.errors import RecipeError
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.training.execution.progress import STEPS, Silent
from mlapi.training.recipes import Recipe, load_recipes, select
from mlapi.training.tables import datasets as tables
from mlapi.training.workflows.train import train
from tests.conftest import changes_in, trusting

ROOT = Path(__file__).parents[3]
RECIPES = load_recipes(ROOT / "config" / "models.toml")
SCRIPTS: dict[str, tuple[Any, Any]] = {
    "linear_regression": (datasets.load_diabetes, LinearRegression()),
    "logistic_regression": (datasets.load_breast_cancer, LogisticRegression(max_iter=1000)),
    "svm": (datasets.load_wine, SVC(kernel="rbf")),
}


def plain_script(name: str) -> tuple[Any, Any, Any]:
    """The tutorial's script on the same split: the fitted pipeline and the held-out rows."""
    load, estimator = SCRIPTS[name]
    X, y = load(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.25, random_state=0, stratify=None if name == "linear_regression" else y
    )
    return make_pipeline(StandardScaler(), estimator).fit(X_train, y_train), X_test, y_test


def test_the_shipped_recipes_are_the_three() -> None:
    assert {name: (recipe.algorithm, recipe.dataset) for name, recipe in RECIPES.items()} == {
        "linear_regression": ("linear_regression", "diabetes"),
        "logistic_regression": ("logistic_regression", "breast_cancer"),
        "svm": ("svm", "wine"),
    }


@pytest.mark.parametrize("name", SCRIPTS)
def test_predictions_are_those_of_the_plain_script(trained: Path, name: str) -> None:
    script, X_test, _ = plain_script(name)
    ours = joblib.load(trained / name / "1" / "model.joblib")

    np.testing.assert_allclose(ours.predict(X_test), script.predict(X_test), rtol=1e-9)
    if name == "svm":
        np.testing.assert_allclose(ours.decision_function(X_test), script.decision_function(X_test))


def test_held_out_metrics_reach_what_the_project_promises(trained: Path) -> None:
    found = {name: read_manifest(trained / name / "1", trusting()).metrics for name in SCRIPTS}
    script, X_test, y_test = plain_script("linear_regression")

    assert found["logistic_regression"]["accuracy"]["value"] >= 0.95
    assert found["svm"]["accuracy"]["value"] >= 0.95
    assert found["linear_regression"]["r2"]["value"] == pytest.approx(script.score(X_test, y_test), abs=0.02)


@pytest.mark.parametrize("name", ["logistic_regression", "svm"])
def test_classification_metrics_are_scikit_learns(trained: Path, name: str) -> None:
    script, X_test, y_test = plain_script(name)
    found = read_manifest(trained / name / "1", trusting()).metrics
    average = "binary" if name == "logistic_regression" else "macro"

    assert set(found) == {
        *("accuracy", "balanced_accuracy", "precision", "recall", "f1", "log_loss", "roc_auc")
    }
    predicted = script.predict(X_test)
    values = {name: entry["value"] for name, entry in found.items()}
    assert values["accuracy"] == metrics.accuracy_score(y_test, predicted)
    assert values["f1"] == pytest.approx(metrics.f1_score(y_test, predicted, average=average))
    assert 0.9 < values["roc_auc"] <= 1
    assert 0 < values["log_loss"] < 0.3


@pytest.mark.parametrize("name", SCRIPTS)
def test_training_again_gives_the_same_bits(trained: Path, tmp_path: Path, name: str) -> None:
    again = train(RECIPES[name], changes_in(tmp_path)).manifest
    first = read_manifest(trained / name / "1", trusting())
    rows = SCRIPTS[name][0]().data

    assert again.data["sha256"] == first.data["sha256"]
    assert again.metrics == first.metrics
    ours, theirs = (joblib.load(folder / name / "1" / "model.joblib") for folder in (tmp_path, trained))
    assert ours.predict(rows).tobytes() == theirs.predict(rows).tobytes()
    if hasattr(ours, "predict_proba"):
        assert ours.predict_proba(rows).tobytes() == theirs.predict_proba(rows).tobytes()


def test_the_next_training_is_the_next_version(tmp_path: Path) -> None:
    steps = Steps()

    assert [train(RECIPES["svm"], changes_in(tmp_path), steps).manifest.version for _ in range(2)] == [1, 2]
    assert steps.steps == [*STEPS, *STEPS]


def test_the_signature_is_what_the_training_rows_showed(trained: Path) -> None:
    manifest = read_manifest(trained / "logistic_regression" / "1", trusting())
    X, y = datasets.load_breast_cancer(return_X_y=True, as_frame=True)
    seen, _ = train_test_split(X, test_size=0.25, random_state=0, stratify=y)

    assert list(manifest.signature.names) == list(X.columns)
    assert [each.maximum for each in manifest.signature.features] == seen.max().tolist()
    assert manifest.signature.target.class_names == ("malignant", "benign")


def test_reference_statistics_lie_beside_the_model(trained: Path) -> None:
    reference = json.loads((trained / "svm" / "1" / "reference.json").read_text())

    assert reference["rows"] == 133
    alcohol = reference["features"]["alcohol"]
    assert alcohol["missing"] == 0
    assert alcohol["minimum"] <= alcohol["quantiles"]["0.5"] <= alcohol["maximum"]


def test_another_seed_is_another_split(tmp_path: Path) -> None:
    one, two = (train(replace(RECIPES["svm"], seed=seed), changes_in(tmp_path)).manifest for seed in (1, 2))

    assert one.data["sha256"] == two.data["sha256"]
    assert one.signature != two.signature


def test_a_recipe_whose_target_asks_for_another_task_publishes_nothing(tmp_path: Path) -> None:
    recipe = Recipe("odd", "logistic_regression", "diabetes")

    with pytest.raises(RecipeError, match="asks for regression"):
        train(recipe, changes_in(tmp_path))

    assert list(tmp_path.iterdir()) == []


def test_the_digest_depends_on_every_cell() -> None:
    table = tables.load("wine")
    other = table.frame.copy()
    other.iloc[5, 3] += 1e-9

    assert table.digest != replace(table, frame=other).digest
    assert table.digest == tables.load("wine").digest


def test_the_digest_does_not_depend_on_how_words_are_stored() -> None:
    words = pd.Series(["a", None, "b", "a"], dtype=object)
    stores = [words, words.fillna(np.nan), words.astype("string[python]"), words.astype("category")]
    digests = {digest_of(column) for column in stores}

    assert len(digests) == 1
    assert digest_of(pd.Series(["a", "b", None, "a"])) not in digests
    assert digest_of(pd.Series(["a", None, "b", "c"])) not in digests


@pytest.mark.parametrize("cells", [[1, 2, 1], [1, None, 2], [True, None], [0.5, None]])
def test_the_digest_of_categories_is_that_of_their_values(cells: list[Any]) -> None:
    assert digest_of(pd.Series(pd.Categorical(cells))) == digest_of(pd.Series(cells))


def test_the_digest_tells_cells_apart_that_are_equal_in_python() -> None:
    columns = [[True, "x"], [1, "x"], ["1", "x"], [1.0, "x"], [None, "x"], ["a\0b", "x"], [["a"], "x"]]

    assert len({digest_of(pd.Series(column, dtype=object)) for column in columns}) == len(columns)


def digest_of(column: pd.Series) -> str:
    return tables.Dataset("x", pd.DataFrame({"a": column}), pd.Series(range(len(column)), name="y")).digest


class Steps(Silent):
    def __init__(self) -> None:
        self.steps: list[str] = []

    def step_began(self, step: str) -> None:
        self.steps.append(step)


def write(folder: Path, text: str) -> Path:
    file = folder / "models.toml"
    file.write_text(text)
    return file


def test_all_problems_of_all_recipes_are_told_at_once(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """
        [Bad]
        algorithm = "magic"
        dataset = "nowhere"
        colour = 1
        [svm]
        dataset = "wine"
        algorithm = "svm"
        test_size = 2
        seed = -1
        parameters = { C = 0, kernel = "cubic", gamma = true, depth = 3 }
        [empty]
        """,
    )

    with pytest.raises(RecipeError) as caught:
        load_recipes(file)

    message = str(caught.value)
    for words in (
        "[Bad] a model's name",
        "no algorithm 'magic'",
        "no dataset 'nowhere'",
        "unknown key 'colour'",
        "test_size: expected a number between 0 and 1, got 2",
        "seed: expected",
        "C: expected a number above 0, got 0",
        "kernel: expected 'rbf' or 'linear' or 'poly' or 'sigmoid', got 'cubic'",
        "gamma: expected a number above 0 or 'scale' or 'auto', got True",
        "svm has no parameter 'depth'",
        "[empty] expected one of `dataset`, a table of scikit-learn's, and `data`, a path or URL",
    ):
        assert words in message


@pytest.mark.parametrize(
    "text",
    [
        "a = ",
        "x = " + "[" * 5000,
        "seed = " + "9" * 5000,
        '[a]\nalgorithm = ["svm"]\ndataset = {a = 1}',
        "a = 3",
        '[a]\nalgorithm = "svm"\ndataset = "wine"\nparameters = 3',
    ],
)
def test_whatever_stands_in_the_file_is_a_recipe_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(RecipeError):
        load_recipes(write(tmp_path, text))


def test_parameters_that_do_not_go_together_are_a_recipe_error(tmp_path: Path) -> None:
    parameters = {"kernel": "poly", "coef0": 1e308, "degree": 20}

    with pytest.raises(RecipeError, match="cannot be fitted"):
        train(Recipe("odd", "svm", "wine", parameters), changes_in(tmp_path))


def test_a_missing_file_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="is missing: it declares what to train"):
        load_recipes(tmp_path / "models.toml")


def test_an_unknown_recipe_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="recipes: linear_regression, logistic_regression, svm"):
        select(RECIPES, ("nothing",))


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_declared_default_is_in_its_own_range(name: str) -> None:
    algorithm = ALGORITHMS[name]

    assert list(algorithm.problems(algorithm.complete({}))) == []
