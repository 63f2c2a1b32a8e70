"""A booster of XGBoost's, as JSON or UBJSON -> its estimator; the objective in the file says which.

XGBoost's C++ follows the trees without looking. So their shape is looked at before: what XGBoost has never
written is refused.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.errors import BrokenArtifact, RegistrationError
from mlapi.training.model_files.estimator_file import (
    EstimatorFile,
    check_library,
    numbers_for_labels,
)
from mlapi.training.model_files.pickles import reloaded
from mlapi.training.model_files.ubjson import decoded
from mlapi.wording import listed, quoted, reason

_UBJSON = b"{L"
"""How UBJSON of XGBoost's begins."""

_ESTIMATORS: Mapping[str, str] = {
    "binary": "XGBClassifier",
    "multi": "XGBClassifier",
    "count": "XGBRegressor",
    "reg": "XGBRegressor",
    "survival": "XGBRegressor",
    "rank": "XGBRanker",
}
"""By the family of an objective, the estimator that is fitted with it."""

_SAID: Mapping[str, str] = {
    "classifier": "XGBClassifier",
    "regressor": "XGBRegressor",
    "ranker": "XGBRanker",
}
"""By what an estimator of XGBoost's says of itself in its file, which one it was."""

_ALTERED = "it is damaged, or no booster that XGBoost has written"

_OF_NODES = ("default_left", "loss_changes", "parents", "right_children", "split_conditions", "split_indices")
"""The arrays of a tree that have an entry for each node, beside the left children."""


def read_xgboost(content: bytes, allowed: Collection[str], name: str) -> EstimatorFile:
    """Read a booster, once XGBoost's classes are allowed.

    Args:
        name: Of the file.

    Raises:
        ClassesNotAllowed: They are not.
        RegistrationError: XGBoost is not installed, or the booster is of no use here.
        BrokenArtifact: It is damaged.
    """
    check_library("xgboost", allowed)
    learner = _learner(content)
    kind = _kind_of(learner)
    estimator = _loaded(content, kind)
    notes = () if kind != "XGBClassifier" else (numbers_for_labels(name, int(estimator.n_classes_)),)
    return reloaded(estimator, allowed, notes)


def _loaded(content: bytes, kind: str) -> Any:
    import xgboost  # noqa: PLC0415 - an extra

    # a server has threads of its own; those of OpenMP would not live on in a worker that is forked
    estimator = getattr(xgboost, kind)(n_jobs=1)
    try:
        estimator.load_model(bytearray(content))
    except Exception as error:  # whatever XGBoost raises of it
        raise BrokenArtifact(f"it is damaged, or of another version of XGBoost's: {reason(error)}") from error
    return estimator


def _kind_of(learner: Mapping[str, Any]) -> str:
    """Return the name of the estimator: as it said itself, else by the objective.

    Raises:
        RegistrationError: No estimator of XGBoost's has the objective.
    """
    said = _SAID.get(_own_words(learner).get("_estimator_type", ""))
    objective = str(learner["objective"]["name"])
    kind = said or _ESTIMATORS.get(objective.partition(":")[0])
    if kind is None:
        raise RegistrationError(
            f"has the objective {quoted(objective)}, which says no estimator: those of {listed(_ESTIMATORS)} "
            f"do. joblib.dump the estimator itself"
        )
    return kind


def _own_words(learner: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what an estimator of XGBoost's has written into its file of itself; a native booster nothing."""
    try:
        words = json.loads(learner.get("attributes", {}).get("scikit_learn", "{}"))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {}
    return words if isinstance(words, dict) else {}


def _learner(content: bytes) -> Mapping[str, Any]:
    """Return the description of a booster, once its shape is known to be one of XGBoost's.

    Raises:
        BrokenArtifact: It is not.
    """
    try:
        document = decoded(content) if content.startswith(_UBJSON) else json.loads(content)
        learner: Mapping[str, Any] = document["learner"]
        _check(learner)
    except (
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise BrokenArtifact(f"{_ALTERED}; copy it again, or save it again") from error
    return learner


def _check(learner: Mapping[str, Any]) -> None:
    """Check the shape of a booster.

    Raises:
        BrokenArtifact: Something leads out of it.
        ValueError, KeyError, TypeError: Something is missing, or something else than it should be.
    """
    parameters = learner["learner_model_param"]
    features = int(parameters["num_feature"])
    groups = max(int(parameters["num_class"]), int(parameters.get("num_target", 1)), 1)
    _require(isinstance(learner["objective"]["name"], str) and 0 < features < 2**31)
    booster = learner["gradient_booster"]
    if booster["name"] == "gblinear":
        _require(len(booster["model"]["weights"]) == (features + 1) * groups)
        return
    is_dart = booster["name"] == "dart"
    _require(is_dart or booster["name"] == "gbtree")
    model = booster["gbtree"]["model"] if is_dart else booster["model"]
    trees = model["trees"]
    _require(not is_dart or len(booster["weight_drop"]) == len(trees))
    _require(_are_places(model["tree_info"], groups, len(trees)))
    _require(int(model["gbtree_model_param"]["num_trees"]) == len(trees))
    ends = _whole_numbers(model.get("iteration_indptr", [0, len(trees)]))
    _require(len(ends) > 0 and ends[0] == 0 and ends[-1] == len(trees) and (np.diff(ends) >= 0).all())
    for tree in trees:
        _check_tree(tree, features)


def _check_tree(tree: Mapping[str, Any], features: int) -> None:
    """Check that a tree is one: each node but the first is at most once the child of another."""
    left = _whole_numbers(tree["left_children"])
    right = _whole_numbers(tree["right_children"])
    nodes = len(left)
    _require(nodes > 0 and int(tree["tree_param"]["num_nodes"]) == nodes)
    _require(all(len(tree[name]) == nodes for name in _OF_NODES))
    inner, leaves = np.flatnonzero(left != -1), right[left == -1]
    children = np.concatenate([left[inner], right[inner]])
    numbers = int(tree["tree_param"].get("size_leaf_vector", 1))
    vectors = len(tree.get("leaf_weights", ())) // numbers if numbers > 1 else 0
    _require(
        ((leaves >= -1) & (leaves < vectors)).all()
    )  # the place of the leaf's numbers, if it has several
    _require(((children > 0) & (children < nodes)).all() and len(np.unique(children)) == len(children))
    parents = _whole_numbers(tree["parents"])
    _require((parents[left[inner]] == inner).all() and (parents[right[inner]] == inner).all())
    columns = _whole_numbers(tree["split_indices"])[inner]
    _require(((columns >= 0) & (columns < features)).all())
    starts, sizes = (_whole_numbers(tree.get(f"categories_{what}", ())) for what in ("segments", "sizes"))
    _require(_are_places(tree.get("categories_nodes", ()), nodes, len(starts)) and len(starts) == len(sizes))
    _require(((starts >= 0) & (sizes >= 0) & (starts + sizes <= len(tree.get("categories", ())))).all())


def _are_places(numbers: Any, end: int, count: int) -> bool:
    """Return whether these are so many whole numbers from 0 to below the end."""
    array = _whole_numbers(numbers)
    return len(array) == count and bool(((array >= 0) & (array < end)).all())


def _whole_numbers(numbers: Any) -> NDArray[np.int64]:
    """Return a list of whole numbers as an array `(n,)`."""
    array = np.asarray(numbers)
    _require(array.ndim == 1 and (array.dtype.kind in "iu" or not array.size))
    return array.astype(np.int64)


def _require(condition: Any) -> None:
    if not condition:
        raise BrokenArtifact(_ALTERED)
