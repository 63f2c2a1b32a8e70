"""Registration of an estimator that was fitted elsewhere: its file and some rows -> a published version.

The sample shows what rows look like, not all that they may be: values beyond its ranges and categories become
warnings for clients, and are never refused.
"""

import math
import re
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor

from mlapi.artifacts.golden import Golden
from mlapi.artifacts.manifest import REFERENCE, Draft, Manifest
from mlapi.artifacts.names import is_model_name
from mlapi.artifacts.networks import carries_network
from mlapi.artifacts.provenance import Provenance
from mlapi.data.labels import MAX_CHARACTERS, is_valid_label
from mlapi.data.signature import Signature, Target
from mlapi.data.tables.dialects import NO_OPTIONS, CsvOptions
from mlapi.errors import RegistrationError, Unanswerable
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import CLASSIFICATION, REGRESSION
from mlapi.inference.estimator_calls import call
from mlapi.inference.model import estimator_input, presentable
from mlapi.registry.changes import Changes
from mlapi.training.preparation import features
from mlapi.training.tables.files import read
from mlapi.training.versions.golden import SINGLE, choose_golden_rows, make_golden
from mlapi.training.workflows.estimator_files import read_estimator
from mlapi.training.workflows.table_version import reference
from mlapi.wording import listed, reason


def register(
    name: str,
    estimator_file: Path,
    sample_file: Path,
    changes: Changes,
    options: CsvOptions = NO_OPTIONS,
) -> Manifest:
    """Publish a fitted estimator as the next version of a model.

    Args:
        estimator_file: Written by joblib or pickle.
        sample_file: Some rows of features without the target, CSV or Parquet.
        options: How the sample is written, if it is CSV.

    Raises:
        RegistrationError: The name, the estimator or the sample does not do, or the file names classes that
            the settings do not allow; nothing is published.
        BrokenArtifact: The file cannot be unpickled, or does not give the same answers twice.
        DatasetError: The sample cannot be read.
        OSError: A file cannot be read, or the models folder not written.
    """
    if not is_model_name(name):
        raise RegistrationError(
            f"a model cannot be called {name!r}: lower case letters, digits, _ and -, a letter first"
        )
    table = read(str(sample_file), options)
    sample = table.frame
    estimator = read_estimator(estimator_file, changes.registry.trust.classes)
    fitted = not isinstance(estimator, type) and hasattr(estimator, "__sklearn_tags__")
    if not (fitted and hasattr(estimator, "predict")):
        kind = type(estimator).__name__
        raise RegistrationError(f"a {kind} is no scikit-learn estimator that has predict")
    frame = sample[_columns(estimator, sample)]
    described = features.features_of_sample(frame)
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
        data=Provenance(
            source="registered", sample_rows=len(frame), notes=table.notes, warnings=table.warnings
        ).to_json(),
    )
    files = {REFERENCE: reference(signature, frame)}
    return changes.publish(draft, estimator, _golden(estimator, frame, signature), files)


def _golden(estimator: Any, frame: pd.DataFrame, signature: Signature) -> Golden:
    chosen = frame.iloc[choose_golden_rows(frame, signature)]
    columns = {name: chosen[name].to_numpy() for name in signature.names}
    batch = features.matrix(chosen) if signature.is_numeric else columns
    with _predicting():  # probabilities may fail where predictions do not
        golden = make_golden(estimator, estimator_input(estimator, signature, batch), chosen, signature)
    if carries_network(_final(estimator)):
        return replace(golden, least=SINGLE)
    return golden


