"""Decision trees, forests and boosted trees by their own compiled code, without the checks around it.

Each answer is scikit-learn's own to the last bit: the same trees, summed in the same order. For a few rows
all trees are asked at once, as one large tree (`mlapi.inference.compiling.merged_trees`). None of this is
ever stored: it needs scikit-learn, so the estimator is loaded anyway.

Measured with 100 trees on 30 columns, the CPU time of one row and of 1,000 rows:

|                       | random forest    | histogram boosting | off by                           |
|-----------------------|------------------|--------------------|----------------------------------|
| scikit-learn 1.9.1    | 4,130 / 5,770 us | 560 / 4,720 us     | 0                                |
| here                  | 14 / 1,980 us    | 16 / 4,590 us      | 0                                |
| treelite 4.8.1, GTIL  | 36 / 11,900 us   | 31 / 9,300 us      | 0 and 3e-16                      |
| onnxruntime 1.31.1    | 7 / 2,350 us     | not converted      | 5e-8 (its sums are in float32)   |
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.ensemble._gradient_boosting import predict_stages
from sklearn.ensemble._hist_gradient_boosting._predictor import _predict_from_raw_data
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from mlapi.data.labels import float64s_per_label
from mlapi.data.signature import Matrix
from mlapi.inference.compiled.final_estimator import Answer, Fallback, RowFlags
from mlapi.inference.compiling.compilers import Compilers
from mlapi.inference.compiling.merged_trees import (
    are_alike,
    merge_histogram_trees,
    merge_trees,
    running_sums,
    with_tree_numbers,
)

TreeSums: TypeAlias = NDArray[np.float64]
"""`(rows, outputs)`, float64: what the trees say together, in a column for each class; of two classes, and of
a regressor, there may be one column, `(rows, 1)`."""

FEW = 1024
"""The most cells of a batch that is repeated for each tree, to ask all trees at once. A call of a tree costs
2 to 4 us, which is what it costs to copy and follow 60 rows of 30 columns."""

NODES = 2**17
"""The most nodes of all trees for which one merged tree is held beside them: about 8 MB."""


class Ensemble(Protocol):
    """Trees that answer together."""

    @property
    def width(self) -> int:
        """How many columns its sums have."""
        ...

    def __call__(self, matrix: Matrix) -> TreeSums:
        """Return the sums for a matrix of rows.

        Raises:
            Fallback: A row is not finite, and the trees do not know missing values.
        """
        ...


@dataclass(slots=True)
class Trees:
    """A final estimator of trees: each of its outputs is computed from their sums alone."""

    ensemble: Ensemble
    outputs: dict[str, Callable[[TreeSums], NDArray[Any]]]
    """By method, what makes its output, `(rows,)` or `(rows, classes)`, of the sums."""
    methods: frozenset[str]
    width: int
    """How many numbers are made of one row, at most."""

    def answer(self, matrix: Matrix, methods: Collection[str]) -> Answer:
        """Return the outputs of these methods.

        Raises:
            Fallback: Rows are not finite, and the trees do not know missing values.
        """
        sums = self.ensemble(matrix)
        outputs = {name: output(sums) for name, output in self.outputs.items() if name in methods}
        return Answer(outputs, None)


def _trees(ensemble: Ensemble, classes: Any, **outputs: Callable[[TreeSums], NDArray[Any]]) -> Trees:
    width = max(ensemble.width, float64s_per_label(classes))
    return Trees(ensemble, outputs, frozenset(outputs), width)


class Forest:
    """The mean of scikit-learn's own trees, which take float32 as they do there."""

    def __init__(self, trees: Sequence[Any], *, allows_missing: bool) -> None:
        """
        Args:
            trees: Instances of `sklearn.tree._tree.Tree`.
            allows_missing: Whether they take NaN.
        """
        self.trees = tuple(trees)
        self.allows_missing = allows_missing
        is_small = len(trees) > 1 and sum(tree.node_count for tree in trees) <= NODES
        self.all_at_once = merge_trees(trees) if is_small else None
        self.width = int(self.trees[0].max_n_classes)

    def __call__(self, matrix: Matrix) -> TreeSums:
        """Return the means: probabilities by class, or values."""
        rows = in_float32(matrix, allows_missing=self.allows_missing)
        sums: TreeSums
        if self.all_at_once is not None and rows.size <= FEW:
            answers = self.all_at_once.predict(with_tree_numbers(rows, len(self.trees)))
            sums = running_sums(answers.reshape(len(self.trees), len(rows), -1))[-1]
        else:
            sums = self.trees[0].predict(rows)
            for tree in self.trees[1:]:
                sums += tree.predict(rows)
        return np.divide(sums, len(self.trees), out=sums)


