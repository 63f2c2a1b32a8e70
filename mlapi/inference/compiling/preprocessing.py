"""Fitted transformers of numbers -> steps from one float64 matrix to the next.

Each step does to every number what scikit-learn's `transform` does (1.8 and 1.9 were read), in the same
order, so that its digits are the same; only checks and copies are left out. A transformer that is not in
`STEPS`, by its exact type, or is set up in a way that is not known here, has no step.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, combinations, combinations_with_replacement, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.model_selection._search_successive_halving import HalvingGridSearchCV, HalvingRandomSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from mlapi.inference.compiled.final_estimator import Uncompilable
from mlapi.inference.compiled.functions import Finite
from mlapi.inference.compiled.selection import Beside, Take, run, widest
from mlapi.inference.compiled.steps import Clip, Fill, Products, Scale, Step
from mlapi.inference.compiling import functions, own_methods, selection
from mlapi.inference.compiling.forms import SPARSE, gives_sparse, output_form
from mlapi.inference.compiling.functions import is_nan

MOST_PRODUCTS = 2**16
"""The most products of columns that are compiled. They are written down one by one: a million of degree 67
took 500 MB."""

SEARCHES = (GridSearchCV, RandomizedSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV)
"""Searches for parameters, which answer by the best estimator that they fitted."""


def steps(transformers: Iterable[Any], *, is_sparse: bool = False) -> tuple[Step, ...]:
    """Return what fitted transformers of numbers do, in order.

    Args:
        is_sparse: Whether scikit-learn hands a sparse matrix to the first.

    Raises:
        Uncompilable: One of them is not understood.
    """
    result: list[Step] = []
    for transformer in transformers:
        compile_step = (SPARSE_STEPS if is_sparse else STEPS).get(type(transformer))
        if compile_step is None:
            raise Uncompilable
        compiled = compile_step(transformer)
        is_filled = bool(result) and isinstance(result[-1], Fill) and isinstance(compiled[-1], Products)
        # Filled columns miss nothing, and products of infinite numbers are not finite themselves.
        result += [step for step in compiled if not (is_filled and isinstance(step, Finite))]
        is_sparse = gives_sparse(transformer, is_sparse)
    return tuple(result)


def flat(estimator: Any) -> Iterator[Any]:
    """Yield an estimator's steps, those of pipelines in it one by one, without those that do nothing."""
    if estimator is None or (isinstance(estimator, str) and estimator == "passthrough"):
        return
    if type(estimator) is Pipeline:
        yield from chain.from_iterable(flat(step) for _, step in estimator.steps)
        return
    if type(estimator) in SEARCHES:
        yield from flat(estimator.best_estimator_)
        return
    if type(estimator) is FrozenEstimator:
        yield from flat(estimator.estimator)
        return
    if not _does_nothing(estimator):
        yield estimator


def _does_nothing(estimator: Any) -> bool:
    is_identity = type(estimator) is FunctionTransformer and estimator.func is None
    return is_identity and not estimator.validate and output_form(estimator) == "default"


def probe(columns: int) -> NDArray[np.float64]:
    """Return a row, (1, columns), of numbers that nearly every function takes: to see what steps make of
    it."""
    return np.full((1, columns), 0.5)


def weighted(weights: Mapping[str, float] | None, name: str) -> tuple[Step, ...]:
    """Return the step that multiplies what a part of this name gives by its weight, if it has one.

    Raises:
        Uncompilable: The weight is no number.
    """
    if not weights or name not in weights or weights[name] is None:
        return ()
    return (Scale(multiply=_numbers([weights[name]])),)


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
    """Return the steps of an imputer of numbers. A column that had no number in `fit` is left out.

    Raises:
        Uncompilable: It fills in other things; or it leaves out a column, and has indicators.
    """
    if not is_nan(imputer.missing_values) or imputer._fill_dtype.kind not in "fiu":
        raise Uncompilable
    values = _numbers(imputer.statistics_.astype(imputer._fill_dtype))
    indicators = imputer.indicator_.features_ if imputer.add_indicator else ()
    marked = np.array(indicators, dtype=np.intp)
    chosen = np.flatnonzero(~np.isnan(values))
    if len(chosen) == len(values):
        return (Fill(values, marked),)
    if imputer.add_indicator:
        raise Uncompilable
    return (Take(chosen, len(values)), Fill(values[chosen], marked))


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
    products = Products(tuple(factors), slice(left_out, None), bool(expansion.include_bias))
    return (Finite(), products)


def _union(union: FeatureUnion) -> tuple[Step, ...]:
    branches = [
        (*steps(flat(part)), *weighted(union.transformer_weights, name))
        for name, part in union.transformer_list
        if not (isinstance(part, str) and part == "drop")
    ]
    return (_beside(branches, union.n_features_in_),)


def _divided(divided: ColumnTransformer) -> tuple[Step, ...]:
    """Return the step of a column transformer of a matrix of numbers."""
    branches: list[tuple[Step, ...]] = []
    for name, part, columns in divided.transformers_:
        chosen = np.asarray(divided._transformer_to_input_indices[name], dtype=np.intp)
        if (isinstance(part, str) and part == "drop") or not chosen.size:
            continue
        if isinstance(columns, str | int):
            raise Uncompilable
        branches.append(
            (
                Take(chosen, divided.n_features_in_),
                *steps(flat(part)),
                *weighted(divided.transformer_weights, name),
            )
        )
    return (_beside(branches, divided.n_features_in_),)


def _beside(branches: Sequence[tuple[Step, ...]], columns: int) -> Beside:
    """
    Raises:
        Uncompilable: There is no branch.
    """
    if not branches:
        raise Uncompilable
    widths = [max(run(probe(columns), branch).shape[1], widest(branch)) for branch in branches]
    return Beside(tuple(branches), sum(widths))


STEPS: Mapping[type, Callable[[Any], tuple[Step, ...]]] = {
    **dict.fromkeys(own_methods.TRANSFORMERS, own_methods.own_transform),
    **functions.STEPS,
    **selection.STEPS,
    ColumnTransformer: _divided,
    FeatureUnion: _union,
    MaxAbsScaler: _max_abs,
    MinMaxScaler: _min_max,
    PolynomialFeatures: _products,
    RobustScaler: _robust,
    SimpleImputer: _imputer,
    StandardScaler: _standard,
}
"""By exact class, what makes the steps of a fitted transformer."""


def _sparse_scaler(scaler: Any) -> tuple[Step, ...]:
    """Return the step of a scaler of a sparse matrix: it multiplies by one over the scale."""
    step, *clip = STEPS[type(scaler)](scaler)
    is_divided = isinstance(step, Scale) and step.divide is not None
    return (Scale(multiply=1.0 / _numbers(scaler.scale_)), *clip) if is_divided else (step, *clip)


SPARSE_STEPS: Mapping[type, Callable[[Any], tuple[Step, ...]]] = {
    **{kind: STEPS[kind] for kind in SPARSE},
    **dict.fromkeys((MaxAbsScaler, RobustScaler, StandardScaler), _sparse_scaler),
    **selection.SPARSE_STEPS,
}
"""By exact class, what makes the steps of a transformer that gets a sparse matrix."""


def _numbers(fitted: Any) -> NDArray[np.float64]:
    """Return fitted numbers, (columns,), as float64; scikit-learn too computes with these in float64.

    Raises:
        Uncompilable: They are no numbers of up to 64 bits, or no line of them.
    """
    values = np.asarray(fitted)
    if values.dtype.kind not in "fiu" or values.itemsize > 8 or values.ndim != 1:
        raise Uncompilable
    return values.astype(np.float64)