def _columns(estimator: Any, sample: pd.DataFrame) -> list[str]:
    """Return the sample's columns in the order in which the estimator was fitted."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        if len(set(names)) != len(names):
            raise RegistrationError("the estimator says that columns stand twice where it was fitted")
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
    """Predict the sample twice, as a server will and as it was read.

    The two predictions must agree if the estimator was fitted with names of columns, and are not compared
    otherwise.

    Raises:
        RegistrationError: The estimator fails, does not give one prediction a row, or its predictions differ.
    """
    columns = {name: frame[name].to_numpy() for name in signature.names}
    batch = features.matrix(frame) if signature.is_numeric else columns
    rows = estimator_input(estimator, signature, batch)
    served, own = _predict(estimator, rows), _predict(estimator, frame.set_axis(signature.names, axis=1))
    if served.shape[:1] != (len(frame),):
        raise RegistrationError(f"{len(frame)} rows of the sample gave predictions of shape {served.shape}")
    if hasattr(estimator, "feature_names_in_") and not _agree(served, own):
        raise RegistrationError(
            "the estimator gives other predictions when whole numbers arrive as 13.0, which is how a "
            "client's numbers arrive; convert them in its pipeline"
        )


def _predict(estimator: Any, rows: Any) -> np.ndarray[Any, Any]:
    with _predicting(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names where it was fitted without: they do not matter here
        return presentable(call(estimator, "predict", rows))


@contextmanager
def _predicting() -> Iterator[None]:
    """Turn whatever an estimator's own code raises into one error.

    Raises:
        RegistrationError: It cannot serve, whatever it has raised.
    """
    try:
        yield
    except Unanswerable as error:
        raise RegistrationError(f"the estimator cannot predict the sample: {error}") from error
    except Exception as error:  # somebody else's code
        raise RegistrationError(f"the estimator cannot predict the sample: {reason(error)}") from error


def _agree(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    if one.dtype.kind == "f":
        return bool(np.allclose(one, other, rtol=1e-9, atol=0))
    return bool((one == other).all())


def _final(estimator: Any) -> Any:
    """Return the final estimator: the last step of a pipeline, the best of a search."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    steps = getattr(estimator, "steps", None)
    return _final(steps[-1][1]) if steps else estimator


def algorithm_of(estimator: Any) -> str:
    """Return the name of our algorithm that makes such estimators, else the class's name in snake case."""
    kind = type(_final(estimator))
    for name, algorithm in ALGORITHMS.items():
        if kind in algorithm.recognises:
            return name
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind.__name__).lower()


def task_of(estimator: Any) -> str:
    """Return the task: regression of a regressor, else classification; clusters are labels as well."""
    return REGRESSION if is_regressor(estimator) else CLASSIFICATION


def _target(estimator: Any) -> Target:
    if task_of(estimator) == REGRESSION:
        return Target("prediction", "number")
    classes = getattr(estimator, "classes_", None) if is_classifier(estimator) else None
    known = _labels(classes) if isinstance(classes, np.ndarray) else None
    return Target("prediction", "category", known)


def _labels(classes: np.ndarray[Any, Any]) -> tuple[Any, ...]:
    labels = tuple(classes.tolist()) if classes.ndim == 1 else ()
    if not labels or not all(map(_is_label, labels)):
        raise RegistrationError(
            f"the estimator's classes are no labels: numbers, or words of up to {MAX_CHARACTERS:,} letters"
        )
    return labels


def _is_label(label: Any) -> bool:
    return is_valid_label(label) if isinstance(label, str) else isinstance(label, int | float)


def _parameters(estimator: Any) -> dict[str, Any]:
    """Return the final estimator's parameters; what JSON cannot hold becomes its repr."""
    final = _final(estimator)
    parameters = final.get_params(deep=False) if hasattr(final, "get_params") else {}
    return {name: value if _is_json(value) else _shown(value) for name, value in parameters.items()}


_LONGEST_SHOWN = 200
"""Letters of a parameter that a manifest has at most."""

_MOST_SHOWN = 10_000
"""Letters and parts of a parameter whose repr is made: a list may hold one long text a million times."""


def _shown(value: Any) -> str:
    return repr(value)[:_LONGEST_SHOWN] if _is_short(value) else f"a long {type(value).__name__}"


def _is_short(value: Any) -> bool:
    left, parts = _MOST_SHOWN, [value]
    while parts and left > 0:
        part = parts.pop()
        within = _within(part)
        left -= 1 + len(within if within is not None else part if isinstance(part, str | bytes) else ())
        parts.extend(within or () if left > 0 else ())
    return left > 0


def _within(part: Any) -> Collection[Any] | None:
    """Return the parts that the repr of a value shows; None where it has none."""
    if isinstance(part, np.ndarray):
        return part.ravel()[:_MOST_SHOWN].tolist() if part.dtype.kind in "OSU" else None
    if isinstance(part, list | tuple | set | frozenset):
        return part
    if isinstance(part, dict):
        return [*part.keys(), *part.values()]
    is_estimator = hasattr(part, "get_params") and not isinstance(part, type)
    return part.get_params(deep=False).values() if is_estimator else None


def _is_json(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):
        return len(value) <= _LONGEST_SHOWN
    return isinstance(value, int | bool | None)
