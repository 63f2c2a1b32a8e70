"""Logistic regression with an L2 penalty, binary or multinomial."""

from sklearn.linear_model import LogisticRegression

from mlapi.algorithms.declaration import CLASSIFICATION, Algorithm, Parameter

ALGORITHM = Algorithm(
    name="logistic_regression",
    builders={CLASSIFICATION: LogisticRegression},
    parameters={
        "C": Parameter(1.0, "Inverse strength of the penalty.", float, minimum=0, above=True),
        "fit_intercept": Parameter(True, "Whether there is a constant term.", bool),
        "class_weight": Parameter(
            None, "'balanced' weighs classes by their rarity.", choices=(None, "balanced")
        ),
        # scikit-learn's own 100 stops short on some scaled data of this size.
        "max_iter": Parameter(1000, "The most steps of the solver.", int, minimum=1, maximum=1e6),
    },
    recognises=(LogisticRegression,),
    classes=("sklearn.linear_model._logistic.LogisticRegression",),
)
