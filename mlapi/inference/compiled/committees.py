"""Estimators around several others: votes, means and stacks.

A member is asked for numbers alone, and says how far they may be from scikit-learn's; most are exact. The
same numbers then go through the same operations in the same order. Where a label could turn within the bound,
the row is uncertain. Members answer batches of any kind, so that these stand for whole pipelines too.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlapi.data.labels import float64s_per_label
from mlapi.data.signature import Batch, Matrix
from mlapi.inference.compiled.final_estimator import (
    DECISION_FUNCTION,
    ERRORS,
    PREDICT,
    PREDICT_PROBA,
    Answer,
    Fallback,
    Margins,
    MethodOutputs,
    RowFlags,
    RowScores,
)
from mlapi.inference.compiled.linear import Linear
from mlapi.inference.compiled.one_row import OneRow
from mlapi.inference.compiled.predictor import COMPILED

ROUNDING = 1e-14
"""More than any operation here on numbers up to 1 can differ from scikit-learn's."""

Errors: TypeAlias = Margins | float
"""How far the numbers of each row may be from scikit-learn's, `(rows,)`, or one bound for all rows; 0.0 where
they are the same."""


class Member(Protocol):
    """What a committee asks: a compiled pipeline, or a final estimator."""

    methods: frozenset[str]

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        ...

    def answer(self, batch: Any, methods: Collection[str]) -> Answer:
        """Return the outputs of these methods, each of `(rows,)` or `(rows, columns)`.

        Raises:
            Fallback, ValueError, TypeError: The batch has something that is scikit-learn's to answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of an estimator around others, and whether rounding can turn them."""

    classes: NDArray[Any]
    """`(classes,)`."""

    @property
    def width(self) -> int:
        """How many numbers take as much memory as one label."""
        return float64s_per_label(self.classes)

    def of(self, scores: RowScores, errors: Errors) -> tuple[NDArray[Any], RowFlags | None]:
        """Return the label of the highest score of each row, `(rows,)`, and the rows in which that is
        uncertain."""
        return self.classes.take(scores.argmax(axis=1)), uncertain(lead(scores), errors)


def lead(scores: RowScores) -> Margins:
    """Return how far the highest score of each row is above the next one, `(rows,)`; of `(rows,)` how far
    each score is from zero, where a label turns."""
    if scores.ndim == 1:
        return np.abs(scores)
    best = np.partition(scores, -2, axis=1)
    margins: Margins = best[:, -1] - best[:, -2]
    return margins


def uncertain(margins: Margins, errors: Errors) -> RowFlags | None:
    """Return the rows whose margin is not larger than twice the error, `(rows,)`; None if there is none."""
    if not is_off(errors):
        return None
    flags: RowFlags = ~(margins > 2 * errors)
    return flags if flags.any() else None


class SoftVote:
    """The mean of the members' probabilities, and the class where it is highest."""

    served_by = COMPILED
    one_row: OneRow | None = None
    methods = frozenset({PREDICT, PREDICT_PROBA})

    def __init__(
        self, members: Sequence[Member], weights: Sequence[float] | None, classes: NDArray[Any]
    ) -> None:
        """
        Args:
            weights: One for each member; None if all count alike.
            classes: (classes,), the labels.
        """
        self._members, self._weights, self._labels = tuple(members), weights, Labels(classes)

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return max(held(self._members), self._labels.width)

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer:
        """Return labels, `(rows,)`, and probabilities, `(rows, classes)`."""
        votes, errors = ask(self._members, [PREDICT_PROBA] * len(self._members), batch)
        means = np.average(np.asarray(votes), axis=0, weights=self._weights)
        labels, flags = self._labels.of(means, errors)
        outputs = {PREDICT: labels, PREDICT_PROBA: means}
        return Answer(chosen(outputs, methods), flags if PREDICT in methods else None, errors)


class HardVote:
    """The class that most members predict, each with its weight; of equal ones the first."""

    served_by = COMPILED
    one_row: OneRow | None = None
    methods = frozenset({PREDICT})

    def __init__(
        self, members: Sequence[Member], weights: Sequence[float] | None, classes: NDArray[Any]
    ) -> None:
        """
        Args:
            members: They predict the number of a class.
            weights: One for each member; None if all count alike.
            classes: (classes,), the labels.
        """
        self._members, self._labels = tuple(members), Labels(classes)
        self._weights = [1.0] * len(members) if weights is None else list(weights)

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return max(held(self._members), self._labels.width)

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer:
        """Return labels, `(rows,)`."""
        answers = [member.answer(batch, (PREDICT,)) for member in self._members]
        ballots = [answer.outputs[PREDICT] for answer in answers]
        counts = np.zeros((len(ballots[0]), len(self._labels.classes)))
        rows = np.arange(len(counts))
        for ballot, weight in zip(ballots, self._weights, strict=True):
            counts[rows, ballot] += weight
        labels, _ = self._labels.of(counts, 0.0)
        flags = [answer.uncertain for answer in answers if answer.uncertain is not None]
        return Answer({PREDICT: labels}, np.logical_or.reduce(flags) if flags else None)


