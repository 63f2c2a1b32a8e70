"""The models of the comparison: fitted once, published for this server, in joblib files for the others."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from benchmarks.tables import TARGET, penguins
from mlapi.registry.changes import Changes
from mlapi.registry.opening import open_changes
from mlapi.settings import Settings
from mlapi.training.recipes import make_recipe
from mlapi.training.workflows.registration import register
from mlapi.training.workflows.train import train

HUNDRED = tuple(f"numbers_{number}" for number in range(100))


@dataclass(frozen=True)
class Models:
    """Where the models are, what they are asked, and what scikit-learn answers to each of it.

    `published`, `one` and `hundred` are models folders of this server's: the three of the comparison,
    "numbers" alone, and the same estimator under a hundred names. `sample` is its table, without the target.
    """

    folder: Path
    penguins: str
    asked: dict[str, list[Any]]
    labels: dict[str, list[Any]]

    @property
    def estimators(self) -> Path:
        return self.folder / "estimators"

    @property
    def published(self) -> Path:
        return self.folder / "published"

    @property
    def one(self) -> Path:
        return self.folder / "one"

    @property
    def hundred(self) -> Path:
        return self.folder / "hundred"

    @property
    def sample(self) -> Path:
        return self.folder / "sample.csv"

    @property
    def state(self) -> Path:
        return self.folder / "state"


def make_models(folder: Path, penguins_file: Path | None) -> Models:
    """Fit and publish all of them in a folder; takes some seconds."""
    table, source = penguins(penguins_file)
    models = Models(folder, source, {}, {})
    models.estimators.mkdir()
    numbers = load_breast_cancer(as_frame=True)
    last = {"numbers": LogisticRegression(max_iter=1000), "svm": SVC()}
    for name, estimator in last.items():
        fitted = make_pipeline(StandardScaler(), estimator).fit(numbers.data.to_numpy(), numbers.target)
        joblib.dump(fitted, models.estimators / f"{name}.joblib")
        models.asked[name] = numbers.data.to_numpy().tolist()
        models.labels[name] = fitted.predict(numbers.data.to_numpy()).tolist()
    numbers.data.to_csv(models.sample, index=False)
    _publish(models, models.published, ("numbers", "svm"))
    _train_penguins(models, table)
    return models


def publish_many(models: Models) -> None:
    """Fill `one` and `hundred`."""
    _publish(models, models.one, ("numbers",))
    _publish(models, models.hundred, HUNDRED)


def _changes(models: Models, place: Path) -> Changes:
    place.mkdir(exist_ok=True)
    return open_changes(Settings(models_dir=place, state_dir=models.state), "benchmarks")


def _publish(models: Models, place: Path, names: tuple[str, ...]) -> None:
    changes = _changes(models, place)
    for name in names:
        register(name, models.estimators / f"{name.partition('_')[0]}.joblib", models.sample, changes)


def _train_penguins(models: Models, table: pd.DataFrame) -> None:
    file = models.folder / "penguins.csv"
    table.to_csv(file, index=False)
    recipe = make_recipe(
        "penguins", {"data": str(file), "target": TARGET, "algorithm": "logistic_regression"}
    )
    train(recipe, _changes(models, models.published))
    trained = (models.published / "penguins" / "1" / "model.joblib").read_bytes()
    (models.estimators / "penguins.joblib").write_bytes(trained)
    features = table.drop(columns=TARGET)
    models.asked["penguins"] = json.loads(features.to_json(orient="records"))
    models.labels["penguins"] = joblib.load(models.estimators / "penguins.joblib").predict(features).tolist()