class Boosting:
    """The sum of gradient boosting's trees, which scikit-learn's own code walks in one call."""

    def __init__(self, estimator: Any) -> None:
        self.trees, self.rate = estimator.estimators_, estimator.learning_rate
        any_row = np.zeros((1, estimator.n_features_in_), dtype=np.float32)
        self.start = estimator._raw_predict_init(any_row)  # the same for all rows
        self.width = self.start.shape[1]

    def __call__(self, matrix: Matrix) -> TreeSums:
        """Return the raw scores."""
        rows = in_float32(matrix, allows_missing=False)
        sums: TreeSums = np.repeat(self.start, len(rows), axis=0)
        predict_stages(self.trees, rows, self.rate, sums)
        return sums


class HistogramBoosting:
    """The sum of histogram gradient boosting's trees, in one thread: OpenMP's do not survive a fork."""

    def __init__(self, estimator: Any) -> None:
        self.trees = [tree for iteration in estimator._predictors for tree in iteration]
        self.start = estimator._baseline_prediction.reshape(-1, 1)
        self.width = len(self.start)
        self.categories = estimator._bin_mapper.make_known_categories_bitsets()
        tables = [tree.nodes for tree in self.trees]
        is_small = sum(map(len, tables)) <= NODES
        self.all_at_once = merge_histogram_trees(tables, estimator.n_features_in_) if is_small else None

    def __call__(self, matrix: Matrix) -> TreeSums:
        """Return the raw scores, as scikit-learn lays them out: class by class (order "F")."""
        count = len(self.start)
        if self.all_at_once is not None and matrix.size <= FEW:
            answers = np.empty((len(self.trees) + count, len(matrix)))
            answers[:count] = self.start
            repeated = with_tree_numbers(matrix, len(self.trees))
            bitsets = self.trees[0].raw_left_cat_bitsets
            of_trees = answers[count:].reshape(-1)  # a view
            _predict_from_raw_data(self.all_at_once, repeated, bitsets, *self.categories, 1, of_trees)
            last: NDArray[np.float64] = running_sums(answers.reshape(-1, count, len(matrix)))[-1]
            return last.T
        sums: NDArray[np.float64] = np.repeat(self.start, len(matrix), axis=1)  # (outputs, rows)
        for place, tree in enumerate(self.trees):
            sums[place % count] += tree.predict(matrix, *self.categories, n_threads=1)
        return sums.T


def _forest(estimator: Any) -> Trees | None:
    """Compile a forest, or a tree, which is a forest of one; None for several targets."""
    if estimator.n_outputs_ != 1:
        return None
    trees = [one.tree_ for one in getattr(estimator, "estimators_", [estimator])]
    allows_missing = estimator.__sklearn_tags__().input_tags.allow_nan
    forest = Forest(trees, allows_missing=allows_missing)
    if not hasattr(estimator, "classes_"):
        return _trees(forest, None, predict=_flat)
    classes = estimator.classes_
    return _trees(
        forest, classes, predict=lambda sums: classes.take(sums.argmax(axis=1)), predict_proba=_as_is
    )


