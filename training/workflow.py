"""One recipe, end to end: rows -> split -> fit -> metrics -> a published version."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from mlapi.algorithms import ALGORITHMS
from mlapi.algorithms.declaration import CLASSIFICATION, REGRESSION
from mlapi.changes import Changes
from mlapi.errors import RecipeError, Unanswerable, reason
from mlapi.golden import Golden
from mlapi.manifest import REFERENCE, Draft, Manifest
from mlapi.reference import statistics
from mlapi.signature import Signature
from training import datasets, features
from training.datasets import Table
from training.evaluate import PRIMARY, evaluate
from training.golden import golden, golden_rows
from training.promotion import HeldOut, Verdict, in_production, judge
from training.recipes import Recipe

STEPS = ("reading", "fitting", "evaluating", "publishing")

FEWEST_HELD_OUT = 2
"""R² of a single row is not defined."""

Progress: TypeAlias = Callable[[str], None]
"""Called with each step's name as it begins."""


class Trained(NamedTuple):
    """`verdict` tells whether the version became `production`; None for a first one, which always does."""

    manifest: Manifest
    seconds: float
    verdict: Verdict | None


def train(
    recipe: Recipe,
    changes: Changes,
    progress: Progress = lambda step: None,
    *,
    allow_breaking: bool = False,
) -> Trained:
    """Train a recipe, publish the result as its model's next version, and promote it if it may be.

    Raises:
        RecipeError, DatasetError: The recipe does not suit its data; nothing is published.
        BrokenArtifact: The result does not load, or give its own answers again; nothing is published.
        OSError: The models folder cannot be written.
    """
    started = time.perf_counter()
    progress("reading")
    table = datasets.load(recipe.dataset)
    task = _task(recipe, table)
    seen, held_out = _split(table, recipe, task)
    signature = features.describe(seen, task)
    progress("fitting")
    estimator = ALGORITHMS[recipe.algorithm].build(task, recipe.parameters)
    fitted = _fit(recipe, features.pipeline(signature, estimator), seen)
    progress("evaluating")
    metrics = evaluate(task, fitted, features.matrix(held_out.features), held_out.target.to_numpy())
    judged = _judged_on(recipe, task, held_out, metrics)
    progress("publishing")
    draft = Draft(
        name=recipe.name,
        algorithm=recipe.algorithm,
        task=task,
        signature=signature,
        parameters=estimator.get_params(),
        metrics=metrics,
        data=_provenance(recipe, table, seen, held_out),
    )
    files = {REFERENCE: reference(signature, seen.features)}
    old = in_production(changes.registry, recipe.name)
    manifest = changes.publish(draft, fitted, _golden(recipe, fitted, seen.features, signature), files)
    verdict = None
    if not changes.is_only(manifest):
        verdict = judge(
            recipe.promote, allow_breaking=allow_breaking, new=signature, held_out=judged, old=old
        )
    if verdict and verdict.promotes:
        changes.promote(recipe.name, manifest.version)
    return Trained(manifest, time.perf_counter() - started, verdict)


def _fit(recipe: Recipe, pipeline: Pipeline, seen: Table) -> Pipeline:
    try:
        return pipeline.fit(features.matrix(seen.features), seen.target.to_numpy())
    except ValueError as error:  # parameters, each in its range, that do not go together
        raise RecipeError(f"[{recipe.name}] cannot be fitted: {reason(error)}") from error


def _judged_on(recipe: Recipe, task: str, held_out: Table, metrics: Mapping[str, float]) -> HeldOut:
    metric = recipe.metric or PRIMARY[task]
    if metric not in metrics:
        raise RecipeError(
            f"[{recipe.name}] metric: there is no {metric} of this {task}; there are {', '.join(metrics)}"
        )
    return HeldOut(held_out.features, held_out.target.to_numpy(), task, metric, metrics[metric])


def _golden(recipe: Recipe, fitted: Any, frame: pd.DataFrame, signature: Signature) -> Golden:
    chosen = frame.iloc[golden_rows(frame, signature)]
    try:
        return golden(fitted, features.matrix(chosen), chosen, signature)
    except Unanswerable as error:
        raise RecipeError(f"[{recipe.name}] the fitted estimator fails on its own rows: {error}") from error


def reference(signature: Signature, frame: pd.DataFrame) -> bytes:
    """The content of reference.json: statistics of the rows that training saw."""
    columns = {name: frame[name].to_numpy() for name in signature.names}
    return json.dumps(statistics(signature, columns), indent=2, ensure_ascii=False, allow_nan=False).encode()


def _task(recipe: Recipe, table: Table) -> str:
    """What the target asks for: fractions are values, whole numbers and words are classes."""
    task = REGRESSION if table.target.dtype.kind == "f" else CLASSIFICATION
    builders = ALGORITHMS[recipe.algorithm].builders
    if task not in builders:
        raise RecipeError(
            f"[{recipe.name}] {recipe.algorithm} does {' and '.join(builders)}, but the target of "
            f"{recipe.dataset} asks for {task}"
        )
    return task


def _split(table: Table, recipe: Recipe, task: str) -> tuple[Table, Table]:
    """The rows to learn from and the rows to judge by; classes in equal shares."""
    try:
        seen, held_out, seen_target, held_out_target = train_test_split(
            table.features,
            table.target,
            test_size=recipe.test_size,
            random_state=recipe.seed,
            stratify=table.target if task == CLASSIFICATION else None,
        )
    except ValueError as error:  # too few rows on one side, which scikit-learn explains
        raise RecipeError(f"[{recipe.name}] test_size {recipe.test_size}: {reason(error)}") from error
    if len(held_out) < FEWEST_HELD_OUT:
        raise RecipeError(
            f"[{recipe.name}] test_size {recipe.test_size} holds out {len(held_out)} of {len(table.target)} "
            f"rows; metrics need at least {FEWEST_HELD_OUT}"
        )
    return (
        replace(table, features=seen, target=seen_target),
        replace(table, features=held_out, target=held_out_target),
    )


def _provenance(recipe: Recipe, table: Table, seen: Table, held_out: Table) -> Mapping[str, Any]:
    return {
        "source": table.source,
        "sha256": table.digest,
        "rows": len(table.target),
        "training_rows": len(seen.target),
        "test_rows": len(held_out.target),
        "test_size": recipe.test_size,
        "seed": recipe.seed,
    }
