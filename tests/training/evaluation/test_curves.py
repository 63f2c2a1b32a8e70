"""Importance and learning curves: they find what matters, within their bounds, and say what they left out."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from mlapi.estimators.algorithms.declaration import CLASSIFICATION, REGRESSION
from mlapi.training.evaluation.curves import MOST_ROWS, Sample, importance, learning_curve


def days(frame: pd.DataFrame) -> np.ndarray:
    return (frame - pd.Timestamp("2020-01-01")).to_numpy() / np.timedelta64(1, "D")


def mixed(decisive: str, rows: int = 300) -> Sample:
    """A number, a word, a date and a text, one of which decides the class."""
    random = np.random.default_rng(0)
    codes = random.integers(2, size=(rows, 4))
    frame = pd.DataFrame(
        {
            "number": codes[:, 0] + 0.1 * random.normal(size=rows),
            "word": np.where(codes[:, 1], "red", "blue"),
            "date": pd.Timestamp("2020-01-01") + pd.to_timedelta(codes[:, 2] * 100 + 1, unit="D"),
            "text": np.where(codes[:, 3], "a good one", "a bad one"),
        }
    )
    return Sample(frame, np.where(codes[:, list(frame).index(decisive)], "yes", "no"))


def pipeline() -> Any:
    return make_pipeline(
        make_column_transformer(
            (StandardScaler(), ["number"]),
            (OneHotEncoder(), ["word"]),
            (make_pipeline(FunctionTransformer(days), StandardScaler()), ["date"]),
            (TfidfVectorizer(), "text"),
        ),
        LogisticRegression(),
    )


@pytest.mark.parametrize("decisive", ["number", "word", "date", "text"])
@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_importance_finds_the_column_that_matters(decisive: str, metric: str) -> None:
    rows = mixed(decisive)
    before = rows.X.copy()

    found = importance(CLASSIFICATION, pipeline().fit(*rows), rows, metric=metric, seed=0)

    assert found is not None
    (name, mean, _), *others = found.columns
    assert name == decisive
    assert mean > 0.3
    assert all(abs(other) < 0.05 for _, other, _ in others)
    pd.testing.assert_frame_equal(rows.X, before)


def test_importance_of_a_matrix_takes_names_and_leaves_it_as_it_is() -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 3))
    before, y = X.copy(), X[:, 1] * 3

    found = importance(
        REGRESSION, Ridge().fit(X, y), Sample(X, y), metric="rmse", seed=0, names=["a", "b", "c"]
    )

    assert found is not None
    assert found.columns[0][0] == "b"
    np.testing.assert_array_equal(X, before)


def test_the_same_seed_gives_the_same_importance() -> None:
    rows = mixed("word")
    fitted = pipeline().fit(*rows)

    first, second = (importance(CLASSIFICATION, fitted, rows, metric="f1", seed=5) for _ in range(2))

    assert first == second


def test_many_columns_are_shuffled_once_on_fewer_rows_and_that_is_said() -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(3_000, 400))
    y = X[:, 7]

    found = importance(REGRESSION, Ridge().fit(X, y), Sample(X, y), metric="r2", seed=0)

    assert found is not None
    assert found.columns[0][0] == "7"
    assert found.note == "Measured on 500 of 3,000 held-out rows, each column shuffled once."


def test_columns_that_time_does_not_allow_are_said() -> None:
    rows = mixed("number")

    found = importance(CLASSIFICATION, pipeline().fit(*rows), rows, metric="accuracy", seed=0, limit_s=0)

    assert found is not None
    assert [name for name, _, _ in found.columns] == ["number"]
    assert found.note.endswith("Time ran out after 1 of 4 columns; the others were not measured.")


def test_a_metric_that_is_not_defined_has_no_importance() -> None:
    rows = mixed("number")
    fitted = pipeline().fit(*rows)
    same = Sample(rows.X[rows.y == "no"], rows.y[rows.y == "no"])

    assert importance(CLASSIFICATION, fitted, same, metric="roc_auc", seed=0) is None


def test_a_learning_curve_rises_with_the_rows() -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(600, 30))
    y = X @ random.normal(size=30) + random.normal(size=600)

    found = learning_curve(
        REGRESSION, Ridge(), Sample(X[:400], y[:400]), Sample(X[400:], y[400:]), metric="r2", seed=0
    )

    assert found is not None
    assert found.sizes == (40, 80, 160, 280, 400)
    assert found.test[0] < found.test[-1]
    assert found.training[0] > found.test[0]
    assert found.note == "Up to 400 training rows, scored on 200 held-out rows."


def test_every_part_of_a_learning_curve_has_every_class() -> None:
    """Sorted by class, and three to the tenth part: a plain beginning or a random one would lack some."""
    X, y = load_iris(return_X_y=True)
    X, y = X[20:80], y[20:80]  # 30 of one class, 30 of the other
    X, y = np.vstack([X, X[-5:] + 5]), np.append(y, [7] * 5)

    found = learning_curve(
        CLASSIFICATION, LogisticRegression(), Sample(X, y), Sample(X, y), metric="roc_auc", seed=0
    )

    assert found is not None
    assert found.sizes[0] <= 13
    assert found.test[-1] > 0.99


def test_a_part_that_cannot_be_fitted_is_left_out() -> None:
    """With one yes among a hundred rows, the first parts have a single class."""
    X = np.arange(100.0).reshape(-1, 1)
    rows = Sample(X, np.where(X[:, 0] > 98, "yes", "no"))

    found = learning_curve(CLASSIFICATION, LogisticRegression(), rows, rows, metric="accuracy", seed=0)

    assert found is not None
    assert found.sizes == (70, 100)


def test_a_learning_curve_without_time_for_two_parts_is_none() -> None:
    rows = mixed("word")

    assert (
        learning_curve(CLASSIFICATION, pipeline(), rows, rows, metric="accuracy", seed=0, limit_s=0) is None
    )


def test_a_learning_curve_of_many_rows_is_one_of_a_sample() -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(15_000, 2))
    rows = Sample(X, X[:, 0])

    found = learning_curve(REGRESSION, Ridge(), rows, rows, metric="mae", seed=0)

    assert found is not None
    assert found.note == (f"Up to 10,000 of 15,000 training rows, scored on {MOST_ROWS:,} held-out rows.")
