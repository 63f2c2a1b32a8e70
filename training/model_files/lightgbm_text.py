"""The shape of LightGBM's text, looked at before LightGBM's C++ follows it without looking.

A text that was cut off, or whose trees lead out of themselves, ends the process there.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlapi.errors import BrokenArtifact

_OF_NODES = ("split_gain", "internal_value", "internal_weight", "internal_count")
"""Further lists of a tree that have a number for each node."""

_OF_LEAVES = ("leaf_value", "leaf_weight", "leaf_count", "leaf_const")
"""Lists of a tree that have a number for each leaf."""

_BY_CATEGORY = 1
"""The bit of a node's type that says that it splits by categories."""


class BoosterText(NamedTuple):
    """A text that is as LightGBM writes it."""

    head: Mapping[str, str]
    """Its first lines by key."""
    trees: str
    """All that its answers come from; the parameters of the training follow after it."""


def checked(text: str) -> BoosterText:
    """Check a text.

    Raises:
        BrokenArtifact: It is not.
    """
    content = text.encode()
    head, blank, _ = content.partition(b"\n\n")
    try:
        lines = _lines(head)
        start = len(head) + len(blank)
        features = int(lines["max_feature_idx"]) + 1
        sizes = _whole(lines["tree_sizes"])
        groups, classes = int(lines["num_tree_per_iteration"]), int(lines["num_class"])
        _require(features > 0 and 0 < groups <= max(len(sizes), 1) and len(sizes) % groups == 0)
        _require(classes in (1, groups) and (sizes > 0).all() and int(sizes.sum()) <= len(content) - start)
        _require(all(len(lines[name].split(" ")) == features for name in ("feature_names", "feature_infos")))
        for number, size in enumerate(sizes.tolist()):
            tree = _lines(content[start : start + size])
            _require(tree.get("Tree") == str(number))
            _check_tree(tree, features)
            start += size
        _require(content[start:].startswith(_END))
        _, parameters, rest = content[start:].partition(b"\nparameters:\n")
        _require(not parameters or b"\nend of parameters\n" in rest)
    except (KeyError, ValueError, OverflowError) as error:
        raise BrokenArtifact(_DAMAGED) from error
    return BoosterText(lines, (content[:start] + _END).decode())


_END = b"end of trees\n"
"""The line after the last tree."""

_DAMAGED = "it is damaged or cut off: it is not as LightGBM writes it; copy it again, or save it again"


def _lines(content: bytes) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in content.decode().split("\n"))


def _check_tree(tree: Mapping[str, str], features: int) -> None:
    leaves, categories = int(tree["num_leaves"]), int(tree["num_cat"])
    float(tree["shrinkage"])
    _require(leaves > 0 and categories >= 0 and tree["is_linear"] in ("0", "1"))
    for names, count in ((_OF_LEAVES, leaves), (_OF_NODES, leaves - 1)):
        _require(all(len(_numbers(tree[name])) == count for name in names if tree.get(name)))
    _require(len(_numbers(tree["leaf_value"])) == leaves)
    if leaves > 1:
        _check_nodes(tree, leaves, features, categories)
    if tree["is_linear"] == "1":
        _check_lines(tree, leaves, features)


def _check_nodes(tree: Mapping[str, str], leaves: int, features: int, categories: int) -> None:
    """Check that each node but the first, and each leaf, is the child of one node."""
    columns, kinds = _whole(tree["split_feature"]), _whole(tree["decision_type"])
    thresholds = _numbers(tree["threshold"])
    children = np.concatenate([_whole(tree["left_child"]), _whole(tree["right_child"])])
    nodes = leaves - 1
    _require(len(columns) == len(kinds) == len(thresholds) == nodes and len(children) == 2 * nodes)
    _require(((columns >= 0) & (columns < features)).all())
    _require(np.array_equal(np.sort(children), [*range(-leaves, 0), *range(1, nodes)]))
    chosen = thresholds[(kinds & _BY_CATEGORY) != 0]
    _require(((chosen >= 0) & (chosen < categories)).all())
    if categories:
        bounds, words = _whole(tree["cat_boundaries"]), _whole(tree["cat_threshold"])
        _require(len(bounds) == categories + 1 and bounds[0] == 0 and bounds[-1] == len(words))
        _require((np.diff(bounds) >= 0).all() and ((words >= 0) & (words < 2**32)).all())


def _check_lines(tree: Mapping[str, str], leaves: int, features: int) -> None:
    """Check the linear models in the leaves of a tree."""
    counts = _whole(tree["num_features"])
    columns, factors = _whole(tree.get("leaf_features", "")), _numbers(tree.get("leaf_coeff", ""))
    _require(len(counts) == leaves and (counts >= 0).all() and len(_numbers(tree["leaf_const"])) == leaves)
    _require(len(columns) == len(factors) == counts.sum())
    _require(((columns >= 0) & (columns < features)).all())


def _numbers(text: str) -> NDArray[np.float64]:
    """Return the numbers of a line `(n,)`."""
    return np.array(text.split(), dtype=np.float64)


def _whole(text: str) -> NDArray[np.int64]:
    """Return the whole numbers of a line `(n,)`."""
    return np.array(text.split(), dtype=np.int64)


def _require(condition: object) -> None:
    if not condition:
        raise BrokenArtifact(_DAMAGED)
