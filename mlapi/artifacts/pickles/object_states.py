"""States that an object's class would take without looking, checked before it gets them."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mlapi.artifacts.pickles.fitted.estimators import ISOTONIC, check_isotonic
from mlapi.artifacts.pickles.parts.names import NotAllowed
from mlapi.artifacts.pickles.parts.neighbor_trees import NEIGHBOR_TREES, check_neighbor_tree
from mlapi.artifacts.pickles.parts.random_states import check_random_state
from mlapi.artifacts.pickles.parts.trees import TREE, check_nodes

_CATBOOST = frozenset(f"catboost.core.CatBoost{what}" for what in ("", "Classifier", "Ranker", "Regressor"))
"""CatBoost's estimators, which are boosters themselves."""

BOOSTERS: Mapping[str, tuple[tuple[str, ...], type]] = {
    "lightgbm.basic.Booster": (("_handle", "handle"), str),
    "xgboost.core.Booster": (("handle",), bytearray),
    **dict.fromkeys(_CATBOOST, (("__model",), bytes)),
}
"""Classes whose state is a model in their library's own format: its possible names there, and its type.

It gets one state: a second one could leave a pointer to nothing in place of the model. CatBoost's may be
without one, as in the parameters of a search, where it is not fitted: then it refuses to answer."""


def check_state(inst: Any, kind: str, state: Any) -> None:
    """Refuse a state that code of the object's class would not take as it is.

    A state of scikit-learn's says which version wrote it, for a warning about each part; here it says the one
    that is installed, as the manifest tells it once for all.

    Args:
        kind: The full name of the object's class.

    Raises:
        NotAllowed: Its class would read or write outside of an array, or never end.
    """
    if isinstance(inst, np.random.BitGenerator | np.random.RandomState):
        check_random_state(state)
    if kind == TREE:
        check_nodes(inst, state)
    if kind in NEIGHBOR_TREES:
        check_neighbor_tree(kind, state)
    if kind in _CHECKS:
        _CHECKS[kind](state)
    _check_names(state, frozenset({"__model"}) if kind in _CATBOOST else frozenset())
    if kind.startswith("sklearn.") and type(state) is dict and "_sklearn_version" in state:
        state["_sklearn_version"] = sys.modules["sklearn"].__version__


def _check_names(state: Any, own: frozenset[str]) -> None:
    """Refuse attributes with names such as `__array_interface__`: numpy would read memory where that says.

    Args:
        own: Such names that the class itself writes.
    """
    for attributes in state if type(state) is tuple else (state,):
        for name in attributes if isinstance(attributes, dict) else ():
            if isinstance(name, str) and name.startswith("__") and name not in own:
                raise NotAllowed(f"it gives an object the attribute {name!r:.40}, which is its class's")


def _check_booster(names: tuple[str, ...], kind: type, *, is_required: bool) -> Callable[[Any], None]:
    def check(state: Any) -> None:
        models = [state[name] for name in names if name in state] if type(state) is dict else []
        if not models and type(state) is dict and not is_required:
            return
        if len(models) != 1 or type(models[0]) is not kind or not models[0]:
            raise NotAllowed("it has a booster without its model")

    return check


_CHECKS: Mapping[str, Callable[[Any], None]] = {
    ISOTONIC: check_isotonic,
    **{name: _check_booster(*how, is_required=name not in _CATBOOST) for name, how in BOOSTERS.items()},
}
"""By class, the check of a state."""
