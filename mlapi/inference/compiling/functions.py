"""Fitted transformers that make other numbers of each number -> `mlapi.inference.compiled.functions`."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
from sklearn.impute import MissingIndicator
from sklearn.preprocessing import Binarizer, FunctionTransformer, KBinsDiscretizer, Normalizer

from mlapi.inference.compiled.final_estimator import Uncompilable
from mlapi.inference.compiled.functions import (
    FUNCTIONS,
    Above,
    Bins,
    Finite,
    Function,
    Missing,
    Norm,
    UnitRows,
)
from mlapi.inference.compiled.steps import Step


def _function(transformer: FunctionTransformer) -> tuple[Step, ...]:
    """Return the step of one of numpy's functions; without a function only what `validate` refuses."""
    function = transformer.func
    if transformer.kw_args:
        raise Uncompilable
    refused = (Finite(),) if transformer.validate else ()
    if function is None:
        return refused
    name = getattr(function, "__name__", "")
    if FUNCTIONS.get(name) is not function:
        raise Uncompilable
    return (*refused, Function(name))


def _bins(discretizer: KBinsDiscretizer) -> tuple[Step, ...]:
    if discretizer.dtype not in (None, np.float64):
        raise Uncompilable
    edges = tuple(np.asarray(bounds[1:-1], dtype=np.float64) for bounds in discretizer.bin_edges_)
    if discretizer.encode == "ordinal":
        return (Finite(), Bins(edges, None))
    counts = [len(bounds) + 1 for bounds in edges]
    if [len(categories) for categories in discretizer._encoder.categories_] != counts:
        raise Uncompilable
    return (Finite(), Bins(edges, np.cumsum([0, *counts[:-1]])))


def _binarizer(binarizer: Binarizer) -> tuple[Step, ...]:
    return (Finite(), Above(float(binarizer.threshold)))


def _normalizer(normalizer: Normalizer) -> tuple[Step, ...]:
    if normalizer.norm not in ("l1", "l2", "max"):
        raise Uncompilable
    return (Finite(), UnitRows(cast("Norm", normalizer.norm)))


def _indicator(indicator: MissingIndicator) -> tuple[Step, ...]:
    if not is_nan(indicator.missing_values) or indicator.sparse is True:
        raise Uncompilable
    chosen = np.asarray(indicator.features_, dtype=np.intp)
    others = np.setdiff1d(np.arange(indicator.n_features_in_), chosen)
    refuses = indicator.features == "missing-only" and indicator.error_on_new
    return (Missing(chosen, others if refuses else others[:0]),)


def is_nan(value: Any) -> bool:
    """Return whether this is NaN, as which a missing number stands."""
    return isinstance(value, float) and value != value  # noqa: PLR0124 - NaN


STEPS: Mapping[type, Callable[[Any], tuple[Step, ...]]] = {
    Binarizer: _binarizer,
    FunctionTransformer: _function,
    KBinsDiscretizer: _bins,
    MissingIndicator: _indicator,
    Normalizer: _normalizer,
}
"""By exact class, what makes the steps of a fitted transformer."""
