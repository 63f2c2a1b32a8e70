"""What other libraries add to scikit-learn: boosters, imbalanced-learn, category_encoders."""

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from compatibility import tables
from compatibility.case import BEYOND_CSV, Case, Fitted
from compatibility.cases.estimators import shuffled
from compatibility.cases.preparation import NUMBERS, WORDS, prepared

_LIGHTGBM = {"n_estimators": 5, "verbose": -1, "random_state": 0}

_XGBOOST = {"n_estimators": 5, "random_state": 0}

_CATBOOST = {"iterations": 5, "verbose": False, "random_seed": 0, "allow_writing_files": False}


def cases() -> Iterator[Case]:
    for kind, makes in KINDS.items():
        for name, make in makes.items():
            yield Case(kind, name, make, may_refuse=BEYOND_CSV if "from CSV" in name else None)
    for name in _ENCODERS:
        yield Case("category_encoders", name, partial(_encoded, name))


def _class(name: str) -> Any:
    """Import a class by its full name, when a case is made: not all of them need all libraries."""
    module, _, own = name.rpartition(".")
    return getattr(import_module(module), own)


def _lightgbm(name: str = "LGBMClassifier", **how: Any) -> Any:
    return _class(f"lightgbm.{name}")(**{**_LIGHTGBM, **how})


def _xgboost(name: str = "XGBClassifier", **how: Any) -> Any:
    return _class(f"xgboost.{name}")(**{**_XGBOOST, **how})


def _catboost(name: str = "CatBoostClassifier", **how: Any) -> Any:
    return _class(f"catboost.{name}")(**{**_CATBOOST, **how})


def _imblearn(name: str, **how: Any) -> Any:
    return _class(f"imblearn.{name}")(**how)


def _table(estimator: Any, y: Any = None, **fit: Any) -> Fitted:
    rows = tables.flowers()
    return Fitted(estimator.fit(rows, tables.species() if y is None else y, **fit), shuffled(rows))


def _named(estimator: Any, y: Any = None, **fit: Any) -> Fitted:
    """On names that every library takes: LightGBM takes no brackets."""
    rows = tables.flowers().set_axis(["sepal_length", "sepal_width", "petal_length", "petal_width"], axis=1)
    return Fitted(estimator.fit(rows, tables.species() if y is None else y, **fit), shuffled(rows))


def _matrix(estimator: Any, y: Any = None, **fit: Any) -> Fitted:
    own = tables.flowers().to_numpy()
    rows = pd.DataFrame(own, columns=["a", "b", "c", "d"])
    return Fitted(
        estimator.fit(own, tables.species() if y is None else y, **fit), shuffled(rows), shuffled(own)
    )


def _people(estimator: Any, y: Any = None) -> Fitted:
    people = tables.people()[[*NUMBERS, *WORDS]]
    return Fitted(
        make_pipeline(prepared(), estimator).fit(people, tables.stays() if y is None else y), people
    )


def _gaps(estimator: Any, y: Any = None) -> Fitted:
    rows = tables.people()[NUMBERS]
    return Fitted(estimator.fit(rows, _stays() if y is None else y), rows)


def _categories(estimator: Any, sample: Any = "parquet", y: Any = None, **fit: Any) -> Fitted:
    rows = tables.people()[[*NUMBERS, *WORDS]].astype(dict.fromkeys(WORDS, "category"))
    return Fitted(estimator.fit(rows, _stays() if y is None else y, **fit), rows, sample=sample)


def _words(estimator: Any, **fit: Any) -> Fitted:
    rows = tables.people()[[*NUMBERS, *WORDS]].fillna({"city": "?"})
    return Fitted(estimator.fit(rows, tables.stays(), **fit), rows)


def _stays() -> Any:
    return (tables.stays() == "yes").astype(int)


def _early(estimator: Any, **how: Any) -> Fitted:
    rows = tables.flowers().to_numpy()
    return _matrix(estimator, eval_set=[(rows[::3], tables.species()[::3])], **how)


def _lightgbm_early() -> Fitted:
    stop = _class("lightgbm.early_stopping")(2, verbose=False)
    return _early(_lightgbm(n_estimators=20), callbacks=[stop])


def _native_lightgbm() -> Fitted:
    lightgbm = import_module("lightgbm")
    own = tables.flowers().to_numpy()
    booster = lightgbm.train({"verbose": -1}, lightgbm.Dataset(own, tables.size()), 5)
    return Fitted(booster, pd.DataFrame(own, columns=["a", "b", "c", "d"]), own)


def _native_xgboost() -> Fitted:
    xgboost = import_module("xgboost")
    own = tables.flowers().to_numpy()
    booster = xgboost.train({}, xgboost.DMatrix(own, tables.size()), 5)
    right = {"prediction": booster.predict(xgboost.DMatrix(own))}
    return Fitted(booster, pd.DataFrame(own, columns=["a", "b", "c", "d"]), own, right)


