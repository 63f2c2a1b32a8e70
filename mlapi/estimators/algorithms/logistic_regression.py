"""Logistic regression, binary or multinomial, with an L2 penalty, an L1 penalty, or both."""

from typing import Any

from scipy.stats import loguniform, uniform
from sklearn.linear_model import LogisticRegression

from mlapi.estimators.algorithms.declaration import CLASSIFICATION, Algorithm, Parameter


def _classes(l1_ratio: float, **parameters: Any) -> LogisticRegression:
    """Return the estimator with the solver that suits the penalty.

    `l1_ratio` alone says what the penalty is: scikit-learn deprecates `penalty` since 1.8. Only saga takes an
    L1 part for any number of classes; without one, lbfgs is much quicker.
    """
    return LogisticRegression(l1_ratio=l1_ratio, solver="saga" if l1_ratio else "lbfgs", **parameters)


def _bare(**parameters: Any) -> LogisticRegression:
    """Return scikit-learn's estimator with a solver that takes its penalty: its own, or saga for an L1
    part."""
    return LogisticRegression(**parameters, **({"solver": "saga"} if parameters.get("l1_ratio") else {}))


ALGORITHM = Algorithm(
    name="logistic_regression",
    builders={CLASSIFICATION: _classes},
    bare={CLASSIFICATION: _bare},
    parameters={
        "C": Parameter(1.0, "Inverse strength of the penalty.", float, minimum=0, above=True),
        "l1_ratio": Parameter(
            0.0,
            "How much of the penalty is L1, which drops features; the rest is L2.",
            float,
            minimum=0,
            maximum=1,
        ),
        "fit_intercept": Parameter(True, "Whether there is a constant term.", bool),
        "class_weight": Parameter(
            None, "'balanced' weighs classes by their rarity.", choices=(None, "balanced")
        ),
        # scikit-learn's own 100 stops short on some scaled data of this size.
        "max_iter": Parameter(1000, "The most steps of the solver.", int, minimum=1, maximum=1e6),
    },
    recognises=(LogisticRegression,),
    classes=("sklearn.linear_model._logistic.LogisticRegression",),
    # LogisticRegressionCV searches 1e-4 to 1e4. With an L1 part and C beyond 10, saga takes thousands of
    # steps to what no penalty at all would give.
    search=(
        {"C": loguniform(1e-4, 1e4)},
        {"C": loguniform(1e-3, 1e1), "l1_ratio": uniform(0.05, 0.9), "max_iter": [5000]},
        {"C": loguniform(1e-3, 1e1), "l1_ratio": [1.0], "max_iter": [5000]},
    ),
    seeded=True,
)
