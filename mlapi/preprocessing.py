"""Transformers that this project's pipelines are made of beside scikit-learn's own.

They are pickled with every version, so their names and attributes are part of the format. Each takes what a
server makes of a request (see `mlapi.rows`) and what training makes of a table: the same columns.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import BSpline
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.preprocessing import SplineTransformer
from sklearn.utils.validation import check_is_fitted

_DAY_US = 24 * 3600 * 1_000_000

_BLANK, _OTHER = "_blank_", "_other_"

_CYCLES = {"month": 12, "weekday": 7, "hour": 24}
"""Parts whose last value is next to the first one: a linear model sees that in their sine and cosine."""


class Flags(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Flags as 1.0 and 0.0, blanks as NaN."""

    def fit(self, X: Any, y: Any = None) -> "Flags":
        self._remember(X)
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        return np.asarray(X, dtype=object).astype(np.float64)

    def _remember(self, X: pd.DataFrame) -> None:
        self.feature_names_in_ = np.array(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]


class Frequent(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The `most` frequent words of each column in `fit`, and one word for all others; blanks stay.

    An encoder looks up every word that it was given: a million rows with 632,000 different ones took
    minutes to train instead of 9 s, and each request would have paid as well.
    """

    def __init__(self, most: int = 100) -> None:
        self.most = most

    def fit(self, X: pd.DataFrame, y: Any = None) -> "Frequent":
        self.feature_names_in_ = np.array(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        counts = (X[name].value_counts() for name in X.columns)
        self.words_ = [np.array(found.index[: self.most], dtype=object) for found in counts]
        return self

    def transform(self, X: pd.DataFrame) -> NDArray[Any]:
        check_is_fitted(self)
        columns = (X.iloc[:, place].astype(object) for place in range(self.n_features_in_))
        kept = [
            column.where(column.isin(words) | column.isna(), _OTHER).to_numpy(dtype=object)
            for column, words in zip(columns, self.words_, strict=True)
        ]
        return np.column_stack(kept)


class Texts(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """One column of texts, what a vectorizer takes; a blank one is a word of its own.

    So a vectorizer finds a word also where few rows have a text, and a fold none of them.
    """

    def fit(self, X: Any, y: Any = None) -> "Texts":
        return self

    def transform(self, X: Any) -> NDArray[Any]:
        texts = [_BLANK if text != text or not text.strip() else text for text in X]  # noqa: PLR0124 - NaN
        return np.array(texts, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True


class CalendarParts(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Moments as parts of the calendar and as an age in days, counted from the newest that `fit` saw.

    A part that never changed in `fit` (the hour of plain dates) is left out; blanks are NaN throughout.
    """

    def fit(self, X: pd.DataFrame, y: Any = None) -> "CalendarParts":
        self.feature_names_in_ = np.array(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        self.newest_us_ = np.array([_newest(X[name]) for name in X.columns], dtype=np.int64)
        self.parts_ = [_varying(self._parts(X[name], place)) for place, name in enumerate(X.columns)]
        return self

    def transform(self, X: pd.DataFrame) -> NDArray[np.float64]:
        check_is_fitted(self)
        columns = []
        for place, kept in enumerate(self.parts_):
            parts = self._parts(X.iloc[:, place], place)
            columns += [parts[name] for name in kept]
        return np.column_stack(columns).astype(np.float64, copy=False)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        check_is_fitted(self)
        found = zip(self.feature_names_in_, self.parts_, strict=True)
        return np.array([f"{name}_{part}" for name, kept in found for part in kept], dtype=object)

    def _parts(self, column: pd.Series, place: int) -> dict[str, NDArray[np.float64]]:
        moments = column.dt
        parts = {
            "year": moments.year,
            "month": moments.month,
            "day": moments.day,
            "weekday": moments.day_of_week,
            "hour": moments.hour + moments.minute / 60,
            "age_days": (self.newest_us_[place] - _microseconds(column)) / _DAY_US,
        }
        numbers = {name: np.asarray(values, dtype=np.float64) for name, values in parts.items()}
        for name, length in _CYCLES.items():
            angle = numbers[name] * (2 * np.pi / length)
            numbers |= {f"{name}_sin": np.sin(angle), f"{name}_cos": np.cos(angle)}
        return numbers


class Splines(SplineTransformer):  # type: ignore[misc]
    """scikit-learn's, pickled as numbers: SciPy's own pickles name functions of its private modules."""

    def __getstate__(self) -> dict[str, Any]:
        state = {**super().__getstate__()}
        if "bsplines_" in state:
            state["bsplines_"] = [(each.t, each.c, each.k, each.extrapolate) for each in self.bsplines_]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        splines = {"bsplines_": [BSpline(*parts) for parts in state.get("bsplines_", ())]}
        super().__setstate__({**state, **(splines if "bsplines_" in state else {})})


def _microseconds(column: pd.Series) -> NDArray[np.float64]:
    """Since 1970; NaN where blank."""
    moments = column.to_numpy().astype("datetime64[us]")
    return np.where(np.isnat(moments), np.nan, moments.astype(np.int64).astype(np.float64))


def _newest(column: pd.Series) -> int:
    known = _microseconds(column)
    known = known[~np.isnan(known)]
    return int(known.max()) if known.size else 0


def _varying(parts: dict[str, NDArray[np.float64]]) -> list[str]:
    """The parts with more than one value; the age at least, so that there is always one."""
    return [name for name, values in parts.items() if name == "age_days" or _varies(values)]


def _varies(values: NDArray[np.float64]) -> bool:
    known = values[~np.isnan(values)]
    return bool(known.size and (known != known[0]).any())
