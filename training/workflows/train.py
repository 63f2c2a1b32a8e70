"""One recipe, end to end: a version is made, compared with the one in production, and published.

A table takes the steps of `mlapi.training.workflows.table_version`, pictures those of
`mlapi.training.images.image_version`. What comes after is the same.
"""

import time
from dataclasses import dataclass, replace
from typing import NamedTuple

from mlapi.artifacts.manifest import Draft, Manifest
from mlapi.artifacts.provenance import Promotion
from mlapi.registry.changes import Changes
from mlapi.training.execution.checkpoints import Leftover, lockable_checkpoint
from mlapi.training.execution.progress import SILENT, Progress
from mlapi.training.images.image_version import version_of_images
from mlapi.training.recipes import Recipe
from mlapi.training.versions.promotion import Verdict, decide_promotion, in_production
from mlapi.training.versions.result import TrainingResult
from mlapi.training.workflows.sources import TableSource
from mlapi.training.workflows.table_version import TableTrainer, version_of_table


class TrainedVersion(NamedTuple):
    """What was published; `verdict` tells whether the version became `production`.

    `verdict` is None for the first version of a model: this version becomes `production` in any case.
    """

    manifest: Manifest
    seconds: float
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How a recipe is trained; nothing of it is part of the recipe, or decides the result."""

    make_version: TableTrainer = version_of_table
    """Makes the version of a table; it also decides where fits run, and what a table may be."""
    allow_breaking: bool = False
    """Whether a version may become `production` that breaks callers of the one before."""
    leftover: Leftover = "refuse"
    """What to do with the checkpoint of an earlier training that has not come to its end."""
    job: str | None = None
    """The id of the training job that asks for it; the manifest has it, and the next."""
    sent_by: str | None = None
    """The client that sent the job."""


def train(
    recipe: Recipe,
    changes: Changes,
    progress: Progress = SILENT,
    *,
    table: TableSource = None,
    options: TrainingOptions = TrainingOptions(),
) -> TrainedVersion:
    """Train a recipe, publish the result as its model's next version, and promote it if it may be.

    Args:
        table: The table `(rows, columns)`, target included, where the recipe names none.

    Raises:
        RecipeError, DatasetError: The recipe does not suit its data; nothing is published.
        BrokenArtifact: The result does not load, or give its own answers again; nothing is published.
        OSError: The data cannot be reached, or the models folder not written.
    """
    started = time.perf_counter()
    with lockable_checkpoint(changes.state_dir, recipe.name, options.leftover) as lock_checkpoint:
        if recipe.images:
            result = version_of_images(recipe, progress, lock_checkpoint)
        else:
            result = options.make_version(recipe, progress, table)
        manifest, verdict = _publish(recipe, changes, result, options)
    return TrainedVersion(manifest, time.perf_counter() - started, verdict)


def _publish(
    recipe: Recipe, changes: Changes, result: TrainingResult, options: TrainingOptions
) -> tuple[Manifest, Verdict | None]:
    """Decide on the promotion before publishing, so that the manifest has the decision.

    If this process ends between publishing and promoting, another process can read the manifest and promote.
    The first version of a model becomes `production` when it is published, whatever the manifest says.
    """
    old = in_production(changes.registry, recipe.name)
    verdict = decide_promotion(
        recipe.promote,
        allow_breaking=options.allow_breaking,
        new=result.draft.signature,
        test=result.test,
        old=old,
    )
    promotion = Promotion(verdict.promotes, verdict.reason, None if old is None else old.version)
    draft = _with_origin(result.draft, options, promotion)
    manifest = changes.publish(draft, result.estimator, result.golden, result.files)
    if changes.is_only(manifest):
        return manifest, None
    if verdict.promotes:
        changes.promote(recipe.name, manifest.version)
    return manifest, verdict


def _with_origin(draft: Draft, options: TrainingOptions, promotion: Promotion) -> Draft:
    provenance = replace(draft.provenance, job=options.job, sent_by=options.sent_by, promotion=promotion)
    return replace(draft, data=provenance.to_json())
