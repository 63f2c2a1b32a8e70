"""What training makes of a table's columns: their signature, and the transformers before the estimator.

`features_of` and `features_of_sample` make the signature, `PipelineFactory` makes the pipelines.
`pipeline_input` and `batch` make the rows that a pipeline and a served model take.

Every transformer is fitted with the estimator, on the rows that it is fitted on, and travels in the artifact.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import comb
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from mlapi.data.signature import NUMERIC, Batch, Feature, Scalar, Signature
from mlapi.errors import DatasetError, RecipeError
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import Algorithm, Parameters
from mlapi.estimators.preprocessing import CalendarParts, Flags, Frequent, Splines, Texts
from mlapi.training.preparation.columns import Column, check_names
from mlapi.training.preparation.decisions import Treatment
from mlapi.training.preparation.kinds import kind_of_sample
from mlapi.training.preparation.series import NoCells, plain
from mlapi.training.recipes import Expansion

MOST_CATEGORIES = 100
"""One-hot columns that one column of categories becomes at most; rarer categories share one."""

MOST_TERMS = 20_000
"""Words of a column of text that become features, the most frequent ones."""

MOST_TERMS_DENSE = 200
"""The same, before an estimator that takes no sparse matrix."""

MOST_EXPANDED = 5_000
"""Polynomial terms beyond which a table is too wide to fit."""


@dataclass(frozen=True, slots=True)
class PipelineFactory:
    """Makes pipelines for a table; what they have in common is here. Can be pickled.

    `rows` is how many rows the published pipeline is fitted on. The fewer they are, the rarer may a category
    be that has a column of its own.
    """

    task: str
    columns: tuple[Column, ...]
    rows: int
    seed: int
    expansion: Expansion = field(default_factory=Expansion)

    def pipeline(self, name: str, parameters: Parameters) -> Pipeline:
        """Return preprocessing and an algorithm's estimator as one pipeline, not fitted.

        Args:
            name: One of `mlapi.estimators.algorithms.ALGORITHMS`.
            parameters: The algorithm's own; what is left out has its default.

        Raises:
            RecipeError: The expansion gives more terms than can be fitted.
        """
        algorithm = ALGORITHMS[name]
        estimator = algorithm.build(self.task, parameters, seed=self.seed)
        if _is_matrix(self.columns):
            return make_pipeline(*_numbers(self.columns, self.expansion), estimator)
        blocks = ColumnTransformer(
            list(_blocks(self, algorithm)),
            sparse_threshold=0.0 if algorithm.dense else 0.3,
            n_jobs=1,  # else every transform of a few rows would be sent to the processes that search
        )
        return make_pipeline(blocks, estimator)


def features_of(columns: Sequence[Column], train: pd.DataFrame) -> tuple[Feature, ...]:
    """Describe the features as clients send them.

    Args:
        train: The training rows `(rows, features)`: ranges and categories are theirs.
    """
    return tuple(_feature(column, train[column.name]) for column in columns)


def features_of_sample(frame: pd.DataFrame) -> tuple[Feature, ...]:
    """Describe each column of a sample `(rows, features)` as a feature.

    A sample shows what rows look like: its categories and ranges may be few of those that there are, and
    kinds are inferred by `mlapi.training.preparation.kinds.kind_of_sample`. The categories of pandas' dtype
    `category` are all that the dtype has, in its order.

    Raises:
        DatasetError: A column's name stands twice, or a column is blank or not finite, or holds no cells.
    """
    check_names([str(name) for name in frame.columns])
    return tuple(_feature_of_sample(name, frame[name]) for name in frame.columns)


def pipeline_input(frame: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame | NDArray[np.float64]:
    """Return what a pipeline of these columns is fitted on and predicts, of a frame `(rows, features)`.

    A `matrix` if all are numbers, else the frame: as `mlapi.inference.model.estimator_input` makes it.
    """
    return matrix(frame) if _is_matrix(columns) else frame


def batch(frame: pd.DataFrame, signature: Signature) -> Batch:
    """Return the rows `(rows, columns)` as a server makes them of the same cells, for this signature.

    Args:
        frame: Has a column for each feature, and may have others.

    Raises:
        KeyError: A feature is no column.
    """
    chosen = frame[list(signature.columns)]
    if signature.is_numeric:
        return matrix(chosen)
    return {name: chosen[name].to_numpy() for name in signature.names}


def served_columns(frame: pd.DataFrame, features: Sequence[Feature]) -> pd.DataFrame:
    """Return a frame `(rows, features)` as a server makes it of the same cells, whatever its dtypes were.

    Its columns have the usual dtypes of the features' kinds.
    """
    columns = {
        feature.name: _served_column(feature, frame.iloc[:, place]) for place, feature in enumerate(features)
    }
    return pd.DataFrame(columns)


def matrix(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Return a frame `(rows, features)` of numbers as float64, C-contiguous."""
    return np.ascontiguousarray(frame.to_numpy(dtype=np.float64))


def _is_matrix(columns: Sequence[Column]) -> bool:
    return all(column.treatment == "number" for column in columns)


def _blocks(factory: PipelineFactory, algorithm: Algorithm) -> Iterator[tuple[str, Any, Any]]:
    """Make the parts of a ColumnTransformer: name, transformer and columns, one for each treatment."""
    dense = algorithm.dense
    makers: Mapping[Treatment, Callable[[list[Column]], Any]] = {
        "number": lambda columns: make_pipeline(*_numbers(columns, factory.expansion)),
        "flag": lambda columns: make_pipeline(Flags(), *_imputer(columns, "most_frequent")),
        "one_hot": lambda _: _one_hot(factory.rows, dense),
        "frequent": lambda _: make_pipeline(Frequent(MOST_CATEGORIES), _one_hot(factory.rows, dense)),
        "calendar": lambda columns: make_pipeline(
            CalendarParts(all_durations=algorithm.splits), *_imputer(columns, "median"), StandardScaler()
        ),
    }
    for treatment, make in makers.items():
        columns = [column for column in factory.columns if column.treatment == treatment]
        if columns:
            yield treatment, make(columns), [column.name for column in columns]
    texts = [column.name for column in factory.columns if column.treatment == "terms"]
    for place, name in enumerate(texts):
        yield f"terms_{place}", _terms(dense), name


