"""Where a metric lies on new rows: 95 % intervals, from folds or from resampled rows."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from mlapi.training.evaluation.answers import Answers
from mlapi.training.evaluation.metrics import BOUNDS, unbounded, weighted

LEVEL = 0.95
"""The share of intervals that hold what they are for."""

FEWEST_RESAMPLES = 200
"""Resamples of many rows."""

MOST_RESAMPLES = 1000
"""Resamples of few rows."""

DRAWS = 20_000_000
"""Rows drawn in all resamples together, which bounds the time: 250,000 rows take 200 resamples."""

BY_FOLDS = (
    "The intervals (95 %) are around the mean over the folds of a cross-validation of the training rows, "
    "widened as the folds share rows (corrected resampled t, Nadeau and Bengio 2003). The held-out figure "
    "may lie outside."
)

BY_BOOTSTRAP = (
    "The intervals (95 %) come from resampling the held-out rows (percentile bootstrap): they tell how other "
    "held-out rows could score, not how other training rows would have."
)


class Interval(NamedTuple):
    """From `low` to `high`; `mean` is that of the folds or of the resamples."""

    mean: float
    low: float
    high: float


def intervals_by_folds(
    folds: Sequence[Mapping[str, float]], *, training_rows: float, test_rows: float
) -> dict[str, Interval]:
    """Return for each metric the mean over the folds, with the corrected resampled t interval.

    The folds' training rows overlap, so that their scores vary less than those of independent ones would:
    the variance is counted (1 / folds + test rows / training rows) times instead of 1 / folds times
    (Nadeau and Bengio, "Inference for the generalization error", Machine Learning 52, 2003). A metric that
    some fold lacks is left out.

    Args:
        folds: Each fold's metrics, by name; of fewer than two the result is empty.
        training_rows: How many one fold has, on average.
        test_rows: Likewise.
    """
    if len(folds) < 2:
        return {}
    everywhere = [name for name in folds[0] if all(name in fold for fold in folds)]
    variances = 1 / len(folds) + test_rows / training_rows
    widening = stats.t.ppf((1 + LEVEL) / 2, len(folds) - 1) * np.sqrt(variances)
    intervals = {}
    for name in everywhere:
        scores = np.array([fold[name] for fold in folds])
        mean, half = scores.mean(), widening * scores.std(ddof=1)
        intervals[name] = _within(name, mean, mean - half, mean + half)
    return intervals


@unbounded
def intervals_by_bootstrap(answers: Answers, seed: int, resamples: int | None = None) -> dict[str, Interval]:
    """Return for each metric the percentile interval over resamples of the rows.

    The interval says how other test rows could score, and nothing of other training rows. (Efron and
    Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.)

    Args:
        resamples: How many; None: 1,000, and fewer of many rows.
    """
    rows = len(answers)
    if resamples is None:
        resamples = int(np.clip(DRAWS // rows, FEWEST_RESAMPLES, MOST_RESAMPLES))
    random, metrics = np.random.default_rng(seed), weighted(answers)
    drawn = [
        metrics(np.bincount(random.integers(rows, size=rows), minlength=rows).astype(np.float64))
        for _ in range(resamples)
    ]
    intervals = {}
    for name in drawn[0]:
        values = np.array([resample[name] for resample in drawn])
        values = values[np.isfinite(values)]
        if len(values) and np.isfinite(values.sum()):
            low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
            intervals[name] = _within(name, values.mean(), low, high)
    return intervals


def _within(name: str, mean: float, low: float, high: float) -> Interval:
    """Cut an interval at the least and the highest value that the metric can have."""
    least, most = BOUNDS[name]
    return Interval(float(mean), float(max(low, least)), float(min(high, most)))
