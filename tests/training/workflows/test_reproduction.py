"""A version that is trained once more: the same, or what is not the same."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from mlapi.errors import RecipeError
from mlapi.inference.model import Model
from mlapi.training.execution.engine import Engine
from mlapi.training.recipes import make_recipe
from mlapi.training.workflows.reproduction import train_again
from mlapi.training.workflows.table_version import version_of_table
from mlapi.training.workflows.train import TrainingOptions, train
from tests.conftest import changes_in, publish_fitted

HERE = Engine(workers=1)


@pytest.fixture
def frame() -> pd.DataFrame:
    random = np.random.default_rng(0)
    size, town = random.normal(size=120), np.array(["a", "b"])[random.integers(2, size=120)]
    return pd.DataFrame({"size": size, "town": town, "price": 3 * size + (town == "a")})


@pytest.fixture
def model(frame: pd.DataFrame, tmp_path: Path) -> Model:
    """A tree whose parameters a search found."""
    changes = changes_in(tmp_path / "models")
    recipe = make_recipe("price", {"target": "price", "algorithm": "decision_tree", "budget": "0.5s"})
    options = TrainingOptions(make_version=partial(version_of_table, engine=HERE))
    train(recipe, changes, table=frame, options=options)
    return changes.registry.get("price", "1")


def test_the_same_rows_give_the_same_without_another_search(model: Model, frame: pd.DataFrame) -> None:
    comparison = train_again(model, HERE, frame=frame)

    assert comparison.is_same
    assert comparison.rows == 30
    assert all(then == now for then, now in comparison.metrics.values())
    assert set(comparison.metrics) == {"r2", "rmse", "mae"}


def test_rows_in_another_order_are_other_data(model: Model, frame: pd.DataFrame) -> None:
    comparison = train_again(model, HERE, frame=frame[::-1])

    assert comparison.findings[0] == "the data is another: 120 rows, and then 120"


def test_a_column_that_is_gone_is_told_with_what_it_does_to_predictions(
    model: Model, frame: pd.DataFrame
) -> None:
    told = " ".join(train_again(model, HERE, frame=frame.drop(columns="town")).findings)

    assert "the data is another" in told
    assert "the columns are taken for something else" in told
    assert "the version cannot answer the rows of today" in told


def test_other_values_are_told_by_how_far_predictions_are_off(model: Model, frame: pd.DataFrame) -> None:
    told = " ".join(train_again(model, HERE, frame=frame.assign(price=frame["price"] * 2)).findings)

    assert "predictions are off by up to" in told


def test_a_version_of_a_frame_needs_it_again(model: Model) -> None:
    with pytest.raises(RecipeError, match="was trained on a DataFrame, which has to be given again"):
        train_again(model, HERE)


def test_a_version_that_was_not_trained_here_has_no_recipe(tmp_path: Path) -> None:
    changes = changes_in(tmp_path / "models")
    X = pd.DataFrame({"a": np.arange(40.0)})
    publish_fitted(tmp_path / "models", "line", LinearRegression().fit(X, X["a"]), X)
    changes.registry.refresh()

    with pytest.raises(RecipeError, match="was not trained here: there is no recipe"):
        train_again(changes.registry.get("line", "1"), HERE)
