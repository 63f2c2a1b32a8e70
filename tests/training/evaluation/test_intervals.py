"""Intervals: they are what their definition says, and hold the truth as often as they claim."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold

from mlapi.estimators.algorithms.declaration import REGRESSION
from mlapi.training.evaluation.answers import Answers
from mlapi.training.evaluation.intervals import intervals_by_bootstrap, intervals_by_folds
from mlapi.training.evaluation.metrics import evaluate


def sure(rows: int, classes: int = 3, seed: int = 0) -> Answers:
    random = np.random.default_rng(seed)
    truth = random.integers(classes, size=rows)
    said = random.random((rows, classes)) + 0.7 * np.eye(classes)[truth]
    said /= said.sum(axis=1, keepdims=True)
    return Answers(truth, said.argmax(axis=1), tuple("abc"[:classes]), said)


def test_the_bootstrap_is_the_naive_one_with_scikit_learns_metrics() -> None:
    answers, seed, resamples = sure(60), 7, 40
    random, drawn = np.random.default_rng(seed), []
    for _ in range(resamples):
        rows = random.integers(60, size=60)
        some = answers.take(rows)
        drawn.append(
            {
                "accuracy": metrics.accuracy_score(some.truth, some.predicted),
                "balanced_accuracy": metrics.balanced_accuracy_score(some.truth, some.predicted),
                "f1": metrics.f1_score(some.truth, some.predicted, average="macro"),
                "log_loss": metrics.log_loss(some.truth, some.probabilities, labels=range(3)),
                "roc_auc": metrics.roc_auc_score(some.truth, some.probabilities, multi_class="ovr"),
            }
        )

    found = intervals_by_bootstrap(answers, seed, resamples)

    for name in drawn[0]:
        values = [resample[name] for resample in drawn]
        expected = (np.mean(values), *np.quantile(values, [0.025, 0.975]))
        assert found[name] == pytest.approx(expected, rel=1e-10), name


def test_the_bootstrap_of_values_is_the_naive_one_with_scikit_learns_metrics() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(5, 2, size=50)
    predicted = truth + random.normal(size=50)
    random, drawn = np.random.default_rng(3), []
    for _ in range(40):
        rows = random.integers(50, size=50)
        drawn.append(metrics.r2_score(truth[rows], predicted[rows]))

    found = intervals_by_bootstrap(Answers(truth, predicted), 3, 40)

    assert found["r2"] == pytest.approx((np.mean(drawn), *np.quantile(drawn, [0.025, 0.975])))


def test_the_same_seed_gives_the_same_intervals() -> None:
    answers = sure(100)

    assert intervals_by_bootstrap(answers, 1, 50) == intervals_by_bootstrap(answers, 1, 50)
    assert intervals_by_bootstrap(answers, 1, 50) != intervals_by_bootstrap(answers, 2, 50)


def test_bootstrap_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Answers that are right with a probability of 0.8, exactly."""
    trials, held = 200, 0
    for trial in range(trials):
        random = np.random.default_rng(trial)
        truth = random.integers(2, size=200)
        predicted = np.where(random.random(200) < 0.8, truth, 1 - truth)
        _, low, high = intervals_by_bootstrap(Answers(truth, predicted, ("a", "b")), trial, 200)["accuracy"]
        held += low <= 0.8 <= high

    assert 0.90 <= held / trials <= 0.99


def test_fold_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """A line through noise, whose error at this number of rows is known from many other trainings."""

    def draw(random: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
        X = random.normal(size=(rows, 3))
        return X, X @ [1.0, 2.0, 3.0] + random.normal(size=rows)

    random = np.random.default_rng(0)
    many = draw(random, 5_000)
    truth = np.mean(
        [evaluate(REGRESSION, LinearRegression().fit(*draw(random, 48)), *many)["mae"] for _ in range(100)]
    )
    trials, held = 100, 0
    for _ in range(trials):
        X, y = draw(random, 60)
        folds = [
            evaluate(REGRESSION, LinearRegression().fit(X[seen], y[seen]), X[new], y[new])
            for seen, new in KFold(5).split(X)
        ]
        _, low, high = intervals_by_folds(folds, training_rows=48, test_rows=12)["mae"]
        held += low <= truth <= high

    assert 0.90 <= held / trials <= 1


def test_fold_intervals_are_wider_than_those_of_independent_folds() -> None:
    folds = [{"mae": value} for value in (0.70, 0.74, 0.72, 0.78, 0.71)]
    scores = [fold["mae"] for fold in folds]
    independent = stats.t.interval(0.95, 4, np.mean(scores), stats.sem(scores))

    mean, low, high = intervals_by_folds(folds, training_rows=80, test_rows=20)["mae"]

    assert mean == pytest.approx(np.mean(scores))
    assert (high - low) / np.diff(independent)[0] == pytest.approx(np.sqrt((1 / 5 + 1 / 4) / (1 / 5)))


def test_an_interval_stays_within_what_its_metric_can_be() -> None:
    folds = [{"accuracy": value, "r2": value, "rmse": 1 - value} for value in (1.0, 0.7, 1.0)]

    found = intervals_by_folds(folds, training_rows=2, test_rows=1)

    assert found["accuracy"].high == found["r2"].high == 1
    assert found["rmse"].low == 0
    assert found["accuracy"].low >= 0


def test_a_metric_that_one_fold_lacks_has_no_interval() -> None:
    folds = [{"accuracy": 1.0, "roc_auc": 1.0}, {"accuracy": 0.5}]

    assert set(intervals_by_folds(folds, training_rows=1, test_rows=1)) == {"accuracy"}


def test_one_fold_is_no_interval() -> None:
    assert intervals_by_folds([{"accuracy": 1.0}], training_rows=1, test_rows=1) == {}
