import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import loguniform, randint
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from mlapi.errors import RecipeError
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import CLASSIFICATION, REGRESSION, Parameters
from mlapi.training.execution.engine import Engine, engine
from mlapi.training.execution.progress import TrialState
from mlapi.training.search import search as search_room
from mlapi.training.search.search import compare, tune
from mlapi.training.search.trials import CrossValidation, FoldScore, Leaderboard
from tests.support.searching import SVM, RecordingBuild, build, cross_validation, large
from tests.support.waiting import HANG_S, until

ROOT = Path(__file__).parents[3]

HERE = Engine(workers=1)
"""Everything in this process."""


class Failing:
    """A builder that fails for some; its instances can be pickled."""

    def __init__(self, *names: str, below: float = 0.0) -> None:
        self.names = names
        self.below = below

    def __call__(self, name: str, parameters: Mapping[str, Any]) -> Pipeline:
        if name in self.names or parameters.get("C", 1.0) < self.below:
            raise ValueError("such a thing\ncannot be built")
        return build(name, parameters)


def seen_parameters(name: str, parameters: Mapping[str, Any]) -> Pipeline:
    """Fails with what it was asked for."""
    raise ValueError(f"{sorted(parameters.items())}")


def build_value(name: str, parameters: Parameters) -> Pipeline:
    return make_pipeline(StandardScaler(), ALGORITHMS[name].build(REGRESSION, parameters))


def test_a_comparison_scores_what_does_the_task_best_first() -> None:
    found = compare(cross_validation(), HERE)

    assert {candidate.algorithm for candidate in found.candidates} == {
        name for name, algorithm in ALGORITHMS.items() if CLASSIFICATION in algorithm.builders
    }
    means = [candidate.mean for candidate in found.candidates]
    assert means == sorted(means, reverse=True)
    assert means[0] > 0.95
    assert found.stopped == "done"


def test_the_best_has_the_least_where_less_is_better() -> None:
    found = compare(cross_validation(metric="log_loss"), HERE)

    means = [candidate.mean for candidate in found.candidates]
    assert means == sorted(means)


def test_of_equals_the_one_that_is_declared_first_wins_however_quick_the_others_are() -> None:
    names = ["decision_tree", "logistic_regression", "svm"]
    X, y = np.repeat(np.eye(2), 30, axis=0), np.repeat([0, 1], 30)
    folds = list(StratifiedKFold(3).split(X, y))

    for order in (names, names[::-1]):
        algorithms = {name: ALGORITHMS[name] for name in order}
        found = compare(cross_validation(X=X, y=y, folds=folds), HERE, algorithms=algorithms)

        assert [(entry.algorithm, entry.mean) for entry in found.candidates] == [
            (name, 1.0) for name in order
        ]


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
@pytest.mark.parametrize("name", ["logistic_regression", "svm"])
def test_an_algorithm_that_fails_is_listed_last_with_its_reason(metric: str, name: str) -> None:
    last = compare(cross_validation(build=Failing(name), metric=metric), HERE).candidates[-1]

    assert last.algorithm == name
    assert np.isnan(last.mean)
    assert last.note == "ValueError: such a thing"


def test_a_comparison_in_which_all_fail_is_an_error_with_their_reasons() -> None:
    with pytest.raises(
        RecipeError, match=r"no algorithm can be fitted.*svm: ValueError: such a thing"
    ) as told:
        compare(cross_validation(build=Failing(*ALGORITHMS)), HERE)

    assert "\n" not in str(told.value)


def test_a_comparison_without_time_has_still_tried_one() -> None:
    found = compare(cross_validation(), HERE, budget_s=0)

    assert not np.isnan(found.candidates[0].mean)
    assert found.candidates[-1].note == "not compared: time was over after 0 of 3 folds"
    assert found.stopped == "budget"


def test_where_time_is_short_for_all_of_them_they_are_compared_on_fewer_rows() -> None:
    folds = [(np.arange(40_000), np.arange(40_000, 50_000))]

    [(train, test)] = cross_validation(folds=folds).sample(0.1).folds

    assert (len(train), len(test)) == (4_000, 1_000)
    assert (np.diff(train) > 0).all()
    assert set(train) < set(range(40_000))


