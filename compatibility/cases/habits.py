"""What people do besides: what they save in an estimator's place, what they fit on, and what they write."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingRegressor,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.feature_selection import RFECV, SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, QuantileRegressor, Ridge, SGDClassifier
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import LabelEncoder, OneHotEncoder, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from compatibility import own_functions, tables
from compatibility.case import Case, Fitted
from compatibility.cases.estimators import shuffled
from compatibility.cases.preparation import NUMBERS, WORDS, prepared


def cases() -> Iterator[Case]:
    for name, (value, says) in _IN_ITS_PLACE.items():
        yield Case("saved in its place", name, _pipeline, partial(_saved, value), refusal=says)
    for name, make in _FITTED_ON.items():
        yield Case("fitted on", name, make)
    for name, make in _WRITTEN.items():
        yield Case("written by themselves", name, partial(_on_flowers, make))
    for name, make in _NUMBERS_WRITTEN.items():
        yield Case("written by themselves", name, partial(_on_flowers, make, numbers=True))
    for name, make in _AROUND.items():
        yield Case("put around", name, partial(_on_people, make), is_own=True)
    for name, make in _NUMBERS_AROUND.items():
        yield Case("put around", name, partial(_on_people, make, numbers=True), is_own=True)


def _logistic() -> Any:
    return LogisticRegression(max_iter=1000)


def _pipeline() -> Fitted:
    rows = tables.flowers()
    return Fitted(make_pipeline(StandardScaler(), _logistic()).fit(rows, tables.species()), shuffled(rows))


def _saved(value: Callable[[Any], Any], fitted: Fitted, folder: Path) -> Path:
    """Write something else than the estimator, which is made of it."""
    return Path(joblib.dump(value(fitted.estimator), folder / "model.joblib")[0])


_IN_ITS_PLACE: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "a method of it": (lambda pipeline: pipeline.score, "getattr|method"),
    "a list of models": (lambda pipeline: [pipeline, pipeline], "list.*dump the estimator"),
    "a model and its encoder": (lambda pipeline: (pipeline, LabelEncoder()), "tuple.*dump the estimator"),
    "a dictionary of steps": (lambda pipeline: dict(pipeline.steps), "dict.*dump the estimator"),
    "its coefficients": (lambda pipeline: pipeline[-1].coef_, "scikit-learn estimator"),
    "its class": (lambda pipeline: type(pipeline[-1]), "fit"),
    "its parameters": (lambda pipeline: pipeline.get_params(), "dict"),
    "None": (lambda _: None, "scikit-learn estimator"),
    "an encoder of labels": (lambda _: LabelEncoder().fit(["a", "b"]), "labels|features|predict"),
    "clusters that predict no new rows": (
        lambda _: DBSCAN().fit(tables.flowers()),
        "scikit-learn estimator that has predict",
    ),
    "a search that was not refitted": (
        lambda _: GridSearchCV(_logistic(), {"C": [1.0]}, refit=False, cv=2).fit(
            tables.flowers(), tables.species()
        ),
        "refit",
    ),
}


def _on_flowers(make: Callable[[], Any], *, numbers: bool = False) -> Fitted:
    rows = tables.flowers()
    y = tables.size() if numbers else np.where(tables.species() == 2, "yes", "no")
    estimator, rows = make().fit(rows, y), shuffled(rows)
    return Fitted(estimator, rows, answers={"prediction": np.asarray(estimator.predict(rows))})


def _on_people(make: Callable[[], Any], *, numbers: bool = False) -> Fitted:
    people = tables.people()[[*NUMBERS, *WORDS]]
    return Fitted(make().fit(people, tables.spends() if numbers else tables.stays()), people)


def _with(own: Any, estimator: Any, y: Any = None, columns: Any = ("a", "b", "c", "d")) -> Fitted:
    """Fit on rows of any form, and ask with a table of the same numbers."""
    rows = pd.DataFrame(tables.flowers().to_numpy(), columns=list(columns))
    return Fitted(estimator.fit(own, tables.species() if y is None else y), rows, rows.to_numpy())


def _numbers() -> np.ndarray:
    return tables.flowers().to_numpy()


def _numbered_columns() -> Fitted:
    own = pd.DataFrame(_numbers())
    return _with(own, _logistic())


def _one_column(estimator: Any) -> Fitted:
    own = _numbers()[:, :1]
    return Fitted(estimator.fit(own, tables.size()), pd.DataFrame(own, columns=["x"]), own)


def _column_of_targets() -> Fitted:
    rows = tables.flowers()
    return Fitted(LinearRegression().fit(rows, tables.size()[:, None]), shuffled(rows))


def _gaps_as_none() -> Fitted:
    rows = tables.people()[WORDS].astype(object).where(tables.people()[WORDS].notna(), None)
    steps = make_pipeline(OneHotEncoder(handle_unknown="ignore"), _logistic())
    return Fitted(steps.fit(rows, tables.stays()), rows, sample="parquet")


def _indexed() -> Fitted:
    rows = tables.flowers().set_index(pd.Index([f"flower {number}" for number in range(tables.ROWS)]))
    return Fitted(_logistic().fit(rows, tables.species()), rows)


def _of_more_columns() -> Fitted:
    """A selector first: clients send all columns, and most count for nothing."""
    rows = pd.concat([tables.flowers().add_suffix(f" {copy}") for copy in range(30)], axis=1)
    steps = ColumnTransformer([("few", StandardScaler(), list(rows.columns[:4]))])
    return Fitted(make_pipeline(steps, _logistic()).fit(rows, tables.species()), shuffled(rows))


_FITTED_ON: dict[str, Callable[[], Fitted]] = {
    "lists": lambda: _with(_numbers().tolist(), _logistic()),
    "a matrix of float32": lambda: _with(
        _numbers().astype("float32"), DecisionTreeClassifier(max_depth=3), tables.species()
    ),
    "a matrix column by column": lambda: _with(np.asfortranarray(_numbers()), SVC()),
    "a sparse matrix": lambda: _with(sparse.csr_matrix(_numbers()), _logistic()),
    "a sparse array": lambda: _with(sparse.csr_array(_numbers()), SGDClassifier(random_state=0)),
    "columns with numbers for names": _numbered_columns,
    "one column": lambda: _one_column(LinearRegression()),
    "one column, by neighbours": lambda: _one_column(KNeighborsRegressor()),
    "a column of targets": _column_of_targets,
    "gaps as None": _gaps_as_none,
    "rows with names": _indexed,
    "more columns than it needs": _of_more_columns,
    "rows of which some have no label": lambda: _with(
        _numbers(), SelfTrainingClassifier(_logistic()), np.where(np.arange(150) % 3, tables.species(), -1)
    ),
    "weights": lambda: _with(
        _numbers(), CalibratedClassifierCV(DecisionTreeClassifier(max_depth=2, class_weight="balanced"), cv=2)
    ),
}

_WRITTEN: dict[str, Callable[[], Any]] = {
    "a distance": lambda: KNeighborsClassifier(metric=own_functions.squared_distance, algorithm="brute"),
    "a distance in a tree": lambda: KNeighborsClassifier(
        metric=own_functions.squared_distance, algorithm="ball_tree"
    ),
    "a kernel": lambda: SVC(kernel=own_functions.linear_kernel),
    "answers in a list": own_functions.Listed,
    "a subclass of the pipeline": lambda: own_functions.Weekly(
        [("scale", StandardScaler()), ("last", _logistic())]
    ),
    "a transformer of tables": lambda: make_pipeline(own_functions.Scaled(), _logistic()),
    "a selector of columns": lambda: make_pipeline(
        ColumnTransformer([("n", StandardScaler(), own_functions.numeric_columns)]), _logistic()
    ),
    "a score": lambda: GridSearchCV(
        _logistic(), {"C": [0.1, 1.0]}, cv=2, scoring=make_scorer(f1_score, pos_label="yes")
    ),
}

_NUMBERS_WRITTEN: dict[str, Callable[[], Any]] = {
    "answers in a series": lambda: own_functions.Rounded(Ridge()),
    "in a search": lambda: GridSearchCV(own_functions.Rounded(Ridge()), {"inner__alpha": [0.1, 1.0]}, cv=2),
}

_AROUND: dict[str, Callable[[], Any]] = {
    "a frozen pipeline": lambda: FrozenEstimator(
        make_pipeline(prepared(), _logistic()).fit(tables.people()[[*NUMBERS, *WORDS]], tables.stays())
    ),
    "a stack of a pipeline that is fitted": lambda: StackingClassifier(
        [
            (
                "a",
                make_pipeline(prepared(), _logistic()).fit(
                    tables.people()[[*NUMBERS, *WORDS]], tables.stays()
                ),
            )
        ],
        cv="prefit",
    ),
    "features that a model selects": lambda: make_pipeline(
        prepared(), SelectFromModel(RandomForestClassifier(5, random_state=0)), _logistic()
    ),
    "features that are left one by one": lambda: make_pipeline(
        prepared(sparse_threshold=0), RFECV(_logistic(), cv=2), _logistic()
    ),
    "a search with folds of its own": lambda: GridSearchCV(
        make_pipeline(prepared(), _logistic()),
        {"logisticregression__C": [0.1, 1.0]},
        cv=StratifiedKFold(2, shuffle=True, random_state=np.random.RandomState(0)),
    ),
    "clusters before it": lambda: make_pipeline(
        prepared(sparse_threshold=0), KMeans(3, n_init=1, random_state=0), _logistic()
    ),
    "columns by type, side by side": lambda: make_pipeline(
        FeatureUnion(
            [
                (
                    "n",
                    ColumnTransformer([("n", SimpleImputer(), make_column_selector(dtype_include="number"))]),
                ),
                ("w", ColumnTransformer([("w", OneHotEncoder(), WORDS)])),
            ]
        ),
        _logistic(),
    ),
    "steps within steps within steps": lambda: Pipeline(
        [("one", Pipeline([("two", Pipeline([("prepare", prepared())]))])), ("last", _logistic())]
    ),
    "weights by class": lambda: make_pipeline(
        prepared(), LogisticRegression(class_weight={"yes": 3.0, "no": 1.0}, max_iter=1000)
    ),
    "outliers": lambda: make_pipeline(prepared(), IsolationForest(n_estimators=5, random_state=0)),
}

_NUMBERS_AROUND: dict[str, Callable[[], Any]] = {
    "a bag after the preparation": lambda: make_pipeline(
        prepared(sparse_threshold=0), BaggingRegressor(Ridge(), n_estimators=3, random_state=0)
    ),
    "a stack with the features": lambda: StackingRegressor(
        [("a", make_pipeline(prepared(), Ridge())), ("b", make_pipeline(prepared(), _forest()))],
        HistGradientBoostingRegressor(max_iter=5),
        cv=2,
    ),
    "a vote of targets that are transformed": lambda: VotingRegressor(
        [
            (
                "a",
                TransformedTargetRegressor(
                    make_pipeline(prepared(), Ridge()), func=np.log1p, inverse_func=np.expm1
                ),
            ),
            ("b", make_pipeline(prepared(), _forest())),
        ]
    ),
    "quantiles": lambda: make_pipeline(prepared(sparse_threshold=0), QuantileRegressor(alpha=0.1)),
    "components of tables": lambda: make_pipeline(
        ColumnTransformer([("n", make_pipeline(SimpleImputer(), PCA(2)), NUMBERS)]).set_output(
            transform="pandas"
        ),
        Ridge(),
    ),
}


def _forest() -> Any:
    return RandomForestRegressor(5, random_state=0)
