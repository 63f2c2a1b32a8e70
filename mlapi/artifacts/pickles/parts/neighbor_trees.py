"""scikit-learn's KDTree and BallTree in a pickle, checked: compiled code follows them without looking."""

from typing import Any

import numpy as np

from mlapi.artifacts.pickles.parts.names import NotAllowed, name_of

NEIGHBOR_TREES = frozenset(
    f"sklearn.neighbors._{module}.{kind}{bits}"
    for module, kind in (("kd_tree", "KDTree"), ("ball_tree", "BallTree"))
    for bits in ("", "32", "64")
)
"""The classes of these trees, for float64 and float32."""

METRICS = "sklearn.metrics._dist_metrics."
"""The module of scikit-learn's distances."""


DISTANCES = frozenset(
    f"{METRICS}{kind}Distance{bits}"
    for kind in ("Chebyshev", "Euclidean", "Manhattan", "Minkowski")
    for bits in ("", "32", "64")
)
"""The classes of distances that trees have unasked. That of two places on a globe reads two features,
whatever there are."""


def check_neighbor_tree(kind: str, state: Any) -> None:
    """Check the state of a tree (scikit-learn 1.9, sklearn/neighbors/_binary_tree.pxi.tp).

    Raises:
        NotAllowed: A position in it lies outside of the array that it points to.
    """
    data, order, nodes, bounds, leaf_size, levels, count, *_, metric, weights = state
    rows, features = data.shape
    sides = 2 if "KDTree" in kind else 1
    fits = (
        all(type(array) is np.ndarray for array in (data, order, nodes, bounds))
        and all(type(number) is int and number > 0 for number in (leaf_size, levels, count))
        and np.array_equal(np.sort(order), np.arange(rows))
        and len(nodes) == count == 2 ** min(levels, 60) - 1
        and bounds.shape == (sides, count, features)
        and _are_parts(nodes, rows)
        and _fits_metric(metric, features)
        and (weights is None or np.shape(weights) == (rows,))
    )
    if not fits:
        raise NotAllowed("it has a tree of neighbors that leads out of itself")


def _are_parts(nodes: Any, rows: int) -> bool:
    """Return whether each node is a range of the rows, and all nodes of the last level are leaves."""
    starts, ends = nodes["idx_start"], nodes["idx_end"]
    within = bool(((starts >= 0) & (starts <= ends) & (ends <= rows)).all())
    return within and bool((nodes["is_leaf"][len(nodes) // 2 :] != 0).all())


def _fits_metric(metric: Any, features: int) -> bool:
    """Return whether a distance that has numbers of its own has them for each feature."""
    name = name_of(type(metric))
    if not name.startswith(METRICS):
        return False
    _, vector, matrix, *_ = metric.__getstate__()
    if "SEuclidean" in name:
        return bool(np.shape(vector) == (features,))
    if "Minkowski" in name:
        return np.shape(vector) in ((0,), (features,))
    return "Mahalanobis" not in name or bool(np.shape(matrix) == (features, features))
