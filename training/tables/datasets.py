"""A table as training takes it, its target apart; and the tables that scikit-learn carries."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types
from sklearn import datasets

from mlapi.data.signature import Feature
from mlapi.errors import DatasetError
from mlapi.wording import did_you_mean


@dataclass(frozen=True)
class Dataset:
    """A frame of features `(rows, features)`, and the target `(rows,)`, row by row.

    `source` says where they come from, as clients may know it. `class_names` are words for the target's
    classes, where these are codes. `notes` say how the table was read, and `warnings` what seems to be wrong
    with it, in parts of sentences. `decimal` is the decimal sign of other numbers in the file. `image` is
    what the features are together, where they are the pixels of a picture. `lines` has the line of a file
    that each row begins on, where there is one.
    """

    source: str
    frame: pd.DataFrame
    target: pd.Series
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    decimal: str | None = None
    image: Feature | None = None
    lines: Sequence[int] | None = None

    def place_of(self, row: int) -> str:
        """Name a row for people, by its position: its line in a file, else its number: "line 9", "row 8"."""
        return f"row {row + 1:,}" if self.lines is None else f"line {self.lines[row]:,}"

    @property
    def digest(self) -> str:
        """The sha256 over the names and cells of all columns; it does not depend on how they are stored."""
        digest = hashlib.sha256()
        for name, column in (*self.frame.items(), (self.target.name, self.target)):
            kind, parts = _cells(column)
            digest.update(f"{name}\0{kind}\0".encode("utf-8", "surrogatepass"))
            for part in parts:
                digest.update(part)
        return digest.hexdigest()


BUILT_IN: Mapping[str, Callable[..., Any]] = {
    "diabetes": datasets.load_diabetes,
    "breast_cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
    "iris": datasets.load_iris,
    "digits": datasets.load_digits,
}
"""Tables that scikit-learn carries, so that nothing is fetched."""

IMAGES: Mapping[str, Feature] = {
    "digits": Feature("image", "image", width=8, height=8, channels=1, minimum=0, maximum=16),
}
"""The built-in tables whose rows are the pixels of pictures, and the feature that these are."""


def load(name: str) -> Dataset:
    """Load a table that scikit-learn carries, under its own names of features and classes.

    Raises:
        DatasetError: There is none of this name.
    """
    if name not in BUILT_IN:
        raise DatasetError(f"no dataset {name!r}; known are {', '.join(BUILT_IN)}")
    bunch = BUILT_IN[name](as_frame=True)
    names = bunch.get("target_names")
    return Dataset(
        source=f"sklearn.datasets.{BUILT_IN[name].__name__}",
        frame=bunch.data,
        target=bunch.target,
        class_names=None if names is None else tuple(str(word) for word in names),
        image=IMAGES.get(name),
    )


def column(frame: pd.DataFrame, name: str, source: str) -> pd.Series:
    """Return a column `(rows,)` of a frame `(rows, columns)` that people have named.

    Raises:
        DatasetError: There is none of this name; the message has the nearest one.
    """
    if name in frame:
        return frame[name]
    names = list(map(str, frame.columns))
    raise DatasetError(f"{source} has no column {name!r}{did_you_mean(name, names)}")


def _cells(column: pd.Series) -> tuple[str, Sequence[bytes]]:
    """Return what kind of cells these are, and all of them as bytes, however they are stored.

    Texts, and whatever numpy has no type for, are written as the distinct cells and which of them stands
    where: a tenth of the time of writing all of them out.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object).infer_objects()
    if isinstance(column.dtype, np.dtype) and column.dtype.kind != "O":
        values = column.to_numpy("datetime64[us]" if column.dtype.kind == "M" else None)
        return str(values.dtype), [np.ascontiguousarray(values).tobytes()]
    if types.infer_dtype(column, skipna=True) in ("string", "empty"):
        codes, uniques = pd.factorize(column)
        return "words", [codes.astype("<i4").tobytes(), _written(uniques)]
    return "mixed", [_written(column.astype(object).where(column.notna(), None))]


def _written(cells: Iterable[Any]) -> bytes:
    return "\0".join(map(repr, cells)).encode("utf-8", "surrogatepass")
