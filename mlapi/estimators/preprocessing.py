"""Transformers of this project's own, which its pipelines have beside scikit-learn's.

They are pickled with every version, so their names and attributes are part of the format. Each takes what a
server makes of a request (see `mlapi.data.rows.reader`) and what training makes of a table: the same columns.
A table is a pandas DataFrame `(rows, features)`.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import BSpline
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.preprocessing import SplineTransformer
from sklearn.utils.validation import check_is_fitted

from mlapi.estimators.calendar import (
    DURATIONS,
    Datetimes,
    durations,
    independent_parts,
    is_steadier,
    newest,
    parts_of_all,
    varying_parts,
)

if (
    TYPE_CHECKING
):  # who loads an estimator needs the names of these classes, and not pandas, which takes 60 MB
    import pandas as pd

OTHER = "_other_"
"""What `Frequent` makes of categories that are not frequent."""

BLANK = "_blank_"
"""What `Texts` makes of a missing or blank text."""


class Flags(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Booleans as 1.0 and 0.0, missing ones as NaN."""

    def fit(self, X: Any, y: Any = None) -> "Flags":
        """Note the names of the columns of a table, `(rows, features)`."""
        self._remember(X)
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return the numbers, `(rows, features)`."""
        return np.asarray(X, dtype=object).astype(np.float64)

    def _remember(self, X: "pd.DataFrame") -> None:
        self.feature_names_in_ = np.array(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]


class Frequent(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The `most` frequent categories of each column in `fit`, and `OTHER` for all others; missing ones stay.

    Blanks around a text are no part of it, as in the table that is trained: ` Berlin` is `Berlin`, unless it
    is frequent itself.

    An encoder looks up every category that was in its `fit`: a million rows with 632,000 different ones took
    minutes to train instead of 9 s, and each request would have taken longer too.
    """

    def __init__(self, most: int = 100) -> None:
        self.most = most

    def fit(self, X: "pd.DataFrame", y: Any = None) -> "Frequent":
        """Count the categories of each column of a table, `(rows, features)`."""
        self.feature_names_in_ = np.array(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        counts = (X[name].value_counts() for name in X.columns)
        self.words_ = [np.array(column.index[: self.most], dtype=object) for column in counts]
        return self

    def transform(self, X: "pd.DataFrame") -> NDArray[Any]:
        """Return the categories, `(rows, features)`, dtype object."""
        check_is_fitted(self)
        columns = (X.iloc[:, place].astype(object) for place in range(self.n_features_in_))
        categories = [
            _frequent_or_other(column, frequent)
            for column, frequent in zip(columns, self.words_, strict=True)
        ]
        return np.column_stack(categories)


class Texts(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """One column of texts, as a vectorizer takes it; a missing or blank text becomes the word `_blank_`.

    So a vectorizer has a word also where few rows have a text, and a fold has none of them.
    """

    def fit(self, X: Any, y: Any = None) -> "Texts":
        """Do nothing: there is nothing to learn from texts, `(rows,)`."""
        return self

    def transform(self, X: Any) -> NDArray[Any]:
        """Return the texts, `(rows,)`, dtype object."""
        texts = [BLANK if text != text or not text.strip() else text for text in X]  # noqa: PLR0124 - NaN
        return np.array(texts, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True


class CalendarParts(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Datetimes as parts of the calendar, as an age in days before the newest one in `fit`, and as durations.

    A part that never changed in `fit` (the hour of plain dates) is left out, and so is one that others, also
    of another column, add up to. All parts of a missing datetime are NaN. The days from one column to another
    are a part where they differ less than the ages do; then they take the place of one age. `all_durations`
    keeps them beside the ages, for trees, which ask of one part at a time and do not mind what adds up.
    """

    def __init__(self, all_durations: bool = False) -> None:
        self.all_durations = all_durations

    def fit(self, X: "pd.DataFrame", y: Any = None) -> "CalendarParts":
        """Choose the parts of the datetimes in a table, `(rows, features)`."""
        self.feature_names_in_ = np.array(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        columns = [_datetimes(X.iloc[:, place]) for place in range(self.n_features_in_)]
        self.newest_us_ = np.array([newest(column) for column in columns], dtype=np.int64)
        varying = durations(columns)
        steadier = [
            [name for name in names if is_steadier(columns[DURATIONS.index(name)], column)]
            for column, names in zip(columns, varying, strict=True)
        ]
        lasts = self.newest_us_.tolist()
        self.parts_ = independent_parts(
            [
                (column, last, [*varying_parts(column, last), *names])
                for column, last, names in zip(columns, lasts, steadier, strict=True)
            ]
        )
        if self.all_durations:
            for parts, names in zip(self.parts_, varying, strict=True):
                parts.extend(name for name in names if name not in parts)
        return self

    def transform(self, X: "pd.DataFrame") -> NDArray[np.float64]:
        """Return the parts of all columns, `(rows, parts)`."""
        check_is_fitted(self)
        columns = [_datetimes(X.iloc[:, place]) for place in range(self.n_features_in_)]
        return np.column_stack(parts_of_all(columns, self.newest_us_.tolist(), self.parts_))

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Return the names of the parts, `(parts,)`, such as `signed_up_month` or `end_since_begin`."""
        check_is_fitted(self)
        names = self.feature_names_in_
        in_words = dict(zip(DURATIONS, (f"since_{name}" for name in names), strict=False))
        chosen = zip(names, self.parts_, strict=True)
        return np.array(
            [f"{name}_{in_words.get(part, part)}" for name, parts in chosen for part in parts], dtype=object
        )


class Splines(SplineTransformer):  # type: ignore[misc]
    """scikit-learn's splines, pickled as numbers: SciPy's own pickles name functions of its private
    modules."""

    def __getstate__(self) -> dict[str, Any]:
        state = {**super().__getstate__()}
        if "bsplines_" in state:
            state["bsplines_"] = [(each.t, each.c, each.k, each.extrapolate) for each in self.bsplines_]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        splines = {"bsplines_": [_spline(*parts) for parts in state.get("bsplines_", ())]}
        super().__setstate__({**state, **(splines if "bsplines_" in state else {})})


PICKLED = frozenset(
    {
        *(f"{__name__}.{kind.__name__}" for kind in (CalendarParts, Flags, Frequent, Splines, Texts)),
        "sklearn.compose._column_transformer.ColumnTransformer",
        "sklearn.feature_extraction.text.TfidfTransformer",
        "sklearn.feature_extraction.text.TfidfVectorizer",
        "sklearn.impute._base.MissingIndicator",
        "sklearn.impute._base.SimpleImputer",
        "sklearn.pipeline.Pipeline",
        "sklearn.preprocessing._data.StandardScaler",
        "sklearn.preprocessing._encoders.OneHotEncoder",
        "sklearn.preprocessing._polynomial.PolynomialFeatures",
    }
)
"""The classes that a pipeline of this project's training may name before its final estimator, whose own are
declared by its algorithm. tests/inference/test_form.py has the attributes of ours."""


def _frequent_or_other(column: "pd.Series", frequent: NDArray[Any]) -> NDArray[Any]:
    """Return the categories of a column, dtype object, `(rows,)`: `OTHER` for those that are not frequent."""
    is_rare = ~(column.isin(frequent) | column.isna())
    categories: NDArray[Any] = column.to_numpy(dtype=object, copy=True)
    if is_rare.any():
        texts = column[is_rare].map(lambda value: value.strip() if isinstance(value, str) else value)
        categories[is_rare.to_numpy()] = texts.where(texts.isin(frequent), OTHER).to_numpy(dtype=object)
    return categories


def _spline(knots: Any, coefficients: Any, degree: Any, extrapolate: Any) -> BSpline:
    """Return the spline that was pickled as these parts.

    Raises:
        TypeError: They are no arrays of floats. SciPy would make arrays of lists, also of lists of the same
            lists, which take any memory.
    """
    if not all(type(array) is np.ndarray and array.dtype.kind == "f" for array in (knots, coefficients)):
        raise TypeError("a spline's knots and coefficients are arrays of numbers")
    return BSpline(knots, coefficients, degree, extrapolate)


def _datetimes(column: "pd.Series") -> Datetimes:
    return column.to_numpy().astype("datetime64[us]")  # type: ignore[no-any-return]
