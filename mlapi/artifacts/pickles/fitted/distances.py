"""What is checked of clusters, neighbors and kernels: compiled code reads a number for each feature of a row.

`mlapi.artifacts.pickles.fitted.scikit_learn` says of which class.
"""

from typing import Any

import numpy as np

from mlapi.artifacts.pickles.fitted.attributes import (
    FittedAttributes,
    is_code,
    is_count,
    is_finite,
    is_integers,
    is_numbers,
    require,
    width_of,
)
from mlapi.artifacts.pickles.parts.names import name_of
from mlapi.artifacts.pickles.parts.neighbor_trees import NEIGHBOR_TREES
from mlapi.artifacts.pickles.parts.sparse_matrices import MATRICES
from mlapi.artifacts.pickles.parts.values import POOLING

_MOST_THREADS = 1024
"""The most threads that a clustering may ask for: it keeps how many its training had."""

_METRICS = frozenset({"euclidean", "l2", "l1", "manhattan", "cityblock", "chebyshev", "minkowski", "cosine"})
"""Distances without numbers of their own, but for the power and the weights of `minkowski`."""

_OTHER_METRICS = frozenset({"precomputed", "nan_euclidean", "canberra", "braycurtis", "hamming"})
"""More of these."""


# Clusters.


def centers(fitted: FittedAttributes) -> None:
    """Refuse centers of other features than a row has."""
    positions = fitted.cluster_centers_
    if positions is not None:
        require(
            _are_centers(positions, width_of(fitted)), "it has clusters whose centers do not fit its features"
        )


def clusters(fitted: FittedAttributes) -> None:
    """Refuse k-means with other centers, or that starts too many threads: compiled code looks at neither."""
    centers(fitted)
    _threads(fitted)


def bisecting(fitted: FittedAttributes) -> None:
    """Refuse bisecting k-means whose tree has other centers than its features."""
    clusters(fitted)
    root = fitted._bisecting_tree
    if root is None:
        return
    width, nodes = width_of(fitted), [root]
    while nodes:
        node = nodes.pop()
        parts = vars(node) if name_of(type(node)) == _BISECTING_NODE else {}
        left, right = parts.get("left"), parts.get("right")
        require(
            is_numbers(parts.get("center"), width) and (left is None) == (right is None),
            "it has clusters whose centers do not fit its features",
        )
        nodes += [] if left is None else [left, right]


def bisecting_node(fitted: FittedAttributes) -> None:
    """Refuse a node without a label that numbers a cluster."""
    label = fitted.label
    require(label is None or is_count(label, 2**31 - 1), "it has a cluster without a number")


def birch(fitted: FittedAttributes) -> None:
    """Refuse other norms than one a center: compiled code reads as many as there are centers."""
    positions = fitted.subcluster_centers_
    if positions is None:
        return
    norms, labels = fitted._subcluster_norms, fitted.subcluster_labels_
    require(
        _are_centers(positions, width_of(fitted))
        and is_numbers(norms, len(positions))
        and (labels is None or is_numbers(labels, len(positions))),
        "it has clusters whose centers do not fit together",
    )


def birch_node(_: FittedAttributes) -> None:
    """Accept a node: no answer reads it. Its neighbors are not visited (`states`)."""
    return


def agglomeration(fitted: FittedAttributes) -> None:
    """Refuse features in other clusters than there are: they are counted, up to the highest number."""
    labels = fitted.labels_
    if labels is not None:
        width = width_of(fitted)
        require(is_integers(labels, width, max(width, 1)), "it has features in clusters that there are not")
    pooling = fitted.pooling_func
    require(
        name_of(pooling) in POOLING or is_code(pooling), "it pools features by something else than a mean"
    )


def _threads(fitted: FittedAttributes) -> None:
    threads = fitted._n_threads
    allowed = threads is None or (is_count(threads, _MOST_THREADS) and threads > 0)
    require(allowed, f"it starts other threads than 1 to {_MOST_THREADS}")


def _are_centers(positions: Any, width: int) -> bool:
    return (
        type(positions) is np.ndarray
        and positions.ndim == 2
        and len(positions) > 0
        and is_numbers(positions, len(positions), width)
    )


_BISECTING_NODE = "sklearn.cluster._bisect_k_means._BisectingTree"


# Neighbors, kernels and distances.


def neighbors(fitted: FittedAttributes) -> None:
    """Refuse rows, targets and trees that do not fit together: compiled code counts votes by the target."""
    _metric(fitted)
    rows = fitted._fit_X
    if rows is None:
        return
    problem = "it has neighbors whose parts do not fit together"
    count, width = fitted.n_samples_fit_, width_of(fitted)
    is_table = name_of(type(rows)) in MATRICES or is_numbers(rows, *np.shape(rows))
    require(is_table and is_count(count, 2**62) and rows.shape == (count, width), problem)
    require(fitted._fit_method in ("brute", "kd_tree", "ball_tree"), problem)
    tree = fitted._tree
    if tree is not None:
        require(name_of(type(tree)) in NEIGHBOR_TREES, problem)
        require(tree.get_arrays()[0].shape == (count, width), problem)
    _targets(fitted, count, problem)