def _two_numbers() -> Any:
    return np.column_stack([tables.size(), tables.flowers().to_numpy()[:, 1]])


def _words_of_species() -> Any:
    return tables.WORDS[tables.species()]


def _encoded(name: str) -> Fitted:
    encoder = _class(f"category_encoders.{name}")(cols=WORDS)
    people = tables.people()[["income", *WORDS]]
    return Fitted(make_pipeline(encoder, LogisticRegression(max_iter=500)).fit(people, _stays()), people)


def _pipeline(*steps: Any) -> Any:
    return _class("imblearn.pipeline.make_pipeline")(*steps)


def _rebalanced(sampler: str, last: Any = None) -> Fitted:
    people = tables.people()[[*NUMBERS, *WORDS]]
    last = last or LogisticRegression(max_iter=1000)
    pipeline = _pipeline(prepared(), _imblearn(sampler, random_state=0), last)
    return Fitted(pipeline.fit(people, tables.stays()), people)


def _mixed_smote() -> Fitted:
    people = tables.people()[["income", "children", "plan"]]
    encode = _class("sklearn.compose.make_column_transformer")(
        (_class("sklearn.preprocessing.OneHotEncoder")(), ["plan"]), remainder="passthrough"
    )
    sampler = _imblearn("over_sampling.SMOTENC", categorical_features=["plan"], random_state=0)
    return Fitted(
        _pipeline(sampler, encode, LogisticRegression(max_iter=2000)).fit(people, tables.stays()), people
    )


def _searched_smote() -> Fitted:
    people = tables.people()[[*NUMBERS, *WORDS]]
    pipeline = _pipeline(prepared(), _imblearn("over_sampling.SMOTE", random_state=0), LogisticRegression())
    return Fitted(
        GridSearchCV(pipeline, {"smote__k_neighbors": [3, 5]}, cv=2).fit(people, tables.stays()), people
    )


