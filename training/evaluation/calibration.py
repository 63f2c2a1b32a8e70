"""Whether probabilities come true, and how far predictions of values are off."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlapi.training.evaluation.answers import Answers
from mlapi.training.evaluation.metrics import unbounded

BINS = 10
"""Bins of probabilities, each with about equally many rows."""


@dataclass(frozen=True)
class Calibration:
    """For each bin of probabilities: their mean, the share of rows in which they came true, and its rows.

    With two classes, the probability is that of the second class; with more, that of the likeliest class.
    `error` is the expected calibration error (Naeini, Cooper and Hauskrecht 2015): the distance between mean
    and share, as the mean over the rows.
    """

    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    rows: tuple[int, ...]
    error: float


@dataclass(frozen=True)
class Spread:
    """How far predicted numbers are off: half of them at most, nine tenths at most, and the mean error.

    An error is the prediction minus the truth, so that a positive `bias` says that predictions are too high.
    """

    half: float
    most: float
    bias: float


@unbounded
def calibration_of(answers: Answers, bins: int = BINS) -> Calibration | Spread | None:
    """Compare probabilities with what came true, or predictions with the target.

    Bins hold about equally many rows, and equal probabilities share one: as
    `sklearn.calibration.calibration_curve(strategy="quantile")`, which does not count the rows. None for
    classes without probabilities.
    """
    if not answers.classes:
        error = answers.predicted - answers.truth
        half, most = np.quantile(np.abs(error), [0.5, 0.9])
        return Spread(float(half), float(most), float(error.mean()))
    if answers.probabilities is None:
        return None
    return _calibration(*_positive_probabilities(answers.probabilities, answers.truth), bins)


def _positive_probabilities(
    probabilities: NDArray[np.float64], truth: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Choose the probability of each row that is checked, and whether it came true, both `(rows,)`."""
    if probabilities.shape[1] == 2:
        return probabilities[:, 1], truth == 1
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == truth


def _calibration(predicted: NDArray[np.float64], came_true: NDArray[np.bool_], bins: int) -> Calibration:
    edges = np.unique(np.quantile(predicted, np.arange(1, bins) / bins, method="inverted_cdf"))
    places = np.searchsorted(edges, predicted)  # an edge belongs to the bin below it
    rows = np.bincount(places)
    filled = rows > 0
    rows, expected, observed = (
        rows[filled],
        np.bincount(places, predicted)[filled] / rows[filled],
        np.bincount(places, came_true)[filled] / rows[filled],
    )
    error = float((np.abs(expected - observed) * rows).sum() / len(predicted))
    return Calibration(tuple(expected.tolist()), tuple(observed.tolist()), tuple(rows.tolist()), error)
