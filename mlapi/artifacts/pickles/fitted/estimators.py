"""What is checked of scikit-learn's estimators beyond those that training knows;
`mlapi.artifacts.pickles.fitted.scikit_learn` says of which class, and why."""

from types import NoneType
from typing import Any

import numpy as np

from mlapi.artifacts.pickles.fitted.attributes import (
    FittedAttributes,
    is_code,
    is_count,
    is_finite,
    is_integers,
    is_numbers,
    is_plain,
    require,
    width_of,
)
from mlapi.artifacts.pickles.parts.names import name_of
from mlapi.artifacts.pickles.parts.neighbor_trees import NEIGHBOR_TREES
from mlapi.artifacts.pickles.parts.sparse_matrices import MATRICES
from mlapi.artifacts.pickles.parts.trees import TREE
from mlapi.artifacts.pickles.parts.values import NUMPY_FUNCTIONS, POOLING, value_name

_MOST_THREADS = 1024
"""The most threads that a clustering may ask for: it keeps how many its training had."""

_MOST_ROUNDS = 10**5
"""The most rounds of a computation that goes on until its numbers stand still."""

_MOST_STEPS = 1000
"""The most columns that a kernel's approximation may make of one feature."""

_MOST_HASHED = 2**22
"""The most columns that texts may be hashed to; 2 ** 20 is scikit-learn's own."""

_METHODS = frozenset({"decision_function", "drop", "predict", "predict_log_proba", "predict_proba"})
"""The methods that an estimator may ask another one for, by their names in its attributes."""

_RESPONSES = (*("auto", "predict_proba", "decision_function"),)
"""What a threshold may be compared with."""

_METRICS = frozenset({"euclidean", "l2", "l1", "manhattan", "cityblock", "chebyshev", "minkowski", "cosine"})
"""Distances without numbers of their own, but for the power and the weights of `minkowski`."""

_OTHER_METRICS = frozenset({"precomputed", "nan_euclidean", "canberra", "braycurtis", "hamming"})
"""More of these."""


def anything(_: FittedAttributes) -> None:
    """Accept all attributes."""
    return


def linear(fitted: FittedAttributes) -> None:
    """Refuse a linear model whose coefficients do not fit its features."""
    weights = fitted.coef_
    if weights is None:
        return
    shape = np.shape(weights)
    fits = len(shape) in (1, 2) and shape[-1] == width_of(fitted)
    outputs = shape[0] if len(shape) == 2 else 1
    intercept = np.shape(0.0 if fitted.intercept_ is None else fitted.intercept_)
    require(
        fits and intercept in ((), (1,), (outputs,)),
        "it has a linear model whose coefficients do not fit its features",
    )


# Clusters.


