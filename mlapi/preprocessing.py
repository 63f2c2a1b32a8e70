"""Transformers that this project's pipelines are made of beside scikit-learn's own.

They are pickled with every version, so their names and attributes are part of the format. Each takes what a
server makes of a request (see `mlapi.rows`) and what training makes of a table: the same columns.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import BSpline
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.preprocessing import SplineTransformer
from sklearn.utils.validation import check_is_fitted

OTHER = "_other_"
"""What `Frequent` makes of words that are not frequent."""

_BLANK = "_blank_"

_DAY_US = 24 * 3600 * 1_000_000

Moments: TypeAlias = NDArray[np.datetime64]
"""In microseconds, without a zone; NaT where blank."""


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
            column.where(column.isin(words) | column.isna(), OTHER).to_numpy(dtype=object)
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
        columns = [_moments(X.iloc[:, place]) for place in range(self.n_features_in_)]
        self.newest_us_ = np.array([_newest(moments) for moments in columns], dtype=np.int64)
        self.parts_ = [
            _varying(moments, newest) for moments, newest in zip(columns, self.newest_us_, strict=True)
        ]
        return self

    def transform(self, X: pd.DataFrame) -> NDArray[np.float64]:
        check_is_fitted(self)
        found = enumerate(zip(self.newest_us_, self.parts_, strict=True))
        columns = [
            part
            for place, (newest, kept) in found
            for part in calendar(_moments(X.iloc[:, place]), newest, kept)
        ]
        return np.column_stack(columns)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        check_is_fitted(self)
        found = zip(self.feature_names_in_, self.parts_, strict=True)
        return np.array([f"{name}_{part}" for name, kept in found for part in kept], dtype=object)


def calendar(moments: Moments, newest_us: int, parts: Iterable[str]) -> list[NDArray[np.float64]]:
    """The named parts of moments, NaN where blank; an age counts from `newest_us`."""
    found = [_part(name, moments, newest_us) for name in parts]
    blank = np.isnat(moments)
    if blank.any():
        for part in found:
            part[blank] = np.nan
    return found


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


def _moments(column: pd.Series) -> Moments:
    return column.to_numpy().astype("datetime64[us]")  # type: ignore[no-any-return]


def _count(moments: Moments, unit: str) -> NDArray[Any]:
    """Whole units since 1970 began, which was a Thursday."""
    return moments.astype(f"datetime64[{unit}]").astype(np.int64)


def _day_of_month(moments: Moments) -> NDArray[Any]:
    first = moments.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return _count(moments, "D") - first + 1.0


def _hours(moments: Moments) -> NDArray[Any]:
    minutes = _count(moments, "m") % (24 * 60)
    return minutes // 60 + minutes % 60 / 60


_NUMBERS: Mapping[str, Callable[[Moments], NDArray[Any]]] = {
    "year": lambda moments: _count(moments, "Y") + 1970.0,
    "month": lambda moments: _count(moments, "M") % 12 + 1.0,
    "day": _day_of_month,
    "weekday": lambda moments: (_count(moments, "D") + 3) % 7 + 0.0,
    "hour": _hours,
}

_CYCLES = {"month": 12, "weekday": 7, "hour": 24}
"""Parts whose last value is next to the first one: a linear model sees that in their sine and cosine."""

_WAVES: Mapping[str, Callable[..., Any]] = {"sin": np.sin, "cos": np.cos}

_PARTS = (*_NUMBERS, "age_days", *(f"{name}_{wave}" for name in _CYCLES for wave in _WAVES))


def _part(name: str, moments: Moments, newest_us: int) -> Any:
    if name == "age_days":
        return (newest_us - _count(moments, "us").astype(np.float64)) / _DAY_US
    if name in _NUMBERS:
        return _NUMBERS[name](moments)
    number, wave = name.split("_")
    return _WAVES[wave](_NUMBERS[number](moments) * (2 * np.pi / _CYCLES[number]))


def _newest(moments: Moments) -> int:
    known = _count(moments[~np.isnat(moments)], "us")
    return int(known.max()) if known.size else 0


def _varying(moments: Moments, newest_us: int) -> list[str]:
    """The parts with more than one value; the age at least, so that there is always one."""
    known = moments[~np.isnat(moments)]
    found = zip(_PARTS, calendar(known, newest_us, _PARTS), strict=True)
    return [name for name, values in found if name == "age_days" or (values != values[:1]).any()]
