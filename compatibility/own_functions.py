"""What a user has in a package of their own, which is installed where models are served, too."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline


def log_of_all(rows: Any) -> Any:
    return np.log1p(rows)


def add_ratio(frame: Any) -> Any:
    return frame.assign(ratio=frame.iloc[:, 0] / frame.iloc[:, 1])


class Clipper(TransformerMixin, BaseEstimator):
    """A transformer as people write them."""

    def __init__(self, low: float = 0.05, high: float = 0.95) -> None:
        self.low, self.high = low, high

    def fit(self, X: Any, y: Any = None) -> "Clipper":
        self.low_, self.high_ = np.quantile(np.asarray(X, float), [self.low, self.high], axis=0)
        self.n_features_in_ = np.asarray(X).shape[1]
        return self

    def transform(self, X: Any) -> Any:
        return np.clip(np.asarray(X, float), self.low_, self.high_)


def exp_of_all(rows: Any) -> Any:
    return np.expm1(rows)


def month_and_weekday(frame: Any) -> Any:
    days = frame.iloc[:, 0].dt
    return np.column_stack([days.month, days.dayofweek])


def words_of(text: str) -> list[str]:
    return text.split(" ")


def lower(text: str) -> str:
    return text.lower()


class ThresholdedClassifier(LogisticRegression):
    """A subclass of one of scikit-learn's, as people write them."""

    def predict(self, X: Any) -> Any:
        return self.classes_[(self.predict_proba(X)[:, 1] > 0.4).astype(int)]


class PlainModel:
    """A model that is no estimator: it has predict, and nothing else of scikit-learn's."""

    def fit(self, X: Any, y: Any) -> "PlainModel":
        self.mean = float(np.mean(y))
        return self

    def predict(self, X: Any) -> Any:
        return np.full(len(X), self.mean)


class Rounded(RegressorMixin, BaseEstimator):
    """A model of one's own around another, whose answers are a Series."""

    def __init__(self, inner: Any = None) -> None:
        self.inner = inner

    def fit(self, X: Any, y: Any) -> "Rounded":
        self.inner_ = clone(self.inner).fit(X, y)
        return self

    def predict(self, X: Any) -> Any:
        return pd.Series(self.inner_.predict(X)).round(1)


class Listed(ClassifierMixin, BaseEstimator):
    """A classifier of one's own: it answers a list of words, and has no probabilities."""

    def fit(self, X: Any, y: Any) -> "Listed":
        self.classes_ = np.unique(y)
        self.middle_ = float(np.median(np.asarray(X)[:, 0]))
        return self

    def predict(self, X: Any) -> Any:
        return [str(self.classes_[int(row[0] > self.middle_)]) for row in np.asarray(X)]


class Weekly(Pipeline):
    """A pipeline with a name of one's own."""


class Scaled(TransformerMixin, BaseEstimator):
    """A transformer that hands on a table with names of its own."""

    def fit(self, X: Any, y: Any = None) -> "Scaled":
        self.means_ = X.mean()
        return self

    def transform(self, X: Any) -> Any:
        return (X - self.means_).add_suffix("_centred")


def squared_distance(one: Any, other: Any) -> float:
    return float(((one - other) ** 2).sum())


def linear_kernel(one: Any, other: Any) -> Any:
    return np.asarray(one) @ np.asarray(other).T


def numeric_columns(frame: Any) -> list[str]:
    return list(frame.select_dtypes("number").columns)
