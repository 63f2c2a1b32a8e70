"""A conformal regressor of MAPIE's, which is no estimator of scikit-learn's, as one."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin

_PARTS = ("_mapie_regressor", "_mapie_quantile_regressor")
"""Where MAPIE's regressors have the part with the estimators that they ask."""


class ConformalRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Answers as the regressor of MAPIE's within, with its interval of one confidence level."""

    conformal_: Any
    """The regressor of MAPIE's."""
    coverage_: float
    """The share of rows that the intervals are meant to hold: the first confidence level."""
    n_features_in_: int

    @classmethod
    def of(cls, conformal: Any) -> Self:
        """Return the estimator around a regressor of MAPIE's that is conformalized.

        Raises:
            AttributeError: It has not the parts that MAPIE 1 gives it.
        """
        made = cls()
        made.conformal_ = conformal
        made.coverage_ = _coverage(conformal)
        part = next(getattr(conformal, name) for name in _PARTS if hasattr(conformal, name))
        around = getattr(part, "estimator_", part)
        fitted = getattr(around, "single_estimator_", part.estimator)
        made.n_features_in_ = int(fitted.n_features_in_)
        if hasattr(fitted, "feature_names_in_"):
            made.feature_names_in_ = np.asarray(fitted.feature_names_in_, dtype=object)
        return made

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the prediction for each row of `(rows, features)`: `(rows,)`."""
        values: NDArray[Any] = self.conformal_.predict(X)
        return values

    def predict_interval(self, X: Any) -> NDArray[Any]:
        """Return the lower and the upper bound for each row of `(rows, features)`: `(rows, 2)`."""
        _, bounds = self.conformal_.predict_interval(X)  # (rows, 2, levels)
        return np.asarray(bounds)[:, :, 0]


def _coverage(conformal: Any) -> float:
    alphas = getattr(conformal, "_alphas", None)
    return round(1 - float(conformal._alpha if alphas is None else alphas[0]), 12)
