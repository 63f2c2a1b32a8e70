"""Permutation importance of the columns, and the learning curve: both by predicting test rows.

Both predict again and again, so both are bounded: in rows, in repeats, and in seconds. What the bounds left
out is said in the result's `note`.
"""

import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from mlapi.estimators.algorithms.declaration import CLASSIFICATION
from mlapi.training.evaluation.answers import answers_of
from mlapi.training.evaluation.metrics import LOWER_IS_BETTER, OF_PROBABILITIES, measure

MOST_ROWS = 2_000
"""Test rows that are predicted at most, of each column's copy and at each point of the curve."""

FEWEST_ROWS = 200
"""Test rows that importance uses at least, however many columns there are."""

MOST_REPEATS = 5
"""How often a column is shuffled, where there are few of them."""

MOST_PREDICTED = 200_000
"""Rows that importance predicts, all columns and repeats together; repeats give way first, then rows."""

SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
"""The learning curve's points: shares of the training rows, or of `MOST_TRAINED`."""

MOST_TRAINED = 10_000
"""Training rows of the learning curve's last point."""

FEWEST_TRAINED = 10
"""Training rows of its first point, where the least share is fewer."""

LIMIT_S = 10.0
"""Seconds that each of the two takes, about."""


class Sample(NamedTuple):
    """Some rows `(rows, features)`, a DataFrame or a matrix, and their target `(rows,)`."""

    X: Any
    y: Any

    def take(self, positions: NDArray[np.intp]) -> "Sample":
        """Return some of the rows, by their positions `(rows,)`."""
        X = self.X.iloc[positions] if isinstance(self.X, pd.DataFrame) else self.X[positions]
        return Sample(X, np.asarray(self.y)[positions])


@dataclass(frozen=True)
class Importance:
    """How much worse the metric gets when one column's cells are shuffled among the rows.

    `score` is the metric before. An entry of `columns` is a name, the mean loss and its standard deviation
    over the repeats; the most important column stands first.
    """

    metric: str
    score: float
    columns: tuple[tuple[str, float, float], ...]
    note: str


@dataclass(frozen=True)
class LearningCurve:
    """The metric on training rows and on test rows, for each number of training rows in `sizes`."""

    metric: str
    sizes: tuple[int, ...]
    training: tuple[float, ...]
    test: tuple[float, ...]
    note: str


class _Scorer(NamedTuple):
    """Scores a fitted estimator by one metric; NaN where it is not defined."""

    task: str
    metric: str

    def scores(self, estimator: Any, rows: Sample, repeats: int = 1) -> NDArray[np.float64]:
        """One score for each of so many copies of the rows, which are stacked and predicted in one call."""
        answers = answers_of(self.task, estimator, *rows, probabilities=self.metric in OF_PROBABILITIES)
        copies = np.split(np.arange(len(answers)), repeats)
        return np.array([measure(answers.take(copy)).get(self.metric, np.nan) for copy in copies])


