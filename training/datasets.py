"""Where the rows come from: a name -> a table of features and a target."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets

from mlapi.errors import DatasetError


@dataclass(frozen=True)
class Table:
    """Features and target, row by row. `class_names` says in words what the target's classes are."""

    source: str
    features: pd.DataFrame
    target: pd.Series
    class_names: tuple[str, ...] | None = None

    @property
    def digest(self) -> str:
        """sha256 over the names and cells of all columns: the same table, the same digest."""
        digest = hashlib.sha256()
        for name, column in (*self.features.items(), (self.target.name, self.target)):
            digest.update(f"{name}\0{column.dtype}\0".encode())
            digest.update(_cells(column.to_numpy()))
        return digest.hexdigest()


BUILT_IN: Mapping[str, Callable[..., Any]] = {
    "diabetes": datasets.load_diabetes,
    "breast_cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
    "iris": datasets.load_iris,
    "digits": datasets.load_digits,
}
"""Tables that scikit-learn carries, so that nothing is fetched."""


def load(name: str) -> Table:
    """A table that scikit-learn carries, under its own names of features and classes.

    Raises:
        DatasetError: There is none of this name.
    """
    if name not in BUILT_IN:
        raise DatasetError(f"no dataset {name!r}; known are {', '.join(BUILT_IN)}")
    bunch = BUILT_IN[name](as_frame=True)
    names = bunch.get("target_names")
    return Table(
        source=f"sklearn.datasets.{BUILT_IN[name].__name__}",
        features=bunch.data,
        target=bunch.target,
        class_names=None if names is None else tuple(str(word) for word in names),
    )


def _cells(values: np.ndarray[Any, Any]) -> bytes:
    if values.dtype.kind == "O":
        return "\0".join(map(repr, values)).encode("utf-8", "surrogatepass")
    return np.ascontiguousarray(values).tobytes()
