"""Fitted transformers of numbers -> steps from one float64 matrix to the next.

Each step does to every number what scikit-learn's `transform` does (1.8 and 1.9 were read), in the same
order, so that its digits are the same; only checks and copies are left out. A transformer that is not in
`STEPS`, by its exact type, or is set up in a way that is not known here, has no step.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, combinations, combinations_with_replacement, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)

from mlapi.data.signature import Matrix
from mlapi.estimators.preprocessing import Splines
from mlapi.inference.compiled.final_estimator import Uncompilable
from mlapi.inference.compiled.steps import Clip, Fill, Owners, Products, Scale, Step


@dataclass(frozen=True, slots=True)
class Curves:
    """Splines, by scikit-learn's own code: it is quick enough, and has many cases. It is never stored."""

    transformer: SplineTransformer

    def apply(self, matrix: Matrix) -> Matrix:
        """Return the values of the splines, `(rows, splines of all columns)`."""
        return self.transformer.transform(matrix)  # type: ignore[no-any-return]

    def owners(self, owners: Owners) -> Owners:
        """
        Raises:
            Uncompilable: Always: no column of categories is expanded to splines.
        """
        raise Uncompilable


MOST_PRODUCTS = 2**16
"""The most products of columns that are compiled. They are written down one by one: a million of degree 67
took 500 MB."""

SEARCHES = (GridSearchCV, RandomizedSearchCV)
"""Searches for parameters, which answer by the best estimator that they fitted."""


def steps(transformers: Iterable[Any]) -> tuple[Step, ...]:
    """Return what fitted transformers of numbers do, in order.

    Raises:
        Uncompilable: One of them is not understood.
    """
    return tuple(chain.from_iterable(_steps(transformer) for transformer in transformers))


def flat(estimator: Any) -> Iterator[Any]:
    """Yield an estimator's steps, those of pipelines in it one by one, without those that do nothing.

    Raises:
        Uncompilable: A step is set up to give frames.
    """
    if estimator is None or (isinstance(estimator, str) and estimator == "passthrough"):
        return
    if type(estimator) is Pipeline:
        yield from chain.from_iterable(flat(step) for _, step in estimator.steps)
        return
    if type(estimator) in SEARCHES:
        yield from flat(estimator.best_estimator_)
        return
    if getattr(estimator, "_sklearn_output_config", {}).get("transform", "default") != "default":
        raise Uncompilable
    if not _does_nothing(estimator):
        yield estimator


def _does_nothing(estimator: Any) -> bool:
    return type(estimator) is FunctionTransformer and estimator.func is None and not estimator.validate


def _steps(transformer: Any) -> tuple[Step, ...]:
    compile_step = STEPS.get(type(transformer))
    if compile_step is None:
        raise Uncompilable
    return compile_step(transformer)


def _standard(scaler: StandardScaler) -> tuple[Step, ...]:
    subtract = _numbers(scaler.mean_) if scaler.with_mean else None
    return (Scale(subtract, _numbers(scaler.scale_) if scaler.with_std else None),)


def _robust(scaler: RobustScaler) -> tuple[Step, ...]:
    subtract = _numbers(scaler.center_) if scaler.with_centering else None
    return (Scale(subtract, _numbers(scaler.scale_) if scaler.with_scaling else None),)


def _min_max(scaler: MinMaxScaler) -> tuple[Step, ...]:
    scale = Scale(multiply=_numbers(scaler.scale_), add=_numbers(scaler.min_))
    return (scale, Clip(*map(float, scaler.feature_range))) if scaler.clip else (scale,)


def _max_abs(scaler: MaxAbsScaler) -> tuple[Step, ...]:
    scale = Scale(divide=_numbers(scaler.scale_))
    return (scale, Clip(-1.0, 1.0)) if getattr(scaler, "clip", False) else (scale,)


def _imputer(imputer: SimpleImputer) -> tuple[Step, ...]:
    """Return the step of an imputer of numbers.

    Raises:
        Uncompilable: It fills in other things; or a column had no number in `fit`, which drops it.
    """
    if not _is_nan(imputer.missing_values) or imputer._fill_dtype.kind not in "fiu":
        raise Uncompilable
    values = _numbers(imputer.statistics_.astype(imputer._fill_dtype))
    if np.isnan(values).any():
        raise Uncompilable
    indicators = imputer.indicator_.features_ if imputer.add_indicator else ()
    return (Fill(values, np.array(indicators, dtype=np.intp)),)


def _products(expansion: PolynomialFeatures) -> tuple[Step, ...]:
    low, high = expansion._min_degree, expansion._max_degree
    if high < 1 or expansion._n_out_full > MOST_PRODUCTS:
        raise Uncompilable
    choose = combinations if expansion.interaction_only else combinations_with_replacement
    columns = range(expansion.n_features_in_)
    terms = [list(choose(columns, degree)) for degree in range(1, high + 1)]
    factors = []
    for below, these in pairwise(terms):
        places = {term: place for place, term in enumerate(below)}
        pairs = [(places[term[1:]], term[0]) for term in these]
        rest, first = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
        factors.append((rest, first))
    left_out = sum(map(len, terms[: max(low, 1) - 1]))
    return (Products(tuple(factors), slice(left_out, None), bool(expansion.include_bias)),)


def _curves(splines: SplineTransformer) -> tuple[Step, ...]:
    if splines.sparse_output:
        raise Uncompilable
    nameless = SplineTransformer()
    vars(nameless).update(vars(splines))
    vars(nameless).pop("feature_names_in_", None)  # else it would warn that the matrix has no names
    return (Curves(nameless),)


STEPS: Mapping[type, Callable[[Any], tuple[Step, ...]]] = {
    MaxAbsScaler: _max_abs,
    MinMaxScaler: _min_max,
    PolynomialFeatures: _products,
    RobustScaler: _robust,
    SimpleImputer: _imputer,
    SplineTransformer: _curves,
    Splines: _curves,
    StandardScaler: _standard,
}
"""By exact class, what makes the steps of a fitted transformer."""


def _numbers(fitted: Any) -> NDArray[np.float64]:
    """Return fitted numbers, (columns,), as float64; scikit-learn too computes with these in float64.

    Raises:
        Uncompilable: They are no numbers of up to 64 bits, or no line of them.
    """
    values = np.asarray(fitted)
    if values.dtype.kind not in "fiu" or values.itemsize > 8 or values.ndim != 1:
        raise Uncompilable
    return values.astype(np.float64)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value  # noqa: PLR0124 - NaN
