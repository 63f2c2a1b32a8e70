"""Trials on the same folds, scored by one metric until all are done or time is over; and the best so far.

`mlapi.training.search.search` decides which trials there are, and what is made of the result. Nothing is
printed here.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlapi.estimators.algorithms.declaration import Algorithm, Parameters
from mlapi.training.evaluation.metrics import is_worse
from mlapi.training.execution.engine import Engine, interrupts_counted, one_core
from mlapi.training.execution.progress import TrialState
from mlapi.training.search.scoring import NEED_PROBABILITIES, score
from mlapi.wording import reason

PROBE_ROWS = 500
"""Rows that `probe` fits on and scores on."""


Build: TypeAlias = Callable[[str, Parameters], Any]
"""Makes an unfitted pipeline of an algorithm's name and its parameters."""

Fold: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Positions to fit on `(train rows,)` and to score on `(test rows,)`."""

Stopped: TypeAlias = Literal["done", "budget", "interrupt"]
"""Why trials ended: all are done, time is over, or Ctrl-C came."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One algorithm with one choice of parameters; `note` says what the number of rows changed about them."""

    algorithm: Algorithm
    parameters: Parameters
    note: str | None


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """What is fitted on what, and scored by which metric.

    X is a DataFrame or a float64 matrix, `(rows, features)`; y is the target, `(rows,)`. Other processes
    import `build`, so it is no lambda. `rows` is how many rows the fit of the result will have: only
    parameters that so many rows allow are tried.
    """

    task: str
    X: Any
    y: NDArray[Any]
    folds: Sequence[Fold]
    metric: str
    build: Build
    rows: int

    def trial(self, algorithm: Algorithm, parameters: Parameters) -> Trial:
        """Return a trial, its parameters changed where so many rows do not allow them."""
        return Trial(algorithm, *algorithm.at_scale(parameters, self.rows))

    def sample(self, share: float) -> "CrossValidation":
        """Return the same with a share of each fold's rows, drawn at random, in their order."""
        random = np.random.default_rng(0)

        def some(rows: NDArray[np.int64]) -> NDArray[np.int64]:
            few: NDArray[np.int64] = rows[
                np.sort(random.permutation(len(rows))[: max(2, round(share * len(rows)))])
            ]
            return few

        return replace(self, folds=[(some(train), some(test)) for train, test in self.folds])


TrialObserver: TypeAlias = Callable[[TrialState], None]
"""Is called before the first fit, and after each."""


@dataclass(frozen=True, slots=True)
class _FoldTask:
    """One fold of one trial, not begun after `expires` on this machine's monotonic clock."""

    trial: int
    fold: int
    algorithm: str
    parameters: Parameters
    expires: float | None


@dataclass(frozen=True, slots=True)
class FoldScore:
    """The score of one fold of one trial; NaN if the fit failed, and `failure` says why."""

    trial: int
    fold: int
    score: float
    seconds: float
    failure: str | None


class Leaderboard:
    """The scores as they come in, and the best of the trials that are done.

    A trial is settled when all of its folds are scored, or one has failed. `settled_count` is how many trials
    are settled from the first on without a gap. `best` is the number of the best of these trials: so the best
    depends on how many trials are settled, not on the order in which parallel fits end.
    """

    def __init__(self, validation: CrossValidation, trials: Sequence[Trial]) -> None:
        self.validation = validation
        self.trials = trials
        self.scores: list[dict[int, FoldScore]] = [{} for _ in trials]
        self.settled_count = 0
        self.best: int | None = None

    def add(self, score: FoldScore) -> None:
        """Take in the score of one fold; scores may come in any order."""
        self.scores[score.trial][score.fold] = score
        while self.settled_count < len(self.trials) and self.is_settled(self.settled_count):
            self._compare(self.settled_count)
            self.settled_count += 1

    def is_settled(self, trial: int) -> bool:
        """Whether no other fold of this trial needs to be fitted."""
        return len(self.scores[trial]) == len(self.validation.folds) or self.failure(trial) is not None

    def failure(self, trial: int) -> str | None:
        """Return why the trial failed, by the first of its folds that did; None if none has."""
        return next((score.failure for _, score in sorted(self.scores[trial].items()) if score.failure), None)

    def mean_and_std(self, trial: int) -> tuple[float, float]:
        """Return mean and standard deviation over the folds; NaN if one failed, or most are not done."""
        if self.failure(trial) or 2 * len(self.scores[trial]) <= len(self.validation.folds):
            return float("nan"), float("nan")
        values = np.array([score.score for _, score in sorted(self.scores[trial].items())])
        return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0

    def seconds(self, trial: int) -> float:
        """Return what the trial's fits took, one after the other."""
        return sum(score.seconds for score in self.scores[trial].values())

    def state(self) -> TrialState:
        """Return how far all of it is, for whoever shows progress."""
        planned = len(self.trials)
        if self.best is None:
            return TrialState(self.settled_count, planned, None, None, None)
        best = self.trials[self.best]
        return TrialState(
            self.settled_count, planned, self.mean_and_std(self.best)[0], best.algorithm.name, best.parameters
        )

    def _compare(self, trial: int) -> None:
        """Take the trial for the best if it is better; ties go to the earlier trial."""
        if self.failure(trial):
            return
        mean = self.mean_and_std(trial)[0]
        if self.best is None or is_worse(self.validation.metric, self.mean_and_std(self.best)[0], mean):
            self.best = trial


