"""Which algorithm suits the rows, and which of its parameters: they are compared, and searched at random.

The folds come from elsewhere, and so does the pipeline around the estimator: all of it is fitted anew in each
fold (`mlapi.training.search.trials`). Nothing is printed here: whoever shows progress is called back.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cmp_to_key
from itertools import chain
from typing import Any

import numpy as np

from mlapi.errors import RecipeError
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import Algorithm, Parameters
from mlapi.training.evaluation.metrics import is_worse
from mlapi.training.execution.engine import SMALL_WORK_S, Engine
from mlapi.training.execution.progress import Candidate
from mlapi.training.search.trials import (
    CrossValidation,
    Leaderboard,
    Stopped,
    Trial,
    TrialObserver,
    probe,
    run_trials,
)

MOST_COMPARED_ROWS = 10_000
"""Training rows that algorithms are compared on; of more, the caller draws a sample before."""

MOST_SEARCHED_ROWS = 100_000
"""Training rows that parameters are searched on; of more, the caller draws a sample before."""

FEWEST_COMPARED_ROWS = 2_000
"""Rows that algorithms are compared on at least, where time is short for all of the rows."""

TRIALS = 60
"""Random draws of which one lies among the best 5 % of the space with a probability of 95 %: 1 - 0.95**60."""


@dataclass(frozen=True, slots=True)
class AlgorithmRanking:
    """The algorithms, the best first, which has a score; `rows` is how many training rows they shared.

    `stopped` says why it ended, `seconds` is what it took.
    """

    candidates: tuple[Candidate, ...]
    rows: int
    stopped: Stopped
    seconds: float


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The best parameters of those trials that were done: the first `trials_done` of those planned.

    `parameters` are those that were drawn or fixed, the rest being defaults. `mean` and `std` are over the
    folds. `note` says what the number of rows changed about the parameters, and `failure` why the first of
    `trials_failed` could not be fitted.
    """

    parameters: Parameters
    mean: float
    std: float
    trials_done: int
    trials_planned: int
    trials_failed: int
    stopped: Stopped
    seconds: float
    note: str | None
    failure: str | None


def compare(
    validation: CrossValidation,
    engine: Engine,
    *,
    budget_s: float | None = None,
    progress: TrialObserver = lambda _: None,
    algorithms: Mapping[str, Algorithm] = ALGORITHMS,
) -> AlgorithmRanking:
    """Score every algorithm that does the task, as it starts: the cheapest first, and one at any rate.

    If time seems too short for all of them, on fewer rows: a good algorithm that is slow should not lose for
    want of time.

    Raises:
        RecipeError: None of them can be fitted.
        KeyboardInterrupt: Ctrl-C before the first had a score, or twice; else what has one is kept.
    """
    started = time.monotonic()
    task = validation.task
    able = [
        validation.trial(entry, entry.start_for(task))
        for entry in algorithms.values()
        if task in entry.builders
    ]
    costs = {trial.algorithm.name: probe(validation, trial) for trial in able}
    share = 1.0
    if budget_s is not None:
        share = _affordable(len(validation.y), sum(costs.values()) / engine.workers, _end(started, budget_s))
    leaderboard = Leaderboard(
        validation if share == 1 else validation.sample(share),
        sorted(able, key=lambda trial: costs[trial.algorithm.name]),
    )
    small = share * sum(costs.values()) < SMALL_WORK_S
    stopped = run_trials(
        leaderboard, engine, deadline=_end(started, budget_s), small=small, progress=progress
    )
    candidates = sorted(_candidates(leaderboard, stopped), key=_rank(validation.metric, list(algorithms)))
    if np.isnan(candidates[0].mean):
        reasons = "; ".join(f"{candidate.algorithm}: {candidate.note}" for candidate in candidates)
        raise RecipeError(f"no algorithm can be fitted on these rows: {reasons}")
    return AlgorithmRanking(
        tuple(candidates), round(share * len(validation.y)), stopped, time.monotonic() - started
    )


