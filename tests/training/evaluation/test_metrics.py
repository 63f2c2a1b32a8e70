"""Metrics from counts and sums: the same as scikit-learn's, and those of guessing."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn import metrics
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from mlapi.estimators.algorithms.declaration import CLASSIFICATION, REGRESSION
from mlapi.training.evaluation.answers import Answers, answers_of, guesses
from mlapi.training.evaluation.intervals import intervals_by_bootstrap
from mlapi.training.evaluation.metrics import METRICS, evaluate, figures, is_worse, measure, weighted

WORDS = {
    "two words": np.array(["no", "yes"], dtype=object),
    "truth values": np.array([False, True]),
    "whole numbers": np.array([3, 1, 2]),
    "five words": np.array(["a", "b", "c", "d", "e"]),
}


def noisy(classes: NDArray[Any], rows: int = 300, seed: int = 0) -> tuple[pd.DataFrame, NDArray[Any]]:
    """Rows whose class can be told, but not always."""
    random = np.random.default_rng(seed)
    codes = random.integers(len(classes), size=rows)
    return pd.DataFrame({"x": codes + random.normal(size=rows), "z": random.normal(size=rows)}), classes[
        codes
    ]


def scikit_learns(estimator: Any, X: Any, y: Any) -> dict[str, float]:
    """Its own functions, on the labels as they are."""
    classes, predicted, probabilities = estimator.classes_, estimator.predict(X), estimator.predict_proba(X)
    how: dict[str, Any] = {"average": "macro"} if len(classes) > 2 else {"pos_label": classes[1]}
    scores = probabilities if len(classes) > 2 else probabilities[:, 1]
    return {
        "accuracy": metrics.accuracy_score(y, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, predicted),
        "precision": metrics.precision_score(y, predicted, zero_division=0, **how),
        "recall": metrics.recall_score(y, predicted, zero_division=0, **how),
        "f1": metrics.f1_score(y, predicted, zero_division=0, **how),
        "log_loss": metrics.log_loss(y, probabilities, labels=classes),
        "roc_auc": metrics.roc_auc_score(y, scores, multi_class="ovr", labels=classes),
    }


@pytest.mark.parametrize("classes", WORDS.values(), ids=list(WORDS))
@pytest.mark.parametrize("model", [LogisticRegression(), DummyClassifier(strategy="prior")], ids=str)
def test_metrics_of_classes_are_scikit_learns(model: Any, classes: NDArray[Any]) -> None:
    X, y = noisy(classes)
    fitted = model.fit(X[:150], y[:150])

    found = evaluate(CLASSIFICATION, fitted, X[150:], y[150:])

    assert set(found) == set(METRICS[CLASSIFICATION])
    assert found == pytest.approx(scikit_learns(fitted, X[150:], y[150:]), rel=1e-12)


@pytest.mark.parametrize("model", [LinearRegression(), DummyRegressor()], ids=str)
def test_metrics_of_values_are_scikit_learns(model: Any) -> None:
    X, y = load_diabetes(return_X_y=True)
    y = y + 1e9  # R² must not lose its digits to a large mean
    fitted = model.fit(X[:300], y[:300])
    predicted = fitted.predict(X[300:])

    found = evaluate(REGRESSION, fitted, X[300:], y[300:])

    assert found == pytest.approx(
        {
            "r2": metrics.r2_score(y[300:], predicted),
            "rmse": metrics.root_mean_squared_error(y[300:], predicted),
            "mae": metrics.mean_absolute_error(y[300:], predicted),
        },
        rel=1e-6,
    )


@pytest.mark.parametrize("predicted", [[2.0, 2.0], [2.0, 3.0]])
def test_a_target_that_does_not_vary_has_the_r2_of_scikit_learn(predicted: list[float]) -> None:
    found = measure(Answers(np.array([2.0, 2.0]), np.array(predicted)))

    assert found["r2"] == metrics.r2_score([2.0, 2.0], predicted)


def test_values_without_squares_have_the_metrics_that_are_left() -> None:
    answers = Answers(np.array([1e300, -1e300]), np.array([1.0, 2.0]))

    assert measure(answers) == {"mae": 1e300}
    assert set(intervals_by_bootstrap(answers, 0, 50)) >= {"mae"}


def test_a_class_without_held_out_rows_has_no_roc_auc_and_no_share_in_the_others() -> None:
    X, y = noisy(WORDS["five words"])
    fitted = LogisticRegression().fit(X, y)
    some = (y != "c") & (fitted.predict(X) != "c")

    found = evaluate(CLASSIFICATION, fitted, X[some], y[some])

    assert "roc_auc" not in found
    assert found["f1"] == pytest.approx(metrics.f1_score(y[some], fitted.predict(X[some]), average="macro"))


def test_a_class_that_training_never_saw_counts_as_wrong() -> None:
    X, y = noisy(WORDS["two words"])
    fitted = LogisticRegression().fit(X, y)
    truth = np.where(np.arange(len(y)) < 30, "perhaps", y)

    found = evaluate(CLASSIFICATION, fitted, X, truth)

    assert found["accuracy"] == metrics.accuracy_score(truth, fitted.predict(X))
    assert found["recall"] == pytest.approx(metrics.recall_score(truth, fitted.predict(X), average="macro"))
    assert found["log_loss"] > 3


def test_an_estimator_without_probabilities_has_the_other_metrics() -> None:
    X, y = load_iris(return_X_y=True)

    found = evaluate(CLASSIFICATION, LinearSVC().fit(X, y), X, y)

    assert set(found) == set(METRICS[CLASSIFICATION]) - {"roc_auc", "log_loss"}


def test_a_pipeline_over_words_answers_as_if_asked_itself() -> None:
    X, y = noisy(WORDS["five words"])
    X["w"] = pd.Series(y).str.upper().where(X["z"] > 0)
    steps = make_column_transformer((OneHotEncoder(), ["w"]), (StandardScaler(), ["x", "z"]))
    fitted = make_pipeline(steps, LogisticRegression()).fit(X, y)

    found = answers_of(CLASSIFICATION, fitted, X, pd.Series(y))

    assert [found.classes[position] for position in found.predicted] == fitted.predict(X).tolist()
    assert [found.classes[position] for position in found.truth] == y.tolist()
    np.testing.assert_array_equal(found.probabilities, fitted.predict_proba(X))


@pytest.mark.parametrize("classes", WORDS.values(), ids=list(WORDS))
def test_guessing_classes_is_scikit_learns_dummy(classes: NDArray[Any]) -> None:
    X, y = noisy(classes)
    answers = answers_of(CLASSIFICATION, LogisticRegression().fit(X, y), X[200:], y[200:])
    dummy = DummyClassifier(strategy="prior").fit(X[:200], y[:200])

    found = measure(guesses(answers, y[:200]))

    assert found == pytest.approx(evaluate(CLASSIFICATION, dummy, X[200:], y[200:]), rel=1e-12)


def test_guessing_values_is_scikit_learns_dummy() -> None:
    X, y = load_diabetes(return_X_y=True)
    answers = answers_of(REGRESSION, LinearRegression().fit(X, y), X[300:], y[300:])
    dummy = DummyRegressor().fit(X[:300], y[:300])

    found = measure(guesses(answers, y[:300]))

    assert found == pytest.approx(evaluate(REGRESSION, dummy, X[300:], y[300:]))


def test_roc_auc_of_many_rows_is_exact_for_equal_weights_and_near_for_others() -> None:
    X, y = noisy(WORDS["whole numbers"], rows=12_000)
    answers = answers_of(CLASSIFICATION, LogisticRegression().fit(X[:500], y[:500]), X, y)
    weights = np.random.default_rng(0).poisson(1, len(y)).astype(float)

    near, exact = weighted(answers), weighted(answers, exact=True)

    equal = np.ones(len(y))
    assert near(equal)["roc_auc"] == pytest.approx(exact(equal)["roc_auc"], rel=1e-12)
    moved = exact(weights)["roc_auc"] - exact(equal)["roc_auc"]
    assert near(weights)["roc_auc"] - near(equal)["roc_auc"] == pytest.approx(moved, rel=0.05)


def test_a_manifest_gets_what_is_known_of_each_metric() -> None:
    found = figures(
        {"accuracy": 0.9, "roc_auc": 0.95},
        intervals={"accuracy": (0.8, 0.95)},
        baseline={"accuracy": 0.5, "f1": 0.1},
        cross_validated={"accuracy": 0.88},
    )

    assert json.loads(json.dumps(found)) == {
        "accuracy": {"value": 0.9, "interval": [0.8, 0.95], "baseline": 0.5, "cross_validated": 0.88},
        "roc_auc": {"value": 0.95},
    }


def test_worse_is_lower_or_for_losses_higher_and_nothing_is_worse_than_no_number() -> None:
    assert is_worse("accuracy", 0.8, 0.9)
    assert not is_worse("rmse", 0.8, 0.9)
    assert is_worse("rmse", float("nan"), 0.9)
