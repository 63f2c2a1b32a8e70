"""A fitted estimator of every class that may be loaded unasked, and rows to ask it."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mlapi.estimators.algorithms.svm import CalibratedSVC
from mlapi.estimators.preprocessing import CalendarParts, Flags, Frequent, Splines, Texts

_ROWS = 40


def table() -> pd.DataFrame:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "a": random.normal(size=_ROWS),
            "b": random.integers(0, 6, _ROWS).astype(float),
            "word": random.choice(["x", "y", "z"], _ROWS),
            "code": random.choice([3.0, 5.0, 8.0], _ROWS),
            "flag": random.choice(np.array([True, False], dtype=object), _ROWS),
            "text": random.choice(["good film", "bad plot", "fine day"], _ROWS),
            "day": pd.date_range("2024", periods=_ROWS, freq="37h"),
        }
    )
    frame.loc[3, "a"] = np.nan
    return frame


def numbers() -> Any:
    return table()[["a", "b"]].fillna(0.0).to_numpy()


def words() -> Any:
    return sparse.random(_ROWS, 8, 0.4, "csr", random_state=0)


def _prepared(last: Any) -> Any:
    frequent = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=9)
    columns = [
        ("n", make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["a", "b"]),
        ("p", make_pipeline(SimpleImputer(), PolynomialFeatures(2)), ["a", "b"]),
        ("s", Splines(n_knots=3), ["b"]),
        ("w", make_pipeline(Frequent(2), frequent), ["word"]),
        ("c", OneHotEncoder(drop="first"), ["code"]),
        ("f", Flags(), ["flag"]),
        ("t", make_pipeline(Texts(), TfidfVectorizer()), "text"),
        ("d", CalendarParts(), ["day"]),
    ]
    return make_pipeline(ColumnTransformer(columns), last)


@cache
def estimators() -> Mapping[str, tuple[Any, Any]]:
    """By name: the estimator, and rows that it answers."""
    target = table()["b"].to_numpy()
    two, three = (target > 2).astype(int), np.array(["p", "q", "r"])[(target // 2).astype(int)]
    of_table = {
        "linear": (Ridge(), target),
        "trees of all columns": (DecisionTreeRegressor(max_depth=3, random_state=0), target),
        "machine of all columns": (CalibratedSVC(), two),
    }
    small = {"max_iter": 2, "min_samples_leaf": 5}
    of_numbers: dict[str, tuple[Any, Any]] = {
        "LinearRegression": (LinearRegression(), target),
        "Lasso": (Lasso(0.01), target),
        "ElasticNet": (ElasticNet(0.01), target),
        "LogisticRegression": (LogisticRegression(), three),
        "LinearSVC": (LinearSVC(), three),
        "LinearSVR": (LinearSVR(), target),
        "SVC": (SVC(), three),
        "SVC of its own kernel": (SVC(kernel="poly"), two),
        "SVR": (TransformedTargetRegressor(SVR(), transformer=StandardScaler(), check_inverse=False), target),
        "approximate": (CalibratedSVC(approximate=True, components=9, random_state=0), two),
        "calibrated": (CalibratedClassifierCV(LinearSVC(), cv=2), two),
        "DecisionTreeClassifier": (DecisionTreeClassifier(max_depth=3, random_state=0), three),
        "RandomForestClassifier": (RandomForestClassifier(2, max_depth=3, random_state=0), three),
        "RandomForestRegressor": (RandomForestRegressor(2, max_depth=3, random_state=0), target),
        "boosting of two": (HistGradientBoostingClassifier(**small), two),
        "boosting of three": (HistGradientBoostingClassifier(**small, max_features=0.5), three),
        "boosting": (HistGradientBoostingRegressor(**small), target),
    }
    made = {name: (_prepared(last).fit(table(), y), table()) for name, (last, y) in of_table.items()}
    made |= {name: (last.fit(numbers(), y), numbers()) for name, (last, y) in of_numbers.items()}
    made["SVC of words"] = SVC().fit(words(), two), words()
    made["precomputed"] = SVC(kernel="precomputed").fit(numbers() @ numbers().T, two), numbers() @ numbers().T
    return made
