"""What an estimator says about rows whose truth is known: computed once, for metrics and plots alike."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from mlapi.estimators.algorithms.declaration import CLASSIFICATION


@dataclass(frozen=True)
class Answers:
    """Truth and prediction, row by row.

    Of a classification both are positions in `classes`: the estimator's own in its order, then those that
    only the rows have. `probabilities` is (rows, classes), None where the estimator gives none. Of a
    regression both are float64, and there are no classes.
    """

    truth: NDArray[Any]
    predicted: NDArray[Any]
    classes: tuple[Any, ...] = ()
    probabilities: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, rows: NDArray[np.intp]) -> "Answers":
        """The answers for some of the rows."""
        probabilities = None if self.probabilities is None else self.probabilities[rows]
        return Answers(self.truth[rows], self.predicted[rows], self.classes, probabilities)


def answers_of(task: str, estimator: Any, X: Any, y: Any, *, probabilities: bool = True) -> Answers:
    """Ask a fitted estimator; X is a DataFrame or a matrix, as it was fitted on."""
    if task != CLASSIFICATION:
        return Answers(np.asarray(y, dtype=np.float64), np.asarray(estimator.predict(X), dtype=np.float64))
    own = estimator.classes_.tolist()
    known = pd.Index(own, dtype=object)
    truth = np.asarray(y, dtype=object)
    classes = (*own, *pd.unique(truth[known.get_indexer(truth) < 0]))
    predicted, given = _ask(estimator, X, probabilities)
    if given is not None:
        given = np.pad(given, ((0, 0), (0, len(classes) - len(own))))
    return Answers(_positions(classes, truth), _positions(classes, predicted), classes, given)


def guesses(answers: Answers, training_target: Any) -> Answers:
    """What somebody would say of the same rows who knows the training target alone.

    The same as scikit-learn's DummyRegressor (the mean) and DummyClassifier(strategy="prior") (the most
    frequent class, and every class's share as its probability).
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


def _ask(estimator: Any, X: Any, probabilities: bool) -> tuple[Any, NDArray[np.float64] | None]:
    """Labels and probabilities, with the rows transformed once: of mixed columns that is most of the time."""
    if isinstance(estimator, Pipeline) and len(estimator) > 1:
        return _ask(estimator[-1], estimator[:-1].transform(X), probabilities)
    if not (probabilities and hasattr(estimator, "predict_proba")):
        return estimator.predict(X), None
    return estimator.predict(X), np.asarray(estimator.predict_proba(X), dtype=np.float64)


def _positions(classes: tuple[Any, ...], labels: Any) -> NDArray[np.intp]:
    """Integers instead of labels: scikit-learn's metrics sort words anew at every call."""
    found: NDArray[np.intp] = pd.Index(classes, dtype=object).get_indexer(np.asarray(labels, dtype=object))
    return found
