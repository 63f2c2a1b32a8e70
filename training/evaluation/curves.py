"""What held-out rows tell about columns and about more data: permutation importance and the learning curve.

Both ask estimators again and again, so both are bounded: in rows, in repeats, and in seconds. What the bounds
left out is said in the result's `note`.
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

MOST_ROWS, FEWEST_ROWS = 2_000, 200

MOST_REPEATS = 5

MOST_ASKED = 200_000
"""Rows that importance asks about, all columns and repeats together; repeats give way first, then rows."""

PARTS = (0.1, 0.2, 0.4, 0.7, 1.0)

MOST_LEARNED = 10_000
"""Training rows of the learning curve's last point."""

FEWEST_LEARNED = 10

LIMIT_S = 10.0


class Sample(NamedTuple):
    """Some rows, a DataFrame or a matrix, and their target."""

    X: Any
    y: Any

    def take(self, which: NDArray[np.intp]) -> "Sample":
        X = self.X.iloc[which] if isinstance(self.X, pd.DataFrame) else self.X[which]
        return Sample(X, np.asarray(self.y)[which])


@dataclass(frozen=True)
class Importance:
    """How much worse the metric gets when one column's cells are shuffled among the rows.

    Each column is (name, mean, standard deviation over the repeats), the most important first.
    """

    metric: str
    score: float
    columns: tuple[tuple[str, float, float], ...]
    note: str


@dataclass(frozen=True)
class LearningCurve:
    """The metric on rows that were learned from and on held-out ones, by number of the former."""

    metric: str
    sizes: tuple[int, ...]
    training: tuple[float, ...]
    test: tuple[float, ...]
    note: str


class _Jury(NamedTuple):
    """Scores a fitted estimator by one metric; NaN where it is not defined."""

    task: str
    metric: str

    def scores(self, estimator: Any, rows: Sample, repeats: int = 1) -> NDArray[np.float64]:
        """One score for each of so many stacked copies of the rows, asked for in one call."""
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
    """Shuffle the columns one by one, words and dates as they are, before any encoding.

    The names are a DataFrame's own, where none are given. Columns that are not reached in `limit_s` are
    not measured. None if the metric is not defined on these rows.
    """
    random, jury = np.random.default_rng(seed), _Jury(task, metric)
    columns = test.X.shape[1]
    names = names or [str(name) for name in getattr(test.X, "columns", range(columns))]
    repeats = int(np.clip(MOST_ASKED // (MOST_ROWS * columns), 1, MOST_REPEATS))
    rows = _sample(test, int(np.clip(MOST_ASKED // columns, FEWEST_ROWS, MOST_ROWS)), random)
    [score] = jury.scores(estimator, rows)
    if np.isnan(score):
        return None
    sign = -1 if metric in LOWER_IS_BETTER else 1
    ends = time.monotonic() + limit_s
    found: list[tuple[str, float, float]] = []
    for name, shuffled in zip(names, _shuffled(rows, repeats, random), strict=True):
        if found and time.monotonic() > ends:
            break
        losses = sign * (score - jury.scores(estimator, shuffled, repeats))
        found.append((str(name), float(losses.mean()), float(losses.std())))
    found.sort(key=lambda column: -column[1])
    note = _importance_note(len(rows.y), len(test.y), repeats, len(found), columns)
    return Importance(metric, float(score), tuple(found), note)


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
    time of the one before. None if fewer than two parts are left.
    """
    random, jury = np.random.default_rng(seed), _Jury(task, metric)
    order = _order(task, training.y, random)
    judged = _sample(test, MOST_ROWS, random)
    points, ends, pace = [], time.monotonic() + limit_s, 0.0
    for size in _sizes(min(len(order), MOST_LEARNED)):
        began = time.monotonic()
        if began + pace * size > ends:
            break
        scores = _learn(jury, estimator, training.take(order[:size]), judged)
        pace = (time.monotonic() - began) / size
        if scores is not None:
            points.append((size, *scores))
    if len(points) < 2:
        return None
    sizes, learned, new = zip(*points, strict=True)
    note = _curve_note(len(judged.y), sizes[-1], len(training.y))
    return LearningCurve(metric, sizes, learned, new, note)


def _shuffled(rows: Sample, repeats: int, random: np.random.Generator) -> Iterator[Sample]:
    """For each column, copies of the rows below each other, in each of which it alone is shuffled."""
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


def _learn(jury: _Jury, estimator: Any, part: Sample, judged: Sample) -> tuple[float, float] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a small part converges badly says nothing of the model
            fitted = clone(estimator).fit(*part)
            [learned], [new] = jury.scores(fitted, part), jury.scores(fitted, judged)
    except ValueError:  # one class only, or fewer rows than some step needs
        return None
    return (float(learned), float(new)) if np.isfinite(learned + new) else None


def _order(task: str, target: Any, random: np.random.Generator) -> NDArray[np.intp]:
    """Every beginning of it holds the classes in their shares, as near as whole rows allow."""
    order: NDArray[np.intp] = random.permutation(len(target))
    if task != CLASSIFICATION:
        return order
    classes = pd.Series(pd.factorize(np.asarray(target, dtype=object))[0][order])
    place = classes.groupby(classes).cumcount() + random.random(len(order))
    return order[np.argsort((place / classes.map(classes.value_counts())).to_numpy())]


def _sizes(rows: int) -> list[int]:
    return sorted({max(FEWEST_LEARNED, round(rows * part)) for part in PARTS if rows >= FEWEST_LEARNED})


def _sample(rows: Sample, most: int, random: np.random.Generator) -> Sample:
    if len(rows.y) <= most:
        return rows
    return rows.take(np.sort(random.choice(len(rows.y), most, replace=False)))


def _importance_note(rows: int, of: int, repeats: int, measured: int, columns: int) -> str:
    note = f"Measured on {_of(rows, of)} held-out rows, each column shuffled {_times(repeats)}."
    if measured < columns:
        note += f" Time ran out after {measured:,} of {columns:,} columns; the others were not measured."
    return note


def _curve_note(judged: int, learned: int, rows: int) -> str:
    return f"Up to {_of(learned, rows)} training rows, scored on {judged:,} held-out rows."


def _of(some: int, every: int) -> str:
    return f"{some:,}" if some == every else f"{some:,} of {every:,}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
