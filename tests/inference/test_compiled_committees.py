"""Compiled estimators around others against scikit-learn: final ones, and those around whole pipelines."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, TunedThresholdClassifierCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from mlapi.inference.compiled.predictor import Predictor
from mlapi.inference.compiling import compile_pipeline

RANDOM = np.random.default_rng(0)
ROWS = 90
FRAME = pd.DataFrame(
    {
        "age": RANDOM.normal(40, 9, ROWS),
        "city": RANDOM.choice(np.array(["Oslo", "Rome", "Bonn"], dtype=object), ROWS),
        "rooms": RANDOM.integers(0, 4, ROWS).astype(float),
    }
)
OTHER = FRAME.assign(age=FRAME["age"].round(-1), city=FRAME["city"].replace("Bonn", "Atlantis"))[:40]
SCORE = (FRAME["age"] - 40) / 9 + FRAME["rooms"] / 2 + RANDOM.normal(size=ROWS) / 2
TWO = np.array(["no", "yes"])[(SCORE > 0.7).to_numpy().astype(int)]
THREE = np.array(["a", "b", "c"])[np.digitize(SCORE, [0.0, 1.5])]
VALUES = np.exp(SCORE.to_numpy() / 3)
METHODS = ("predict", "predict_proba", "decision_function")

LINEAR, FOREST = LogisticRegression(), RandomForestClassifier(4, max_depth=3, random_state=0)
MEMBERS = [("linear", LINEAR), ("forest", FOREST), ("bayes", GaussianNB())]


def prepared(last: Any) -> Any:
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "rooms"]),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["city"]),
    )
    return make_pipeline(columns, last)


def calibrated(of: Any, method: str) -> CalibratedClassifierCV:
    return CalibratedClassifierCV(of, method=method, cv=2)


CLASSIFIERS: Mapping[str, Any] = {
    "soft vote": VotingClassifier(MEMBERS, voting="soft"),
    "weighted soft vote": VotingClassifier(MEMBERS, voting="soft", weights=[1, 2.5, 0]),
    "soft vote of trees, with ties": VotingClassifier(
        [("a", DecisionTreeClassifier(max_depth=2)), ("b", ExtraTreesClassifier(2, random_state=1))],
        voting="soft",
    ),
    "hard vote": VotingClassifier(MEMBERS),
    "hard vote with ties": VotingClassifier(MEMBERS[:2]),
    "weighted hard vote": VotingClassifier(MEMBERS, weights=[0.1, 0.2, 0.3]),
    "one left out": VotingClassifier([*MEMBERS, ("none", "drop")]),
    "pipelines within": VotingClassifier(
        [("a", make_pipeline(MinMaxScaler(), LINEAR)), ("b", make_pipeline(MinMaxScaler(), GaussianNB()))]
    ),
    "stack": StackingClassifier(MEMBERS, LogisticRegression(), cv=2),
    "stack of decisions": StackingClassifier([("a", LinearSVC()), ("b", SVC())], LogisticRegression(), cv=2),
    "stack under trees": StackingClassifier(MEMBERS, DecisionTreeClassifier(max_depth=3), cv=2),
    "stack of a stack": StackingClassifier(
        [("a", StackingClassifier(MEMBERS[:2], LINEAR, cv=2)), ("b", GaussianNB())], LINEAR, cv=2
    ),
    "stack that passes rows on": StackingClassifier(MEMBERS[:2], LINEAR, cv=2, passthrough=True),
    "sigmoids": calibrated(LinearSVC(), "sigmoid"),
    "sigmoids of a machine": calibrated(SVC(), "sigmoid"),
    "isotonic": calibrated(FOREST, "isotonic"),
    "isotonic, of a linear model": calibrated(LINEAR, "isotonic"),
    "temperature": calibrated(LINEAR, "temperature"),
    "a search": GridSearchCV(VotingClassifier(MEMBERS[:2], voting="soft"), {"weights": [[1, 2]]}, cv=2),
    "bagged trees": BaggingClassifier(DecisionTreeClassifier(max_depth=3), n_estimators=5, random_state=0),
}
OF_TWO: Mapping[str, Any] = {
    "fixed": FixedThresholdClassifier(LINEAR, threshold=0.3),
    "fixed by itself": FixedThresholdClassifier(LINEAR),
    "fixed, of decisions": FixedThresholdClassifier(LinearSVC(), threshold=0.1, pos_label="no"),
    "fixed, of the first class": FixedThresholdClassifier(FOREST, threshold=0.5, pos_label="no"),
    "tuned": TunedThresholdClassifierCV(FOREST, cv=2, random_state=0),
}
REGRESSORS: Mapping[str, Any] = {
    "mean": VotingRegressor([("a", Ridge()), ("b", RandomForestRegressor(3, random_state=0))]),
    "weighted mean": VotingRegressor([("a", Ridge()), ("b", Ridge(9.0))], weights=[1, 3]),
    "stack": StackingRegressor([("a", Ridge()), ("b", RandomForestRegressor(3, random_state=0))], cv=2),
    "stack under trees": StackingRegressor([("a", Ridge())], RandomForestRegressor(3, random_state=0), cv=2),
    "logarithms": TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1),
    "logarithms of trees": TransformedTargetRegressor(
        RandomForestRegressor(3, random_state=0), func=np.log, inverse_func=np.exp
    ),
    "another scale": TransformedTargetRegressor(Ridge(), transformer=MinMaxScaler()),
}
ALSO_OF_TWO = ("soft vote", "hard vote with ties", "stack", "sigmoids", "isotonic, of a linear model")
CASES = (
    *((name, each, "three") for name, each in CLASSIFIERS.items()),
    *((name, CLASSIFIERS[name], "two") for name in (*ALSO_OF_TWO, "isotonic")),
    *((name, each, "two") for name, each in OF_TWO.items()),
    *((name, each, "values") for name, each in REGRESSORS.items()),
)
TARGETS = {"two": TWO, "three": THREE, "values": VALUES}


def batch_of(frame: pd.DataFrame) -> dict[str, NDArray[Any]]:
    return {name: frame[name].to_numpy() for name in frame}


def assert_same(model: Any) -> None:
    """Answers are scikit-learn's own, and it is hardly asked for any row."""
    pipeline = compile_pipeline(model, tuple(FRAME))
    assert pipeline is not None
    asked = 0

    def original(method: str, batch: Any) -> NDArray[Any]:
        nonlocal asked
        asked += len(batch["age"])
        return np.asarray(getattr(model, method)(pd.DataFrame(batch)))

    predictor = Predictor(pipeline, original)
    methods = [method for method in METHODS if hasattr(model, method)]
    for rows in (FRAME, OTHER, FRAME[:1], OTHER[3:4]):
        found = predictor.answer(batch_of(rows), methods)
        for method in methods:
            expected = np.asarray(getattr(model, method)(rows))
            assert (found[method].shape, found[method].dtype) == (expected.shape, expected.dtype)
            if expected.dtype.kind == "f":
                assert found[method] == pytest.approx(expected, rel=1e-9, abs=1e-9)
            else:
                assert found[method].tolist() == expected.tolist()
    assert asked < ROWS / 10