def importance(  # noqa: PLR0913
    task: str,
    estimator: Any,
    test: Sample,
    *,
    metric: str,
    seed: int,
    names: Sequence[str] | None = None,
    limit_s: float = LIMIT_S,
) -> Importance | None:
    """Measure permutation importance (Breiman 2001), as `sklearn.inspection.permutation_importance` does.

    The columns are shuffled one by one, texts and dates as they are, before any encoding. Columns that are
    not reached in `limit_s` are not measured.

    Args:
        names: The names of the columns; None: those of a DataFrame, or the numbers of a matrix's columns.

    Returns:
        None if the metric is not defined on these rows.
    """
    random, scorer = np.random.default_rng(seed), _Scorer(task, metric)
    columns = test.X.shape[1]
    names = names or [str(name) for name in getattr(test.X, "columns", range(columns))]
    repeats = int(np.clip(MOST_PREDICTED // (MOST_ROWS * columns), 1, MOST_REPEATS))
    rows = _sample(test, int(np.clip(MOST_PREDICTED // columns, FEWEST_ROWS, MOST_ROWS)), random)
    [score] = scorer.scores(estimator, rows)
    if np.isnan(score):
        return None
    sign = -1 if metric in LOWER_IS_BETTER else 1
    ends = time.monotonic() + limit_s
    measured: list[tuple[str, float, float]] = []
    for name, shuffled in zip(names, _shuffled(rows, repeats, random), strict=True):
        if measured and time.monotonic() > ends:
            break
        losses = sign * (score - scorer.scores(estimator, shuffled, repeats))
        measured.append((str(name), float(losses.mean()), float(losses.std())))
    measured.sort(key=lambda column: -column[1])
    note = _importance_note(len(rows.y), len(test.y), repeats, len(measured), columns)
    return Importance(metric, float(score), tuple(measured), note)


def learning_curve(  # noqa: PLR0913
    task: str,
    estimator: Any,
    training: Sample,
    test: Sample,
    *,
    metric: str,
    seed: int,
    limit_s: float = LIMIT_S,
) -> LearningCurve | None:
    """Fit copies of an estimator on growing parts of the training rows, each part within the next.

    A part that cannot be fitted is left out, and so are those that would end after `limit_s`, going by the
    time of the one before.

    Returns:
        None if fewer than two parts are left.
    """
    random, scorer = np.random.default_rng(seed), _Scorer(task, metric)
    order = _order(task, training.y, random)
    scored = _sample(test, MOST_ROWS, random)
    points, ends, pace = [], time.monotonic() + limit_s, 0.0
    for size in _sizes(min(len(order), MOST_TRAINED)):
        began = time.monotonic()
        if began + pace * size > ends:
            break
        scores = _fit_and_score(scorer, estimator, training.take(order[:size]), scored)
        pace = (time.monotonic() - began) / size
        if scores is not None:
            points.append((size, *scores))
    if len(points) < 2:
        return None
    sizes, training_scores, test_scores = zip(*points, strict=True)
    note = _curve_note(len(scored.y), sizes[-1], len(training.y))
    return LearningCurve(metric, sizes, training_scores, test_scores, note)


def _shuffled(rows: Sample, repeats: int, random: np.random.Generator) -> Iterator[Sample]:
    """Stack copies of the rows, for each column anew; in each copy this column alone is shuffled."""
    size = len(rows.y)
    stacked = rows.take(np.tile(np.arange(size), repeats))
    for column in range(rows.X.shape[1]):
        places = np.concatenate([copy * size + random.permutation(size) for copy in range(repeats)])
        X = stacked.X.copy(deep=False) if isinstance(stacked.X, pd.DataFrame) else stacked.X.copy()
        if isinstance(X, pd.DataFrame):
            X.isetitem(column, X.iloc[:, column].array.take(places))
        else:
            X[:, column] = X[places, column]
        yield Sample(X, stacked.y)


def _fit_and_score(
    scorer: _Scorer, estimator: Any, train: Sample, test: Sample
) -> tuple[float, float] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a small part converges badly says nothing of the model
            fitted = clone(estimator).fit(*train)
            [train_score], [test_score] = scorer.scores(fitted, train), scorer.scores(fitted, test)
    except ValueError:  # one class only, or fewer rows than some step needs
        return None
    if not np.isfinite(train_score + test_score):
        return None
    return float(train_score), float(test_score)


def _order(task: str, target: Any, random: np.random.Generator) -> NDArray[np.intp]:
    """Draw an order of the rows, of which every beginning has the classes in nearly their shares."""
    order: NDArray[np.intp] = random.permutation(len(target))
    if task != CLASSIFICATION:
        return order
    classes = pd.Series(pd.factorize(np.asarray(target, dtype=object))[0][order])
    place = classes.groupby(classes).cumcount() + random.random(len(order))
    return order[np.argsort((place / classes.map(classes.value_counts())).to_numpy())]


def _sizes(rows: int) -> list[int]:
    return sorted({max(FEWEST_TRAINED, round(rows * share)) for share in SHARES if rows >= FEWEST_TRAINED})


def _sample(rows: Sample, most: int, random: np.random.Generator) -> Sample:
    if len(rows.y) <= most:
        return rows
    return rows.take(np.sort(random.choice(len(rows.y), most, replace=False)))


def _importance_note(rows: int, of: int, repeats: int, measured: int, columns: int) -> str:
    note = f"Measured on {_of(rows, of)} held-out rows, each column shuffled {_times(repeats)}."
    if measured < columns:
        note += f" Time ran out after {measured:,} of {columns:,} columns; the others were not measured."
    return note


def _curve_note(test_rows: int, trained: int, rows: int) -> str:
    return f"Up to {_of(trained, rows)} training rows, scored on {test_rows:,} held-out rows."


def _of(some: int, every: int) -> str:
    return f"{some:,}" if some == every else f"{some:,} of {every:,}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
