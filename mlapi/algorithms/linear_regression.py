"""Ordinary least squares."""

from sklearn.linear_model import LinearRegression

from mlapi.algorithms.declaration import REGRESSION, Algorithm, Parameter

ALGORITHM = Algorithm(
    name="linear_regression",
    builders={REGRESSION: LinearRegression},
    parameters={
        "fit_intercept": Parameter(True, "Whether the line may miss the origin.", bool),
        "positive": Parameter(False, "Whether no coefficient may be negative.", bool),
    },
    recognises=(LinearRegression,),
    classes=("sklearn.linear_model._base.LinearRegression",),
)