def tune(  # noqa: PLR0913 - each a choice of its own
    validation: CrossValidation,
    engine: Engine,
    algorithm: Algorithm,
    fixed: Parameters,
    *,
    seed: int = 0,
    trials: int = TRIALS,
    budget_s: float | None = None,
    progress: TrialObserver = lambda _: None,
) -> SearchResult:
    """Search at random for better parameters than those that the algorithm starts with.

    The result depends on the seed and on how many trials were done, not on the engine nor on the order in
    which they end. Trial 0 is what the algorithm starts with, and always done.

    Args:
        fixed: Parameters that stay as they are in every trial.
        trials: How many choices of parameters are tried at most.
        budget_s: Seconds after which no other trial begins; None: as long as it takes.

    Raises:
        RecipeError: No trial can be fitted.
        KeyboardInterrupt: Ctrl-C before trial 0 was done, or twice; else the best so far is kept.
    """
    started = time.monotonic()
    leaderboard = Leaderboard(validation, _draw(validation, algorithm, fixed, seed=seed, count=trials))
    small = probe(validation, leaderboard.trials[0]) * len(leaderboard.trials) < SMALL_WORK_S
    stopped = run_trials(
        leaderboard, engine, deadline=_end(started, budget_s), small=small, progress=progress
    )
    failures = [
        failure for trial in range(leaderboard.settled_count) if (failure := leaderboard.failure(trial))
    ]
    best = leaderboard.best
    if best is None:
        raise RecipeError(f"{algorithm.name} cannot be fitted: {failures[0]}")
    mean, std = leaderboard.mean_and_std(best)
    return SearchResult(
        parameters=leaderboard.trials[best].parameters,
        mean=mean,
        std=std,
        trials_done=leaderboard.settled_count,
        trials_planned=len(leaderboard.trials),
        trials_failed=len(failures),
        stopped=stopped,
        seconds=time.monotonic() - started,
        note=leaderboard.trials[best].note,
        failure=failures[0] if failures else None,
    )


def _end(started: float, budget_s: float | None) -> float:
    return float("inf") if budget_s is None else started + budget_s


def _affordable(rows: int, seconds: float, deadline: float) -> float:
    """Return the share of the rows that is fitted in time; at least that of `FEWEST_COMPARED_ROWS`."""
    left_s = max(0.0, deadline - time.monotonic())
    return 1.0 if seconds <= left_s else max(left_s / seconds, min(1.0, FEWEST_COMPARED_ROWS / rows))


def _draw(
    validation: CrossValidation, algorithm: Algorithm, fixed: Parameters, *, seed: int, count: int
) -> list[Trial]:
    """Make the trials: what the algorithm starts with, its defaults if they are tried, then random draws.

    No trial is made twice.
    """
    trials: dict[str, Trial] = {}
    known = [algorithm.start_for(validation.task), *([{}] if algorithm.tries_defaults else [])]
    for drawn in chain(known, algorithm.candidates(validation.task, fixed, seed=seed)):
        trial = validation.trial(algorithm, {**drawn, **fixed})
        trials.setdefault(repr(sorted(algorithm.complete(trial.parameters).items())), trial)
        if len(trials) == count:
            break
    return list(trials.values())


def _candidates(leaderboard: Leaderboard, stopped: Stopped) -> Iterator[Candidate]:
    for number, trial in enumerate(leaderboard.trials):
        mean, std = leaderboard.mean_and_std(number)
        note = leaderboard.failure(number) or trial.note
        if not leaderboard.is_settled(number):
            why = "Ctrl-C came" if stopped == "interrupt" else "time was over"
            prefix = "not compared: " if np.isnan(mean) else ""
            done, folds = len(leaderboard.scores[number]), len(leaderboard.validation.folds)
            note = f"{prefix}{why} after {done} of {folds} folds"
        yield Candidate(trial.algorithm.name, mean, std, leaderboard.seconds(number), note)


def _rank(metric: str, names: list[str]) -> Callable[[Candidate], Any]:
    """Return a key to sort by: the best first, and those without a score last.

    If scores are equal, the algorithm that is declared first comes first, which is the simpler one: what a
    machine happened to be quick at must not decide what is published.
    """

    def order(one: float, other: float) -> int:
        return is_worse(metric, one, other) - is_worse(metric, other, one)

    return lambda candidate: (
        np.isnan(candidate.mean),
        cmp_to_key(order)(candidate.mean),
        names.index(candidate.algorithm),
    )
