"""A recipe for a table -> a version that is ready to be published, its files with it."""

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, TypeAlias

import pandas as pd

from mlapi.artifacts.golden import Golden
from mlapi.artifacts.manifest import REFERENCE, REPORT, Draft
from mlapi.artifacts.provenance import ColumnRecord, Provenance
from mlapi.data.limits import TableLimits
from mlapi.data.profile import statistics
from mlapi.data.signature import Signature
from mlapi.data.tables.numbers import Style
from mlapi.errors import RecipeError, Unanswerable
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.training.execution.engine import Engine
from mlapi.training.execution.engine import engine as this_machine
from mlapi.training.execution.progress import Progress
from mlapi.training.preparation import features
from mlapi.training.preparation.columns import Column
from mlapi.training.recipes import Recipe, to_json
from mlapi.training.tables.datasets import Dataset
from mlapi.training.tables.files import without_credentials
from mlapi.training.versions.golden import choose_golden_rows, make_golden
from mlapi.training.versions.promotion import EvaluationRows
from mlapi.training.versions.result import TrainingResult
from mlapi.training.workflows.card import card
from mlapi.training.workflows.fitting import TableFit, fit
from mlapi.training.workflows.sources import TableSource

TableTrainer: TypeAlias = Callable[[Recipe, Progress, TableSource], TrainingResult]
"""Makes of a recipe for a table what is to be published, as `version_of_table` does."""


def version_of_table(
    recipe: Recipe,
    progress: Progress,
    table: TableSource,
    *,
    engine: Engine | None = None,
    limits: TableLimits | None = None,
) -> TrainingResult:
    """Train a recipe for a table; evaluating the result against the one in production is left to the caller.

    Args:
        table: The table `(rows, columns)`, target included, where the recipe names none.
        engine: Where fits run; None: on the cores of this machine.
        limits: What the table may be; None: anything.

    Raises:
        RecipeError, DatasetError: The recipe does not suit its data.
        TooLarge: The target has more classes than the limits allow.
        OSError: The data cannot be reached.
    """
    with this_machine(None) if engine is None else nullcontext(engine) as running:
        fitted = fit(recipe, running, progress, table, limits)
    progress.step_began("publishing")
    draft, golden = _draft(recipe, fitted), _golden(recipe, fitted)
    signature = draft.signature
    example = {} if signature.image else dict(zip(signature.names, golden.rows[0], strict=True))
    files = {
        REFERENCE: reference(signature, fitted.prepared.train.frame),
        REPORT: card(recipe, draft, fitted, example),
    }
    return TrainingResult(draft, fitted.pipeline, golden, files, _evaluation_rows(fitted))


def reference(signature: Signature, frame: pd.DataFrame) -> bytes:
    """Return the content of reference.json: statistics of the training rows, a frame `(rows, features)`."""
    columns = {name: frame[name].to_numpy() for name in signature.columns}
    return json.dumps(statistics(signature, columns), indent=2, ensure_ascii=False, allow_nan=False).encode()


def number_styles(dataset: Dataset, columns: Sequence[Column]) -> dict[str, str]:
    """Return how 1234.5 is written in each column of numbers, if they were written at all."""
    plain = None if dataset.lines is None else Style(decimal=dataset.decimal or ".").example
    styles = {column.name: column.number_style or plain for column in columns if column.treatment == "number"}
    return {name: style for name, style in styles.items() if style is not None}


def _evaluation_rows(fitted: TableFit) -> EvaluationRows:
    test, metric = fitted.prepared.test, fitted.metric
    score = fitted.assessment.figures[metric]["value"]
    return EvaluationRows(partial(features.batch, test.frame), test.y, fitted.prepared.task, metric, score)


def _golden(recipe: Recipe, fitted: TableFit) -> Golden:
    prepared = fitted.prepared
    chosen = prepared.train.take(choose_golden_rows(prepared.train.frame, prepared.signature))
    try:
        return make_golden(fitted.pipeline, prepared.pipeline_input(chosen), chosen.frame, prepared.signature)
    except Unanswerable as error:
        raise RecipeError(f"the fitted estimator fails on its own rows: {error}") from error


def _draft(recipe: Recipe, fitted: TableFit) -> Draft:
    choice = fitted.choice
    return Draft(
        name=recipe.name,
        algorithm=choice.algorithm,
        task=fitted.prepared.task,
        signature=fitted.prepared.signature,
        parameters=ALGORITHMS[choice.algorithm].complete_for(fitted.prepared.task, choice.parameters),
        metrics=fitted.assessment.figures,
        data=_provenance(recipe, fitted).to_json(),
        recipe=_published_recipe(recipe),
    )


def _published_recipe(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe without the user and password of a URL: many may read a manifest."""
    data = {"data": without_credentials(recipe.data)} if recipe.data else {}
    return to_json(recipe) | data


def _provenance(recipe: Recipe, fitted: TableFit) -> Provenance:
    dataset, prepared, choice = fitted.dataset, fitted.prepared, fitted.choice
    return Provenance(
        source=dataset.source,
        sha256=dataset.digest,
        rows=len(dataset.target),
        training_rows=len(prepared.train.y),
        test_rows=len(prepared.test.y),
        test_size=recipe.test_size,
        seed=recipe.seed,
        split=prepared.train.keys.explanation,
        left_out=prepared.left_out,
        columns=tuple(
            ColumnRecord(column.name, column.kind, column.explanation, column.treatment_in_words)
            for column in prepared.columns
        ),
        number_styles=number_styles(dataset, prepared.columns),
        warnings=prepared.warnings,
        notes=(*dataset.notes, *choice.notes),
        search=choice.search,
        intervals=fitted.assessment.intervals,
    )
