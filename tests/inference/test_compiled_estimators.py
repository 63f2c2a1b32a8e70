"""Compiled naive Bayes, perceptrons and AdaBoost against scikit-learn's, on drawn rows: with ties, or far."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor, BaggingClassifier, BaggingRegressor
from sklearn.naive_bayes import ComplementNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.tree import DecisionTreeClassifier

from mlapi.inference.compiled.final_estimator import Fallback
from mlapi.inference.compiled.predictor import Predictor
from mlapi.inference.compiling import compile_pipeline
from mlapi.inference.compiling.adaboost import FEW
from mlapi.inference.compiling.pipelines import COMPILERS

METHODS = ("predict", "predict_proba", "decision_function")
LAYERS = {"hidden_layer_sizes": (5, 4), "max_iter": 15, "random_state": 0}

CLASSIFIERS = {
    "gaussian": GaussianNB(),
    "multinomial": MultinomialNB(),
    "complement": ComplementNB(),
    **{f"perceptron, {name}": MLPClassifier(activation=name, **LAYERS) for name in ("relu", "tanh")},
    "perceptron, logistic": MLPClassifier(activation="logistic", **LAYERS),
    "boosted stumps": AdaBoostClassifier(n_estimators=7, random_state=0),
    "boosted trees": AdaBoostClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=4, random_state=0),
}
REGRESSORS = {
    "perceptron": MLPRegressor(**LAYERS),
    "perceptron without functions": MLPRegressor(activation="identity", **LAYERS),
    "boosted trees": AdaBoostRegressor(n_estimators=6, random_state=0),
}
NAMES = ("a", "b", "c")


@st.composite
def drawn_rows(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.float64], np.random.Generator]:
    """Rows to fit, none negative, and rows to ask for: some of them on a grid, some equal, some far."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = np.abs(random.normal(size=(30, 3))) * 3
    if draw(st.booleans()):
        rows = rows.round()
    rows *= 10.0 ** draw(st.integers(-3, 3))
    return rows, np.vstack([rows, (rows[1:] + rows[:-1]) / 2, 50 * rows[:3], rows[:1] * 0]), random


def fitted(estimator: Any, rows: NDArray[Any], target: NDArray[Any]) -> Any:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of what hardly converges
        return estimator.fit(rows, target)


def assert_same(model: Any, rows: NDArray[np.float64]) -> None:
    pipeline = compile_pipeline(model, NAMES)
    assert pipeline is not None

    def original(method: str, batch: Any) -> NDArray[Any]:
        return np.asarray(getattr(model, method)(batch))

    predictor = Predictor(pipeline, original)
    methods = [method for method in METHODS if hasattr(model, method)]
    assert set(methods) == predictor.methods
    is_exact = isinstance(model, AdaBoostClassifier | AdaBoostRegressor)
    for part in (rows, rows[:1], rows[-1:]):
        with np.errstate(all="ignore"):
            expected = {method: original(method, part) for method in methods}
        found = predictor.answer(part, methods)
        for method, numbers in expected.items():
            assert (found[method].shape, found[method].dtype) == (numbers.shape, numbers.dtype)
            if numbers.dtype.kind != "f" or is_exact:
                assert found[method].tolist() == numbers.tolist()
            else:
                assert found[method] == pytest.approx(numbers, rel=1e-9, abs=1e-9 * np.abs(numbers).max())


@settings(max_examples=6, deadline=None, derandomize=True)
@given(drawn_rows())
@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("classes", [2, 3])
def test_labels_and_probabilities_are_scikit_learns(name: str, classes: int, drawn: Any) -> None:
    rows, asked, random = drawn
    labels = np.array(["p", "q", "r"])[:classes]
    target = labels[random.integers(0, classes, len(rows))]
    target[: 2 * classes] = np.tile(labels, 2)

    assert_same(fitted(CLASSIFIERS[name], rows, target), asked)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(drawn_rows())
@pytest.mark.parametrize("name", REGRESSORS)
@pytest.mark.parametrize("targets", [1, 2])
def test_values_are_scikit_learns(name: str, targets: int, drawn: Any) -> None:
    rows, asked, random = drawn
    target = random.normal(size=(len(rows), targets)).round(1)
    if targets == 2 and name == "boosted trees":
        return

    assert_same(fitted(REGRESSORS[name], rows, target[:, 0] if targets == 1 else target), asked)


def test_many_rows_are_asked_tree_by_tree() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(FEW, 3)).round(1)

    assert_same(AdaBoostClassifier(n_estimators=5).fit(rows, rows[:, 0] > rows[:, 1]), rows)


def test_classes_that_are_equally_likely_are_left_to_scikit_learn() -> None:
    rows = np.array([[-1.0], [-2.0], [1.0], [2.0]])
    model = GaussianNB().fit(rows, ["n", "n", "p", "p"])
    machine = COMPILERS[GaussianNB](model)
    assert machine is not None

    answer = machine.answer(np.array([[0.0], [1.0]]), ("predict",))

    assert answer.uncertain is not None
    assert answer.uncertain.tolist() == [True, False]


@pytest.mark.parametrize("name", ["gaussian", "perceptron, relu", "boosted stumps"])
def test_rows_that_are_not_finite_are_left_to_scikit_learn(name: str) -> None:
    rows = np.random.default_rng(0).random(size=(12, 3))
    model = fitted(CLASSIFIERS[name], rows, np.tile(["p", "q"], 6))
    machine = COMPILERS[type(model)](model)
    assert machine is not None
    for cell in (np.nan, np.inf):
        with np.errstate(all="ignore"), pytest.raises(Fallback):
            machine.answer(np.where(np.eye(2, 3) > 0, cell, rows[:2]), ("predict",))


def test_what_is_not_known_stays_with_scikit_learn() -> None:
    rows = np.random.default_rng(0).random(size=(12, 3))
    labels = np.tile(["p", "q"], 6)
    several = np.column_stack([labels == "p", rows[:, 0] > 0.5]).astype(int)
    given_models = (
        fitted(MLPClassifier(**LAYERS), rows, several),
        fitted(MLPRegressor(loss="poisson", **LAYERS), rows, rows[:, 0]),
        fitted(MLPClassifier(**LAYERS), rows.astype(np.float32), labels),
        AdaBoostRegressor(KNeighborsRegressor(2), n_estimators=2).fit(rows, rows[:, 0]),
        GaussianNB(priors=[0.0, 1.0]).fit(rows, labels),
    )

    with np.errstate(all="ignore"):
        assert [COMPILERS[type(model)](model) for model in given_models] == [None] * 5
    assert compile_pipeline(KNeighborsClassifier(2).fit(rows, labels), NAMES) is None


@pytest.mark.parametrize(
    "model",
    [
        AdaBoostClassifier(n_estimators=3),
        AdaBoostRegressor(n_estimators=3),
        BaggingClassifier(n_estimators=3),
        BaggingRegressor(n_estimators=3),
    ],
    ids=lambda model: type(model).__name__,
)
def test_trees_of_other_features_than_their_committee_takes_are_not_asked(model: Any) -> None:
    """Compiled code reads as many cells of a row as a tree says, also behind its end."""
    random = np.random.default_rng(0)
    wide, target = random.random(size=(40, 9)), random.integers(0, 2, 40)
    model.fit(wide[:, :3], target)
    model.estimators_[1] = type(model.estimators_[1])(max_depth=2).fit(wide, target)

    assert COMPILERS[type(model)](model) is None
