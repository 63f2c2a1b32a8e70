"""What the tests share: trained models, small foreign ones, an application, and two guards."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings

from mlapi.app import create_app
from mlapi.artifact import Draft, Manifest, publish
from mlapi.settings import PREFIX, Settings
from mlapi.signature import Signature, Target
from training import features
from training.recipes import load_recipes
from training.registration import algorithm_of, task_of
from training.workflow import train

ROOT = Path(__file__).parent.parent

settings.register_profile("mlapi", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.load_profile("mlapi")

AppFactory = Callable[..., Flask]


@pytest.fixture(autouse=True)
def _no_foreign_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(variable)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three shipped recipes, version 1 each. Not to be changed: take a copy."""
    folder = tmp_path_factory.mktemp("trained")
    for recipe in load_recipes(ROOT / "config" / "models.toml").values():
        train(recipe, folder)
    return folder


@pytest.fixture
def models_dir(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained models for one test to change."""
    return Path(shutil.copytree(trained, tmp_path / "models"))


@pytest.fixture
def make_app() -> AppFactory:
    def make(folder: Path, **changes: Any) -> Flask:
        return create_app(Settings(models_dir=folder, models_poll_s=0.05, **changes))

    return make


@pytest.fixture(scope="session")
def shared_app(trained: Path) -> Flask:
    return create_app(Settings(models_dir=trained, default_model="logistic_regression"))


@pytest.fixture
def client(shared_app: Flask) -> Iterator[FlaskClient]:
    """A client of the three trained models; `/predict` is logistic_regression."""
    with shared_app.test_client() as client:
        yield client


def publish_fitted(
    folder: Path,
    name: str,
    estimator: Any,
    frame: pd.DataFrame,
    *,
    signature: Signature | None = None,
    files: dict[str, bytes] | None = None,
) -> Manifest:
    """Publish an estimator that is fitted on the frame (or on its matrix)."""
    target = Target("y", "number" if task_of(estimator) == "regression" else "category")
    draft = Draft(
        name=name,
        algorithm=algorithm_of(estimator),
        task=task_of(estimator),
        signature=signature or Signature(features.describe_features(frame), target),
        parameters={},
        metrics={},
        data={},
    )
    return publish(folder, draft, estimator, files or {})
