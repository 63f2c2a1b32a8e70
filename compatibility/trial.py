"""One case from end to end: fitted and saved in one process, registered and served in another.

So what only the first one knows (a function of `__main__`, a class of a notebook) is not there in the second,
as it is not there on a server.
"""

import json
import os
import re
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import asdict, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import joblib
from click.testing import CliRunner

import mlapi
from compatibility import questions
from compatibility.case import (
    EQUAL,
    PUBLISH,
    REFUSED,
    SERVER_ERROR,
    TRACEBACK,
    WRONG,
    Case,
    Fitted,
    Outcome,
)
from mlapi.cli.main import main
from mlapi.errors import MlapiError
from mlapi.server.app import create_app
from mlapi.settings import load_settings
from mlapi.training.workflows import registration  # noqa: F401 - once for all, and not in each process

PUBLISHED = "published.json"

SAVED = "saved.txt"
"""Says which file was written, and which sample if any; there once the case is prepared."""

CONFIGURATION = Path("config/mlapi.toml")

_SAMPLES = {"csv": "sample.csv", "parquet": "sample.parquet", "none": ""}

_NAMED_SETTING = re.compile(r"\b(allowed_\w+) = (\[[^\]]*\])")
"""A setting as the refusals name it, ready to be put into the file."""

_MOST_EDITS = 3


class NotMade(Exception):
    """The case cannot be fitted or saved here."""


def prepare(case: Case, folder: Path) -> None:
    """Fit, save and answer, in this process; what the next process needs is in the folder then.

    Raises:
        NotMade: The estimator, or what saves it, fails.
    """
    os.chdir(folder)
    warnings.simplefilter("ignore")
    try:
        with joblib.parallel_config(backend="threading"):  # n_jobs stays; its processes would take seconds
            fitted = case.make()
            questions.write(fitted, folder)
        if fitted.sample == "csv":
            fitted.rows.to_csv(_SAMPLES["csv"], index=False)
        elif fitted.sample == "parquet":
            fitted.rows.to_parquet(_SAMPLES["parquet"])
        file = case.save(fitted, folder)
    except Exception as error:
        raise NotMade(_last_line(error)) from error
    (folder / SAVED).write_text(f"{file}\n{_SAMPLES[fitted.sample]}")
    if case.way == PUBLISH:
        outcome = _published(Outcome(case.kind, case.name, EQUAL, is_right=True), fitted, folder)
        (folder / PUBLISHED).write_text(json.dumps(asdict(outcome)))


def serve(case: Case, folder: Path) -> Outcome:
    """Register the file and ask it, in a process that has not fitted it."""
    os.chdir(folder)
    began = time.monotonic()
    outcome = Outcome(case.kind, case.name, EQUAL, is_right=True, is_own=case.is_own)
    try:
        outcome = _registered(outcome, case, folder)
        if outcome.outcome == EQUAL:
            outcome = _asked(outcome, folder)
    except Exception as error:
        outcome = replace(outcome, outcome=TRACEBACK, message=_last_line(error))
    return replace(judged(outcome, case), seconds=round(time.monotonic() - began, 2))


def judged(outcome: Outcome, case: Case) -> Outcome:
    """Say whether it is right."""
    if outcome.outcome == REFUSED:
        expected = case.refusal or case.may_refuse
        return replace(outcome, is_right=expected is not None and _is_told(outcome.message, expected))
    return replace(outcome, is_right=outcome.outcome == EQUAL and case.refusal is None)


def _is_told(message: str, expected: str) -> bool:
    """Return whether a refusal is one line in plain words that says what is expected of it."""
    return questions.is_plain(message) and bool(re.search(expected, message))


def _published(outcome: Outcome, fitted: Fitted, folder: Path) -> Outcome:
    """Publish from this process, and allow what the version says that a server needs, as a user would."""
    try:
        needs = mlapi.publish(fitted.estimator, folder.name, fitted.rows).needs
    except MlapiError as error:
        return replace(outcome, outcome=REFUSED, message=str(error))
    except Exception as error:
        return replace(outcome, outcome=TRACEBACK, message=_last_line(error))
    if needs:
        _configure({"allowed_classes": json.dumps(list(needs))})
    return replace(outcome, edits=int(bool(needs)))


def _registered(outcome: Outcome, case: Case, folder: Path) -> Outcome:
    """Run `mlapi register`, with what its refusals name allowed, as a user would."""
    if case.way == PUBLISH:
        return Outcome(**json.loads((folder / PUBLISHED).read_text()))
    file, sample = (folder / SAVED).read_text().split("\n")
    words = ["register", folder.name, file, *(["--sample", sample] if sample else [])]
    allowed: dict[str, str] = {}
    for edits in range(_MOST_EDITS + 1):
        done = CliRunner().invoke(main, words)
        message = _sentence(done.stderr)
        outcome = replace(outcome, edits=edits, message=message)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            return replace(outcome, outcome=TRACEBACK, message=_last_line(done.exception))
        if done.exit_code == 0:
            return replace(outcome, message="")
        named = dict(_NAMED_SETTING.findall(message))
        if not named.items() - allowed.items():
            break
        allowed |= named
        _configure(allowed)
    return replace(outcome, outcome=REFUSED)


def _sentence(stderr: str) -> str:
    """Return what the command says at last, and how many lines stand before it."""
    *before, last = stderr.strip().splitlines() or [""]
    return f"{last.removeprefix('Error: ')}{f' (after {len(before)} lines more)' if before else ''}"


def _configure(allowed: dict[str, str]) -> None:
    first = CONFIGURATION.read_text().partition("\n")[0]
    CONFIGURATION.write_text("\n".join([first, *(f"{name} = {value}" for name, value in allowed.items())]))


def _asked(outcome: Outcome, folder: Path) -> Outcome:
    client = create_app(load_settings()).test_client()

    def ask(path: str, body: Any) -> tuple[int, Any]:
        response = client.get(path) if body is None else client.post(path, json=body)
        return response.status_code, response.get_json()

    version = client.get(f"/models/{folder.name}/versions/1").get_json()
    outcome = replace(outcome, served_by=version.get("served_by") or "")
    differences = [*questions.differences(folder.name, folder, ask), *_scored(folder)]
    if not differences:
        return outcome
    statuses = {status for status, _ in differences}
    outcome_of = {True: SERVER_ERROR, False: WRONG if HTTPStatus.OK in statuses else REFUSED}
    messages = [text for _, text in differences[:2]] + [version["reason"]] * bool(version.get("reason"))
    return replace(outcome, outcome=outcome_of[max(statuses) >= 500], message=" | ".join(messages))


def _scored(folder: Path) -> Iterator[tuple[int, str]]:
    """Answer the rows of a CSV file by `mlapi predict`; yield what is wrong as the questions do."""
    if not Path(_SAMPLES["csv"]).exists():  # where CSV cannot say what the sample is
        return
    done = CliRunner().invoke(main, ["predict", folder.name, questions.CSV_FILE])
    if isinstance(done.exception, SystemExit):
        yield 422, f"mlapi predict: {_sentence(done.stderr)}"
    elif done.exception is not None:
        yield 500, f"mlapi predict: {_last_line(done.exception)}"
    elif difference := questions.csv_difference(folder, done.stdout):
        yield 200, f"mlapi predict: {difference}"


def _last_line(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {str(error).strip()[:600]}{place}"
