from typing import Any

import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import CLASSIFICATION, REGRESSION
from mlapi.training.evaluation.metrics import METRICS, evaluate
from mlapi.training.search.scoring import score


@pytest.mark.parametrize(
    ("task", "rows", "algorithm"),
    [
        (REGRESSION, load_diabetes, "linear_regression"),
        (CLASSIFICATION, load_breast_cancer, "logistic_regression"),
        (CLASSIFICATION, load_iris, "logistic_regression"),
    ],
)
def test_each_metric_is_what_evaluate_gives(task: str, rows: Any, algorithm: str) -> None:
    X, y = rows(return_X_y=True)
    fitted = make_pipeline(StandardScaler(), ALGORITHMS[algorithm].build(task, {})).fit(X[::2], y[::2])
    found = evaluate(task, fitted, X[1::2], y[1::2])

    assert set(found) == set(METRICS[task])
    for metric, value in found.items():
        assert score(metric, fitted, X[1::2], y[1::2]) == pytest.approx(value, abs=1e-12)


def test_a_metric_of_probabilities_says_that_there_are_none() -> None:
    X, y = load_iris(return_X_y=True)

    with pytest.raises(ValueError, match="log_loss needs probabilities, and there are none"):
        score("log_loss", SVC().fit(X, y), X, y)


def test_roc_auc_is_of_the_classes_that_have_rows_and_needs_two() -> None:
    X, y = load_iris(return_X_y=True)
    fitted = LogisticRegression(max_iter=1000).fit(X, y)

    assert score("roc_auc", fitted, X[:100], y[:100]) == pytest.approx(1)
    with pytest.raises(ValueError, match="rows of two classes"):
        score("roc_auc", fitted, X[:50], y[:50])
