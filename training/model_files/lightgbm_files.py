"""A booster of LightGBM's, as text -> an estimator that answers as the one that was fitted."""

import json
import re
from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd

from mlapi.errors import BrokenArtifact, RegistrationError
from mlapi.estimators.external.lightgbm_booster import LightGBMClassifier, LightGBMRegressor
from mlapi.training.model_files.estimator_file import (
    EstimatorFile,
    check_library,
    numbers_for_labels,
)
from mlapi.training.model_files.lightgbm_text import checked
from mlapi.training.model_files.pickles import reloaded
from mlapi.wording import listed, reason

_CLASSIFIERS = frozenset({"binary", "multiclass", "multiclassova"})
"""The objectives whose answers are classes. All others give a number."""

_CATEGORIES = "pandas_categorical:"
"""What the line begins with that has the categories of the frame that was fitted on."""

_COLUMNS = re.compile(r"^\[categorical_feature: ([0-9]{1,9}(?:,[0-9]{1,9})*)\]$", re.MULTILINE)
"""The line with the places of these columns."""


def read_lightgbm(content: bytes, allowed: Collection[str], name: str, rows: pd.DataFrame) -> EstimatorFile:
    """Read a booster, once LightGBM's classes are allowed.

    Args:
        name: Of the file.
        rows: `(rows, columns)`; LightGBM writes the blanks in their names as underscores.

    Raises:
        ClassesNotAllowed: They are not.
        RegistrationError: LightGBM is not installed, or the booster is of no use here.
        BrokenArtifact: It is damaged.
    """
    check_library("lightgbm", allowed)
    text = _text(content)
    head, trees = checked(text)
    booster = _booster(trees)
    objective = head.get("objective", "").partition(" ")[0]
    names = _names(booster, rows)
    categories = _categories(booster, text)
    if objective in _CLASSIFIERS:
        classifier = LightGBMClassifier.of(booster, names, categories)
        return reloaded(classifier, allowed, (numbers_for_labels(name, len(classifier.classes_)),))
    if booster.num_model_per_iteration() != 1:
        raise RegistrationError(
            f"has several scores of a row, and says no objective that makes classes of them "
            f"({objective or 'none'}): joblib.dump the estimator itself"
        )
    raw = () if objective else (f"{name} says no objective: the answers are raw scores",)
    return reloaded(LightGBMRegressor.of(booster, names, categories), allowed, raw)


def _text(content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise BrokenArtifact("it is damaged: it is no text") from error
    return text.replace("\r\n", "\n")


def _booster(text: str) -> Any:
    import lightgbm  # noqa: PLC0415 - an extra

    try:
        return lightgbm.Booster(model_str=text)
    except Exception as error:  # whatever LightGBM raises of it
        raise BrokenArtifact(
            f"it is damaged, or of another version of LightGBM's: {reason(error)}"
        ) from error


def _names(booster: Any, rows: pd.DataFrame) -> list[str] | None:
    """Return the names of the columns, as the rows `(rows, columns)` have them; None where there are none."""
    names: list[str] = booster.feature_name()
    if names == [f"Column_{place}" for place in range(len(names))]:
        return None
    written = {str(column).replace(" ", "_"): str(column) for column in rows.columns}
    return [name if name in rows.columns else written.get(name, name) for name in names]


def _categories(booster: Any, text: str) -> Sequence[Sequence[Any]]:
    """Return the categories of each column, none of a column of numbers.

    Raises:
        RegistrationError: The text does not say which columns they belong to.
    """
    none: list[Sequence[Any]] = [()] * booster.num_feature()
    last = text.rstrip().rpartition("\n")[2]
    lists = _json(last.removeprefix(_CATEGORIES)) if last.startswith(_CATEGORIES) else None
    if not lists:
        return none
    places = _places(text)
    if len(places) != len(lists):
        raise RegistrationError(
            f"has the categories of {len(lists)} columns, and names {len(places)} columns of categories "
            f"({listed(map(str, places))}): joblib.dump the estimator itself"
        )
    if places[-1] >= len(none):
        raise BrokenArtifact("it is damaged: it has categories of a column that it does not have")
    for place, categories in zip(places, lists, strict=True):
        none[place] = categories
    return none


def _places(text: str) -> list[int]:
    """Return the places of the columns that were categories in the frame that was fitted on."""
    match = _COLUMNS.search(text)
    return [] if match is None else sorted(map(int, match[1].split(",")))


def _json(text: str) -> list[list[Any]] | None:
    try:
        lists = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrokenArtifact("it is damaged: its categories cannot be read") from error
    if lists is None:
        return None
    is_whole = isinstance(lists, list) and all(
        isinstance(categories, list) and all(isinstance(entry, str | int | float) for entry in categories)
        for categories in lists
    )
    if not is_whole:
        raise BrokenArtifact("it is damaged: its categories cannot be read")
    return lists  # type: ignore[no-any-return]
