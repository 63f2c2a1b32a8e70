"""Many decision trees, each grown on other rows and features, whose mean answers."""

from functools import partial
from typing import Any

from scipy.stats import randint, uniform
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from mlapi.estimators.algorithms import trees
from mlapi.estimators.algorithms.declaration import (
    CLASSIFICATION,
    REGRESSION,
    Algorithm,
    Parameter,
    Parameters,
)

AUTO = "auto"
"""The value of `max_features` for scikit-learn's default of the task."""

TREES = 100
"""How many trees there are by default."""


def _classes(max_features: Any, **parameters: Any) -> RandomForestClassifier:
    return RandomForestClassifier(max_features="sqrt" if max_features == AUTO else max_features, **parameters)


def _values(max_features: Any, **parameters: Any) -> RandomForestRegressor:
    return RandomForestRegressor(max_features=1.0 if max_features == AUTO else max_features, **parameters)


def _bare(forest: type, **parameters: Any) -> Any:
    return forest(**{name: value for name, value in parameters.items() if value != AUTO})


def at_scale(parameters: Parameters, rows: int) -> tuple[Parameters, str | None]:
    """Limit the leaves for so many rows; a tree that draws its rows gets about 63 % of them."""
    share = 0.64 if parameters.get("bootstrap", True) else 1.0
    return trees.at_scale(parameters, rows, trees=parameters.get("n_estimators", TREES), share=share)


ALGORITHM = Algorithm(
    name="random_forest",
    builders={CLASSIFICATION: _classes, REGRESSION: _values},
    bare={
        CLASSIFICATION: partial(_bare, RandomForestClassifier),
        REGRESSION: partial(_bare, RandomForestRegressor),
    },
    parameters={
        "n_estimators": Parameter(TREES, "How many trees.", int, minimum=1, maximum=10_000),
        **trees.PARAMETERS,
        "max_features": Parameter(
            AUTO,
            "The share of features that each question may choose from; 'auto': 'sqrt' for classes, or all.",
            float,
            minimum=0,
            maximum=1,
            above=True,
            choices=(AUTO, "sqrt", "log2", None),
        ),
        "bootstrap": Parameter(True, "Whether each tree draws its rows, else it has them all.", bool),
    },
    recognises=(RandomForestClassifier, RandomForestRegressor),
    classes=(
        "sklearn.ensemble._forest.RandomForestClassifier",
        "sklearn.ensemble._forest.RandomForestRegressor",
        "sklearn.tree._classes.DecisionTreeClassifier",
        "sklearn.tree._classes.DecisionTreeRegressor",
        "sklearn.tree._tree.Tree",
    ),
    # The ranges of auto-sklearn's random_forest. More trees are never worse, only slower (Probst, Wright,
    # Boulesteix 2019, "Hyperparameters and tuning strategies for random forest"): they are not searched.
    search=(
        {
            "max_features": uniform(0.1, 0.9),
            "min_samples_split": randint(2, 21),
            "min_samples_leaf": randint(1, 21),
            "bootstrap": [True, False],
        },
    ),
    at_scale=at_scale,
    splits=True,
    seeded=True,
)
