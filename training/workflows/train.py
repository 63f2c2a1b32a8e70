"""One recipe, end to end: table -> decisions -> algorithm -> fit -> assessment -> a published version.

Of pictures `mlapi.training.images.version` makes the version; judging and publishing it is the same.
"""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import pandas as pd

from mlapi.artifacts.golden import Golden
from mlapi.artifacts.manifest import PROMOTION, REFERENCE, REPORT, Draft, Manifest
from mlapi.data.limits import TableLimits
from mlapi.data.profile import statistics
from mlapi.data.signature import Signature
from mlapi.errors import RecipeError, Unanswerable
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.registry.changes import Changes
from mlapi.training.execution import checkpoints
from mlapi.training.execution.checkpoints import Leftover
from mlapi.training.execution.engine import Engine
from mlapi.training.execution.engine import engine as this_machine
from mlapi.training.execution.progress import SILENT, Progress
from mlapi.training.images import version
from mlapi.training.preparation import features
from mlapi.training.recipes import Recipe, to_json
from mlapi.training.tables.files import shown
from mlapi.training.versions.golden import golden, golden_rows
from mlapi.training.versions.promotion import EvaluationRows, Verdict, in_production, judge
from mlapi.training.versions.result import Result
from mlapi.training.workflows.card import card
from mlapi.training.workflows.fitting import TableFit, fit
from mlapi.training.workflows.sources import TableSource

Maker: TypeAlias = Callable[[Recipe, Progress, TableSource], Result]
"""A recipe for a table -> what is to be published."""


class Trained(NamedTuple):
    """`verdict` tells whether the version became `production`; None for a first one, which always does."""

    manifest: Manifest
    seconds: float
    verdict: Verdict | None


def train(  # noqa: PLR0913 - what is trained, and how it runs
    recipe: Recipe,
    changes: Changes,
    progress: Progress = SILENT,
    *,
    frame: TableSource = None,
    origin: Mapping[str, Any] = MappingProxyType({}),
    engine: Engine | None = None,
    make: Maker | None = None,
    allow_breaking: bool = False,
    leftover: Leftover = "refuse",
) -> Trained:
    """Train a recipe, publish the result as its model's next version, and promote it if it may be.

    Args:
        frame: The table, where the recipe names none.
        origin: What the manifest says besides of where the version comes from.
        engine: Where fits run; else on this machine.
        make: Who makes a version of a table; else `version_of_table`, with this engine.
        leftover: What to do with the checkpoint of an earlier training that has not come to its end.

    Raises:
        RecipeError, DatasetError: The recipe does not suit its data; nothing is published.
        BrokenArtifact: The result does not load, or give its own answers again; nothing is published.
        OSError: The data cannot be reached, or the models folder not written.
    """
    started = time.perf_counter()
    with checkpoints.place(changes.state_dir, recipe.name, leftover) as checkpoint:
        if recipe.images:
            made = version.make(recipe, progress, checkpoint)
        else:
            made = (make or partial(version_of_table, engine=engine))(recipe, progress, frame)
        made = replace(made, draft=replace(made.draft, data={**made.draft.data, **origin}))
        manifest, verdict = _publish(recipe, changes, made, allow_breaking)
    return Trained(manifest, time.perf_counter() - started, verdict)


def reference(signature: Signature, frame: pd.DataFrame) -> bytes:
    """The content of reference.json: statistics of the rows that training saw."""
    columns = {name: frame[name].to_numpy() for name in signature.columns}
    return json.dumps(statistics(signature, columns), indent=2, ensure_ascii=False, allow_nan=False).encode()


def _publish(
    recipe: Recipe, changes: Changes, made: Result, allow_breaking: bool
) -> tuple[Manifest, Verdict | None]:
    """Judged first: from then on a version says of itself what is to become of it, whatever happens to us."""
    old = in_production(changes.registry, recipe.name)
    signature, test = made.draft.signature, made.test
    verdict = judge(recipe.promote, allow_breaking=allow_breaking, new=signature, test=test, old=old)
    told = {**verdict._asdict(), "over": None if old is None else old.version}
    draft = replace(made.draft, data={**made.draft.data, PROMOTION: told})
    manifest = changes.publish(draft, made.estimator, made.answers, made.files)
    if changes.is_only(manifest):
        return manifest, None
    if verdict.promotes:
        changes.promote(recipe.name, manifest.version)
    return manifest, verdict


def version_of_table(
    recipe: Recipe,
    progress: Progress,
    frame: TableSource,
    *,
    engine: Engine | None = None,
    limits: TableLimits | None = None,
) -> Result:
    """All but judging and publishing it.

    Raises:
        RecipeError, DatasetError: The recipe does not suit its data.
        OSError: The data cannot be reached.
    """
    with this_machine(None) if engine is None else nullcontext(engine) as running:
        fitted = fit(recipe, running, progress, frame, limits)
    progress.step_began("publishing")
    draft, answers = _draft(recipe, fitted), _golden(recipe, fitted)
    signature = draft.signature
    example = {} if signature.image else dict(zip(signature.names, answers.rows[0], strict=True))
    files = {
        REFERENCE: reference(signature, fitted.prepared.train.frame),
        REPORT: card(recipe, draft, fitted, example),
    }
    return Result(draft, fitted.pipeline, answers, files, _evaluation_rows(fitted))


def _evaluation_rows(fitted: TableFit) -> EvaluationRows:
    test, metric = fitted.prepared.test, fitted.metric
    score = fitted.assessment.figures[metric]["value"]
    return EvaluationRows(partial(features.batch, test.frame), test.y, fitted.prepared.task, metric, score)


def _golden(recipe: Recipe, fitted: TableFit) -> Golden:
    prepared = fitted.prepared
    chosen = prepared.train.take(golden_rows(prepared.train.frame, prepared.signature))
    try:
        return golden(fitted.pipeline, prepared.given(chosen), chosen.frame, prepared.signature)
    except Unanswerable as error:
        raise RecipeError(f"the fitted estimator fails on its own rows: {error}") from error


def _draft(recipe: Recipe, fitted: TableFit) -> Draft:
    choice = fitted.choice
    return Draft(
        name=recipe.name,
        algorithm=choice.algorithm,
        task=fitted.prepared.task,
        signature=fitted.prepared.signature,
        parameters=ALGORITHMS[choice.algorithm].taken(fitted.prepared.task, choice.parameters),
        metrics=fitted.assessment.figures,
        data=_provenance(recipe, fitted),
        recipe=_kept(recipe),
    )


def _kept(recipe: Recipe) -> dict[str, Any]:
    """The recipe without what a URL tells of users and passwords: many may read a manifest."""
    data = {"data": shown(recipe.data)} if recipe.data else {}
    return to_json(recipe) | data


def _provenance(recipe: Recipe, fitted: TableFit) -> Mapping[str, Any]:
    """What a manifest says of the data: where from, how much, and what was decided about it."""
    table, prepared, choice = fitted.table, fitted.prepared, fitted.choice
    return {
        "source": table.source,
        "sha256": table.digest,
        "rows": len(table.target),
        "training_rows": len(prepared.train.y),
        "test_rows": len(prepared.test.y),
        "test_size": recipe.test_size,
        "seed": recipe.seed,
        "split": prepared.train.rows.explanation,
        "left_out": list(prepared.left_out),
        "columns": [
            {"name": column.name, "kind": column.kind, "story": column.explanation, "done": column.done}
            for column in prepared.columns
        ],
        "warnings": list(prepared.warnings),
        "notes": [*table.notes, *choice.notes],
        "search": choice.search,
        "intervals": fitted.assessment.intervals,
    }
