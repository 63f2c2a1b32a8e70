"""Compiled trees against scikit-learn's, on whatever hypothesis finds to try: the same to the last bit."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes, load_wine
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from mlapi.inference.compiled.final_estimator import Fallback
from mlapi.inference.compiling import trees
from mlapi.inference.compiling.trees import COMPILERS

CLASSIFIERS = (
    *(DecisionTreeClassifier, ExtraTreeClassifier, RandomForestClassifier, ExtraTreesClassifier),
    *(GradientBoostingClassifier, HistGradientBoostingClassifier, BaggingClassifier),
)
REGRESSORS = (
    *(DecisionTreeRegressor, ExtraTreeRegressor, RandomForestRegressor, ExtraTreesRegressor),
    *(GradientBoostingRegressor, HistGradientBoostingRegressor, BaggingRegressor),
)
MISSING = tuple(kind for kind in COMPILERS if not kind.__name__.startswith("GradientBoosting"))
METHODS = ("predict", "predict_proba", "decision_function")

LABELS = {
    "numbers": np.array([3, 5, 8, 13]),
    "words": np.array(["ash", "beech", "cedar", "elm"]),
    "flags": np.array([False, True]),
}


def built(kind: type, random: int, trees: int = 9) -> Any:
    name = kind.__name__
    if name.startswith("Hist"):
        return kind(max_iter=trees, min_samples_leaf=2, early_stopping=False, random_state=random)
    if name.startswith(("RandomForest", "ExtraTrees", "Gradient", "Bagging")):
        return kind(n_estimators=trees, random_state=random)
    return kind(random_state=random)


def assert_same(estimator: Any, rows: NDArray[Any]) -> None:
    machine = COMPILERS[type(estimator)](estimator)
    assert machine is not None
    assert machine.methods == {method for method in METHODS if hasattr(estimator, method)}
    for part in (rows, rows[:1]):
        with np.errstate(all="ignore"):
            answer = machine.answer(part, machine.methods)

        assert answer.uncertain is None
        for method in machine.methods:
            expected, given_ = getattr(estimator, method)(part), answer.outputs[method]
            assert (given_.shape, given_.dtype) == (expected.shape, expected.dtype)
            assert given_.tolist() == expected.tolist()


@st.composite
def data(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Rows to fit and rows to ask for: some on a grid, so that they meet bounds, some far; a seed."""
    seed = draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    X = random.normal(size=(draw(st.integers(8, 60)), draw(st.integers(1, 6))))
    if draw(st.booleans()):
        X = X.round()
    if draw(st.booleans()):
        X[:, 0] = 7.0
    X *= 10.0 ** draw(st.integers(-6, 6))
    return X, np.vstack([X, (X[1:] + X[:-1]) / 2, 1e3 * X[:3], np.nextafter(X[:9], 0)]), seed


def often(examples: int) -> Any:
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


@often(150)
@given(data(), st.sampled_from(CLASSIFIERS), st.sampled_from(list(LABELS)))
def test_classes_are_scikit_learns_own(drawn: Any, kind: type, labels: str) -> None:
    X, rows, seed = drawn
    names = LABELS[labels]
    places = np.arange(len(X)) % len(names)
    places[len(X) // 3 :] //= 2  # some classes are rarer

    assert_same(built(kind, seed).fit(X, names[places]), rows)


@often(100)
@given(data(), st.sampled_from(REGRESSORS))
def test_values_are_scikit_learns_own(drawn: Any, kind: type) -> None:
    X, rows, seed = drawn
    y = np.random.default_rng(seed).normal(size=len(X)).round(1)

    assert_same(built(kind, seed).fit(X, y), rows)


@often(60)
@given(data(), st.sampled_from(MISSING), st.booleans())
def test_missing_cells_go_where_they_went_in_training(drawn: Any, kind: type, trained: bool) -> None:
    X, rows, seed = drawn
    random = np.random.default_rng(seed)
    holed = np.where(random.random(rows.shape) < 0.2, np.nan, rows)
    if trained:
        X = np.where(random.random(X.shape) < 0.2, np.nan, X)

    estimator = built(kind, seed).fit(X, np.arange(len(X)) % 3)

    if trained or kind.__name__.startswith("Hist"):
        assert_same(estimator, holed)


@pytest.mark.parametrize("kind", COMPILERS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("trees", [1, 2, 3, 100])
def test_any_number_of_trees_is_asked_all_at_once_and_one_by_one(
    kind: type, trees: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = load_wine(return_X_y=True)
    estimator = built(kind, 0, trees).fit(X, y)

    assert_same(estimator, X)
    monkeypatch.setattr("mlapi.inference.compiling.trees.NODES", 0)
    assert_same(estimator, X)


@pytest.mark.parametrize("kind", COMPILERS, ids=lambda kind: kind.__name__)
def test_rows_that_scikit_learn_refuses_are_left_to_it(kind: type) -> None:
    X, y = load_wine(return_X_y=True)
    estimator = built(kind, 0).fit(X, y)
    machine = COMPILERS[kind](estimator)
    assert machine is not None
    for cell in (np.inf, np.nan, 1e39):
        rows = X[:3].copy()
        rows[1, 2] = cell
        try:
            with np.errstate(all="ignore"):
                expected = estimator.predict(rows)
        except ValueError:
            with np.errstate(all="ignore"), pytest.raises(Fallback):
                machine.answer(rows, ("predict",))
        else:
            with np.errstate(all="ignore"):
                assert (machine.answer(rows, ("predict",)).outputs["predict"] == expected).all()


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "poisson", "gamma"])
def test_values_of_any_loss_are_scikit_learns_own(loss: str) -> None:
    X, y = load_diabetes(return_X_y=True)

    assert_same(HistGradientBoostingRegressor(loss=loss, max_iter=20).fit(X, y), X)


def test_what_is_not_known_stays_with_scikit_learn() -> None:
    X, y = load_wine(return_X_y=True)
    several = RandomForestClassifier(n_estimators=3).fit(X, np.column_stack([y, y]))
    own_start = GradientBoostingClassifier(n_estimators=3, init=LogisticRegression(C=1e-9)).fit(X, y)
    codes = HistGradientBoostingClassifier(max_iter=3, categorical_features=[0]).fit(X.round() % 5, y)

    unencoded = HistGradientBoostingClassifier(max_iter=3, categorical_features=[0]).fit(X.round() % 5, y)
    unencoded._preprocessor = None  # as a crafted file may have it: bitsets of one tree are not another's
    some_features = BaggingClassifier(n_estimators=3, max_features=0.5).fit(X, y)
    neighbors = BaggingClassifier(KNeighborsClassifier(), n_estimators=3).fit(X, y)
    given = (several, own_start, codes, unencoded, some_features, neighbors)

    assert [COMPILERS[type(one)](one) for one in given] == [None] * len(given)


def test_large_forests_are_not_kept_twice() -> None:
    X, y = load_wine(return_X_y=True)
    forest = RandomForestClassifier(n_estimators=3).fit(X, y)
    many = [forest.estimators_[0].tree_] * (trees.NODES // forest.estimators_[0].tree_.node_count + 1)

    assert trees.Forest(many, allows_missing=True).all_at_once is None
    assert trees.Forest(many[:3], allows_missing=True).all_at_once is not None
