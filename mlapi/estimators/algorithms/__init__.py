"""The algorithms that training knows, a file each. To add one: a file here, and its line in `ALGORITHMS`."""

from collections.abc import Mapping

from mlapi.estimators.algorithms import (
    cnn,
    decision_tree,
    gradient_boosting,
    linear_regression,
    logistic_regression,
    random_forest,
    svm,
)
from mlapi.estimators.algorithms.declaration import Algorithm
from mlapi.estimators.preprocessing import PICKLED

ALGORITHMS: Mapping[str, Algorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        linear_regression.ALGORITHM,
        logistic_regression.ALGORITHM,
        svm.ALGORITHM,
        decision_tree.ALGORITHM,
        random_forest.ALGORITHM,
        gradient_boosting.ALGORITHM,
        cnn.ALGORITHM,
    )
}
"""By name, as recipes and requests call them. Of equally good ones a comparison takes the first."""

CLASSES = PICKLED.union(*(algorithm.classes for algorithm in ALGORITHMS.values()))
"""The classes that a pipeline of any of them may name in its pickle, by full name."""
