"""Each class of linear model that is compiled, against scikit-learn."""

import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec, module_from_spec
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import linear_model
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    MultiTaskLasso,
    PoissonRegressor,
    RANSACRegressor,
    Ridge,
    SGDClassifier,
    TheilSenRegressor,
    TweedieRegressor,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from mlapi.inference.compiled.predictor import Predictor
from mlapi.inference.compiling import compile_pipeline, linear
from mlapi.inference.compiling.linear import COMPILERS

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(60, 4)) * [1, 5, 0.1, 30] + [0, 3, 1, -100]
TARGET = (ROWS - ROWS.mean(axis=0)) @ [1.0, 0.2, -3.0, 0.03] + RANDOM.normal(size=60) * 0.1
NAMES = ("a", "b", "c", "d")
METHODS = ("predict", "predict_proba", "decision_function")

BUILT: Mapping[type, Callable[[], Any]] = {
    LogisticRegressionCV: lambda: LogisticRegressionCV(Cs=2, cv=2, use_legacy_attributes=False),
    MultiOutputRegressor: lambda: MultiOutputRegressor(Ridge()),
    OneVsRestClassifier: lambda: OneVsRestClassifier(LinearSVC()),
    RANSACRegressor: lambda: RANSACRegressor(random_state=0),
    SGDClassifier: lambda: SGDClassifier(loss="log_loss", random_state=0),
    TheilSenRegressor: lambda: TheilSenRegressor(max_subpopulation=50, random_state=0),
}
"""How those are built that need more than their class."""


def target_of(estimator: Any, classes: int = 3) -> NDArray[Any]:
    if estimator.__sklearn_tags__().estimator_type == "classifier":
        return np.array(["p", "q", "r"])[np.digitize(TARGET, [0.0, 1.0][: classes - 1])]
    if type(estimator).__name__.startswith("Multi"):
        return np.column_stack([TARGET, TARGET**2])
    return np.exp(TARGET) if isinstance(estimator, TweedieRegressor | PoissonRegressor) or "Gamma" in str(
        estimator
    ) else TARGET  # fmt: skip


def assert_same(model: Any, rows: NDArray[np.float64]) -> None:
    pipeline = compile_pipeline(model, NAMES)
    assert pipeline is not None
    predictor = Predictor(pipeline, lambda *_: pytest.fail("scikit-learn was asked"))
    methods = [method for method in METHODS if hasattr(model, method)]
    for part in (rows, rows[:1]):
        found = predictor.answer(part, methods)
        for method in methods:
            expected = np.asarray(getattr(model, method)(part))
            assert (found[method].shape, found[method].dtype) == (expected.shape, expected.dtype)
            if expected.dtype.kind == "f":
                assert found[method] == pytest.approx(expected, rel=1e-9, abs=1e-9)
            else:
                assert found[method].tolist() == expected.tolist()
    assert predictor.pipeline.one_row is not None
    for row, expected in zip(rows[:20], model.predict(rows[:20]), strict=True):
        alone = predictor.answer_row(row.tolist())
        assert alone is not None
        if expected.dtype.kind == "f":
            assert alone[0] == pytest.approx(expected, rel=1e-9, abs=1e-9)
        else:
            assert alone[0] == expected


@pytest.mark.parametrize("kind", COMPILERS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("classes", [2, 3])
def test_each_class_of_linear_model_is_compiled(kind: type, classes: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of classes that scikit-learn 1.10 will not have
        model = BUILT.get(kind, kind)()
    if model.__sklearn_tags__().estimator_type != "classifier" and classes == 2:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what hardly converges
        fitted = make_pipeline(StandardScaler(), model).fit(ROWS, target_of(model, classes))

    assert_same(fitted, RANDOM.normal(size=(200, 4)) * [2, 9, 0.2, 60] + [0, 3, 1, -100])


@pytest.mark.parametrize(
    "model",
    [
        TweedieRegressor(power=1.5, link="log"),
        TweedieRegressor(power=0),
        SGDClassifier(loss="hinge", random_state=0),
        OneVsRestClassifier(LogisticRegression()),
        PLSRegression(2),
        RANSACRegressor(Ridge(), min_samples=9, random_state=0),
        MultiTaskLasso(0.1),
    ],
    ids=str,
)
def test_options_of_linear_models_are_known(model: Any) -> None:
    assert_same(make_pipeline(StandardScaler(), model).fit(ROWS, target_of(model)), ROWS)


def test_probabilities_of_another_loss_are_scikit_learns_own() -> None:
    model = SGDClassifier(loss="modified_huber", random_state=0).fit(ROWS, target_of(SGDClassifier()))
    pipeline = compile_pipeline(model, NAMES)

    assert pipeline is not None
    assert "predict_proba" not in pipeline.methods


def test_wrapped_models_that_are_not_linear_are_not_taken_for_linear() -> None:
    wrapped = (
        MultiOutputRegressor(KNeighborsRegressor(2)),
        RANSACRegressor(KNeighborsRegressor(2), min_samples=9),
        OneVsRestClassifier(make_pipeline(StandardScaler(), LogisticRegression())),
    )
    for model in wrapped:
        model.fit(ROWS, target_of(model))

        assert COMPILERS[type(model)](model) is None


def test_least_squares_with_a_mean_far_away_keep_their_digits() -> None:
    rows = ROWS + 1e9
    model = PLSRegression(2).fit(rows, TARGET)

    assert COMPILERS[PLSRegression](model) is None
    assert COMPILERS[LinearRegression](LinearRegression().fit(rows, TARGET)) is not None


def test_scikit_learn_may_lack_the_classes_that_its_next_release_removes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("PassiveAggressiveClassifier", "PassiveAggressiveRegressor"):
        monkeypatch.delattr(linear_model, name, raising=False)
    spec = find_spec(linear.__name__)
    assert spec is not None
    assert spec.loader is not None
    without = module_from_spec(spec)  # beside the one that other tests use
    spec.loader.exec_module(without)

    removed = {kind for kind in COMPILERS if kind.__name__.startswith("PassiveAggressive")}
    assert without.COMPILERS.keys() == COMPILERS.keys() - removed
