"""Estimators with code of one's own: of an installed package, of `__main__`, or without a name."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from compatibility import own_functions, saving, tables
from compatibility.case import Case, Fitted
from compatibility.cases.estimators import shuffled

_OF_MAIN = "__main__"


def cases() -> Iterator[Case]:
    for name, make in _INSTALLED.items():
        yield Case("own code", name, partial(_fitted, make))
    for name, (make, save) in _OUT_OF_REACH.items():
        yield Case("own code", name, partial(_fitted, make), save, refusal=_WAYS_OUT[name])


def _fitted(make: Callable[[], Any]) -> Fitted:
    rows = tables.flowers()
    return Fitted(make().fit(rows, tables.species() == 2), shuffled(rows))


def _with(function: Any) -> Any:
    return make_pipeline(FunctionTransformer(function), LogisticRegression(max_iter=500))


_INSTALLED: dict[str, Callable[[], Any]] = {
    "a function": lambda: _with(own_functions.log_of_all),
    "a function with an argument": lambda: make_pipeline(
        FunctionTransformer(np.round, kw_args={"decimals": 1}), LogisticRegression(max_iter=500)
    ),
    "a partial function": lambda: _with(partial(np.clip, a_min=0.0, a_max=5.0)),
    "a transformer": lambda: make_pipeline(own_functions.Clipper(), LogisticRegression(max_iter=500)),
    "a subclass": lambda: own_functions.ThresholdedClassifier(max_iter=500),
    "a ufunc": lambda: _with(np.log1p),
}


def _of_main(source: str, name: str) -> Any:
    """Define something in `__main__`, as a script does that fits and saves at once."""
    main = sys.modules[_OF_MAIN]
    exec(source, main.__dict__)
    return getattr(main, name)


def _of_file_beside(source: str, name: str) -> Any:
    """Define something in a module that only the process has which fits."""
    module = ModuleType("features_of_ours")
    sys.modules[module.__name__] = module
    exec(source, module.__dict__)
    return getattr(module, name)


_FUNCTION = "def squared(rows):\n    return rows ** 2\n"

_CLASS = """
from sklearn.base import BaseEstimator, TransformerMixin

class Squared(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X ** 2
"""


def _local() -> Any:
    def squared(rows: Any) -> Any:
        return rows**2

    return _with(squared)


_OUT_OF_REACH: dict[str, tuple[Callable[[], Any], Any]] = {
    "a function of __main__": (lambda: _with(_of_main(_FUNCTION, "squared")), saving.with_joblib),
    "a class of __main__": (
        lambda: make_pipeline(_of_main(_CLASS, "Squared")(), StandardScaler(), LogisticRegression()),
        saving.with_joblib,
    ),
    "a function of __main__, by cloudpickle": (
        lambda: _with(_of_main(_FUNCTION, "squared")),
        saving.with_cloudpickle,
    ),
    "a class of __main__, by cloudpickle": (
        lambda: make_pipeline(_of_main(_CLASS, "Squared")(), StandardScaler(), LogisticRegression()),
        saving.with_cloudpickle,
    ),
    "a lambda, by cloudpickle": (lambda: _with(lambda rows: rows + 1), saving.with_cloudpickle),
    "a local function, by cloudpickle": (_local, saving.with_cloudpickle),
    "a function of a file beside": (lambda: _with(_of_file_beside(_FUNCTION, "squared")), saving.with_joblib),
    "no estimator": (own_functions.PlainModel, saving.with_joblib),
}

_BY_VALUE = "module|package|file"

_WAYS_OUT = {
    "a function of __main__": "__main__.*(module|package|file)",
    "a class of __main__": "__main__.*(module|package|file)",
    "a function of __main__, by cloudpickle": _BY_VALUE,
    "a class of __main__, by cloudpickle": _BY_VALUE,
    "a lambda, by cloudpickle": _BY_VALUE,
    "a local function, by cloudpickle": _BY_VALUE,
    "a function of a file beside": "features_of_ours.*(install|package)",
    "no estimator": "scikit-learn estimator",
}
