"""Registration of an estimator that was fitted elsewhere: its file and some rows -> a published version.

The sample shows what rows look like, not all that they may be: values beyond its ranges and categories become
warnings for clients, and are never refused.
"""

import math
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor
from sklearn.preprocessing import LabelBinarizer, LabelEncoder, MultiLabelBinarizer

from mlapi.artifacts.golden import Golden
from mlapi.artifacts.manifest import REFERENCE, Draft, Manifest
from mlapi.artifacts.names import is_model_name
from mlapi.artifacts.networks import carries_network
from mlapi.artifacts.provenance import Provenance
from mlapi.data.labels import MAX_CHARACTERS, is_valid_label
from mlapi.data.signature import Signature, Target
from mlapi.data.tables.dialects import NO_OPTIONS, CsvOptions
from mlapi.errors import RegistrationError
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import CLASSIFICATION, REGRESSION
from mlapi.estimators.external.onnx_model import OnnxClassifier, OnnxRegressor
from mlapi.inference.estimator_calls import final_of
from mlapi.inference.model import estimator_input
from mlapi.registry.changes import Changes
from mlapi.training.model_files.mlflow_folders import ModelFile, model_file_at
from mlapi.training.model_files.reading import check_requirements, read_estimator
from mlapi.training.preparation import features
from mlapi.training.tables.files import RawTable, read
from mlapi.training.versions.golden import SINGLE, choose_golden_rows, make_golden
from mlapi.training.workflows.estimator_columns import dropped_columns, fitted_names, fitted_width
from mlapi.training.workflows.proving import (
    check_expected,
    predicting,
    proven,
    taking_tables,
    with_missing,
)
from mlapi.training.workflows.sample_columns import (
    NOTHING_SAID,
    EstimatorSample,
    SampleOptions,
    columns_of_times,
    converted,
    described_columns,
    expected_column,
    widened,
)
from mlapi.training.workflows.table_version import reference
from mlapi.wording import listed


def register(  # noqa: PLR0913 - what there is, what is said of it, and where it goes
    name: str,
    estimator_file: Path,
    sample_file: Path | None,
    changes: Changes,
    options: CsvOptions = NO_OPTIONS,
    *,
    said: SampleOptions = NOTHING_SAID,
    requires: Collection[str] = (),
) -> Manifest:
    """Publish a fitted estimator as the next version of a model.

    Args:
        estimator_file: As `mlapi.training.model_files` reads it, or a folder of MLflow's.
        sample_file: Some rows of features without the target, CSV or Parquet; None for those that a folder of
            MLflow's has.
        options: How the sample is written, if it is CSV.
        said: What the sample cannot say.
        requires: Packages that have to be installed here and where it is served: "churn-features==1.2".

    Raises:
        RegistrationError: The name, the estimator or the sample does not do, or the file names classes that
            the settings do not allow; nothing is published.
        BrokenArtifact: The file cannot be unpickled, or does not give the same answers twice.
        DatasetError: The sample cannot be read.
        OSError: A file cannot be read, or the models folder not written.
    """
    check_name(name)
    check_requirements(requires)
    model_file = model_file_at(estimator_file)
    kinds = {name: kind for name, kind in model_file.kinds.items() if name not in said.types}
    table = _sample(sample_file, model_file, options)
    frame = table.frame if table.is_exact else converted(table.frame, kinds)
    wider = None if said.ranges_from is None else read(str(said.ranges_from), options).frame
    columns = frame.drop(columns=[said.expect], errors="ignore")
    file = read_estimator(model_file.path, changes.registry.trust.classes, columns)
    sample = EstimatorSample(frame, table.is_exact, said.types, said.expect, wider)
    notes = (*model_file.notes, *file.notes, *table.notes)
    provenance = replace(file.provenance, notes=notes, warnings=table.warnings, requires=tuple(requires))
    return publish_estimator(name, file.estimator, sample, changes, provenance)


def _sample(file: Path | None, model_file: ModelFile, options: CsvOptions) -> RawTable:
    """Return the sample, or in its place the rows that lie beside the model.

    Raises:
        RegistrationError: There are none.
        DatasetError, OSError: As `register`.
    """
    if file is not None:
        return read(str(file), options)
    if model_file.example is None:
        raise RegistrationError(
            f"the sample is missing, and {model_file.path.name} has no rows beside it: say --sample "
            f"rows.parquet, some rows of features without the target"
        )
    return RawTable(
        model_file.example,
        notes=(f"the sample is the {len(model_file.example):,} rows of MLflow's input example",),
    )


def check_name(name: str) -> None:
    """Refuse what no model can be called.

    Raises:
        RegistrationError: The name is such a one.
    """
    if not is_model_name(name):
        raise RegistrationError(
            f"a model cannot be called {name!r}: lower case letters, digits, _ and -, a letter first"
        )


