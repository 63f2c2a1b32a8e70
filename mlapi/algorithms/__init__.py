"""The algorithms that training knows. To add one: a file here, and its line in `ALGORITHMS`."""

from collections.abc import Mapping

from mlapi.algorithms import linear_regression, logistic_regression, svm
from mlapi.algorithms.declaration import Algorithm

ALGORITHMS: Mapping[str, Algorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        linear_regression.ALGORITHM,
        logistic_regression.ALGORITHM,
        svm.ALGORITHM,
    )
}

CLASSES = frozenset(name for algorithm in ALGORITHMS.values() for name in algorithm.classes)
"""What the pickles of all of them name together."""