@pytest.mark.parametrize(
    ("rows", "seconds", "left_s", "share"),
    [(50_000, 50_000, 5_000, 0.1), (50_000, 5, 9_000, 1), (50_000, 50, 0, 0.04), (500, 50, 0, 1)],
)
def test_fewer_rows_are_compared_only_where_that_saves_time_and_not_too_few(
    rows: int, seconds: float, left_s: float, share: float
) -> None:
    found = search_room._affordable(rows, seconds, time.monotonic() + left_s)

    assert found == pytest.approx(share, rel=0.05)


def test_most_of_the_folds_are_a_score_and_few_are_none() -> None:
    board = Leaderboard(cross_validation(), [cross_validation().trial(SVM, {})])

    board.add(FoldScore(0, 0, 0.5, 1.0, None))
    assert np.isnan(board.mean_and_std(0)[0])

    board.add(FoldScore(0, 2, 0.7, 1.0, None))
    assert board.mean_and_std(0)[0] == pytest.approx(0.6)
    assert board.best is None, "until all folds are done"


def test_a_comparison_begins_with_what_suits_any_table() -> None:
    """Plain least squares learns a wide table by heart, and SVR's defaults are for a target of about 1."""
    with pytest.raises(RecipeError) as told:
        compare(cross_validation(task=REGRESSION, build=seen_parameters), HERE)

    assert "linear_regression: ValueError: [('penalty', 'ridge')]" in str(told.value)
    assert "('scale_target', True)]; decision_tree" in str(told.value)
    assert ALGORITHMS["svm"].start_for(CLASSIFICATION) == {}


def test_a_search_without_time_tries_the_defaults() -> None:
    found = tune(cross_validation(), HERE, SVM, {}, budget_s=0)

    assert (found.trials_done, found.stopped, found.parameters) == (1, "budget", {})
    assert found.trials_planned == 60


def test_a_search_is_at_least_as_good_as_the_defaults_and_what_is_given_stays() -> None:
    defaults = tune(cross_validation(), HERE, SVM, {"gamma": 0.5}, trials=1)
    found = tune(cross_validation(), HERE, SVM, {"gamma": 0.5}, trials=8)

    assert found.mean > defaults.mean
    assert found.parameters["gamma"] == 0.5
    assert (found.trials_done, found.trials_planned, found.stopped) == (8, 8, "done")
    assert {type(value) for value in found.parameters.values()} <= {int, float, str, bool}


@pytest.mark.exhaustive
def test_a_search_finds_the_same_again_and_in_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_room, "SMALL_WORK_S", 0.0)

    first, again = (tune(cross_validation(), HERE, SVM, {}, seed=3, trials=6) for _ in range(2))
    with engine(None) as here:
        elsewhere = tune(cross_validation(), here, SVM, {}, seed=3, trials=6)

    assert replace(first, seconds=0) == replace(again, seconds=0)
    assert replace(first, seconds=0) == replace(elsewhere, seconds=0)


def test_another_seed_draws_others() -> None:
    one, other = (tune(cross_validation(), HERE, SVM, {}, seed=seed, trials=4) for seed in (0, 1))

    assert one.parameters != other.parameters


def test_more_trials_begin_with_those_of_fewer() -> None:
    """Also where all is drawn from lists, which scikit-learn draws otherwise for another number."""
    algorithm = replace(SVM, search=({"C": [0.1 * step for step in range(1, 30)], "degree": [2, 3, 4]},))

    def tried(trials: int) -> list[Parameters | None]:
        told: list[TrialState] = []
        tune(cross_validation(build=Failing()), HERE, algorithm, {}, trials=trials, progress=told.append)
        return [each.best_parameters for each in told]

    assert tried(6)[:10] == tried(3)[:10]


def test_nothing_is_tried_twice() -> None:
    algorithm = replace(SVM, search=({"kernel": ["rbf", "linear"], "C": [1.0, 2.0]},))

    assert tune(cross_validation(), HERE, algorithm, {}, trials=50).trials_done == 4
    assert tune(cross_validation(), HERE, algorithm, {"C": 2.0}, trials=50).trials_done == 2
    assert tune(cross_validation(), HERE, algorithm, {"C": 2.0, "kernel": "rbf"}, trials=50).trials_done == 1


def test_plain_least_squares_is_searched_only_where_it_was_asked_for() -> None:
    line, rows = ALGORITHMS["linear_regression"], cross_validation(task=REGRESSION)

    drawn = [trial.parameters.get("penalty") for trial in search_room._draw(rows, line, {}, seed=0, count=60)]
    asked = [
        trial.parameters["penalty"]
        for trial in search_room._draw(rows, line, {"penalty": None}, seed=0, count=9)
    ]

    assert len(drawn) == 60
    assert None not in drawn
    assert asked[0] is None