def publish_estimator(
    name: str, estimator: Any, sample: EstimatorSample, changes: Changes, provenance: Provenance
) -> Manifest:
    """Publish a fitted estimator that has proven that it answers as its owner's rows say.

    Args:
        sample: Has the estimator's columns; others are ignored.
        provenance: What is known of where the estimator comes from.

    Raises:
        RegistrationError, BrokenArtifact, DatasetError, OSError: As `register`.
    """
    is_fitted = not isinstance(estimator, type) and hasattr(estimator, "__sklearn_tags__")
    answers = hasattr(estimator, "predict") or hasattr(estimator, "transform")
    if not (is_fitted and answers) or isinstance(estimator, _OF_LABELS):
        raise RegistrationError(_no_estimator(estimator))
    estimator = taking_tables(estimator, sample)
    sample = replace(sample, frame=_as_fitted(estimator, sample.frame))
    names = _columns(estimator, sample.frame.drop(columns=[sample.expect], errors="ignore"))
    own = replace(sample, frame=sample.frame[names])
    others = {*map(str, sample.frame.columns), *dropped_columns(estimator)}.difference(names)
    signature, own_sample, notes = _proven(estimator, own, tuple(sorted(others)))
    provenance = replace(provenance, notes=(*provenance.notes, *notes))
    signature = with_missing(estimator, own_sample, signature)
    if sample.expect is not None:
        check_expected(estimator, own_sample, signature, expected_column(sample))
    if sample.wider is not None:
        signature = replace(signature, features=widened(estimator, own_sample, signature.features))
    draft = Draft(
        name=name,
        algorithm=algorithm_of(estimator),
        task=task_of(estimator),
        signature=signature,
        parameters=_parameters(estimator),
        metrics={},
        data=replace(provenance, sample_rows=len(own.frame)).to_json(),
    )
    served = features.served_columns(own_sample.frame, signature.features)
    files = {REFERENCE: reference(signature, served)}
    return changes.publish(draft, estimator, _golden(estimator, served, signature), files)


_OF_LABELS = (LabelBinarizer, LabelEncoder, MultiLabelBinarizer)
"""Transformers that take no rows."""


def _no_estimator(value: Any) -> str:
    """Return what to say of an object that is no fitted estimator, or answers no rows."""
    kind = type(value).__name__
    what = f"a {kind} is no scikit-learn estimator that has predict"
    if isinstance(value, dict | list | tuple):
        return f"{what}: dump the estimator in it alone"
    if getattr(value, "refit", True) is False:
        return f"{what}, as it was searched with refit=False: search with refit=True, and dump the search"
    if type(value).__module__.startswith("sklearn.") or not hasattr(value, "predict"):
        return f"{what}: dump one that predicts new rows"
    bases = "RegressorMixin or ClassifierMixin, and BaseEstimator, of sklearn.base"
    return f"{what}: give its class the bases {bases}"


def _proven(
    estimator: Any, sample: EstimatorSample, ignored: tuple[str, ...]
) -> tuple[Signature, EstimatorSample, tuple[str, ...]]:
    """Return the signature that the estimator has proven, the sample as it takes it, and what was decided.

    A file of texts does not say which of them are times: where the estimator fails on them as words, and
    answers them as times, they are.

    Raises:
        RegistrationError, DatasetError: As `register`.
    """
    described, own = described_columns(estimator, sample)
    target = _target(estimator)
    try:
        return proven(estimator, own, Signature(described, target, ignored)), own, ()
    except RegistrationError:
        times = {} if sample.is_exact else columns_of_times(own)
        if not times:
            raise
        described, own = described_columns(estimator, replace(sample, types={**sample.types, **times}))
        with suppress(RegistrationError):
            note = f"taken for times, which the estimator needs: {listed(times)}"
            return proven(estimator, own, Signature(described, target, ignored)), own, (note,)
        raise


def _golden(estimator: Any, served: pd.DataFrame, signature: Signature) -> Golden:
    chosen = served.iloc[choose_golden_rows(served, signature)]
    rows = estimator_input(estimator, signature, features.batch(chosen, signature))
    with predicting():  # probabilities may fail where predictions do not
        golden = make_golden(estimator, rows, chosen, signature)
    final = final_of(estimator)
    if carries_network(final) or isinstance(final, OnnxClassifier | OnnxRegressor):
        return replace(golden, least=SINGLE)
    return golden


def _as_fitted(estimator: Any, table: pd.DataFrame) -> pd.DataFrame:
    """Return a sample `(rows, columns)` with the blanks around names of columns that the estimator was fitted
    with: a file is read without them."""
    names = fitted_names(estimator) or ()
    missing = [name for name in names if name not in table.columns and name.strip() not in names]
    with_blanks = {name.strip(): name for name in missing}
    return table.set_axis([with_blanks.get(column, column) for column in table.columns], axis=1)


def _columns(estimator: Any, table: pd.DataFrame) -> list[str]:
    """Return the table's columns that the estimator needs, in the order in which it was fitted."""
    names = fitted_names(estimator)
    if names is not None:
        if len(set(names)) != len(names):
            raise RegistrationError("the estimator says that columns stand twice where it was fitted")
        dropped = dropped_columns(estimator)
        names = [name for name in names if name not in dropped]
        missing = [name for name in names if name not in table.columns]
        if missing:
            raise RegistrationError(f"the sample lacks columns of the estimator: {listed(missing)}")
        return names
    expected = fitted_width(estimator) or table.shape[1]
    if expected != table.shape[1]:
        raise RegistrationError(
            f"the estimator takes {expected} features, the sample has {table.shape[1]} columns "
            f"({listed(table.columns)}); leave the target out"
        )
    return list(table.columns)


def algorithm_of(estimator: Any) -> str:
    """Return the name of our algorithm that makes such estimators, else the class's name in snake case."""
    kind = type(final_of(estimator))
    for name, algorithm in ALGORITHMS.items():
        if kind in algorithm.recognises:
            return name
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind.__name__).lower()


def task_of(estimator: Any) -> str:
    """Return the task: regression of what gives numbers, else classification; clusters are labels as well."""
    gives_numbers = is_regressor(estimator) or not hasattr(estimator, "predict")
    return REGRESSION if gives_numbers else CLASSIFICATION


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
    final = final_of(estimator)
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
