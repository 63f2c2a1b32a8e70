"""A recipe -> a fitted pipeline, and the account of how good it is. Publishes nothing."""

import time
from dataclasses import dataclass
from functools import partial

from sklearn.pipeline import Pipeline

from mlapi.errors import DatasetError, RecipeError
from mlapi.training.execution.engine import Engine, one_core
from mlapi.training.execution.progress import Progress
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
    """A pipeline that is fitted on the training rows, and all that led to it."""

    table: Dataset
    prepared: Prepared
    choice: Choice
    pipeline: Pipeline
    assessment: Assessment
    metric: str
    """The one that decides."""


def fit(recipe: Recipe, engine: Engine, progress: Progress, rows: TableSource = None) -> TableFit:
    """Read, decide, choose, fit and assess.

    Raises:
        RecipeError, DatasetError: The recipe does not suit its data; the message begins with its name.
        OSError: The data cannot be reached.
    """
    try:
        return _fit(recipe, engine, progress, rows)
    except (RecipeError, DatasetError) as error:
        raise type(error)(f"[{recipe.name}] {error}") from error


def _fit(recipe: Recipe, engine: Engine, progress: Progress, rows: TableSource) -> TableFit:
    progress.began("reading")
    table = sources.load(recipe, rows)
    prepared = prepare(recipe, table)
    metric = deciding_metric(recipe, prepared.task)
    progress.understood(recipe, table, prepared)
    progress.began("choosing")
    choice = choose(recipe, prepared, metric, engine, progress)
    progress.began("fitting")
    build = partial(pipeline_factory(recipe, prepared).pipeline, choice.algorithm, choice.parameters)
    started = time.perf_counter()
    try:
        with one_core():
            pipeline = build().fit(prepared.given(prepared.train), prepared.train.y)
    except ValueError as error:  # parameters, each in its range, that do not go together
        raise RecipeError(f"cannot be fitted: {reason(error)}") from error
    seconds = time.perf_counter() - started
    progress.began("evaluating")
    assessment = assess(FittedPipeline(prepared, pipeline, build, seconds), metric, engine)
    if metric not in assessment.figures:
        known = ", ".join(assessment.figures)
        raise RecipeError(f"metric: {metric} is not defined here; there are {known}")
    return TableFit(table, prepared, choice, pipeline, assessment, metric)
