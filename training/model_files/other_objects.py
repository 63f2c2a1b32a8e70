"""Objects of other libraries that answer rows, but are no estimators of scikit-learn's -> such estimators."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pandas as pd

from mlapi.artifacts.pickles.parts.names import name_of
from mlapi.errors import RegistrationError
from mlapi.estimators.external.conformal import ConformalRegressor
from mlapi.training.model_files.estimator_file import EstimatorFile
from mlapi.training.model_files.lightgbm_files import read_lightgbm
from mlapi.training.model_files.pickles import reloaded
from mlapi.training.model_files.xgboost_files import read_xgboost

_BOOSTER = "the booster"
"""What a note calls a booster that has no file."""

_CONFORMAL = ("mapie.regression.regression.", "mapie.regression.quantile_regression.")
"""How the names of MAPIE's regressors begin."""


def with_estimator(file: EstimatorFile, allowed: Collection[str], rows: pd.DataFrame) -> EstimatorFile:
    """Return what was read, with an estimator in the place of an object that answers and is none.

    Args:
        allowed: The classes and functions that its pickle may name beyond those that every estimator may.
        rows: Some rows that it answers, `(rows, columns)`.

    Raises:
        ClassesNotAllowed: Its pickle names others.
        RegistrationError: Its library says too little to make one, or it is not fitted.
        BrokenArtifact: It is damaged.
    """
    fitted = file.estimator
    kind = name_of(type(fitted))
    if kind == "xgboost.core.Booster":
        return _joined(file, read_xgboost(bytes(fitted.save_raw("json")), allowed, _BOOSTER))
    if kind == "lightgbm.basic.Booster":
        return _joined(file, read_lightgbm(fitted.model_to_string().encode(), allowed, _BOOSTER, rows))
    if kind.startswith(_CONFORMAL) and hasattr(fitted, "predict_interval"):
        return _joined(file, reloaded(_conformal(fitted), allowed))
    return file


def _conformal(fitted: Any) -> ConformalRegressor:
    try:
        return ConformalRegressor.of(fitted)
    except (AttributeError, StopIteration) as error:
        raise RegistrationError(
            "is not conformalized: call its conformalize, or fit_conformalize, before you save it"
        ) from error


def _joined(file: EstimatorFile, made: EstimatorFile) -> EstimatorFile:
    return replace(made, libraries={**file.libraries, **made.libraries}, notes=(*file.notes, *made.notes))
