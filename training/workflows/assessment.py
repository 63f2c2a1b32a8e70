"""How good a fitted pipeline is: its metrics on the test rows, beside those of guessing, with intervals.

The test rows decide nothing before: neither columns, nor algorithm, nor parameters.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlapi.training.evaluation import curves
from mlapi.training.evaluation.answers import Answers, answers_of, guesses
from mlapi.training.evaluation.calibration import Calibration, Spread, calibration_of
from mlapi.training.evaluation.curves import Importance, LearningCurve
from mlapi.training.evaluation.intervals import (
    BY_BOOTSTRAP,
    BY_FOLDS,
    intervals_by_bootstrap,
    intervals_by_folds,
)
from mlapi.training.evaluation.metrics import evaluate, figures, measure
from mlapi.training.execution.engine import SMALL_WORK_S, Engine, one_core
from mlapi.training.preparation.preparation import Prepared
from mlapi.training.preparation.splits import Split, folds

MOST_FOR_FOLDS = 100_000
"""Rows of a table above which intervals come from resampled answers, and not from fitting again."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is known of a pipeline: all of it of the test rows, but the cross-validated means.

    `figures` are the metrics as a manifest has them (`mlapi.training.evaluation.metrics.figures`), and
    `intervals` says in sentences how their intervals were made. None: not defined, or not in time.
    """

    figures: Mapping[str, Mapping[str, Any]]
    intervals: str
    answers: Answers
    calibration: Calibration | Spread | None
    importance: Importance | None
    learning_curve: LearningCurve | None


@dataclass(frozen=True, slots=True)
class FittedPipeline:
    """A fitted pipeline, its rows, how to make one like it that is not fitted, and what fitting took."""

    prepared: Prepared
    pipeline: Any
    make_unfitted: Callable[[], Any]
    seconds: float


def assess(fitted: FittedPipeline, metric: str, engine: Engine) -> Assessment:
    """Predict the test rows, and fit copies on parts of the training rows.

    Args:
        metric: The one that importance and the learning curve are of.
    """
    prepared = fitted.prepared
    train = curves.Sample(prepared.pipeline_input(prepared.train), prepared.train.y)
    test = curves.Sample(prepared.pipeline_input(prepared.test), prepared.test.y)
    seed = prepared.train.keys.seed
    with one_core():
        answers = answers_of(prepared.task, fitted.pipeline, *test)
    intervals = _by_folds(fitted, train, engine) or _by_resampling(answers, seed)
    names = [column.name for column in prepared.used_columns]
    options: dict[str, Any] = {"metric": metric, "seed": seed}
    with one_core():
        importance = curves.importance(prepared.task, fitted.pipeline, test, names=names, **options)
        curve = curves.learning_curve(prepared.task, fitted.make_unfitted(), train, test, **options)
    return Assessment(
        figures=figures(
            measure(answers),
            intervals=intervals.bounds,
            baseline=measure(guesses(answers, train.y)),
            cross_validated=intervals.means,
        ),
        intervals=intervals.explanation,
        answers=answers,
        calibration=calibration_of(answers),
        importance=importance,
        learning_curve=curve,
    )


@dataclass(frozen=True, slots=True)
class _Intervals:
    """By metric; `explanation` says how they were made."""

    explanation: str
    bounds: Mapping[str, tuple[float, float]]
    means: Mapping[str, float]


def _by_resampling(answers: Answers, seed: int) -> _Intervals:
    intervals = intervals_by_bootstrap(answers, seed)
    return _Intervals(
        BY_BOOTSTRAP,
        {name: (entry.low, entry.high) for name, entry in intervals.items()},
        {},
    )


def _by_folds(fitted: FittedPipeline, rows: curves.Sample, engine: Engine) -> _Intervals | None:
    """Compute intervals from folds; None where there are too many rows for it, or too few."""
    train = fitted.prepared.train
    is_large = len(train.y) + len(fitted.prepared.test.y) > MOST_FOR_FOLDS
    splits = [] if is_large else folds(train.keys)
    shared = (fitted.prepared.task, fitted.make_unfitted, rows)
    scores = list(engine.run(_score_fold, shared, splits, here=fitted.seconds * len(splits) < SMALL_WORK_S))
    if len(scores) < 2 or not all(scores):
        return None
    training_rows, test_rows = np.mean([tuple(map(len, split)) for split in splits], axis=0)
    intervals = intervals_by_folds(scores, training_rows=training_rows, test_rows=test_rows)
    return _Intervals(
        BY_FOLDS,
        {name: (entry.low, entry.high) for name, entry in intervals.items()},
        {name: entry.mean for name, entry in intervals.items()},
    )


def _score_fold(shared: tuple[str, Callable[[], Any], curves.Sample], split: Split) -> dict[str, float]:
    """Compute the metrics of one fold; empty where it cannot be fitted, so that intervals are resampled."""
    task, make_unfitted, rows = shared
    train, test = map(rows.take, split)
    try:
        with one_core():
            return evaluate(task, make_unfitted().fit(*train), *test)
    except ValueError:
        return {}
