"""scikit-learn's trees in a pickle, checked: compiled code follows the positions in them without a check.

A tree that points outside of itself would end the process, or answer from other memory.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.artifacts.pickles.parts.names import NotAllowed

TREE = "sklearn.tree._tree.Tree"
"""The class of a tree of a decision tree, a forest or gradient boosting."""

LEAF = -1
"""A leaf's children (scikit-learn 1.9, `sklearn.tree._tree.TREE_LEAF`)."""

BITSET = 8
"""The number of uint32 whose bits say which categories go left (scikit-learn 1.9,
`sklearn.ensemble._hist_gradient_boosting.common`)."""


def tree(features: Any, classes: Any, outputs: Any) -> Any:
    """Return an empty tree, whose state comes next, in place of `sklearn.tree._tree.Tree`.

    scikit-learn's own reads as many `classes` as there are outputs, without a check.

    Args:
        features: How many features a row has.
        classes: How many classes each output has, (outputs,).
        outputs: How many outputs there are.
    """
    from sklearn.tree._tree import Tree  # noqa: PLC0415 - scikit-learn, where there is a tree

    if not isinstance(classes, np.ndarray) or classes.shape != (outputs,) or not (classes > 0).all():
        raise NotAllowed("it has a tree with other classes than it says")
    return Tree(features, classes, outputs)


def check_nodes(grown: Any, state: Mapping[str, Any]) -> None:
    """Check the state of a `Tree`: each node compares a known feature, and its children come after it.

    So every path ends. A tree gets its nodes once: scikit-learn writes second ones into the memory that it
    took for the first. Their fields must have scikit-learn's names in its order, as it reads them by order.

    Raises:
        NotAllowed: Something else is in it.
    """
    from sklearn.tree._tree import NODE_DTYPE  # noqa: PLC0415 - scikit-learn, where there is a tree

    nodes: NDArray[Any] = state["nodes"]
    if grown.node_count != 0 or not len(nodes) or nodes.dtype.names != NODE_DTYPE.names:
        raise NotAllowed("it has a tree that is made in another way than scikit-learn's")
    features = grown.n_features
    places = np.flatnonzero(nodes["left_child"] != LEAF)
    asked = nodes[places]
    leads = all(_within(asked[side], places + 1, len(nodes)) for side in ("left_child", "right_child"))
    if state["node_count"] != len(nodes) or not leads or not _within(asked["feature"], 0, features):
        raise NotAllowed("it has a tree that leads out of itself")


def check_grown(tree: Any) -> None:
    """Refuse a `Tree` without nodes: compiled code begins at the first without a check.

    Raises:
        NotAllowed: It has none.
    """
    if tree.node_count == 0:
        raise NotAllowed("it has a tree without a root")


def check_predictor(nodes: Any, bitsets: Any, categorical: NDArray[np.bool_]) -> None:
    """Check a `TreePredictor` of histogram boosting as `check_nodes` does a `Tree`.

    Args:
        nodes: (nodes,), a structured array.
        bitsets: Which categories go left, (nodes that compare categories, BITSET), uint32.
        categorical: Which features have categories, (features,).

    Raises:
        NotAllowed: A node leads elsewhere, or has no bitset.
    """
    if not _is_table(nodes) or not _is_bitsets(bitsets):
        raise NotAllowed("it has a tree of other things than scikit-learn's")
    places = np.flatnonzero(nodes["is_leaf"] == 0)
    asked = nodes[places]
    leads = all(_within(asked[side], places + 1, len(nodes)) for side in ("left", "right"))
    if not len(nodes) or not leads or not _within(asked["feature_idx"], 0, len(categorical)):
        raise NotAllowed("it has a tree that leads out of itself")
    of_categories = asked[asked["is_categorical"] != 0]
    known = categorical[of_categories["feature_idx"]].all()
    if not known or not _within(of_categories["bitset_idx"], 0, len(bitsets)):
        raise NotAllowed("it has a tree that asks for categories which it does not have")


def _is_table(nodes: Any) -> bool:
    """Return whether these are nodes with scikit-learn's fields: compiled code reads them by their
    offsets."""
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE  # noqa: PLC0415

    return type(nodes) is np.ndarray and nodes.ndim == 1 and nodes.dtype == PREDICTOR_RECORD_DTYPE


def _is_bitsets(array: Any) -> bool:
    return type(array) is np.ndarray and array.dtype == np.uint32 and array.shape[1:] == (BITSET,)


def _within(values: NDArray[Any], low: Any, high: int) -> bool:
    return bool(((values >= low) & (values < high)).all())
