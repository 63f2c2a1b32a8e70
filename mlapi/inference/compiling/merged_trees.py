"""Many trees as one, for a single call: its first questions ask which of them is meant.

The rows that it is asked have the tree's number as one more feature. Knows how scikit-learn lays out nodes
(1.8 and 1.9, `sklearn.tree._tree.Tree` and `sklearn.ensemble._hist_gradient_boosting.common`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.tree._tree import Tree

from mlapi.data.signature import Matrix

Fields = tuple[str, str, str, str]
"""What a table of nodes calls a node's left and right child, the feature it asks about, and the bound."""

TREE: Fields = ("left_child", "right_child", "feature", "threshold")
HISTOGRAM_TREE: Fields = ("left", "right", "feature_idx", "num_threshold")


def merged_trees(trees: Sequence[Any]) -> Any:
    """A `Tree` that holds the nodes of all of these, and answers as the numbered one would."""
    states = [tree.__getstate__() for tree in trees]
    nodes = _merged([state["nodes"] for state in states], TREE, trees[0].n_features)
    values = np.concatenate([state["values"] for state in states])
    forks = np.zeros((len(trees) - 1, *values.shape[1:]))
    merged = Tree(trees[0].n_features + 1, trees[0].n_classes, trees[0].n_outputs)
    depth = max(state["max_depth"] for state in states) + len(trees).bit_length()
    values = np.concatenate([forks, values])
    merged.__setstate__({"max_depth": depth, "node_count": len(nodes), "nodes": nodes, "values": values})
    return merged


def merged_histogram_trees(tables: Sequence[NDArray[Any]], features: int) -> NDArray[Any]:
    """A table of nodes, as a `TreePredictor` has them, of all of these."""
    return _merged(tables, HISTOGRAM_TREE, features)


def numbered(rows: NDArray[Any], trees: int) -> NDArray[Any]:
    """All rows for each tree, the tree's number after the features."""
    count, features = rows.shape
    asked = np.empty((trees, count, features + 1), dtype=rows.dtype)
    asked[:, :, :features] = rows
    asked[:, :, features] = np.arange(trees)[:, None]
    return asked.reshape(trees * count, features + 1)


def running_sums(answers: NDArray[np.float64]) -> Matrix:
    """One tree after the other, as scikit-learn adds them: numpy's own sum takes another order."""
    sums: Matrix = np.cumsum(answers, axis=0)
    return sums


def _merged(tables: Sequence[NDArray[Any]], fields: Fields, features: int) -> NDArray[Any]:
    """The questions which tree is meant, then all tables, their children moved to where they are now."""
    left, right, feature, bound = fields
    sizes = np.array([len(table) for table in tables])
    roots = len(tables) - 1 + np.cumsum(sizes) - sizes
    forks = np.zeros(len(tables) - 1, dtype=tables[0].dtype)
    forks[feature] = features
    for place, (middle, *children) in enumerate(_forks(roots.tolist())):
        forks[bound][place] = middle
        forks[left][place], forks[right][place] = children
    nodes = np.concatenate(tables)
    asks = nodes[left] > 0  # a leaf has no children: 0 or -1
    for child in (left, right):
        nodes[child] += np.where(asks, np.repeat(roots, sizes), 0).astype(nodes[child].dtype)
    return np.concatenate([forks, nodes])


def _forks(roots: Sequence[int]) -> list[tuple[int, int, int]]:
    """Halves of halves: the last number on the left, and where both sides are, for each node."""
    forks: list[tuple[int, int, int]] = []

    def fork(first: int, last: int) -> int:
        if first == last:
            return roots[first]
        place, middle = len(forks), (first + last) // 2
        forks.append((middle, 0, 0))
        forks[place] = (middle, fork(first, middle), fork(middle + 1, last))
        return place

    fork(0, len(roots) - 1)
    return forks
