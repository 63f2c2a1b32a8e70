"""Estimators that change what others say: calibration, thresholds, and targets on another scale.

They stand for final estimators and for whole pipelines, as `mlapi.inference.compiled.committees` does.
"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.data.signature import Batch, Matrix
from mlapi.inference.compiled.committees import (
    ROUNDING,
    Errors,
    Labels,
    Member,
    ask,
    chosen,
    held,
    is_off,
    uncertain,
)
from mlapi.inference.compiled.final_estimator import (
    ERRORS,
    PREDICT,
    PREDICT_PROBA,
    Answer,
    Fallback,
    Margins,
    RowScores,
    logistic,
)
from mlapi.inference.compiled.functions import FUNCTIONS
from mlapi.inference.compiled.one_row import OneRow
from mlapi.inference.compiled.predictor import COMPILED


class Threshold:
    """One of two classes from a score or probability of the other: the first from a threshold on."""

    served_by = COMPILED
    one_row: OneRow | None = None

    def __init__(
        self, inner: Member, method: str, classes: NDArray[Any], second: int, threshold: float
    ) -> None:
        """
        Args:
            method: The inner estimator's method that is compared.
            classes: (2,), the labels.
            second: The position of the class that a high score stands for.
            threshold: The least score of that class.
        """
        self.methods = inner.methods | {PREDICT}
        self._inner, self._method, self._labels = inner, method, Labels(classes)
        self._second, self._threshold = second, threshold

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return max(self._inner.width, self._labels.width)

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer:
        """Return labels, `(rows,)`, and the inner estimator's decisions and probabilities."""
        answer = self._inner.answer(batch, {self._method, ERRORS, *methods} - {PREDICT})
        outputs = chosen(answer.outputs, methods)
        if PREDICT not in methods:
            return Answer(outputs, None, answer.errors)
        scores = answer.outputs[self._method]
        scores = scores[:, self._second] if scores.ndim == 2 else scores if self._second else -scores
        is_second = scores >= self._threshold
        places = np.where(is_second, self._second, 1 - self._second)
        margins: Margins = np.abs(scores - self._threshold)
        outputs[PREDICT] = self._labels.classes.take(places)
        return Answer(outputs, uncertain(margins, answer.errors), answer.errors)


class Calibrator:
    """A function of one score that makes a probability of it: by sigmoid, or by what isotonic regression
    found."""

    def __init__(self, slope: float, offset: float, bounds: Matrix | None, values: Matrix | None) -> None:
        """
        Args:
            slope, offset: Of the sigmoid, `1 / (1 + exp(slope * score + offset))`.
            bounds, values: (points,), between which a value is interpolated; None for a sigmoid.
        """
        self.slope, self.offset, self.bounds, self.values = slope, offset, bounds, values

    def __call__(self, scores: Matrix, errors: Errors) -> tuple[Matrix, Errors]:
        """Return the probabilities of scores, `(rows,)`, and how far these may be off."""
        if self.bounds is None or self.values is None:
            return logistic(-(self.slope * scores + self.offset)), abs(self.slope) * errors + ROUNDING
        calibrated: Matrix = np.interp(scores, self.bounds, self.values)
        if not is_off(errors):
            return calibrated, 0.0
        ends = [np.interp(scores + sign * errors, self.bounds, self.values) for sign in (-1, 1)]
        return calibrated, np.abs(ends[1] - ends[0]) + ROUNDING


class CalibratedMean:
    """The mean of what calibrated classifiers say of each class."""

    served_by = COMPILED
    one_row: OneRow | None = None
    methods = frozenset({PREDICT, PREDICT_PROBA})

    def __init__(
        self,
        members: Sequence[tuple[Member, str, Sequence[tuple[int, Calibrator]]]],
        classes: NDArray[Any],
    ) -> None:
        """
        Args:
            members: With each classifier the method that is calibrated, and for each column of what that
                gives the class and its calibration.
            classes: (classes,), the labels.
        """
        self._members, self._labels = tuple(members), Labels(classes)

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return max(held([member for member, _, _ in self._members]), self._labels.width)

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer:
        """Return labels, `(rows,)`, and probabilities, `(rows, classes)`."""
        means: RowScores = np.zeros(())
        total: Errors = 0.0
        for member, method, calibrations in self._members:
            (scores,), errors = ask([member], [method], batch)
            probabilities, off = self._calibrated(scores, errors, calibrations)
            means, total = means + probabilities, total + off
        means /= len(self._members)
        labels, flags = self._labels.of(means, total)
        outputs = chosen({PREDICT: labels, PREDICT_PROBA: means}, methods)
        return Answer(outputs, flags if PREDICT in methods else None, total)

    def _calibrated(
        self, scores: RowScores, errors: Errors, calibrations: Sequence[tuple[int, Calibrator]]
    ) -> tuple[RowScores, Errors]:
        """Return one classifier's probabilities, `(rows, classes)` (scikit-learn 1.9,
        `sklearn.calibration._CalibratedClassifier`)."""
        classes = len(self._labels.classes)
        if classes == 2 and scores.ndim == 2:
            scores = scores[:, 1]
        columns = scores.reshape(len(scores), -1).T
        calibrated = np.zeros((len(scores), classes))
        off: Errors = 0.0
        for (place, calibration), column in zip(calibrations, columns, strict=True):
            calibrated[:, place], own = calibration(column, errors)
            off = off + own
        if classes == 2:
            calibrated[:, 0] = 1.0 - calibrated[:, 1]
        else:
            sums = np.sum(calibrated, axis=1)[:, np.newaxis]
            calibrated = np.divide(
                calibrated, sums, out=np.full_like(calibrated, 1 / classes), where=sums != 0
            )
            if is_off(off):
                off = np.where(sums[:, 0] > 2 * off, 2 * off / np.maximum(sums[:, 0], 1e-300), np.inf)
        calibrated[(calibrated > 1.0) & (calibrated <= 1.0 + 1e-5)] = 1.0
        return calibrated, off


class Rescaled:
    """A regressor of a target on another scale, in the target's own units: one of numpy's functions."""

    served_by = COMPILED
    one_row: OneRow | None = None
    methods = frozenset({PREDICT})

    def __init__(self, inner: Member, function: str, *, is_flat: bool) -> None:
        """
        Args:
            inner: Answers on the other scale.
            function: The name in `FUNCTIONS` of what leads back.
            is_flat: Whether one target gives `(rows,)`; else it gives `(rows, 1)`.
        """
        self._inner, self._function, self._is_flat = inner, function, is_flat

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return self._inner.width

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer:
        """Return the values, `(rows,)` or `(rows, targets)`.

        Raises:
            Fallback: A value is not finite.
        """
        inner = self._inner.answer(batch, (PREDICT,)).outputs[PREDICT]
        values = FUNCTIONS[self._function](inner.reshape(len(inner), -1))
        if not (np.isfinite(inner).all() and np.isfinite(values).all()):
            raise Fallback
        is_one = self._is_flat and values.shape[1] == 1
        return Answer({PREDICT: values[:, 0] if is_one else values}, None)
