"""What an estimator predicts for rows whose target is known: computed once, for metrics and plots alike."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from mlapi.estimators.algorithms.declaration import CLASSIFICATION


@dataclass(frozen=True)
class Answers:
    """Truth and prediction, row by row, each `(rows,)`.

    In a classification, `truth` and `predicted` are positions in `classes`, of dtype intp. `classes` are the
    estimator's own classes in its order, then the classes that only the rows have. `probabilities` is
    `(rows, classes)`, None where the estimator gives none. In a regression, `truth` and `predicted` are
    float64, and there are no classes.
    """

    truth: NDArray[Any]
    predicted: NDArray[Any]
    classes: tuple[Any, ...] = ()
    probabilities: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, rows: NDArray[np.intp]) -> "Answers":
        """Return the answers for some of the rows, by their positions `(rows,)`."""
        probabilities = None if self.probabilities is None else self.probabilities[rows]
        return Answers(self.truth[rows], self.predicted[rows], self.classes, probabilities)


def answers_of(task: str, estimator: Any, X: Any, y: Any, *, probabilities: bool = True) -> Answers:
    """Let a fitted estimator predict rows whose target is known.

    Args:
        X: The rows `(rows, features)`, a DataFrame or a matrix, as the estimator was fitted on.
        y: Their target `(rows,)`.
        probabilities: Whether to ask for probabilities as well, which costs some estimators as much as a fit.
    """
    if task != CLASSIFICATION:
        return Answers(np.asarray(y, dtype=np.float64), np.asarray(estimator.predict(X), dtype=np.float64))
    own = estimator.classes_.tolist()
    known = pd.Index(own, dtype=object)
    truth = np.asarray(y, dtype=object)
    classes = (*own, *pd.unique(truth[known.get_indexer(truth) < 0]))
    predicted, own_probabilities = _predict(estimator, X, probabilities)
    if own_probabilities is None:
        return Answers(_positions(classes, truth), _positions(classes, predicted), classes)
    padded = np.pad(own_probabilities, ((0, 0), (0, len(classes) - len(own))))
    return Answers(_positions(classes, truth), _positions(classes, predicted), classes, padded)


def guesses(answers: Answers, training_target: Any) -> Answers:
    """Return the baseline: what somebody would answer for the same rows who knows the training target alone.

    The same as `sklearn.dummy.DummyRegressor` (the mean) and `DummyClassifier(strategy="prior")` (the most
    frequent class, and every class's share as its probability).

    Args:
        training_target: `(training rows,)`, values or labels.
    """
    if not answers.classes:
        mean = np.asarray(training_target, dtype=np.float64).mean()
        return Answers(answers.truth, np.full(len(answers), mean))
    positions = _positions(answers.classes, training_target)
    shares = np.bincount(positions, minlength=len(answers.classes)) / len(positions)
    predicted = np.full(len(answers), shares.argmax())
    probabilities = None
    if answers.probabilities is not None:
        probabilities = np.broadcast_to(shares, (len(answers), len(shares)))
    return Answers(answers.truth, predicted, answers.classes, probabilities)


def _predict(estimator: Any, X: Any, probabilities: bool) -> tuple[Any, NDArray[np.float64] | None]:
    """Predict labels and probabilities.

    A pipeline transforms the rows once for both: of mixed columns that takes most of the time.
    """
    if isinstance(estimator, Pipeline) and len(estimator) > 1:
        return _predict(estimator[-1], estimator[:-1].transform(X), probabilities)
    if not (probabilities and hasattr(estimator, "predict_proba")):
        return estimator.predict(X), None
    return estimator.predict(X), np.asarray(estimator.predict_proba(X), dtype=np.float64)


def _positions(classes: tuple[Any, ...], labels: Any) -> NDArray[np.intp]:
    """Turn labels into positions, since sorting texts takes most of the time of metrics."""
    index = pd.Index(classes, dtype=object)
    positions: NDArray[np.intp] = index.get_indexer(np.asarray(labels, dtype=object))
    return positions
