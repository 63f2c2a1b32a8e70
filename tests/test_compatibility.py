"""The measure of `make compatibility`: it leaves nothing out, and notices what is not right."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.utils.discovery import all_estimators

from compatibility import questions, report, running, trial
from compatibility.case import EQUAL, REFUSED, SERVER_ERROR, TRACEBACK, WRONG, Case, Fitted, Outcome
from compatibility.cases import all_cases
from compatibility.cases.estimators import fitted

ROWS = pd.DataFrame({"a": [0.0, 1.0, 2.0, 4.0], "b": [1.0, 0.0, 1.0, 0.0]})


def case(**answers: object) -> Case:
    estimator = LinearRegression().fit(ROWS, [1.0, 2.0, 3.0, 5.0])
    return Case("tests", "linear", lambda: Fitted(estimator, ROWS, answers=answers))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLAPI_STATE_DIR")
    monkeypatch.chdir(tmp_path)
    running.lay_out(tmp_path / "case-000", tmp_path)
    return tmp_path / "case-000"


def test_there_are_many_cases_and_each_has_a_name_of_its_own() -> None:
    titles = [f"{case.kind}: {case.name}" for case in all_cases()]

    assert len(titles) >= 400
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("form", ["table", "matrix"])
def test_every_estimator_that_predicts_is_a_case(form: str) -> None:
    names = {case.name for case in all_cases() if case.kind == f"scikit-learn's own, {form}"}

    assert {name for name, kind in all_estimators() if hasattr(kind, "predict")} <= names


@pytest.mark.parametrize("form", ["table", "matrix"])
def test_rows_to_ask_are_of_all_classes(form: str) -> None:
    kinds = dict(all_estimators())
    made = fitted("LogisticRegression", kinds["LogisticRegression"], form)

    assert len(set(made.estimator.predict(made.own[: questions.ALONE * 5]).tolist())) > 1


def test_a_model_that_answers_as_its_estimator_is_equal(place: Path) -> None:
    trial.prepare(case(), place)

    outcome = trial.serve(case(), place)

    assert (outcome.outcome, outcome.is_right, outcome.edits, outcome.message) == (EQUAL, True, 0, "")
    assert outcome.served_by == "compiled"


def test_another_answer_is_noticed_by_every_path(place: Path) -> None:
    wrong = case(prediction=np.array([1.0, 2.0, 3.0, 5.000001]))
    trial.prepare(wrong, place)

    outcome = trial.serve(wrong, place)

    assert (outcome.outcome, outcome.is_right) == (WRONG, False)
    assert "many rows, lists: prediction: row 3 is 5.0" in outcome.message


@pytest.mark.parametrize(
    ("answer", "right"),
    [(1.0, 1.1), ("1", 1), (True, 1), (0, False), ([1.0], 1.0), ([1.0, 2.0], [1.0]), (1.0 + 1e-8, 1.0)],
)
def test_answers_that_differ_in_value_type_or_shape_are_not_equal(answer: object, right: object) -> None:
    assert questions.difference([answer], [right]) is not None
    assert questions.difference([right], [right]) is None


@pytest.mark.parametrize(
    ("outcome", "message", "is_right"),
    [
        (REFUSED, "model.joblib is damaged: copy it again", True),
        (REFUSED, "model.joblib cannot be read", False),
        (REFUSED, "it is damaged (EOFError: no (more) bytes): copy it again", True),
        (REFUSED, "it is damaged: EOFError", False),
        (REFUSED, "it is damaged (after 3 lines more)", False),
        (EQUAL, "", False),
        (TRACEBACK, "it is damaged", False),
    ],
)
def test_a_refusal_is_right_in_plain_words_that_say_what_is_expected(
    outcome: str, message: str, is_right: bool
) -> None:
    cut = Case("tests", "cut", lambda: None, refusal="damaged")  # type: ignore[arg-type, return-value]

    assert trial.judged(Outcome("tests", "cut", outcome, False, message=message), cut).is_right is is_right


@pytest.mark.parametrize(
    ("outcomes", "is_good"),
    [
        ([Outcome("k", "n", EQUAL, True)] * 100, True),
        ([Outcome("k", "n", EQUAL, True)] * 97 + [Outcome("k", "n", WRONG, False)] * 3, True),
        ([Outcome("k", "n", EQUAL, True)] * 96 + [Outcome("k", "n", WRONG, False)] * 4, False),
        ([Outcome("k", "n", EQUAL, True)] * 99 + [Outcome("k", "n", REFUSED, False, is_own=True)], False),
        ([Outcome("k", "n", EQUAL, True)] * 99 + [Outcome("k", "n", SERVER_ERROR, False)], False),
    ],
)
def test_a_run_is_good_by_its_shares_and_without_defects(outcomes: list[Outcome], is_good: bool) -> None:
    assert report.is_good(outcomes) is is_good


@pytest.mark.exhaustive
def test_the_run_as_a_whole_serves_by_a_real_server_too(tmp_path: Path) -> None:
    words = [
        "--only",
        "own, table: Ridge",
        "--only",
        "damaged files: cut",
        "--to",
        str(tmp_path / "outcomes"),
    ]
    command = [sys.executable, "-m", "compatibility", *words]

    subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, timeout=300, check=False)

    outcomes = json.loads((tmp_path / "outcomes").read_text())
    assert {outcome["name"]: outcome["outcome"] for outcome in outcomes} == {
        **dict.fromkeys(["Ridge", "RidgeCV", "RidgeClassifier", "RidgeClassifierCV"], EQUAL),
        "cut": REFUSED,
    }