KINDS: dict[str, dict[str, Callable[[], Fitted]]] = {
    "LightGBM": {
        "classifier on a table": lambda: _named(_lightgbm()),
        "classifier on a matrix": lambda: _matrix(_lightgbm()),
        "regressor": lambda: _named(_lightgbm("LGBMRegressor"), tables.size()),
        "labels as words": lambda: _named(_lightgbm(), _words_of_species()),
        "two classes": lambda: _named(_lightgbm(), tables.species() == 2),
        "in a pipeline": lambda: _people(_lightgbm()),
        "regressor in a pipeline": lambda: _people(_lightgbm("LGBMRegressor"), tables.spends()),
        "after a scaler": lambda: _named(make_pipeline(StandardScaler(), _lightgbm())),
        "handed a table": lambda: _named(
            make_pipeline(StandardScaler(), _lightgbm()).set_output(transform="pandas")
        ),
        "gaps": lambda: _gaps(_lightgbm()),
        "category columns": lambda: _categories(_lightgbm()),
        "category columns, from CSV": lambda: _categories(_lightgbm(), "csv"),
        "early stopping": _lightgbm_early,
        "random forest": lambda: _named(_lightgbm(boosting_type="rf", subsample=0.7, subsample_freq=1)),
        "DART": lambda: _named(_lightgbm(boosting_type="dart")),
        "quantile": lambda: _named(
            _lightgbm("LGBMRegressor", objective="quantile", alpha=0.9), tables.size()
        ),
        "Poisson": lambda: _named(_lightgbm("LGBMRegressor", objective="poisson"), tables.size()),
        "sample weights": lambda: _named(_lightgbm(), sample_weight=np.arange(1, tables.ROWS + 1)),
        "all cores": lambda: _named(_lightgbm(n_jobs=-1)),
        "grid search": lambda: _named(GridSearchCV(_lightgbm(), {"num_leaves": [4, 8]}, cv=2)),
        "calibrated": lambda: _named(CalibratedClassifierCV(_lightgbm(), cv=2)),
        "ranker": lambda: _named(_lightgbm("LGBMRanker"), tables.species(), group=[75, 75]),
        "several outputs": lambda: _named(MultiOutputRegressor(_lightgbm("LGBMRegressor")), _two_numbers()),
        "a booster of its own": _native_lightgbm,
    },
    "XGBoost": {
        "classifier on a table": lambda: _named(_xgboost()),
        "classifier on a matrix": lambda: _matrix(_xgboost()),
        "regressor": lambda: _named(_xgboost("XGBRegressor"), tables.size()),
        "names with blanks and brackets": lambda: _table(_xgboost("XGBRegressor"), tables.size()),
        "labels encoded outside": lambda: _matrix(
            _xgboost(), np.unique(_words_of_species(), return_inverse=True)[1]
        ),
        "two classes": lambda: _named(_xgboost(), (tables.species() == 2).astype(int)),
        "in a pipeline": lambda: _people(_xgboost(), _stays()),
        "regressor in a pipeline": lambda: _people(_xgboost("XGBRegressor"), tables.spends()),
        "after a scaler": lambda: _named(make_pipeline(StandardScaler(), _xgboost())),
        "gaps": lambda: _gaps(_xgboost()),
        "category columns": lambda: _categories(_xgboost(enable_categorical=True)),
        "category columns, from CSV": lambda: _categories(_xgboost(enable_categorical=True), "csv"),
        "early stopping": lambda: _early(_xgboost(n_estimators=20, early_stopping_rounds=2), verbose=False),
        "random forest": lambda: _named(_xgboost("XGBRFClassifier")),
        "DART": lambda: _named(_xgboost(booster="dart")),
        "linear": lambda: _named(_xgboost("XGBRegressor", booster="gblinear"), tables.size()),
        "quantile": lambda: _named(
            _xgboost("XGBRegressor", objective="reg:quantileerror", quantile_alpha=0.9), tables.size()
        ),
        "log target": lambda: _named(
            TransformedTargetRegressor(_xgboost("XGBRegressor"), func=np.log1p, inverse_func=np.expm1),
            tables.size(),
        ),
        "several outputs": lambda: _named(_xgboost("XGBRegressor"), _two_numbers()),
        "ranker": lambda: _named(_xgboost("XGBRanker"), tables.species(), qid=np.repeat([0, 1], 75)),
        "all cores": lambda: _named(_xgboost(n_jobs=-1)),
        "grid search": lambda: _named(GridSearchCV(_xgboost(), {"max_depth": [2, 3]}, cv=2)),
        "calibrated": lambda: _named(CalibratedClassifierCV(_xgboost(), cv=2)),
        "a booster of its own": _native_xgboost,
    },
    "CatBoost": {
        "classifier on a table": lambda: _named(_catboost()),
        "classifier on a matrix": lambda: _matrix(_catboost()),
        "regressor": lambda: _named(_catboost("CatBoostRegressor"), tables.size()),
        "regressor on a matrix": lambda: _matrix(_catboost("CatBoostRegressor"), tables.size()),
        "labels as words": lambda: _named(_catboost(), _words_of_species()),
        "two classes": lambda: _named(_catboost(), (tables.species() == 2).astype(int)),
        "words": lambda: _words(_catboost(cat_features=WORDS)),
        "words by position": lambda: _words(_catboost(cat_features=[3, 4])),
        "words named at fit": lambda: _words(_catboost(), cat_features=WORDS),
        "in a pipeline": lambda: _people(_catboost()),
        "after a scaler": lambda: _matrix(make_pipeline(StandardScaler(), _catboost())),
        "gaps": lambda: _gaps(_catboost()),
        "grid search": lambda: _named(GridSearchCV(_catboost(), {"depth": [2, 3]}, cv=2)),
        "several outputs": lambda: _named(
            _catboost("CatBoostRegressor", loss_function="MultiRMSE"), _two_numbers()
        ),
    },
    "imbalanced-learn": {
        "SMOTE": lambda: _rebalanced("over_sampling.SMOTE"),
        "borderline SMOTE": lambda: _rebalanced("over_sampling.BorderlineSMOTE"),
        "random oversampling": lambda: _rebalanced("over_sampling.RandomOverSampler"),
        "random undersampling": lambda: _rebalanced("under_sampling.RandomUnderSampler"),
        "SMOTE and Tomek links": lambda: _rebalanced("combine.SMOTETomek"),
        "SMOTE and edited neighbours": lambda: _rebalanced("combine.SMOTEENN"),
        "balanced forest": lambda: _named(
            _imblearn("ensemble.BalancedRandomForestClassifier", n_estimators=5, random_state=0)
        ),
        "balanced bag": lambda: _named(
            _imblearn("ensemble.BalancedBaggingClassifier", n_estimators=3, random_state=0)
        ),
        "easy ensemble": lambda: _named(
            _imblearn("ensemble.EasyEnsembleClassifier", n_estimators=2, random_state=0)
        ),
        "RUSBoost": lambda: _named(_imblearn("ensemble.RUSBoostClassifier", n_estimators=3, random_state=0)),
        "SMOTENC on words": _mixed_smote,
        "a sampler and boosting": lambda: _rebalanced("over_sampling.SMOTE", _lightgbm()),
        "grid search": _searched_smote,
    },
}

_ENCODERS = (
    "BackwardDifferenceEncoder", "BaseNEncoder", "BinaryEncoder", "CatBoostEncoder", "CountEncoder",
    "GLMMEncoder", "HelmertEncoder", "JamesSteinEncoder", "LeaveOneOutEncoder", "MEstimateEncoder",
    "OneHotEncoder", "OrdinalEncoder", "PolynomialEncoder", "QuantileEncoder", "RankHotEncoder", "SumEncoder",
    "TargetEncoder", "WOEEncoder", "GrayEncoder", "HashingEncoder",
)  # fmt: skip