def run_trials(
    leaderboard: Leaderboard, engine: Engine, *, deadline: float, small: bool, progress: TrialObserver
) -> Stopped:
    """Fit the trials and fill the leaderboard, until all are done, time is over, or Ctrl-C comes.

    The first trial is finished whatever the time.

    Args:
        deadline: On the clock `time.monotonic`; after it no fit begins.
        small: Whether the work is too little to start other processes for.

    Raises:
        KeyboardInterrupt: Ctrl-C came before any trial had a score, or twice.
    """
    here = not engine.is_remote and (engine.workers == 1 or small)
    progress(leaderboard.state())
    with interrupts_counted() as interrupts:
        try:
            with closing(
                engine.run(
                    _fit, leaderboard.validation, _fold_tasks(leaderboard, engine, deadline), here=here
                )
            ) as scores:
                for fold_score in scores:
                    if fold_score is not None:
                        leaderboard.add(fold_score)
                        progress(leaderboard.state())
        except KeyboardInterrupt:
            if leaderboard.best is None or interrupts() > 1:
                raise
            return "interrupt"
    return "done" if leaderboard.settled_count == len(leaderboard.trials) else "budget"


def _fold_tasks(leaderboard: Leaderboard, engine: Engine, deadline: float) -> Iterator[_FoldTask]:
    """Yield each trial's folds in turn, until time is over; what joblib takes ahead of time expires.

    On other machines nothing expires, since their clocks are others. A trial is needed, however late it is,
    as long as all trials before it have failed.
    """
    for number, trial in enumerate(leaderboard.trials):
        for fold in range(len(leaderboard.validation.folds)):
            needed = all(map(leaderboard.failure, range(number)))
            if not needed and time.monotonic() > deadline:
                return
            if leaderboard.failure(number):
                break
            expires = None if needed or engine.is_remote else deadline
            yield _fold_task(leaderboard.validation, trial, number, fold, expires=expires)


def probe(validation: CrossValidation, trial: Trial) -> float:
    """Estimate how many seconds all folds of a trial take, by fitting it twice on a few rows."""
    train, test = validation.folds[0]
    few = train[:: max(1, len(train) // PROBE_ROWS)][:PROBE_ROWS]
    small = replace(validation, folds=[(few, test[:PROBE_ROWS])])
    fold_task = _fold_task(validation, trial, 0, 0, expires=None)
    fits = [_fit(small, fold_task) for _ in range(2)]  # the first one warms up
    quickest = min(fit.seconds for fit in fits if fit)
    return quickest * len(train) / len(few) * len(validation.folds)


def _fold_task(
    validation: CrossValidation, trial: Trial, number: int, fold: int, *, expires: float | None
) -> _FoldTask:
    cheaper = {} if validation.metric in NEED_PROBABILITIES else trial.algorithm.quick
    return _FoldTask(number, fold, trial.algorithm.name, {**trial.parameters, **cheaper}, expires)


def _fit(validation: CrossValidation, fold_task: _FoldTask) -> FoldScore | None:
    """Fit and score one fold; None where time was over before it began."""
    expires = fold_task.expires
    if expires is not None and time.monotonic() > expires:  # one clock for a machine's processes
        return None
    started = time.perf_counter()
    failure = None
    X, y, (train, test) = validation.X, validation.y, validation.folds[fold_task.fold]
    try:
        pipeline = validation.build(fold_task.algorithm, fold_task.parameters)
        with one_core():
            fitted = pipeline.fit(_rows(X, train), y[train])
            value = score(validation.metric, fitted, _rows(X, test), y[test])
        if not np.isfinite(value):
            failure = f"its {validation.metric} is {value}"
    except Exception as error:  # whatever an estimator makes of these rows, the others go on
        value, failure = float("nan"), reason(error)
    return FoldScore(fold_task.trial, fold_task.fold, value, time.perf_counter() - started, failure)


def _rows(X: Any, positions: NDArray[np.int64]) -> Any:
    return X.iloc[positions] if isinstance(X, pd.DataFrame) else X[positions]
