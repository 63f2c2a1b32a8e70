"""One recipe, end to end: rows -> split -> fit -> metrics -> a published version."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pandas as pd
from sklearn.model_selection import train_test_split

from mlapi.algorithms import ALGORITHMS
from mlapi.algorithms.declaration import CLASSIFICATION, REGRESSION
from mlapi.artifact import REFERENCE, Draft, Manifest, publish
from mlapi.errors import RecipeError, reason
from mlapi.reference import statistics
from mlapi.signature import Signature
from training import datasets, features
from training.datasets import Table
from training.evaluate import evaluate
from training.recipes import Recipe

STEPS = ("reading", "fitting", "evaluating", "publishing")

FEWEST_HELD_OUT = 2
"""R² of a single row is not defined."""

Progress: TypeAlias = Callable[[str], None]
"""Called with each step's name as it begins."""


class Trained(NamedTuple):
    manifest: Manifest
    seconds: float


def train(recipe: Recipe, models_dir: Path, progress: Progress = lambda step: None) -> Trained:
    """Train a recipe and publish the result as its model's next version.

    Raises:
        RecipeError, DatasetError: The recipe does not suit its data; nothing is published.
    """
    started = time.perf_counter()
    progress("reading")
    table = datasets.load(recipe.dataset)
    task = _task(recipe, table)
    seen, held_out = _split(table, recipe, task)
    signature = features.describe(seen, task)
    progress("fitting")
    estimator = ALGORITHMS[recipe.algorithm].build(task, recipe.parameters)
    fitted = features.pipeline(signature, estimator)
    try:
        fitted.fit(features.matrix(seen.features), seen.target.to_numpy())
    except ValueError as error:  # parameters, each in its range, that do not go together
        raise RecipeError(f"[{recipe.name}] cannot be fitted: {reason(error)}") from error
    progress("evaluating")
    rows, truth = features.matrix(held_out.features), held_out.target.to_numpy()
    metrics = evaluate(task, fitted, rows, truth)
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
    manifest = publish(models_dir, draft, fitted, files)
    return Trained(manifest, time.perf_counter() - started)


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