def _numbers(columns: Sequence[Column], expansion: Expansion) -> list[Any]:
    steps = [*_imputer(columns, "median")]
    if expansion.polynomial:
        # a column for each, and an indicator for each that has missing cells
        width = len(columns) + sum(column.nullable for column in columns)
        steps.append(PolynomialFeatures(_checked_degree(expansion.polynomial, width), include_bias=False))
    if expansion.splines:
        steps.append(Splines(expansion.splines, extrapolation="linear", include_bias=False))
    return [*steps, StandardScaler()]


def _imputer(columns: Sequence[Column], strategy: str) -> list[Any]:
    """Make the step that fills missing cells and adds indicators for them; none where no cell is missing."""
    if not any(column.nullable for column in columns):
        return []
    return [SimpleImputer(strategy=strategy, add_indicator=True, keep_empty_features=True)]


def _one_hot(rows: int, dense: bool) -> OneHotEncoder:
    """Make the encoder of categories.

    Missing is a category of its own; rare categories share one with those that training never had.
    """
    return OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=max(1, min(10, rows // 100)),
        max_categories=MOST_CATEGORIES,
        sparse_output=not dense,
    )


def _terms(dense: bool) -> Pipeline:
    vectorizer = TfidfVectorizer(
        token_pattern=r"(?u)\b\w+\b",  # noqa: S106 - also words of one letter: a column of them is no error
        max_features=MOST_TERMS_DENSE if dense else MOST_TERMS,
        sublinear_tf=True,
    )
    return make_pipeline(Texts(), vectorizer)


def _checked_degree(degree: int, columns: int) -> int:
    terms = comb(columns + degree, degree) - 1
    if terms > MOST_EXPANDED:
        raise RecipeError(
            f"polynomial terms of degree {degree} of {columns} columns (marks of blanks among them) are "
            f"{terms:,}; at most {MOST_EXPANDED:,} can be fitted: leave columns out or lower the degree"
        )
    return degree


def _feature(column: Column, train: pd.Series) -> Feature:
    kind = column.kind or "number"
    low: float | str | None = None
    high: float | str | None = None
    categories = None
    present = train.dropna()
    if kind in (*NUMERIC, "datetime") and len(present):
        low, high = _range(present)
    if kind == "category":
        categories = tuple(sorted(map(_category, present.unique())))
    # Codes that were told to be categories are integers too, where they are too many to list.
    fractions = True if kind == "integer" and column.treatment == "number" else None
    return Feature(column.name, kind, column.nullable, low, high, categories, column.format, fractions)


def _range(present: pd.Series) -> tuple[float, float] | tuple[str, str]:
    """Return the bounds of a column `(rows,)` of numbers or datetimes, the latter in ISO 8601.

    Those with a zone are converted to UTC. The time is left out where neither bound has one.
    """
    low, high = present.min(), present.max()
    if not isinstance(low, pd.Timestamp):
        return float(low), float(high)
    bounds = [
        time if time.tzinfo is None else time.tz_convert(None) for time in (low.floor("us"), high.ceil("us"))
    ]
    are_dates = all(time == time.normalize() for time in bounds)
    first, last = (str(time.date()) if are_dates else time.isoformat("T", "auto") for time in bounds)
    return first, last


def _category(value: Any) -> Scalar:
    return int(value) if isinstance(value, float) else str(value)


def _served_column(feature: Feature, column: pd.Series) -> pd.Series:
    cells = plain(column.reset_index(drop=True))
    types = set(map(type, feature.categories or ()))
    if feature.kind in NUMERIC or types == {int}:
        return cells.astype(np.float64)
    if feature.kind == "datetime":
        return cells.astype("datetime64[us]")
    if feature.kind == "boolean":
        return cells
    return pd.Series(cells.astype(object).where(cells.notna(), np.nan), dtype=object)


def _feature_of_sample(name: Any, cells: pd.Series) -> Feature:
    nullable = bool(cells.isna().any())
    try:
        column = plain(cells)
    except NoCells as error:
        raise DatasetError(f"column {name!r} holds {error}; leave it out") from error
    present = column.dropna()
    if present.empty:
        raise DatasetError(f"column {name!r} is blank from top to bottom; leave it out")
    if isinstance(cells.dtype, pd.CategoricalDtype):
        return Feature(str(name), "category", nullable, categories=_all_categories(name, cells.dtype))
    kind = kind_of_sample(present, MOST_CATEGORIES)
    if kind == "number" and not np.isfinite(present.to_numpy(dtype=np.float64)).all():
        raise DatasetError(f"column {name!r} holds infinite values; replace or leave them out")
    if kind in (*NUMERIC, "datetime"):
        return Feature(str(name), kind, nullable, *_range(present))
    if kind == "category":
        return Feature(str(name), kind, nullable, categories=tuple(sorted(set(present))))
    return Feature(str(name), kind, nullable)


def _all_categories(name: Any, dtype: pd.CategoricalDtype) -> tuple[Scalar, ...]:
    categories = tuple(dtype.categories.tolist())
    if not all(isinstance(category, str | int | float | bool) for category in categories):
        kind = type(categories[0]).__name__
        raise DatasetError(f"column {name!r} has categories of type {kind}; fit on words in place of them")
    return categories