def test_a_given_value_leaves_the_spaces_that_go_with_it() -> None:
    algorithm = replace(
        SVM,
        search=(
            {"kernel": ["rbf"], "gamma": loguniform(1e-3, 1)},
            {"kernel": ["poly"], "degree": randint(2, 5)},
        ),
    )

    found = tune(cross_validation(), HERE, algorithm, {"kernel": "poly"}, trials=50)

    assert "gamma" not in found.parameters
    assert found.trials_done == 3


def test_what_is_for_the_other_task_only_is_not_searched() -> None:
    tried: list[TrialState] = []

    found = tune(cross_validation(), HERE, ALGORITHMS["svm"], {}, trials=6, progress=tried.append)

    assert found.trials_done == 6
    assert not {"epsilon", "scale_target"} & set(found.parameters)
    assert list(ALGORITHMS["svm"].problems(found.parameters, CLASSIFICATION)) == []


def test_an_algorithm_without_a_space_has_one_trial() -> None:
    algorithm = replace(ALGORITHMS["logistic_regression"], search=())

    found = tune(cross_validation(), HERE, algorithm, {"C": 0.5})

    assert found.parameters == {"C": 0.5}
    assert (found.trials_done, found.trials_planned) == (1, 1)


def test_trials_that_fail_lose_and_are_counted() -> None:
    found = tune(cross_validation(build=Failing(below=1.0)), HERE, SVM, {}, trials=10)

    assert found.parameters.get("C", 1.0) >= 1.0
    assert 0 < found.trials_failed < 10
    assert found.failure == "ValueError: such a thing"


def test_a_search_in_which_all_fail_is_an_error_with_the_reason() -> None:
    with pytest.raises(RecipeError, match=r"svm cannot be fitted: ValueError: such a thing$"):
        tune(cross_validation(build=Failing("svm")), HERE, SVM, {}, trials=3)


def test_parameters_are_those_that_the_final_rows_allow() -> None:
    algorithm = replace(
        SVM, at_scale=lambda given, rows: ({**given, "kernel": "linear"}, f"{rows} rows are many")
    )

    found = tune(cross_validation(rows=10**6), HERE, algorithm, {}, trials=2)

    assert found.parameters["kernel"] == "linear"
    assert found.note == "1000000 rows are many"


def test_quick_parameters_are_for_metrics_without_probabilities_and_for_scoring_only() -> None:
    algorithm = replace(ALGORITHMS["logistic_regression"], quick={"max_iter": 77})
    table = {"logistic_regression": algorithm}

    with pytest.raises(RecipeError, match="77"):
        compare(cross_validation(build=seen_parameters), HERE, algorithms=table)
    with pytest.raises(RecipeError) as told:
        compare(cross_validation(build=seen_parameters, metric="roc_auc"), HERE, algorithms=table)
    assert "77" not in str(told.value)
    assert tune(cross_validation(), HERE, algorithm, {}, trials=1).parameters == {}


def test_a_class_that_a_fold_lacks_is_told_where_the_metric_needs_it() -> None:
    X, y = load_iris(return_X_y=True)
    rows = cross_validation(X=X, y=y, folds=list(KFold(3).split(X)), metric="roc_auc")

    with pytest.raises(RecipeError, match="roc_auc needs rows of two classes"):
        tune(rows, HERE, ALGORITHMS["logistic_regression"], {})


def test_a_frame_is_fitted_with_its_names() -> None:
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    rows = cross_validation(X=X, y=y.to_numpy())

    assert isinstance(rows.X, pd.DataFrame)
    assert tune(rows, HERE, SVM, {}, trials=1).mean == tune(cross_validation(), HERE, SVM, {}, trials=1).mean


def test_convergence_warnings_reach_nobody(recwarn: pytest.WarningsRecorder) -> None:
    tune(cross_validation(), HERE, ALGORITHMS["logistic_regression"], {"max_iter": 1}, trials=1)

    assert not recwarn.list


def test_progress_tells_how_many_are_done_and_the_best_so_far() -> None:
    told: list[TrialState] = []

    found = tune(cross_validation(), HERE, SVM, {}, trials=4, progress=told.append)

    assert [told[0].done, told[0].best_mean] == [0, None]
    assert [done for done, _ in itertools.groupby(each.done for each in told)] == [0, 1, 2, 3, 4]
    assert told[-1] == TrialState(4, 4, found.mean, "svm", found.parameters)


