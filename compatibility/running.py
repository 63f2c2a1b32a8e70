"""All cases, some at a time, each in processes of its own that are ended when they take too long."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from compatibility import trial
from compatibility.case import NOT_MADE, TOO_SLOW, Case, Outcome

SECONDS = 90.0
"""The longest that a case may take."""

_OUTCOME = "outcome.json"


def run(cases: Sequence[Case], folder: Path, at_once: int) -> Iterator[tuple[int, Outcome]]:
    """Yield the outcomes as they come.

    Each has its number among the cases beside it.
    """
    running: dict[int, tuple[int, float]] = {}
    try:
        yield from _run(cases, running, folder, at_once)
    finally:
        for process in running:
            os.killpg(process, signal.SIGKILL)


def _run(
    cases: Sequence[Case], running: dict[int, tuple[int, float]], folder: Path, at_once: int
) -> Iterator[tuple[int, Outcome]]:
    waiting = list(range(len(cases)))[::-1]
    while waiting or running:
        while waiting and len(running) < at_once:
            number = waiting.pop()
            place = folder_of(number, folder)
            lay_out(place, folder)
            running[_forked(partial(_whole, cases[number], place))] = (number, time.monotonic())
        process, _ = os.waitpid(-1, os.WNOHANG)
        if process:
            number, _ = running.pop(process)
            yield number, _outcome(cases[number], folder_of(number, folder))
            continue
        for process, (_, began) in running.items():
            if time.monotonic() - began > SECONDS:
                os.killpg(process, signal.SIGKILL)
        time.sleep(0.01)


def folder_of(number: int, folder: Path) -> Path:
    """Return the folder of one case, whose name is its model's as well."""
    return folder / f"case-{number:03}"


def lay_out(place: Path, folder: Path) -> None:
    """Make the folder of a case, with the settings that all cases have."""
    (place / "config").mkdir(parents=True)
    (place / trial.CONFIGURATION).write_text(f'state_dir = "{folder / "state"}"\n')


def _forked(work: Callable[[], None]) -> int:
    """Do the work in a child of this process, which leads a group of its own; return its id."""
    process = os.fork()
    if process:
        return process
    try:
        os.setpgid(0, 0)
        work()
        os._exit(0)
    except BaseException:  # it must not go on as the parent
        os._exit(1)


def _whole(case: Case, place: Path) -> None:
    with open(place / "log", "w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    maker = os.fork()
    if not maker:
        try:
            trial.prepare(case, place)
        except trial.NotMade as error:
            _write(place, Outcome(case.kind, case.name, NOT_MADE, is_right=False, message=str(error)))
        except BaseException as error:
            _write(place, Outcome(case.kind, case.name, NOT_MADE, is_right=False, message=repr(error)))
        os._exit(0)
    os.waitpid(maker, 0)
    if not (place / _OUTCOME).exists():
        _write(place, trial.serve(case, place))


def _write(place: Path, outcome: Outcome) -> None:
    (place / _OUTCOME).write_text(json.dumps(asdict(outcome)))


def _outcome(case: Case, place: Path) -> Outcome:
    if not (place / _OUTCOME).exists():
        outcome = TOO_SLOW if (place / trial.SAVED).exists() else NOT_MADE
        return Outcome(case.kind, case.name, outcome, is_right=False, is_own=case.is_own, message="ended")
    return Outcome(**json.loads((place / _OUTCOME).read_text()))
