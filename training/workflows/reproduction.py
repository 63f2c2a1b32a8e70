"""A published version, trained once more from its own recipe and compared; nothing is published."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlapi.artifacts import golden
from mlapi.artifacts.manifest import Manifest, differences
from mlapi.errors import MlapiError, RecipeError
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.inference.model import Model
from mlapi.training.execution.engine import Engine
from mlapi.training.execution.progress import SILENT, Progress
from mlapi.training.preparation import features
from mlapi.training.recipes import make_recipe
from mlapi.training.workflows.fitting import TableFit, fit


@dataclass(frozen=True, slots=True)
class Comparison:
    """What training a version again gave.

    `rows` is how many test rows were predicted. `findings` say what is not the same, in parts of sentences.
    `metrics` has by name what a metric was then, and what it is now.
    """

    rows: int
    findings: tuple[str, ...]
    metrics: dict[str, tuple[float, float]]

    @property
    def is_same(self) -> bool:
        """Whether data, signature, packages and predictions are the same."""
        return not self.findings


def train_again(
    model: Model, engine: Engine, progress: Progress = SILENT, *, frame: pd.DataFrame | None = None
) -> Comparison:
    """Train a version again and compare: the data, the signature, the predictions for the test rows.

    The algorithm and its parameters are those of the version. They are not searched again, since what a
    search finds depends on the time that it has.

    Args:
        frame: The table `(rows, columns)`, for a version that was trained on a DataFrame.

    Raises:
        RecipeError, DatasetError: There is no recipe, or its data is gone, or no longer suits it.
    """
    manifest = model.manifest
    if not manifest.recipe:
        raise RecipeError(
            f"{manifest.name} version {manifest.version} was not trained here: there is no recipe"
        )
    if "images" in manifest.recipe:
        raise RecipeError(
            f"{manifest.name} version {manifest.version} learnt from pictures, and only what learnt from a "
            f"table is trained again to be compared. `mlapi train --images` makes the next version, and "
            f"judges both on the same pictures"
        )
    values = {
        **manifest.recipe,
        "algorithm": manifest.algorithm,
        "parameters": _parameters(manifest),
        "task": manifest.task if "dataset" not in manifest.recipe else None,
        "budget": None,
    }
    if frame is None and not {"dataset", "data"} & manifest.recipe.keys():
        raise RecipeError(
            f"{manifest.name} version {manifest.version} was trained on a DataFrame, which has to be given "
            f"again: mlapi.training.workflows.reproduction.train_again(…, frame=…)"
        )
    fitted = fit(make_recipe(manifest.name, values), engine, progress, frame)
    metrics = {
        name: (entry["value"], fitted.assessment.figures[name]["value"])
        for name, entry in manifest.metrics.items()
        if name in fitted.assessment.figures
    }
    return Comparison(len(fitted.prepared.test.y), tuple(_findings(model, fitted)), metrics)


def _parameters(manifest: Manifest) -> dict[str, Any]:
    """Return the parameters of the task: a manifest also has the defaults of the algorithm's other tasks."""
    known = ALGORITHMS[manifest.algorithm].parameters
    return {name: value for name, value in manifest.parameters.items() if manifest.task in known[name].tasks}


def _findings(model: Model, fitted: TableFit) -> Iterator[str]:
    manifest, trained_on = model.manifest, model.manifest.provenance
    if fitted.dataset.digest != trained_on.sha256:
        yield f"the data is another: {len(fitted.dataset.target):,} rows, and then {trained_on.rows:,}"
    if fitted.prepared.signature != manifest.signature:
        yield "the columns are taken for something else, or have other ranges or categories"
    yield from differences(manifest)
    yield from _compare_predictions(model, fitted)


def _compare_predictions(model: Model, fitted: TableFit) -> Iterator[str]:
    """Say in how far the two predict otherwise for the test rows; nothing if they do not."""
    test = fitted.prepared.test
    try:
        before = model.predict(features.batch(test.frame, model.signature)).values
    except (KeyError, MlapiError) as error:
        yield f"the version cannot answer the rows of today ({error})"
        return
    now = np.asarray(fitted.pipeline.predict(fitted.prepared.pipeline_input(test)))
    off, _ = golden.distance(now, before.tolist())
    if off <= golden.TOLERANCE:
        return
    if before.dtype.kind == "f":
        yield f"predictions are off by up to {off:.1e} of their size"
    else:
        others = int((now.astype(object) != before.astype(object)).sum())
        yield f"{others:,} of {len(now):,} predictions are others"
