"""What a user has in a package of their own, which is installed where models are served, too."""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression


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
