"""A recipe for a table -> a fitted pipeline, and how good it is. Publishes nothing."""

import time
from dataclasses import dataclass
from functools import partial

from sklearn.pipeline import Pipeline

from mlapi.data.limits import TableLimits
from mlapi.errors import DatasetError, RecipeError
from mlapi.training.cards.report import sentence
from mlapi.training.execution.engine import Engine, one_core
from mlapi.training.execution.progress import DataDescription, Progress
from mlapi.training.preparation.preparation import Prepared, prepare
from mlapi.training.recipes import Recipe, deciding_metric
from mlapi.training.search.choice import Choice, choose, pipeline_factory
from mlapi.training.tables.datasets import Dataset
from mlapi.training.workflows import sources
from mlapi.training.workflows.assessment import Assessment, FittedPipeline, assess
from mlapi.training.workflows.sources import TableSource
from mlapi.wording import reason


@dataclass(frozen=True, slots=True)
class TableFit:
    """A pipeline that is fitted on the training rows, with all that led to it and how good it is."""

    dataset: Dataset
    prepared: Prepared
    choice: Choice
    pipeline: Pipeline
    assessment: Assessment
    metric: str
    """The name of the metric that decides."""


def fit(
    recipe: Recipe,
    engine: Engine,
    progress: Progress,
    table: TableSource = None,
    limits: TableLimits | None = None,
) -> TableFit:
    """Read the recipe's table, decide what its columns are, choose an algorithm, fit it and assess it.

    Args:
        table: The table `(rows, columns)`, target included, where the recipe names none.
        limits: What the table may be, see `mlapi.training.preparation.preparation.prepare`.

    Raises:
        RecipeError, DatasetError: The recipe does not suit its data; the message begins with its name.
        TooLarge: The target has more classes than the limits allow.
        OSError: The data cannot be reached.
    """
    try:
        return _fit(recipe, engine, progress, table, limits)
    except (RecipeError, DatasetError) as error:
        raise type(error)(f"[{recipe.name}] {error}") from error


def _fit(
    recipe: Recipe, engine: Engine, progress: Progress, table: TableSource, limits: TableLimits | None
) -> TableFit:
    progress.step_began("reading")
    dataset = sources.load(recipe, table)
    prepared = prepare(recipe, dataset, limits)
    metric = deciding_metric(recipe, prepared.task)
    progress.data_described(recipe.name, _description(recipe, dataset, prepared))
    progress.step_began("choosing")
    choice = choose(recipe, prepared, metric, engine, progress)
    progress.step_began("fitting")
    make_unfitted = partial(pipeline_factory(recipe, prepared).pipeline, choice.algorithm, choice.parameters)
    started = time.perf_counter()
    try:
        with one_core():
            pipeline = make_unfitted().fit(prepared.pipeline_input(prepared.train), prepared.train.y)
    except ValueError as error:  # parameters, each in its range, that do not go together
        raise RecipeError(f"cannot be fitted: {reason(error)}") from error
    seconds = time.perf_counter() - started
    progress.step_began("evaluating")
    assessment = assess(FittedPipeline(prepared, pipeline, make_unfitted, seconds), metric, engine)
    if metric not in assessment.figures:
        known = ", ".join(assessment.figures)
        raise RecipeError(f"metric: {metric} is not defined here; there are {known}")
    return TableFit(dataset, prepared, choice, pipeline, assessment, metric)


def _description(recipe: Recipe, dataset: Dataset, prepared: Prepared) -> DataDescription:
    """Say what was decided; of scikit-learn's own tables, which are known, the remarks alone."""
    notes = (*dataset.notes, *(f"left out: {rows}" for rows in prepared.left_out))
    warnings = (f"Warning: {warning}" for warning in prepared.warnings)
    remarks = tuple(map(sentence, (*notes, *warnings)))
    if recipe.dataset:
        return DataDescription(remarks=remarks)
    rows = f"{len(dataset.target):,} rows"
    return DataDescription(
        summary=(f"{dataset.source}: {rows}; {prepared.target} is {prepared.explanation}.",),
        columns=tuple((column.name, column.kind, column.explanation) for column in prepared.columns),
        remarks=remarks,
    )
