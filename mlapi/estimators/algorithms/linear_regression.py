"""Least squares: plain, or with a penalty on the coefficients (ridge, lasso, elastic net)."""

from typing import Any

from scipy.stats import loguniform, uniform
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge

from mlapi.estimators.algorithms.declaration import REGRESSION, Algorithm, Parameter

MAX_ITER = 20_000
"""The most iterations of coordinate descent. scikit-learn's own 1,000 are too few where columns are nearly
the same."""


def _values(penalty: str | None, alpha: float, l1_ratio: float, **line: Any) -> Any:
    """Return the estimator of this penalty; `line` are the parameters that all of them have."""
    if penalty == "ridge":
        return Ridge(alpha, **line)
    if penalty == "lasso":
        return Lasso(alpha, max_iter=MAX_ITER, **line)
    if penalty == "elastic_net":
        return ElasticNet(alpha, l1_ratio=l1_ratio, max_iter=MAX_ITER, **line)
    return LinearRegression(**line)


_BARE = {None: LinearRegression, "ridge": Ridge, "lasso": Lasso, "elastic_net": ElasticNet}
"""By penalty, scikit-learn's class."""


def _bare(penalty: str | None = None, **parameters: Any) -> Any:
    return _BARE[penalty](**parameters)


ALGORITHM = Algorithm(
    name="linear_regression",
    builders={REGRESSION: _values},
    bare={REGRESSION: _bare},
    parameters={
        "penalty": Parameter(
            None,
            "What keeps the coefficients small: their squares, their sizes (which drops features), or both.",
            choices=(None, "ridge", "lasso", "elastic_net"),
        ),
        "alpha": Parameter(1.0, "Strength of the penalty.", float, minimum=0, above=True),
        "l1_ratio": Parameter(
            0.5, "How much of the elastic net is lasso; the rest is ridge.", float, minimum=0, maximum=1
        ),
        "fit_intercept": Parameter(True, "Whether the line may miss the origin.", bool),
        "positive": Parameter(False, "Whether no coefficient may be negative.", bool),
    },
    recognises=(LinearRegression, Ridge, Lasso, ElasticNet),
    classes=(
        "sklearn.linear_model._base.LinearRegression",
        "sklearn.linear_model._coordinate_descent.ElasticNet",
        "sklearn.linear_model._coordinate_descent.Lasso",
        "sklearn.linear_model._ridge.Ridge",
    ),
    # Without a penalty a table of words, more columns than rows, is learnt by heart; and where columns nearly
    # add up to one another, folds look fine and another row gets anything. So it is for those who ask for it.
    start={"penalty": "ridge"},
    tries_defaults=False,
    # RidgeCV searches 0.1 to 10, auto-sklearn's ridge_regression 1e-5 to 10. What does the same for more rows
    # (ridge) or for a target of larger numbers (lasso) is larger: hence wider.
    search=(
        {"penalty": ["ridge"], "alpha": loguniform(1e-3, 1e4)},
        {"penalty": ["lasso"], "alpha": loguniform(1e-3, 1e3)},
        {"penalty": ["elastic_net"], "alpha": loguniform(1e-3, 1e3), "l1_ratio": uniform(0.05, 0.9)},
    ),
)
