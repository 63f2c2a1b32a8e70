"""scikit-learn's trees in a pickle, checked: compiled code follows what they say without looking.

A tree that points outside of itself would end the process, or answer from other memory.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.artifacts.pickles.parts.names import NotAllowed

TREE = "sklearn.tree._tree.Tree"

LEAF = -1
"""In place of a child (scikit-learn 1.9, `sklearn.tree._tree.TREE_LEAF`)."""

BITSET = 8
"""Words of 32 bits for the categories that go left (scikit-learn 1.9, `_hist_gradient_boosting.common`)."""


def tree(features: Any, classes: Any, outputs: Any) -> Any:
    """Called in place of `sklearn.tree._tree.Tree`, which reads as many `classes` as there are outputs."""
    from sklearn.tree._tree import Tree  # noqa: PLC0415 - scikit-learn, where there is a tree

    if not isinstance(classes, np.ndarray) or classes.shape != (outputs,) or not (classes > 0).all():
        raise NotAllowed("it has a tree with other classes than it says")
    return Tree(features, classes, outputs)


def check_nodes(grown: Any, state: Mapping[str, Any]) -> None:
    """Each question of a `Tree` is about a known feature and leads to later nodes, so that it ends.

    It gets its nodes once: scikit-learn writes second ones into the memory that it took for the first. Fields
    count by their order: it takes no notice of what a pickle calls them.
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
    """A `Tree` has nodes: compiled code begins at the first without looking whether there is one."""
    if tree.node_count == 0:
        raise NotAllowed("it has a tree without a root")


def check_predictor(nodes: Any, bitsets: Any, categorical: NDArray[np.bool_]) -> None:
    """The same of a `TreePredictor` of histogram boosting.

    Args:
        bitsets: Which categories go left, (questions about categories, BITSET).
        categorical: Which features have categories, (features,).
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
    """Whether its fields are scikit-learn's in their order: compiled code reads them by where they lie."""
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE  # noqa: PLC0415

    return type(nodes) is np.ndarray and nodes.ndim == 1 and nodes.dtype == PREDICTOR_RECORD_DTYPE


def _is_bitsets(array: Any) -> bool:
    return type(array) is np.ndarray and array.dtype == np.uint32 and array.shape[1:] == (BITSET,)


def _within(values: NDArray[Any], low: Any, high: int) -> bool:
    return bool(((values >= low) & (values < high)).all())
