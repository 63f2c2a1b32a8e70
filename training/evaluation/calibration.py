"""Whether answers are as sure as they say: probabilities that come true, predictions that are so far off."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlapi.training.evaluation.answers import Answers
from mlapi.training.evaluation.metrics import unbounded

BINS = 10


@dataclass(frozen=True)
class Calibration:
    """Of each bin, what was said on average, what came true, and how many rows it has.

    Of two classes it is the second one's probability, of several that of the likeliest. `error` is the
    expected calibration error: the mean distance of the two, by row.
    """

    said: tuple[float, ...]
    true: tuple[float, ...]
    rows: tuple[int, ...]
    error: float


@dataclass(frozen=True)
class Spread:
    """Of values: how far off half and nine tenths of the predictions are at most, and the mean error."""

    half: float
    most: float
    bias: float


@unbounded
def calibration_of(answers: Answers, bins: int = BINS) -> Calibration | Spread | None:
    """None for classes without probabilities. Bins hold about equally many rows; equal values share one."""
    if not answers.classes:
        error = answers.predicted - answers.truth
        half, most = np.quantile(np.abs(error), [0.5, 0.9])
        return Spread(float(half), float(most), float(error.mean()))
    if answers.probabilities is None:
        return None
    return _calibration(*_claims(answers.probabilities, answers.truth), bins)


def _claims(
    probabilities: NDArray[np.float64], truth: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    if probabilities.shape[1] == 2:
        return probabilities[:, 1], truth == 1
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == truth


def _calibration(said: NDArray[np.float64], came: NDArray[np.bool_], bins: int) -> Calibration:
    edges = np.unique(np.quantile(said, np.arange(1, bins) / bins, method="inverted_cdf"))
    places = np.searchsorted(edges, said)  # an edge belongs to the bin below it
    rows = np.bincount(places)
    kept = rows > 0
    rows, expected, found = (
        rows[kept],
        np.bincount(places, said)[kept] / rows[kept],
        np.bincount(places, came)[kept] / rows[kept],
    )
    error = float((np.abs(expected - found) * rows).sum() / len(said))
    return Calibration(tuple(expected.tolist()), tuple(found.tolist()), tuple(rows.tolist()), error)