def centers(fitted: FittedAttributes) -> None:
    """Refuse centers of other features than a row has."""
    found = fitted.cluster_centers_
    if found is not None:
        require(
            _are_centers(found, width_of(fitted)), "it has clusters whose centers do not fit its features"
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
    found = fitted.subcluster_centers_
    if found is None:
        return
    norms, labels = fitted._subcluster_norms, fitted.subcluster_labels_
    require(
        _are_centers(found, width_of(fitted))
        and is_numbers(norms, len(found))
        and (labels is None or is_numbers(labels, len(found))),
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


def _are_centers(found: Any, width: int) -> bool:
    return (
        type(found) is np.ndarray
        and found.ndim == 2
        and len(found) > 0
        and is_numbers(found, len(found), width)
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
        given = arguments if arguments is not None else {}
        require(type(given) is dict and given.keys() <= _SIZES.keys(), "it has a distance with other numbers")
        width = fitted.n_features_in_
        for key, value in given.items():
            fits = is_finite(value) if key == "p" else is_numbers(value, *(width,) * _SIZES[key])
            require(fits or is_code(name), "it has a distance whose numbers do not fit its features")
        missing = _WITH_NUMBERS.get(name, frozenset()) if type(name) is str else frozenset()
        needs = name is fitted.effective_metric_ and bool(missing)
        require(not needs or missing & given.keys(), "it has a distance without its numbers")


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
    if fitted.precision_ is not None or fitted.location_ is not None:
        width = width_of(fitted)
        require(
            is_numbers(fitted.precision_, width, width) and is_numbers(fitted.location_, width),
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


# Matrices that are taken apart.


def factorization(fitted: FittedAttributes) -> None:
    """Refuse parts of other features, or too many rounds, for each row that is taken apart."""
    _rounds(fitted.max_iter, fitted._transform_max_iter, fitted.max_doc_update_iter)
    parts = fitted.components_
    if parts is None:
        return
    problem = "it has components that do not fit its features"
    width = width_of(fitted)
    require(type(parts) is np.ndarray and parts.ndim == 2 and is_numbers(parts, len(parts), width), problem)
    says, expected = fitted._n_components, fitted.exp_dirichlet_component_
    require(says is None or (is_count(says, len(parts)) and says == len(parts)), problem)
    require(expected is None or is_numbers(expected, len(parts), width), problem)


def dictionary(fitted: FittedAttributes) -> None:
    """Refuse a dictionary of other features, or too many rounds to encode a row."""
    _rounds(fitted.max_iter, fitted.transform_max_iter)
    parts = fitted.components_
    fits = type(parts) is np.ndarray and parts.ndim == 2 and is_numbers(parts, len(parts), width_of(fitted))
    require(parts is None or fits, "it has components that do not fit its features")


def _rounds(*counts: Any) -> None:
    require(
        all(count is None or is_count(count, _MOST_ROUNDS) for count in counts),
        f"it computes more than {_MOST_ROUNDS:,} rounds a row",
    )


def sketch(fitted: FittedAttributes) -> None:
    """Refuse an approximation of more columns than its parts have: memory is taken for what it says."""
    steps, columns, places = fitted.sample_steps, fitted.n_components, fitted.indexHash_
    require(steps is None or is_count(steps, _MOST_STEPS), "it makes too many columns of a feature")
    if places is None:
        return
    degree, width = fitted.degree, width_of(fitted)
    problem = "it has a sketch whose places lie outside of its columns"
    require(is_count(columns, 10**6) and columns > 0 and is_count(degree, _MOST_STEPS), problem)
    features = width + bool(fitted.coef0)
    require(type(places) is np.ndarray and places.shape == (degree, features), problem)
    require(is_integers(places.ravel(), places.size, int(columns)), problem)
    require(is_numbers(fitted.bitHash_, degree, features), problem)


# Trees, votes, and what asks other estimators.


def isolation_forest(fitted: FittedAttributes) -> None:
    """Refuse trees of other features than they are given: compiled code does not look."""
    trees, chosen = fitted.estimators_, fitted.estimators_features_
    if trees is None:
        return
    problem = "it has a forest of other things than trees of its features"
    width = width_of(fitted)
    require(type(trees) is list and type(chosen) is list and len(trees) == len(chosen), problem)
    takes_all = fitted._max_features == width
    for tree, features in zip(trees, chosen, strict=True):
        grown: Any = getattr(tree, "tree_", None)
        require(name_of(type(tree)) in _TREES and name_of(type(grown)) == TREE, problem)
        require(type(features) is np.ndarray and is_integers(features, len(features), width), problem)
        require(grown.n_features == (width if takes_all else len(features)), problem)


def embedding(fitted: FittedAttributes) -> None:
    """Refuse trees of other features than a row has."""
    width = width_of(fitted) if fitted.estimators_ is not None else 0
    for tree in fitted.estimators_ or ():
        grown: Any = getattr(tree, "tree_", None)
        require(
            name_of(type(tree)) in _TREES and name_of(type(grown)) == TREE and grown.n_features == width,
            "it has a forest of other things than trees of its features",
        )


def stacking(fitted: FittedAttributes) -> None:
    """Refuse one that calls other methods of its estimators than those that answer."""
    for methods in (fitted.stack_method, fitted.stack_method_, fitted.chain_method, fitted.chain_method_):
        for method in methods if type(methods) in (list, tuple) else (methods,):
            for each in method if type(method) in (list, tuple) else (method,):
                require(each is None or each in _METHODS or each == "auto", "it asks its parts for no answer")
    response = fitted.response_method
    require(response is None or response in _RESPONSES, "it asks its parts for no answer")


def dummy(fitted: FittedAttributes) -> None:
    """Refuse answers of other outputs and classes than it has: memory is taken for what it says."""
    outputs, constant = fitted.n_outputs_, fitted.constant_
    problem = "it has answers of other outputs or classes than it says"
    of_targets = fitted.classes_ if type(fitted.classes_) is list else [fitted.classes_]
    if fitted.classes_ is not None:
        counts = fitted.n_classes_ if type(fitted.n_classes_) is list else [fitted.n_classes_]
        require(outputs == len(of_targets) == len(counts), problem)
        require([len(classes) for classes in of_targets] == counts, problem)
    elif outputs is not None:
        require(type(constant) is np.ndarray and constant.shape == (1, outputs), problem)


def selector(fitted: FittedAttributes) -> None:
    """Refuse one that looks for importances among what a class has of its own."""
    getter = fitted.importance_getter
    require(
        is_code(getter) or (type(getter) is str and "__" not in getter),
        "it reads importances from what is no attribute of an estimator's",
    )


_TREES = frozenset(
    f"sklearn.tree._classes.{kind}{what}"
    for kind in ("DecisionTree", "ExtraTree")
    for what in ("Classifier", "Regressor")
)


# Columns.


def function(fitted: FittedAttributes) -> None:
    """Refuse other functions than numpy's of one array, without arguments, and those of somebody's own."""
    for name in ("func", "inverse_func"):
        call: Any = getattr(fitted, name)
        arguments = getattr(fitted, "kw_args" if name == "func" else "inv_kw_args")
        is_known = call is None or name_of(call) in _IDENTITY or value_name(call) in NUMPY_FUNCTIONS
        is_plain_call = is_known and (
            not arguments or _ARGUMENTS.get(value_name(call), frozenset()) >= arguments.keys()
        )
        values = arguments.values() if type(arguments) is dict else ()
        are_numbers = all(type(value) in (int, float, bool, NoneType) for value in values)
        require(
            is_code(call) or (is_plain_call and are_numbers),
            "it calls another function than numpy's of one array",
        )
    names = fitted.feature_names_out
    require(
        names in (None, "one-to-one") or is_code(names), "it names its columns by something else than code"
    )


_IDENTITY = frozenset({"sklearn.preprocessing._function_transformer._identity"})

_ARGUMENTS = {"numpy.nan_to_num": frozenset({"nan", "posinf", "neginf", "copy"})}
"""By function, the arguments beside the array that it may have, all of them numbers."""


ISOTONIC = "sklearn.isotonic.IsotonicRegression"
"""The class that makes a function of its state as soon as it gets it."""


def check_isotonic(state: Any) -> None:
    """Check the state of an `ISOTONIC` before it gets it.

    Raises:
        NotAllowed: scipy would make arrays of other things than numbers.
    """
    places, values = state.get("X_thresholds_"), state.get("y_thresholds_")
    fits = type(places) is np.ndarray and is_numbers(places, len(places)) and is_numbers(values, len(places))
    require(
        (places is None and values is None) or (fits and len(places) > 0), "it has steps that are no numbers"
    )
    require("f_" not in state, "it has a function in place of its steps")


def discretizer(fitted: FittedAttributes) -> None:
    """Refuse one whose cells have a dtype of texts."""
    require(fitted.dtype is None or is_plain(fitted.dtype), "it makes cells of another dtype than numbers")


def b_spline(fitted: FittedAttributes) -> None:
    """Refuse a spline whose knots and coefficients do not fit together."""
    knots, weights, degree = fitted._t, fitted._c, fitted.k
    require(
        is_count(degree, 100)
        and type(knots) is np.ndarray
        and is_numbers(knots, len(knots))
        and len(knots) >= 2 * degree + 2
        and bool(np.isfinite(knots).all() and (knots[1:] >= knots[:-1]).all())
        and type(weights) is np.ndarray
        and weights.ndim > 0
        and weights.dtype.kind in "fiu"
        and len(weights) >= len(knots) - degree - 1
        and fitted.axis == 0
        and type(fitted.extrapolate) in (bool, str),
        "it has splines that lead out of themselves",
    )
