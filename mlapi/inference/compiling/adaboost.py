"""AdaBoost of decision trees by the trees' own compiled code: each tree answers, and the answers are counted.

As `mlapi.inference.compiling.trees`, the same to the last bit (scikit-learn 1.9,
`sklearn.ensemble._weight_boosting`), and never stored.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)
from sklearn.utils.extmath import softmax

from mlapi.data.labels import float64s_per_label
from mlapi.data.signature import Matrix
from mlapi.inference.compiled.final_estimator import (
    DECISION_FUNCTION,
    PREDICT,
    PREDICT_PROBA,
    Answer,
    MethodOutputs,
    RowScores,
)
from mlapi.inference.compiling.compilers import Compilers
from mlapi.inference.compiling.merged_trees import are_alike, merge_trees, with_tree_numbers
from mlapi.inference.compiling.trees import FEW, NODES, in_float32


class EachTree:
    """What each of several trees says."""

    def __init__(self, trees: Sequence[Any]) -> None:
        """
        Args:
            trees: Instances of `sklearn.tree._tree.Tree`.
        """
        self.trees = tuple(trees)
        is_small = len(trees) > 1 and sum(tree.node_count for tree in trees) <= NODES
        self.all_at_once = merge_trees(trees) if is_small else None
        self.width = len(trees) * int(self.trees[0].max_n_classes)

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return the answers, `(trees, rows, outputs)`.

        Raises:
            Fallback: A number is not finite.
        """
        rows = in_float32(matrix, allows_missing=False)
        if self.all_at_once is not None and rows.size <= FEW:
            answers = self.all_at_once.predict(with_tree_numbers(rows, len(self.trees)))
        else:
            answers = np.array([tree.predict(rows) for tree in self.trees])
        result: NDArray[np.float64] = answers.reshape(len(self.trees), len(rows), -1)
        return result


@dataclass(slots=True)
class Ballots:
    """The classes that the trees say, each tree with its weight."""

    trees: EachTree
    weights: NDArray[np.float64]
    """`(trees,)`."""
    total: float
    """What the counted weights are divided by."""
    classes: NDArray[Any]
    """`(classes,)`, the labels."""
    methods: frozenset[str] = frozenset({PREDICT, PREDICT_PROBA, DECISION_FUNCTION})

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return max(self.trees.width, len(self.weights) * len(self.classes), float64s_per_label(self.classes))

    def answer(self, matrix: Matrix, methods: Collection[str]) -> Answer:
        """Return labels, `(rows,)`, decisions, `(rows,)` or `(rows, classes)`, and probabilities.

        Raises:
            Fallback: A number is not finite.
        """
        decisions = self._decisions(self.trees(matrix))
        outputs: MethodOutputs = {}
        if PREDICT in methods:
            places = decisions > 0 if decisions.ndim == 1 else decisions.argmax(axis=1)
            outputs[PREDICT] = self.classes.take(places)
        if PREDICT_PROBA in methods:
            halves = np.vstack([-decisions, decisions]).T / 2 if decisions.ndim == 1 else None
            outputs[PREDICT_PROBA] = softmax(
                decisions / (len(self.classes) - 1) if halves is None else halves, copy=False
            )
        if DECISION_FUNCTION in methods:
            outputs[DECISION_FUNCTION] = decisions
        return Answer(outputs, None)

    def _decisions(self, answers: NDArray[np.float64]) -> RowScores:
        """Count the weights, one tree after the other, for each class `(rows, classes)`; of two `(rows,)`."""
        classes = len(self.classes)
        is_said = answers.argmax(axis=2)[:, :, None] == np.arange(classes)
        weights = self.weights[:, None, None]
        counted: RowScores = np.cumsum(np.where(is_said, weights, -1 / (classes - 1) * weights), axis=0)[-1]
        counted /= self.total
        if classes > 2:
            return counted
        counted[:, 0] *= -1
        of_two: RowScores = counted.sum(axis=1)
        return of_two


@dataclass(slots=True)
class Median:
    """The weighted median of the values that the trees say."""

    trees: EachTree
    weights: NDArray[np.float64]
    """`(trees,)`, or more."""
    methods: frozenset[str] = frozenset({PREDICT})

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return self.trees.width

    def answer(self, matrix: Matrix, methods: Collection[str]) -> Answer:
        """Return the values, `(rows,)`.

        Raises:
            Fallback: A number is not finite.
        """
        values = self.trees(matrix)[:, :, 0].T
        order = np.argsort(values, axis=1)
        sums = np.cumsum(self.weights[order], axis=1)
        middle = (sums >= 0.5 * sums[:, -1][:, np.newaxis]).argmax(axis=1)
        rows = np.arange(len(values))
        return Answer({PREDICT: values[rows, order[rows, middle]]}, None)


def _classifier(estimator: AdaBoostClassifier) -> Ballots | None:
    """Compile a classifier; None if it is of other estimators than trees of all its classes."""
    members, classes = estimator.estimators_, estimator.classes_
    if not set(map(type, members)) <= {DecisionTreeClassifier, ExtraTreeClassifier} or len(classes) < 2:
        return None
    trees = [member.tree_ for member in members]
    have_classes = all(np.array_equal(member.classes_, classes) for member in members)
    if not have_classes or not are_alike(trees, estimator.n_features_in_):
        return None
    weights = np.asarray(estimator.estimator_weights_, dtype=np.float64)
    return Ballots(EachTree(trees), weights[: len(members)], float(weights.sum()), classes)


def _regressor(estimator: AdaBoostRegressor) -> Median | None:
    """Compile a regressor; None if it is of other estimators than trees."""
    members = estimator.estimators_
    if not set(map(type, members)) <= {DecisionTreeRegressor, ExtraTreeRegressor}:
        return None
    trees = [member.tree_ for member in members]
    if not are_alike(trees, estimator.n_features_in_):
        return None
    return Median(EachTree(trees), estimator.estimator_weights_)


COMPILERS: Compilers = {AdaBoostClassifier: _classifier, AdaBoostRegressor: _regressor}
"""By class of AdaBoost, what compiles it."""
