"""A model of CatBoost's, in its own format or as JSON -> its estimator; the loss function says which."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from mlapi.errors import BrokenArtifact, RegistrationError
from mlapi.training.model_files.estimator_file import EstimatorFile, check_library
from mlapi.training.model_files.pickles import reloaded
from mlapi.wording import reason

_OWN = b"CBM1"
"""How CatBoost's own format begins."""

_DAMAGED = "it is damaged, or of another version of CatBoost's"

_HEAD = 8
"""The bytes before the model itself: how the format begins, and the model's size."""

_CLASSIFIERS = (
    "Logloss",
    "CrossEntropy",
    "MultiClass",
    "MultiClassOneVsAll",
    "MultiLogloss",
    "MultiCrossEntropy",
)
"""The loss functions whose answers are classes."""

_RANKERS = (
    "LambdaMart",
    "PairLogit",
    "PairLogitPairwise",
    "QueryCrossEntropy",
    "QueryRMSE",
    "QuerySoftMax",
    "StochasticFilter",
    "StochasticRank",
    "YetiRank",
    "YetiRankPairwise",
)
"""The loss functions of rankings, whose answers are numbers."""


def read_catboost(content: bytes, allowed: Collection[str], file: Path) -> EstimatorFile:
    """Read a model, once CatBoost's classes are allowed.

    Args:
        file: CatBoost reads JSON from a file alone.

    Raises:
        ClassesNotAllowed: They are not.
        RegistrationError: CatBoost is not installed, or the model is of no use here.
        BrokenArtifact: It is damaged.
    """
    check_library("catboost", allowed)
    _check_whole(content)
    model = _read(content, file, "CatBoost")
    loss = _loss_of(model)
    kind = _kind_of(loss)
    return reloaded(_read(content, file, kind), allowed)


def _check_whole(content: bytes) -> None:
    """Check that a file is whole: CatBoost reads on behind its end, or takes half of JSON for a model.

    Raises:
        BrokenArtifact: It is not.
    """
    if content.startswith(_OWN):
        size = int.from_bytes(content[len(_OWN) : _HEAD], "little")
        if len(content) < _HEAD or size > len(content) - _HEAD:
            raise BrokenArtifact("it is damaged or cut off; copy it again")
        return
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BrokenArtifact("it is damaged or cut off; copy it again") from error
    has_trees = isinstance(document, dict) and not {"oblivious_trees", "trees"}.isdisjoint(document)
    if not has_trees or "model_info" not in document:
        raise BrokenArtifact("it is damaged, or no model that CatBoost has written: it has no trees")


def _kind_of(loss: str) -> str:
    if loss in _CLASSIFIERS:
        return "CatBoostClassifier"
    return "CatBoostRanker" if loss in _RANKERS else "CatBoostRegressor"


def _loss_of(model: Any) -> str:
    """Return the name of the loss function that a model was fitted with."""
    try:
        loss = model.get_all_params().get("loss_function", "")
    except Exception as error:  # whatever CatBoost raises of it
        raise BrokenArtifact(f"{_DAMAGED}: {reason(error)}") from error
    if not loss:
        raise RegistrationError("does not say its loss function: joblib.dump the estimator itself")
    return str(loss).partition(":")[0]


def _read(content: bytes, file: Path, kind: str) -> Any:
    import catboost  # noqa: PLC0415 - an extra

    model = getattr(catboost, kind)()
    try:
        if content.startswith(_OWN):
            return model.load_model(blob=content)
        return model.load_model(str(file), format="json")
    except Exception as error:  # whatever CatBoost raises of it
        raise BrokenArtifact(f"{_DAMAGED}: {reason(error)}") from error
