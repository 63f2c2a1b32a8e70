"""Estimators around others, several outputs, and labels of every sort."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, LogisticRegressionCV, Ridge
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from compatibility import tables
from compatibility.case import Case, Fitted
from compatibility.cases.estimators import shuffled
from compatibility.cases.preparation import NUMBERS, WORDS, prepared


def cases() -> Iterator[Case]:
    for name, make in _WRAPPERS.items():
        yield Case("wrappers", name, partial(_on_people, make), is_own=True)
    for name, make in _NUMBERS.items():
        yield Case("wrappers", name, partial(_on_people, make, numbers=True), is_own=True)
    for name, make in _PARALLEL.items():
        yield Case("n_jobs=-1", name, partial(_on_flowers, make, tables.species()), is_own=True)
    for name, labels in _LABELS.items():
        yield Case("labels", name, partial(_labelled, labels), is_own=True)
    for name, make in _SEVERAL_NUMBERS.items():
        yield Case("several outputs", name, partial(_on_flowers, make, _two_numbers()), is_own=True)
    for name, make in _SEVERAL_LABELS.items():
        yield Case("several outputs", name, partial(_on_flowers, make, _two_labels()), is_own=True)
    for name, make in _SEVERAL_CLASSES.items():
        yield Case("several outputs", name, partial(_on_flowers, make, _two_words()), is_own=True)


def _on_people(make: Callable[[], Any], *, numbers: bool = False) -> Fitted:
    people = tables.people()[[*NUMBERS, *WORDS]]
    return Fitted(make().fit(people, tables.spends() if numbers else tables.stays()), people)


def _on_flowers(make: Callable[[], Any], y: Any) -> Fitted:
    rows = tables.flowers()
    return Fitted(make().fit(rows, y), shuffled(rows))


def _before(last: Any) -> Any:
    return make_pipeline(prepared(), last)


def _logistic() -> Any:
    return LogisticRegression(max_iter=1000)


def _tree() -> Any:
    return DecisionTreeClassifier(max_depth=4, random_state=0)


_GRID = {
    "logisticregression__C": [0.1, 1.0],
    "columntransformer__num__simpleimputer__strategy": ["mean", "median"],
}

_WRAPPERS: dict[str, Callable[[], Any]] = {
    "grid search of a pipeline": lambda: GridSearchCV(_before(_logistic()), _GRID, cv=2),
    "random search of a pipeline": lambda: RandomizedSearchCV(
        _before(_logistic()), _GRID, n_iter=2, cv=2, random_state=0
    ),
    "grid search as the last step": lambda: _before(GridSearchCV(_logistic(), {"C": [0.1, 1.0]}, cv=2)),
    "grid search in a grid search": lambda: GridSearchCV(
        GridSearchCV(_before(_logistic()), _GRID, cv=2), {"cv": [2]}, cv=2
    ),
    "search with several scores": lambda: GridSearchCV(
        _before(_logistic()), _GRID, cv=2, scoring=["accuracy", "roc_auc"], refit="roc_auc"
    ),
    "soft vote of pipelines": lambda: VotingClassifier(
        [("a", _before(_logistic())), ("b", _before(_tree()))], voting="soft"
    ),
    "hard vote of pipelines": lambda: VotingClassifier(
        [("a", _before(_logistic())), ("b", _before(_tree()))]
    ),
    "weighted vote": lambda: _before(
        VotingClassifier(
            [("a", _logistic()), ("b", _tree()), ("c", "drop")], voting="soft", weights=[2, 1, 1]
        )
    ),
    "stack of pipelines": lambda: StackingClassifier(
        [("a", _before(_logistic())), ("b", _before(_tree()))], cv=2
    ),
    "stack that passes the features on": lambda: _before(
        StackingClassifier([("a", _logistic()), ("b", _tree())], cv=2, passthrough=True)
    ),
    "calibrated, sigmoid": lambda: CalibratedClassifierCV(_before(LinearSVC()), cv=2),
    "calibrated, isotonic": lambda: CalibratedClassifierCV(_before(_tree()), method="isotonic", cv=2),
    "calibrated within a pipeline": lambda: _before(CalibratedClassifierCV(SVC(), cv=2, ensemble=False)),
    "calibrated afterwards": lambda: CalibratedClassifierCV(
        FrozenEstimator(_before(_logistic()).fit(tables.people()[[*NUMBERS, *WORDS]], tables.stays())),
        method="sigmoid",
    ),
    "tuned threshold": lambda: TunedThresholdClassifierCV(
        _before(_logistic()), scoring="balanced_accuracy", cv=2, random_state=0
    ),
    "fixed threshold": lambda: FixedThresholdClassifier(_before(_logistic()), threshold=0.3, pos_label="yes"),
    "bag of machines": lambda: _before(BaggingClassifier(SVC(), 3, random_state=0)),
    "boosted trees": lambda: _before(AdaBoostClassifier(_tree(), n_estimators=3, random_state=0)),
    "one against the rest": lambda: _before(OneVsRestClassifier(SVC())),
    "chosen C": lambda: _before(LogisticRegressionCV(Cs=3, cv=2, max_iter=1000)),
}

_NUMBERS: dict[str, Callable[[], Any]] = {
    "vote of numbers": lambda: _before(
        VotingRegressor([("a", Ridge()), ("b", DecisionTreeRegressor(max_depth=3))])
    ),
    "stack of numbers": lambda: _before(
        StackingRegressor([("a", Ridge()), ("b", DecisionTreeRegressor(max_depth=3))], cv=2)
    ),
    "grid search of numbers": lambda: GridSearchCV(_before(Ridge()), {"ridge__alpha": [0.1, 1.0]}, cv=2),
}

_PARALLEL: dict[str, Callable[[], Any]] = {
    "forest": lambda: RandomForestClassifier(10, n_jobs=-1, random_state=0),
    "extra trees": lambda: ExtraTreesClassifier(10, n_jobs=-1, random_state=0),
    "bag": lambda: BaggingClassifier(GaussianNB(), 4, n_jobs=2, random_state=0),
    "neighbours": lambda: KNeighborsClassifier(n_jobs=-1),
    "one against one": lambda: OneVsOneClassifier(LinearSVC(), n_jobs=2),
    "one against the rest": lambda: OneVsRestClassifier(_logistic(), n_jobs=2),
    "output codes": lambda: OutputCodeClassifier(_logistic(), n_jobs=2, random_state=0),
    "vote": lambda: VotingClassifier([("a", _logistic()), ("b", GaussianNB())], n_jobs=2),
    "stack": lambda: StackingClassifier([("a", _logistic()), ("b", GaussianNB())], cv=2, n_jobs=2),
    "grid search": lambda: GridSearchCV(_tree(), {"max_depth": [2, 3]}, cv=2, n_jobs=2),
    "calibrated": lambda: CalibratedClassifierCV(LinearSVC(), cv=2, n_jobs=2),
    "isolation forest": lambda: IsolationForest(n_estimators=10, n_jobs=-1, random_state=0),
}


def _labelled(labels: Callable[[], Any]) -> Fitted:
    rows = tables.flowers()
    return Fitted(make_pipeline(StandardScaler(), _logistic()).fit(rows, labels()), shuffled(rows))


def _chosen(*labels: Any, dtype: Any = None) -> Callable[[], Any]:
    return lambda: np.array(labels, dtype=dtype)[tables.species()]


def _two(*labels: Any, dtype: Any = None) -> Callable[[], Any]:
    return lambda: np.array(labels, dtype=dtype)[(tables.species() == 2).astype(int)]


_LABELS: dict[str, Callable[[], Any]] = {
    "words": _chosen("a", "b", "c"),
    "words as objects": _chosen("a", "b", "c", dtype=object),
    "words of pandas' strings": lambda: pd.Series(tables.WORDS[tables.species()], dtype="string"),
    "words of a category": lambda: pd.Series(tables.WORDS[tables.species()], dtype="category"),
    "words beyond ASCII": _chosen("größer", "小", "été"),
    "long words": _chosen("a" * 300, "b" * 300, "c"),
    "words that are numbers": _chosen("0", "1", "10"),
    "words that are blank": _chosen("", " ", "c"),
    "numbers with gaps between them": _chosen(3, 70, -5),
    "small numbers": _chosen(0, 1, 2, dtype="uint8"),
    "numbers with a point": _chosen(1.0, 2.0, 3.0),
    "large numbers": _chosen(2**53 + 1, 2**60, 0),
    "flags": _two(False, True),
    "minus one and one": _two(-1, 1),
    "pandas' nullable numbers": lambda: pd.Series(tables.species(), dtype="Int64"),
    "pandas' nullable flags": lambda: pd.Series(tables.species() == 2, dtype="boolean"),
    "encoded outside": lambda: LabelEncoder().fit_transform(tables.WORDS[tables.species()]),
    "a column of a table": lambda: pd.DataFrame({"y": tables.WORDS[tables.species()]})["y"],
}


def _two_numbers() -> Any:
    return pd.DataFrame({"size": tables.size(), "width": tables.flowers().iloc[:, 1]})


def _two_labels() -> Any:
    return np.column_stack([tables.species() > 0, tables.species() > 1]).astype(int)


def _two_words() -> Any:
    words = tables.WORDS[tables.species()]
    return np.column_stack([words, np.where(tables.size() > 20, "large", "small")]).astype(object)


_SEVERAL_NUMBERS: dict[str, Callable[[], Any]] = {
    "linear": LinearRegression,
    "ridge in a pipeline": lambda: make_pipeline(StandardScaler(), Ridge()),
    "forest": lambda: RandomForestRegressor(5, random_state=0),
    "each for itself": lambda: MultiOutputRegressor(DecisionTreeRegressor(max_depth=3), n_jobs=2),
    "a chain": lambda: RegressorChain(Ridge()),
    "network": lambda: make_pipeline(
        StandardScaler(), MLPRegressor(hidden_layer_sizes=(5,), max_iter=50, random_state=0)
    ),
}

_SEVERAL_LABELS: dict[str, Callable[[], Any]] = {
    "labels of a forest": lambda: RandomForestClassifier(5, random_state=0),
    "labels of a tree": _tree,
    "labels of a network": lambda: MLPClassifier(hidden_layer_sizes=(5,), max_iter=50, random_state=0),
    "labels of neighbours": KNeighborsClassifier,
    "labels, one against the rest": lambda: OneVsRestClassifier(_logistic()),
    "labels of a chain": lambda: ClassifierChain(_logistic()),
    "labels, each for itself": lambda: MultiOutputClassifier(_logistic()),
}

_SEVERAL_CLASSES: dict[str, Callable[[], Any]] = {
    "classes of a forest": lambda: RandomForestClassifier(5, random_state=0),
    "classes, each for itself": lambda: MultiOutputClassifier(GradientBoostingClassifier(n_estimators=3)),
}