SLOW = ("stack of a stack", "tuned", "weighted hard vote", "one left out", "fixed by itself", "a search")


@pytest.mark.parametrize(
    ("name", "last", "target"),
    [
        pytest.param(
            *case, id=f"{case[0]}, {case[2]}", marks=pytest.mark.exhaustive if case[0] in SLOW else ()
        )
        for case in CASES
    ],
)
@pytest.mark.filterwarnings("ignore")  # of unknown words
def test_a_last_step_around_others_is_compiled(name: str, last: Any, target: str) -> None:
    assert_same(prepared(last).fit(FRAME, TARGETS[target]))


@pytest.mark.parametrize(
    ("model", "target"),
    [
        (VotingClassifier([("a", prepared(LINEAR)), ("b", prepared(FOREST))], voting="soft"), "three"),
        (StackingClassifier([("a", prepared(LINEAR)), ("b", prepared(FOREST))], LINEAR, cv=2), "two"),
        (calibrated(prepared(LinearSVC()), "sigmoid"), "three"),
        (calibrated(prepared(GaussianNB()), "isotonic"), "two"),
        (CalibratedClassifierCV(FrozenEstimator(prepared(FOREST).fit(FRAME, TWO))), "two"),
        pytest.param(TunedThresholdClassifierCV(prepared(LINEAR), cv=2), "two", marks=pytest.mark.exhaustive),
        (TransformedTargetRegressor(prepared(Ridge()), func=np.log1p, inverse_func=np.expm1), "values"),
        (VotingRegressor([("a", prepared(Ridge())), ("b", prepared(Ridge(3.0)))]), "values"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
@pytest.mark.filterwarnings("ignore")  # of unknown words
def test_what_stands_around_whole_pipelines_is_compiled(model: Any, target: str) -> None:
    assert_same(model.fit(FRAME, TARGETS[target]))


def test_a_label_that_rounding_could_turn_is_scikit_learns() -> None:
    matrix = np.array([[-1.0], [1.0], [-2.0], [2.0]] * 3)
    model = VotingClassifier([("a", LINEAR), ("b", LogisticRegression(C=9.0))], voting="soft")
    model.fit(matrix, matrix[:, 0] > 0)
    for member in model.estimators_:
        member.intercept_[:] = 0
    pipeline = compile_pipeline(model, ("x",))
    assert pipeline is not None

    answer = pipeline.answer(np.array([[0.0], [1.0], [1e-17]]), ["predict"])

    assert answer.uncertain is not None
    assert answer.uncertain.tolist() == [True, False, True]


@pytest.mark.parametrize(
    "model",
    [
        VotingClassifier([("a", GaussianNB()), ("b", make_pipeline(OneHotEncoder(), LINEAR))]),
        TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=lambda values: np.exp(values) - 1),
    ],
)
def test_what_is_not_known_around_whole_pipelines_stays_with_scikit_learn(model: Any) -> None:
    frame = FRAME[["rooms"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a function that is not quite the other's inverse
        model.fit(frame, TWO if isinstance(model, VotingClassifier) else VALUES)

    if isinstance(model, VotingClassifier):
        assert_same_as_frames(model, frame)
    else:
        assert compile_pipeline(model, ("rooms",)) is None


def assert_same_as_frames(model: Any, frame: pd.DataFrame) -> None:
    pipeline = compile_pipeline(model, tuple(frame))
    assert pipeline is not None
    found = pipeline.answer(frame.to_numpy(), ["predict"]).outputs["predict"]
    assert found.tolist() == model.predict(frame).tolist()