def _targets(fitted: FittedAttributes, count: int, problem: str) -> None:
    """Require one target a row; of a classifier the place of its class."""
    targets, classes = fitted._y, fitted.classes_
    if targets is None:
        return
    require(type(targets) is np.ndarray and targets.ndim in (1, 2) and len(targets) == count, problem)
    if type(classes) is np.ndarray:
        places = targets.ravel()
        require(is_integers(places, count, len(classes)), problem)
    if type(classes) is list:
        require(targets.ndim == 2 and targets.shape[1] == len(classes), problem)
        for column, names in zip(targets.T, classes, strict=True):
            require(is_integers(column, count, len(names)), problem)


def _metric(fitted: FittedAttributes) -> None:
    """Refuse a distance that has numbers of its own of another size than the features: not all look at it."""
    for name, arguments in (
        (fitted.metric, fitted.metric_params),
        (fitted.effective_metric_, fitted.effective_metric_params_),
    ):
        if name is None:
            continue
        require(
            is_code(name) or (type(name) is str and name in (*_METRICS, *_OTHER_METRICS, *_WITH_NUMBERS)),
            f"it has another distance than {', '.join(sorted(_METRICS))}, or one of somebody's own",
        )
        numbers = arguments if arguments is not None else {}
        require(
            type(numbers) is dict and numbers.keys() <= _SIZES.keys(), "it has a distance with other numbers"
        )
        width = fitted.n_features_in_
        for key, value in numbers.items():
            fits = is_finite(value) if key == "p" else is_numbers(value, *(width,) * _SIZES[key])
            require(fits or is_code(name), "it has a distance whose numbers do not fit its features")
        missing = _WITH_NUMBERS.get(name, frozenset()) if type(name) is str else frozenset()
        needs = name is fitted.effective_metric_ and bool(missing)
        require(not needs or missing & numbers.keys(), "it has a distance without its numbers")


_WITH_NUMBERS = {"mahalanobis": frozenset({"V", "VI"}), "seuclidean": frozenset({"V"})}
"""Distances with numbers of their own, and which of them there must be."""

_SIZES = {"p": 0, "w": 1, "V": 1, "VI": 2}
"""By the name of a distance's numbers how many sides they have, each as long as a row."""


def centroids(fitted: FittedAttributes) -> None:
    """Refuse another distance than those that take centroids alone."""
    metric = fitted.metric
    is_known = type(metric) is str and metric in (*_METRICS, *_OTHER_METRICS)
    require(is_known or is_code(metric), "it has another distance than nearest centroids take")


def kernel_method(fitted: FittedAttributes) -> None:
    """Refuse a kernel that is no name nor somebody's own code, or whose numbers are none."""
    require(
        type(fitted.kernel) is str or is_code(fitted.kernel), "it has a kernel that is neither name nor code"
    )
    numbers = (fitted.gamma, fitted.gamma_, fitted.coef0, fitted.degree)
    require(
        all(number is None or is_finite(number) for number in numbers), "it has a kernel of other numbers"
    )
    require(fitted.kernel_params is None or is_code(fitted.kernel), "it has a kernel with more arguments")


def propagation(fitted: FittedAttributes) -> None:
    """Refuse a kernel that is neither of scikit-learn's nor somebody's own code."""
    kernel = fitted.kernel
    require(kernel in ("rbf", "knn") if type(kernel) is str else is_code(kernel), "it has another kernel")


def envelope(fitted: FittedAttributes) -> None:
    """Refuse a covariance of other features: compiled code reads it without looking."""
    if fitted.location_ is None:
        return
    width, inverse = width_of(fitted), fitted.precision_
    require(
        is_numbers(fitted.location_, width)
        and is_numbers(fitted.covariance_, width, width)  # which is inverted where the inverse is not stored
        and (inverse is None or is_numbers(inverse, width, width)),
        "it has a covariance that does not fit its features",
    )


def knn_imputer(fitted: FittedAttributes) -> None:
    """Refuse another distance than the one that passes over what is missing."""
    require(fitted.metric == "nan_euclidean" or is_code(fitted.metric), "it imputes by another distance")
    require(
        fitted.weights in ("uniform", "distance") or is_code(fitted.weights), "it imputes by other weights"
    )


def manifold(fitted: FittedAttributes) -> None:
    """Refuse an embedding of other columns than it says: memory is taken for what it says."""
    made, says = fitted.embedding_, fitted.n_components
    require(
        made is None or (type(made) is np.ndarray and made.ndim == 2 and says == made.shape[1]),
        "it has an embedding of other columns than it says",
    )
