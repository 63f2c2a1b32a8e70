"""How good a fitted pipeline is, honestly: on rows it has not seen, beside guessing, and how sure that is."""

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
from mlapi.training.execution.engine import SMALL_S, Engine, one_core
from mlapi.training.preparation.preparation import Prepared
from mlapi.training.preparation.splits import Positions, folds

MOST_FOR_FOLDS = 100_000
"""Rows of a table above which intervals come from resampled held-out answers, and not from fitting again."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """`figures` are the metrics as a manifest has them; `intervals` says how theirs were made."""

    figures: Mapping[str, Mapping[str, Any]]
    intervals: str
    answers: Answers
    calibration: Calibration | Spread | None
    importance: Importance | None
    learning_curve: LearningCurve | None


@dataclass(frozen=True, slots=True)
class FittedPipeline:
    """A fitted pipeline, what it was fitted on, how to make another, and how long fitting took."""

    prepared: Prepared
    pipeline: Any
    build: Callable[[], Any]
    seconds: float


def assess(fit: FittedPipeline, metric: str, engine: Engine) -> Assessment:
    """Ask about the held-out rows, and fit anew on parts of the others."""
    prepared = fit.prepared
    seen, test = prepared.train, prepared.test
    judged = curves.Sample(prepared.given(test), test.y)
    learnt = curves.Sample(prepared.given(seen), seen.y)
    with one_core():
        answers = answers_of(prepared.task, fit.pipeline, *judged)
    intervals = _by_folds(fit, learnt, engine) or _by_resampling(answers, seen.rows.seed)
    names = [column.name for column in prepared.features]
    asked: dict[str, Any] = {"metric": metric, "seed": seen.rows.seed}
    with one_core():
        importance = curves.importance(prepared.task, fit.pipeline, judged, names=names, **asked)
        curve = curves.learning_curve(prepared.task, fit.build(), learnt, judged, **asked)
    return Assessment(
        figures=figures(
            measure(answers),
            intervals=intervals.bounds,
            baseline=measure(guesses(answers, seen.y)),
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
    found = intervals_by_bootstrap(answers, seed)
    return _Intervals(
        BY_BOOTSTRAP,
        {name: (entry.low, entry.high) for name, entry in found.items()},
        {},
    )


def _by_folds(fit: FittedPipeline, learnt: curves.Sample, engine: Engine) -> _Intervals | None:
    """None where there are too many rows for it, or too few."""
    seen = fit.prepared.train
    many = len(seen.y) + len(fit.prepared.test.y) > MOST_FOR_FOLDS
    parts = [] if many else folds(seen.rows)
    shared = (fit.prepared.task, fit.build, learnt)
    scores = list(engine.run(_score_fold, shared, parts, here=fit.seconds * len(parts) < SMALL_S))
    if len(scores) < 2 or not all(scores):
        return None
    training_rows, test_rows = np.mean([(len(train), len(test)) for train, test in parts], axis=0)
    found = intervals_by_folds(scores, training_rows=training_rows, test_rows=test_rows)
    return _Intervals(
        BY_FOLDS,
        {name: (entry.low, entry.high) for name, entry in found.items()},
        {name: entry.mean for name, entry in found.items()},
    )


def _score_fold(
    shared: tuple[str, Callable[[], Any], curves.Sample], part: tuple[Positions, Positions]
) -> dict[str, float]:
    """Every metric of one fold; none where it cannot be fitted, which leaves the intervals to resampling."""
    task, build, rows = shared
    learnt, judged = map(rows.take, part)
    try:
        with one_core():
            return evaluate(task, build().fit(*learnt), *judged)
    except ValueError:
        return {}
