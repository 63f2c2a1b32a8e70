"""Many trees as one, so that a single call of compiled code asks them all.

The merged tree takes rows with one more feature, the number of a tree. Its first nodes, the forks, lead by
that number to the root of the tree; from there all is as it was. Knows how scikit-learn lays out nodes (1.8
and 1.9, `sklearn.tree._tree.Tree` and `sklearn.ensemble._hist_gradient_boosting.common`).
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.tree._tree import Tree

NodeFields: TypeAlias = tuple[str, str, str, str]
"""The fields of a table of nodes: left child, right child, feature, and threshold. A row whose feature is at
most the threshold goes left."""

Nodes: TypeAlias = NDArray[Any]
"""`(nodes,)`, a structured array: a table of nodes, in which children are given by their positions."""

TREE_FIELDS: NodeFields = ("left_child", "right_child", "feature", "threshold")
"""The fields of scikit-learn's `Tree`."""

HISTOGRAM_FIELDS: NodeFields = ("left", "right", "feature_idx", "num_threshold")
"""The fields of a `TreePredictor` of histogram boosting."""


def merge_trees(trees: Sequence[Any]) -> Any:
    """Return a `Tree` with the nodes of all these, which answers a row as the tree of its number would.

    Args:
        trees: Instances of `Tree` of the same features, classes and outputs.
    """
    states = [tree.__getstate__() for tree in trees]
    nodes = _merge([state["nodes"] for state in states], TREE_FIELDS, trees[0].n_features)
    values = np.concatenate([state["values"] for state in states])
    forks = np.zeros((len(trees) - 1, *values.shape[1:]))
    merged = Tree(trees[0].n_features + 1, trees[0].n_classes, trees[0].n_outputs)
    depth = max(state["max_depth"] for state in states) + len(trees).bit_length()
    values = np.concatenate([forks, values])
    merged.__setstate__({"max_depth": depth, "node_count": len(nodes), "nodes": nodes, "values": values})
    return merged


def are_alike(trees: Sequence[Any], features: int) -> bool:
    """Return whether these are instances of `Tree`, all of so many features, one output and the same classes.

    Compiled code reads as many cells of a row as a tree has features, without a look at the row.
    """
    return all(
        type(tree) is Tree
        and tree.n_features == features
        and tree.n_outputs == 1
        and tree.max_n_classes == trees[0].max_n_classes
        for tree in trees
    )


def merge_histogram_trees(tables: Sequence[Nodes], features: int) -> Nodes:
    """Return one table of nodes for those of several instances of `TreePredictor`.

    Args:
        features: How many features their rows have; the number of a tree comes after these.
    """
    return _merge(tables, HISTOGRAM_FIELDS, features)


def with_tree_numbers(rows: NDArray[Any], trees: int) -> NDArray[Any]:
    """Return all rows once for each tree, tree by tree, with the tree's number after the features.

    Args:
        rows: (rows, features), of any dtype of floats, which the result has too.

    Returns:
        An array (trees * rows, features + 1).
    """
    count, features = rows.shape
    repeated = np.empty((trees, count, features + 1), dtype=rows.dtype)
    repeated[:, :, :features] = rows
    repeated[:, :, features] = np.arange(trees)[:, None]
    return repeated.reshape(trees * count, features + 1)


def running_sums(answers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums of the first 1, 2, 3, … answers along the first axis, in the shape of the answers.

    They are added one after the other, as scikit-learn adds trees; numpy's own sum takes another order, and
    its last digits differ.

    Args:
        answers: (trees, rows, outputs).
    """
    sums: NDArray[np.float64] = np.cumsum(answers, axis=0)
    return sums


def _merge(tables: Sequence[Nodes], fields: NodeFields, features: int) -> Nodes:
    """Return the forks, then all tables, with the positions of their children moved on."""
    left, right, feature, threshold = fields
    sizes = np.array([len(table) for table in tables])
    roots = len(tables) - 1 + np.cumsum(sizes) - sizes
    forks = np.zeros(len(tables) - 1, dtype=tables[0].dtype)
    forks[feature] = features
    for place, (middle, *children) in enumerate(_forks(roots.tolist())):
        forks[threshold][place] = middle
        forks[left][place], forks[right][place] = children
    nodes = np.concatenate(tables)
    has_children = nodes[left] > 0  # a leaf has 0 or -1 there
    for child in (left, right):
        nodes[child] += np.where(has_children, np.repeat(roots, sizes), 0).astype(nodes[child].dtype)
    return np.concatenate([forks, nodes])


def _forks(roots: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return the nodes that lead to the tree of a number, by halves.

    Each is the last number that goes left, the position of its left child and that of its right one: another
    fork, or a root.
    """
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
