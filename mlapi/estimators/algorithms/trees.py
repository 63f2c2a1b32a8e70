"""What a decision tree and a forest have in common: parameters, and a limit of their size."""

from collections.abc import Mapping
from typing import Any

from mlapi.estimators.algorithms.declaration import CLASSIFICATION, Parameter, Parameters

PARAMETERS: Mapping[str, Parameter] = {
    "max_depth": Parameter(
        None, "The most questions in a row.", int, minimum=1, maximum=1000, choices=(None,)
    ),
    "min_samples_split": Parameter(
        2, "The fewest rows that are divided further.", int, minimum=2, maximum=1e9
    ),
    "min_samples_leaf": Parameter(1, "The fewest rows that a leaf may hold.", int, minimum=1, maximum=1e9),
    "max_leaf_nodes": Parameter(
        None, "The most leaves of a tree.", int, minimum=2, maximum=1e9, choices=(None,)
    ),
    "class_weight": Parameter(
        None,
        "'balanced' weighs classes by their rarity.",
        choices=(None, "balanced"),
        tasks=(CLASSIFICATION,),
    ),
}
"""The parameters of both."""

LEAVES = 1_000_000
"""The most leaves of a model: about 150 MB for values or a few classes, with two nodes of 72 bytes a leaf."""


def at_scale(
    parameters: Parameters, rows: int, *, trees: int = 1, share: float = 1.0
) -> tuple[Parameters, str | None]:
    """Limit the leaves if a model could have more than `LEAVES`: its parameters, and a sentence if they
    change.

    Args:
        trees: How many trees the model has.
        share: The share of the rows that each of them gets.
    """
    most = max(2, LEAVES // trees)
    if most >= _possible_leaves(parameters, rows * share):
        return parameters, None
    which = "the tree" if trees == 1 else f"each of {trees:,} trees"
    note = f"{rows:,} rows could grow a very large model: {which} has at most {most:,} leaves."
    return {**parameters, "max_leaf_nodes": most}, note


def _possible_leaves(parameters: Parameters, rows: float) -> Any:
    """Return how many leaves a tree can have of so many rows, with these parameters."""
    depth, leaves = parameters.get("max_depth"), parameters.get("max_leaf_nodes")
    smallest = max(parameters.get("min_samples_leaf", 1), parameters.get("min_samples_split", 2) / 2)
    return min(rows / smallest, 2.0**depth if depth else rows, leaves or rows)
