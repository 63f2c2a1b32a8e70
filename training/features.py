"""What each column is, and what is done with it before an estimator sees it."""

from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from mlapi.algorithms.declaration import CLASSIFICATION
from mlapi.errors import DatasetError
from mlapi.signature import Feature, Kind, Signature, Target
from training.datasets import Table

MOST_CATEGORIES = 100
"""A column with more different words than this is text."""


def describe(table: Table, task: str) -> Signature:
    """The signature that rows like these give: names, kinds, ranges, where blanks were seen."""
    return Signature(
        features=describe_features(table.features),
        target=_describe_target(table, task),
        ignored=(str(table.target.name),),
    )


def describe_features(frame: pd.DataFrame) -> tuple[Feature, ...]:
    """A feature a column.

    Raises:
        DatasetError: A column's name stands twice, or a column is blank or not finite.
    """
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DatasetError(f"two columns are called {twice[0]!r}; rename one")
    return tuple(_describe(name, frame[name]) for name in frame.columns)


def pipeline(signature: Signature, estimator: Any) -> Pipeline:
    """Scaling, fitted with the estimator and kept with it, so that clients send plain values."""
    if not signature.is_numeric:
        words = [feature.name for feature in signature.features if feature.kind != "number"]
        raise DatasetError(f"column {words[0]!r} holds no numbers, and only numbers can be trained on")
    return make_pipeline(StandardScaler(), estimator)


def matrix(frame: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(rows, features), float64, C-contiguous: what a server makes of the same rows."""
    return np.ascontiguousarray(frame.to_numpy(dtype=np.float64))


def _describe(name: Any, column: pd.Series) -> Feature:
    nullable = bool(column.isna().any())
    present = column.dropna()
    if present.empty:
        raise DatasetError(f"column {name!r} is blank from top to bottom; leave it out")
    kind = _kind(present)
    if kind == "number":
        if not np.isfinite(present.to_numpy(dtype=np.float64)).all():
            raise DatasetError(f"column {name!r} holds infinite values; replace or leave them out")
        low, high = float(present.min()), float(present.max())
        return Feature(str(name), kind, nullable, minimum=low, maximum=high)
    if kind == "category":
        return Feature(str(name), kind, nullable, categories=tuple(sorted(set(present))))
    return Feature(str(name), kind, nullable)


def _kind(present: pd.Series) -> Kind:
    """Whole numbers are numbers here: a few rows do not prove that no half will ever come."""
    if types.is_bool_dtype(present) or set(map(type, present)) == {bool}:
        return "boolean"
    if types.is_numeric_dtype(present):
        return "number"
    if types.is_datetime64_any_dtype(present):
        return "datetime"
    distinct = present.nunique()
    return "category" if distinct <= min(MOST_CATEGORIES, len(present) / 2) else "text"


def _describe_target(table: Table, task: str) -> Target:
    name = str(table.target.name)
    if task != CLASSIFICATION:
        return Target(name, "number")
    classes = tuple(np.unique(table.target.to_numpy()).tolist())
    return Target(name, "category", classes, table.class_names)
