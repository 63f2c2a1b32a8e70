"""scikit-learn's trees in a pickle, checked: compiled code follows what they say without looking.

A tree that points outside of itself would end the process, or answer from other memory.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.numpy_pickles import NotAllowed

LEAF = -1
"""In place of a child (scikit-learn 1.9, `sklearn.tree._tree.TREE_LEAF`)."""


def tree(kind: Any, features: Any, classes: Any, outputs: Any) -> Any:
    """Called in place of `sklearn.tree._tree.Tree`, which reads as many `classes` as there are outputs."""
    if not isinstance(classes, np.ndarray) or classes.shape != (outputs,) or not (classes > 0).all():
        raise NotAllowed("it has a tree with other classes than it says")
    return kind(features, classes, outputs)


def check_nodes(features: int, state: Mapping[str, Any]) -> None:
    """Each question is about a known feature and leads to later nodes, so that it ends."""
    nodes: NDArray[Any] = state["nodes"]
    places = np.flatnonzero(nodes["left_child"] != LEAF)
    asked = nodes[places]
    leads = all(_within(asked[side], places + 1, len(nodes)) for side in ("left_child", "right_child"))
    if state["node_count"] != len(nodes) or not leads or not _within(asked["feature"], 0, features):
        raise NotAllowed("it has a tree that leads out of itself")


def _within(values: NDArray[Any], low: Any, high: int) -> bool:
    return bool(((values >= low) & (values < high)).all())