def test_a_budget_is_kept_by_processes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[float] = []
    real = search_room.run_trials

    def play(*given: Any, deadline: float, **named: Any) -> Any:
        ends.append(deadline)
        return real(*given, deadline=deadline, **named)

    monkeypatch.setattr(search_room, "run_trials", play)
    with engine(None) as here:
        rows = replace(large(times=6), build=RecordingBuild(tmp_path))
        found = tune(rows, here, SVM, {}, trials=1000, budget_s=2)

    assert found.stopped == "budget"
    assert 1 <= found.trials_done < 1000
    late = [note for note in tmp_path.iterdir() if float(note.name) > ends[0]]
    assert len(late) <= len(rows.folds) + here.workers, "the first trial, and fits that were just to begin"


class Search:
    """A search in a process group of its own, as a terminal has it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from tests.support.searching import main; main()"],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "TMPDIR": str(folder),
                "JOBLIB_TEMP_FOLDER": str(folder),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for(self, done: int) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            if int(line) >= done:
                return
        pytest.fail("it ended too early")

    def interrupt(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)

    def members(self) -> list[int]:
        """The processes of the group that have not ended."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                state, _, group = stat.read_text().rpartition(")")[2].split()[:3]
                found += [int(stat.parent.name)] if int(group) == self.process.pid and state != "Z" else []
        return found

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate(timeout=HANG_S)


@pytest.fixture
def search(tmp_path: Path) -> Iterator[Search]:
    if not Path("/proc").exists():
        pytest.skip("looks at processes in /proc: Linux only")
    with closing(Search(tmp_path)) as running:
        yield running


def assert_nothing_is_left(search: Search) -> None:
    until(lambda: not search.members())
    # Python tries a folder for temporary files out with one of four bytes, which Ctrl-C may leave there.
    assert not [path for path in search.folder.iterdir() if path.is_dir() or path.stat().st_size > 4]


@pytest.mark.exhaustive
def test_ctrl_c_keeps_the_best_so_far_and_leaves_nothing_behind(search: Search) -> None:
    search.wait_for(done=2)
    assert len(search.members()) > 2

    search.interrupt()
    out, err = search.process.communicate(timeout=HANG_S)

    stopped, done, mean, _ = json.loads(out.splitlines()[-1])
    assert (stopped, err, search.process.returncode) == ("interrupt", "", 0)
    assert done >= 2
    assert mean > 0.9
    assert_nothing_is_left(search)


def test_ctrl_c_before_anything_was_scored_stops_the_program(search: Search) -> None:
    search.wait_for(done=0)

    search.interrupt()
    _, err = search.process.communicate(timeout=HANG_S)

    assert search.process.returncode != 0
    assert err.splitlines()[-1] == "KeyboardInterrupt"
    assert err.count("Traceback (most recent call last)") == 1
    assert_nothing_is_left(search)


class Interrupted(Engine):
    """Ctrl-C comes while its fits are ended."""

    def run(self, *given: Any, **named: Any) -> Generator[Any, None, None]:
        try:
            yield from super().run(*given, **named)
        finally:
            signal.raise_signal(signal.SIGINT)


def test_a_second_ctrl_c_while_the_first_ends_the_fits_stops_the_program() -> None:
    def interrupt(tried: TrialState) -> None:
        if tried.done:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        tune(cross_validation(), Interrupted(workers=1), SVM, {}, progress=interrupt)
    assert tune(cross_validation(), HERE, SVM, {}, progress=interrupt).stopped == "interrupt"
    assert signal.getsignal(signal.SIGINT) is before


def test_folds_may_be_of_any_kind() -> None:
    """By time, say: each fold is scored on what comes after it."""
    size = len(cross_validation().y)
    folds = [(np.arange(0, half), np.arange(half, half + 100)) for half in (200, 300, size - 100)]

    assert compare(cross_validation(folds=folds), HERE).candidates[0].mean > 0.9


def test_regression_is_compared_by_r2() -> None:
    X, y = load_diabetes(return_X_y=True)
    folds = list(KFold(3, shuffle=True, random_state=0).split(X))
    found = compare(CrossValidation(REGRESSION, X, y, folds, "r2", build_value, len(y)), HERE)

    assert found.candidates[0].mean > 0.4
