"""An estimator in memory -> a published version: what a program gives, and what it gets back.

Who publishes has the object already, so no list of allowed classes is in the way here. It is where the
version is served: a signature says who made a version, the list what its pickle may do, and whoever gets at a
key shall not have the second with the first. So no version says which classes it may name; its publisher is
told what to allow.
"""

from dataclasses import replace
from typing import Any

from mlapi.artifacts.pickles.named_sets import SETS, classes_of
from mlapi.data.signature import Kind
from mlapi.registry.audit import who
from mlapi.registry.opening import open_changes, trust_of
from mlapi.settings import Settings
from mlapi.training.model_files.estimator_file import EstimatorFile
from mlapi.training.model_files.other_objects import with_estimator
from mlapi.training.model_files.pickles import examined
from mlapi.training.programs.tables import to_frame
from mlapi.training.programs.versions import ModelVersion
from mlapi.training.workflows.estimator_columns import fitted_names
from mlapi.training.workflows.registration import check_name, publish_estimator
from mlapi.training.workflows.sample_columns import EstimatorSample


def publish_object(
    name: str, estimator: Any, rows: Any, settings: Settings, types: dict[str, Kind] | None = None
) -> ModelVersion:
    """Publish a fitted estimator as the next version of a model.

    Args:
        rows: Some of the rows that it was fitted on, or such, `(rows, columns)`: any table.
        types: What columns are, where it cannot be read off the rows.

    Raises:
        RegistrationError: The name, the estimator or the rows do not do; nothing is published.
        BrokenArtifact: It does not give the same answers once it is saved and loaded.
        DatasetError: The rows are no table.
        OSError: The models folder cannot be written.
    """
    check_name(name)
    allowed = trust_of(settings).classes
    known = allowed | classes_of(SETS)  # the object is here already
    estimator = with_estimator(EstimatorFile(estimator), known, to_frame(rows, None)).estimator
    frame = to_frame(rows, fitted_names(estimator))
    provenance, needs = examined(estimator, allowed)
    here = replace(settings, allowed_classes=(*settings.allowed_classes, *needs))
    changes = open_changes(here, who())
    sample = EstimatorSample(frame, is_exact=True, types=types or {})
    manifest = publish_estimator(name, estimator, sample, changes, provenance)
    return ModelVersion(manifest, changes, needs=tuple(needs))
