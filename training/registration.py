"""Bring your own estimator: a fitted object and some rows -> a published version.

The sample shows what rows look like, not all that they may be: its ranges and words become warnings for
clients, never refusals.
"""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor

from mlapi.algorithms import ALGORITHMS
from mlapi.algorithms.declaration import CLASSIFICATION, REGRESSION
from mlapi.artifact import REFERENCE, Draft, Manifest, publish, read_own_estimator
from mlapi.errors import DatasetError, RegistrationError, listed, reason
from mlapi.model import estimator_input
from mlapi.names import is_model_name
from mlapi.signature import Signature, Target
from training import features
from training.workflow import reference


def register(name: str, estimator_file: Path, sample_file: Path, models_dir: Path) -> Manifest:
    """Publish a fitted estimator as the next version of a model.

    Raises:
        RegistrationError: The name, the estimator or the sample does not do; nothing is published.
        BrokenArtifact: The file cannot be unpickled.
        DatasetError: The sample cannot be read.
        OSError: A file cannot be read, or the models folder not written.
    """
    if not is_model_name(name):
        raise RegistrationError(
            f"a model cannot be called {name!r}: lower case letters, digits, _ and -, a letter first"
        )
    sample = _read_sample(sample_file)
    estimator = read_own_estimator(estimator_file)
    if not (hasattr(estimator, "predict") and hasattr(estimator, "__sklearn_tags__")):
        kind = type(estimator).__name__
        raise RegistrationError(f"a {kind} is no scikit-learn estimator that has predict")
    frame = sample[_columns(estimator, sample)]
    described = features.describe_features(frame)
    ignored = tuple(str(column) for column in sample.columns if column not in frame.columns)
    signature = Signature(described, _target(estimator), ignored)
    _try(estimator, frame, signature)
    draft = Draft(
        name=name,
        algorithm=algorithm_of(estimator),
        task=task_of(estimator),
        signature=signature,
        parameters=_parameters(estimator),
        metrics={},
        data={"source": "registered", "sample_rows": len(frame)},
    )
    return publish(models_dir, draft, estimator, {REFERENCE: reference(signature, frame)})


def _read_sample(file: Path) -> pd.DataFrame:
    try:
        header = pd.read_csv(file, encoding="utf-8-sig", header=None, nrows=1, dtype=str)
        sample = pd.read_csv(file, encoding="utf-8-sig")
    except (ValueError, pd.errors.ParserError) as error:  # UnicodeDecodeError is a ValueError
        raise DatasetError(f"{file} is not a CSV file: {reason(error)}") from error
    twice = header.loc[0, header.loc[0].duplicated()]  # `read_csv` would rename the second in silence
    if not twice.empty:
        raise DatasetError(f"{file}: two columns are called {twice.iloc[0]!r}; rename one")
    if sample.empty:
        raise DatasetError(f"{file} has no rows; one is needed, some are better")
    return sample


def _columns(estimator: Any, sample: pd.DataFrame) -> list[str]:
    """The sample's columns in the order that the estimator was fitted with."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        missing = [name for name in names if name not in sample.columns]
        if missing:
            raise RegistrationError(f"the sample lacks columns of the estimator: {listed(missing)}")
        return list(names)
    expected = getattr(estimator, "n_features_in_", sample.shape[1])
    if expected != sample.shape[1]:
        raise RegistrationError(
            f"the estimator takes {expected} features, the sample has {sample.shape[1]} columns "
            f"({listed(sample.columns)}); leave the target out"
        )
    return list(sample.columns)


def _try(estimator: Any, frame: pd.DataFrame, signature: Signature) -> None:
    """Predict the sample, as a server will."""
    columns = {name: frame[name].to_numpy() for name in signature.names}
    batch = features.matrix(frame) if signature.is_numeric else columns
    try:
        values = np.asarray(estimator.predict(estimator_input(estimator, signature, batch)))
    except Exception as error:  # somebody else's code; whatever it raises, it cannot serve
        raise RegistrationError(f"the estimator cannot predict the sample: {reason(error)}") from error
    if len(values) != len(frame):
        raise RegistrationError(f"{len(frame)} rows of the sample gave {len(values)} predictions")


def _final(estimator: Any) -> Any:
    """What does the predicting: the last step of a pipeline, the winner of a search."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    steps = getattr(estimator, "steps", None)
    return _final(steps[-1][1]) if steps else estimator


def algorithm_of(estimator: Any) -> str:
    """One of ours if the class is known, else the class's own name in our spelling."""
    kind = type(_final(estimator))
    for name, algorithm in ALGORITHMS.items():
        if kind in algorithm.recognises:
            return name
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind.__name__).lower()


def task_of(estimator: Any) -> str:
    """Clusters and outliers are labels too."""
    return REGRESSION if is_regressor(estimator) else CLASSIFICATION


def _target(estimator: Any) -> Target:
    if task_of(estimator) == REGRESSION:
        return Target("prediction", "number")
    classes = getattr(estimator, "classes_", None) if is_classifier(estimator) else None
    known = tuple(classes.tolist()) if isinstance(classes, np.ndarray) else None
    return Target("prediction", "category", known)


def _parameters(estimator: Any) -> dict[str, Any]:
    """The final estimator's parameters; what JSON cannot hold stands by its repr."""
    final = _final(estimator)
    given = final.get_params(deep=False) if hasattr(final, "get_params") else {}
    return {name: value if _is_json(value) else repr(value)[:200] for name, value in given.items()}


def _is_json(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | int | bool | None)