def _bagging(estimator: Any) -> Trees | None:
    """Compile trees that were bagged, which is a forest; None if they are other estimators, or do not all
    know the same features and classes."""
    members = estimator.estimators_
    width = estimator.n_features_in_
    all_features = all(np.array_equal(chosen, np.arange(width)) for chosen in estimator.estimators_features_)
    if not all_features or not set(map(type, members)) <= {*_SINGLE}:
        return None
    trees = [member.tree_ for member in members]
    if not are_alike(trees, width):
        return None
    classes = getattr(estimator, "classes_", None)
    if classes is not None and any(len(member.classes_) != len(classes) for member in members):
        return None
    allows_missing = members[0].__sklearn_tags__().input_tags.allow_nan
    forest = Forest(trees, allows_missing=allows_missing)
    if classes is None:
        return _trees(forest, None, predict=_flat)
    return _trees(
        forest, classes, predict=lambda sums: classes.take(sums.argmax(axis=1)), predict_proba=_as_is
    )


_SINGLE = (DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor)
"""The classes of single trees."""


def _boosting(estimator: Any) -> Trees | None:
    """Compile gradient boosting; None if it begins with a model of its own, which is asked for each row."""
    if not isinstance(estimator.init_, str) and type(estimator.init_) not in (
        DummyClassifier,
        DummyRegressor,
    ):
        return None
    boosting = Boosting(estimator)
    if not hasattr(estimator, "classes_"):
        return _trees(boosting, None, predict=_flat)
    classes, loss = estimator.classes_, estimator._loss
    return _trees(
        boosting,
        classes,
        predict=lambda sums: classes[_highest(sums, np.greater_equal)],
        decision_function=_flat,
        predict_proba=lambda sums: loss.predict_proba(_flat(sums)),
    )


def _histogram_boosting(estimator: Any) -> Trees | None:
    """Compile histogram boosting; None if it has categories: those are each tree's own, and the trees are
    merged."""
    if estimator._preprocessor is not None or estimator._bin_mapper.is_categorical_.any():
        return None
    boosting = HistogramBoosting(estimator)
    if not hasattr(estimator, "classes_"):
        link = estimator._loss.link
        return _trees(boosting, None, predict=lambda sums: link.inverse(_flat(sums)))
    classes, loss = estimator.classes_, estimator._loss
    return _trees(
        boosting,
        classes,
        predict=lambda sums: classes[_highest(sums, np.greater)],
        decision_function=_flat,
        predict_proba=loss.predict_proba,
    )


COMPILERS: Compilers = {
    **dict.fromkeys(
        (
            *_SINGLE,
            *(RandomForestClassifier, RandomForestRegressor, ExtraTreesClassifier, ExtraTreesRegressor),
        ),
        _forest,
    ),
    BaggingClassifier: _bagging,
    BaggingRegressor: _bagging,
    GradientBoostingClassifier: _boosting,
    GradientBoostingRegressor: _boosting,
    HistGradientBoostingClassifier: _histogram_boosting,
    HistGradientBoostingRegressor: _histogram_boosting,
}
"""By class of tree or ensemble, what compiles it."""


def _as_is(sums: TreeSums) -> TreeSums:
    return sums


def _flat(sums: TreeSums) -> NDArray[np.float64]:
    """Return one number a row, (rows,), where there is one column; else the sums."""
    return sums[:, 0] if sums.shape[1] == 1 else sums


def _highest(sums: TreeSums, is_second: Callable[[Matrix, int], RowFlags]) -> NDArray[np.intp]:
    """Return the number of each row's class, (rows,).

    Args:
        is_second: Compares one sum with zero, where there are two classes: they differ in whose zero is.
    """
    if sums.shape[1] == 1:
        return is_second(sums[:, 0], 0).astype(np.intp)
    best: NDArray[np.intp] = sums.argmax(axis=1)
    return best


def in_float32(matrix: Matrix, *, allows_missing: bool) -> NDArray[np.float32]:
    """Return a matrix as scikit-learn's trees take it, (rows, features).

    Raises:
        Fallback: A number is infinite in float32, or is missing where that is not allowed.
    """
    rows = np.ascontiguousarray(matrix, dtype=np.float32)
    if not np.isfinite(rows).all() and not (allows_missing and not np.isinf(rows).any()):
        raise Fallback
    return rows
