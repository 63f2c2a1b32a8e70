"""A booster of LightGBM's, from its text, in place of the estimator that was fitted.

LightGBM has no public way from a booster to a LGBMClassifier or LGBMRegressor. These give the same answers;
of classes the numbers, as the text has no names of them.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

_THREADS = {"num_threads": 1}
"""A server has threads of its own; those of OpenMP would not live on in a worker that is forked."""


class _LightGBMBooster(BaseEstimator):  # type: ignore[misc]
    """What both have in common; `feature_names_in_` is there where the columns have names."""

    booster_: Any
    categories_: list[tuple[Any, ...]]
    n_features_in_: int

    @classmethod
    def of(cls, booster: Any, names: Sequence[str] | None, categories: Sequence[Sequence[Any]]) -> Self:
        """Return the estimator around a booster.

        Args:
            names: Of the columns; None where they have none.
            categories: Of each column, in the order of their codes; none of a column of numbers.
        """
        made = cls()
        made.booster_ = booster
        made.n_features_in_ = int(booster.num_feature())
        made.categories_ = list(map(tuple, categories))
        if names is not None:
            made.feature_names_in_ = np.array(names, dtype=object)
        return made

    def _answers(self, X: Any, **how: Any) -> NDArray[Any]:
        """Return what the booster answers to rows `(rows, features)`: `(rows,)`, or `(rows, classes)`."""
        answers: NDArray[Any] = self.booster_.predict(self._matrix(X), **how, **_THREADS)
        return answers

    def _matrix(self, X: Any) -> NDArray[Any]:
        """Return rows `(rows, features)` as numbers: a category as its code, an unknown one as missing."""
        if not any(self.categories_):
            return np.asarray(X, dtype=np.float64)
        columns = [X.iloc[:, place] if hasattr(X, "iloc") else X[:, place] for place in range(X.shape[1])]
        matrix = np.empty(X.shape)
        for place, (cells, categories) in enumerate(zip(columns, self.categories_, strict=True)):
            matrix[:, place] = _codes(cells, categories) if categories else cells
        return matrix


def _codes(cells: Any, categories: Sequence[Any]) -> list[float]:
    codes = {category: float(code) for code, category in enumerate(categories)}
    return [codes.get(cell, np.nan) for cell in cells.tolist()]


class LightGBMRegressor(RegressorMixin, _LightGBMBooster):  # type: ignore[misc]
    """Answers as LGBMRegressor, or as LGBMRanker, around the same booster."""

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the answer to each row of `(rows, features)`: `(rows,)`."""
        return self._answers(X)


class LightGBMClassifier(ClassifierMixin, _LightGBMBooster):  # type: ignore[misc]
    """Answers as LGBMClassifier around the same booster, with the numbers of the classes as labels."""

    classes_: NDArray[Any]

    @classmethod
    def of(cls, booster: Any, names: Sequence[str] | None, categories: Sequence[Sequence[Any]]) -> Self:
        """Return the classifier around a booster, see `_LightGBMBooster.of`."""
        made = super().of(booster, names, categories)
        made.classes_ = np.arange(max(2, booster.num_model_per_iteration()))
        return made

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the number of the likeliest class for each row of `(rows, features)`: `(rows,)`."""
        labels: NDArray[Any] = self.classes_[np.argmax(self.predict_proba(X), axis=1)]
        return labels

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the probability of each class for rows `(rows, features)`: `(rows, classes)`."""
        answers = self._answers(X)
        return answers if answers.ndim == 2 else np.vstack((1.0 - answers, answers)).T

    def decision_function(self, X: Any) -> NDArray[Any]:
        """Return the scores of rows `(rows, features)`: `(rows,)` of two classes, else `(rows, classes)`."""
        return self._answers(X, raw_score=True)