class MeanValue:
    """The mean of what several regressors predict."""

    served_by = COMPILED
    one_row: OneRow | None = None
    methods = frozenset({PREDICT})

    def __init__(self, members: Sequence[Member], weights: Sequence[float] | None) -> None:
        """
        Args:
            weights: One for each member; None if all count alike.
        """
        self._members, self._weights = tuple(members), weights

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return held(self._members)

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer:
        """Return the values, `(rows,)`."""
        values, errors = ask(self._members, [PREDICT] * len(self._members), batch)
        means = np.average(np.asarray(values).T, axis=1, weights=self._weights)
        return Answer({PREDICT: means}, None, errors)


class Stack:
    """An estimator of what several others say."""

    served_by = COMPILED
    one_row: OneRow | None = None

    def __init__(
        self, members: Sequence[Member], asked: Sequence[str], final: Member, classes: NDArray[Any] | None
    ) -> None:
        """
        Args:
            asked: The method that each member is asked.
            final: Gets the members' numbers side by side, and predicts values or the number of a class.
            classes: (classes,), the labels; None for a regressor.
        """
        self.methods = final.methods
        self._members, self._asked, self._final = tuple(members), tuple(asked), final
        self._labels = None if classes is None else Labels(classes)

    @property
    def width(self) -> int:
        """How many numbers it makes of one row, at most."""
        return max(held(self._members), self._final.width, self._labels.width if self._labels else 0)

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer:
        """Return what the last estimator gives.

        Raises:
            Fallback: The members' numbers are not exact, and what that means for it is not known.
        """
        numbers, errors = ask(self._members, self._asked, batch)
        rows = np.hstack([self._columns(*each) for each in zip(numbers, self._asked, strict=True)])
        if not is_off(errors):
            answer = self._final.answer(rows, methods)
        elif isinstance(self._final, Linear):
            answer = self._of_inexact(self._final, rows, errors, methods)
        else:
            raise Fallback
        if self._labels is None or PREDICT not in methods:
            return answer
        labels = self._labels.classes.take(answer.outputs[PREDICT])
        return Answer({**answer.outputs, PREDICT: labels}, answer.uncertain)

    def _of_inexact(self, final: Linear, rows: Matrix, errors: Errors, methods: Collection[str]) -> Answer:
        """Return what a linear model makes of rows that may be off by these errors."""
        moved = float(final.reach.sum()) * errors
        if self._labels is None or PREDICT not in methods:
            answer = final.answer(rows, {ERRORS, *methods})
            return Answer(answer.outputs, None, answer.errors + moved)
        answer = final.answer(rows, {*methods, DECISION_FUNCTION})
        flags = uncertain(lead(answer.outputs[DECISION_FUNCTION]), moved)
        either = [each for each in (flags, answer.uncertain) if each is not None]
        return Answer(chosen(answer.outputs, methods), np.logical_or.reduce(either) if either else None)

    def _columns(self, numbers: RowScores, method: str) -> RowScores:
        """Return the columns that a member's numbers become, `(rows, columns)`: of two probabilities the
        second."""
        if numbers.ndim == 1:
            return numbers[:, None]
        is_pair = method == PREDICT_PROBA and self._labels is not None and len(self._labels.classes) == 2
        return numbers[:, 1:] if is_pair else numbers


def ask(members: Sequence[Member], methods: Sequence[str], batch: Any) -> tuple[list[NDArray[Any]], Errors]:
    """Return what one method of each member gives, `(rows,)` or `(rows, columns)`, and how far any of it may
    be off.

    Args:
        batch: A batch, or a matrix `(rows, columns)`.
    """
    answers = [
        member.answer(batch, (method, ERRORS)) for member, method in zip(members, methods, strict=True)
    ]
    numbers = [answer.outputs[method] for answer, method in zip(answers, methods, strict=True)]
    errors: Errors = 0.0
    for answer in answers:
        errors = np.maximum(errors, answer.errors) if is_off(answer.errors) else errors
    return numbers, errors + ROUNDING if is_off(errors) else 0.0


def is_off(errors: Errors) -> bool:
    """Return whether numbers may differ from scikit-learn's at all."""
    return not (isinstance(errors, float) and errors == 0.0)


def held(members: Sequence[Member]) -> int:
    """Return how many numbers the members make of one row together, at most."""
    return sum(member.width for member in members)


def chosen(outputs: MethodOutputs, methods: Collection[str]) -> MethodOutputs:
    """Return the outputs of these methods, each `(rows,)` or `(rows, columns)`."""
    return {method: values for method, values in outputs.items() if method in methods}
