"""What is checked of scikit-learn's estimators beyond those that training knows;
`mlapi.artifacts.pickles.fitted.scikit_learn` says of which class, and why."""

from types import NoneType
from typing import Any

import numpy as np

from mlapi.artifacts.pickles.fitted.attributes import (
    FittedAttributes,
    is_code,
    is_count,
    is_integers,
    is_numbers,
    is_plain,
    require,
    width_of,
)
from mlapi.artifacts.pickles.fitted.columns import vectorizer
from mlapi.artifacts.pickles.parts.names import name_of
from mlapi.artifacts.pickles.parts.trees import TREE
from mlapi.artifacts.pickles.parts.values import NUMPY_FUNCTIONS, value_name

_MOST_ROUNDS = 10**4
"""The most rounds of a computation that goes on until its numbers stand still."""

_MOST_HASHED = 2**22
"""The most columns that words are hashed to; 2 ** 20 is scikit-learn's own."""

_MOST_STEPS = 1000
"""The most columns that a kernel's approximation may make of one feature."""

_METHODS = frozenset({"decision_function", "drop", "predict", "predict_log_proba", "predict_proba"})
"""The methods that an estimator may ask another one for, by their names in its attributes."""

_RESPONSES = (*("auto", "predict_proba", "decision_function"),)
"""What a threshold may be compared with."""


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


def hashing(fitted: FittedAttributes) -> None:
    """Refuse texts that are hashed to no columns, or to more than 32 bits number: compiled code divides by
    them."""
    vectorizer(fitted)
    columns = fitted.n_features
    require(
        is_count(columns, _MOST_HASHED) and columns > 0,
        f"it hashes to other columns than 1 to {_MOST_HASHED:,}",
    )


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
        is_plain_call = (
            is_known
            and type(arguments) in (dict, NoneType)
            and (not arguments or _ARGUMENTS.get(value_name(call), frozenset()) >= arguments.keys())
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
