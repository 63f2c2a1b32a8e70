"""Every estimator of scikit-learn that predicts, fitted on a table with names and on a matrix without."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - allows the next import
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import (
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.discovery import all_estimators

from compatibility import tables
from compatibility.case import Case, Fitted

TABLE, MATRIX = "table", "matrix"

_TREE = DecisionTreeClassifier(max_depth=3, random_state=0)

_NUMBER_TREE = DecisionTreeRegressor(max_depth=3, random_state=0)

_LOGISTIC = LogisticRegression(max_iter=500)

_GRID = {"max_depth": [2, 3]}

CONSTRUCTED: Mapping[str, Callable[[type], Any]] = {
    "ClassifierChain": lambda kind: kind(_LOGISTIC),
    "FixedThresholdClassifier": lambda kind: kind(_LOGISTIC, threshold=0.4, pos_label="yes"),
    "FrozenEstimator": lambda kind: kind(_LOGISTIC.fit(tables.flowers(), tables.WORDS[tables.species()])),
    "GridSearchCV": lambda kind: kind(_TREE, _GRID, cv=2),
    "HalvingGridSearchCV": lambda kind: kind(_TREE, _GRID, cv=2),
    "HalvingRandomSearchCV": lambda kind: kind(_TREE, _GRID, cv=2, random_state=0),
    "RandomizedSearchCV": lambda kind: kind(_TREE, _GRID, n_iter=2, cv=2, random_state=0),
    "OrthogonalMatchingPursuitCV": lambda kind: kind(max_iter=3, cv=2),
    "LocalOutlierFactor": lambda kind: kind(novelty=True),
    "MultiOutputClassifier": lambda kind: kind(_LOGISTIC),
    "MultiOutputRegressor": lambda kind: kind(_NUMBER_TREE),
    "OneVsOneClassifier": lambda kind: kind(_LOGISTIC),
    "OneVsRestClassifier": lambda kind: kind(_LOGISTIC),
    "OutputCodeClassifier": lambda kind: kind(_LOGISTIC, random_state=0),
    "Pipeline": lambda kind: make_pipeline(StandardScaler(), _LOGISTIC),
    "RFE": lambda kind: kind(_LOGISTIC, n_features_to_select=2),
    "RFECV": lambda kind: kind(_LOGISTIC, cv=2),
    "RadiusNeighborsClassifier": lambda kind: kind(radius=5.0),
    "RadiusNeighborsRegressor": lambda kind: kind(radius=5.0),
    "RegressorChain": lambda kind: kind(LinearRegression()),
    "SelfTrainingClassifier": lambda kind: kind(_TREE),
    "StackingClassifier": lambda kind: kind([("l", _LOGISTIC), ("t", _TREE)], cv=2),
    "StackingRegressor": lambda kind: kind([("l", LinearRegression()), ("t", _NUMBER_TREE)], cv=2),
    "TunedThresholdClassifierCV": lambda kind: kind(
        _LOGISTIC, scoring="balanced_accuracy", cv=2, random_state=0
    ),
    "VotingClassifier": lambda kind: kind([("l", _LOGISTIC), ("t", _TREE)], voting="soft"),
    "VotingRegressor": lambda kind: kind([("l", LinearRegression()), ("t", _NUMBER_TREE)]),
}
"""How to make those that take other estimators, or answer only so."""

_SMALL = {"random_state": 0, "n_estimators": 5, "max_iter": 200, "n_init": 2}
"""Parameters that are set where an estimator has them, so that it is quick and the same each time."""

_KEEPS_ITS_ITERATIONS = {"GaussianProcessClassifier", "RANSACRegressor", "OrthogonalMatchingPursuitCV"}

_SEVERAL_NUMBERS = {
    "MultiOutputRegressor", "MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso",
    "MultiTaskLassoCV", "PLSCanonical", "CCA", "RegressorChain",
}  # fmt: skip

_SEVERAL_LABELS = {"ClassifierChain", "MultiOutputClassifier"}

_TWO_CLASSES = {"FixedThresholdClassifier", "TunedThresholdClassifierCV"}

_ONE_COLUMN = {"IsotonicRegression"}

_WHOLE_NUMBERS = {"CategoricalNB"}


def cases() -> Iterator[Case]:
    kinds = dict(all_estimators())
    extra = (FrozenEstimator, HalvingGridSearchCV, HalvingRandomSearchCV)
    kinds |= {kind.__name__: kind for kind in extra}
    for name, kind in sorted(kinds.items()):
        if hasattr(kind, "predict") or kind is FrozenEstimator:
            for form in (TABLE, MATRIX):
                make = partial(fitted, name, kind, form)
                yield Case(f"scikit-learn's own, {form}", name, make, is_own=True)


def constructed(name: str, kind: type) -> Any:
    """Make an estimator, quick to fit and the same each time."""
    estimator = CONSTRUCTED[name](kind) if name in CONSTRUCTED else kind()
    known = estimator.get_params(deep=False)
    small = {} if name in _KEEPS_ITS_ITERATIONS else _SMALL
    if name == "FrozenEstimator":
        return estimator
    return estimator.set_params(**{key: value for key, value in small.items() if key in known})


def fitted(name: str, kind: type, form: str) -> Fitted:
    estimator = constructed(name, kind)
    rows = tables.flowers()
    if name in _ONE_COLUMN:
        rows = rows.iloc[:, :1]
    if name in _WHOLE_NUMBERS:
        rows = rows.round().astype(int)
    if form == MATRIX:
        if name == "FrozenEstimator":
            estimator = kind(_LOGISTIC.fit(rows.to_numpy(), tables.species()))
        if name == "FixedThresholdClassifier":
            estimator.set_params(pos_label=1)
        own = rows.to_numpy()
        rows = pd.DataFrame(own, columns=[f"x{number}" for number in range(own.shape[1])])
    else:
        own = rows
    return Fitted(estimator.fit(own, target(name, estimator, form)), shuffled(rows), shuffled(own))


def shuffled(rows: Any) -> Any:
    """Return the rows in another order, so that the first ones are of all classes."""
    order = np.random.default_rng(0).permutation(len(rows))
    return rows.iloc[order] if hasattr(rows, "iloc") else rows[order]


def target(name: str, estimator: Any, form: str) -> Any:
    """Return what such an estimator learns: labels (words on a table), numbers, or several of them."""
    if name in _SEVERAL_LABELS:
        return np.column_stack([tables.species() > 0, tables.species() > 1]).astype(int)
    if name in _SEVERAL_NUMBERS:
        return np.column_stack([tables.size(), tables.flowers().to_numpy()[:, 1]])
    if name in _TWO_CLASSES:
        two = (tables.species() == 2).astype(int)
        return np.array(["no", "yes"])[two] if form == TABLE else two
    if is_regressor(estimator):
        return tables.size()
    if not is_classifier(estimator):
        return None
    words = tables.WORDS[tables.species()].astype(object)  # which SelfTrainingClassifier takes only so
    return words if form == TABLE else tables.species()
