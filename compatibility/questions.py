"""What a case is asked, and whether the answers are the estimator's own.

The process that fitted the estimator writes the questions with the right answers; another process, which has
never seen the estimator, asks them.
"""

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from compatibility.case import ROWS, Fitted

FILE = "questions.json"
CSV_FILE = "rows.csv"

Ask = Callable[[str, Any], tuple[int, Any]]
"""Posts a JSON body to a path, or gets the path where there is none; returns the status and the answer."""

CLOSE = 1e-9

_PROGRAMMER_SPEECH = re.compile(r"Traceback|(?<!\.)\b\w+(Error|Exception)\b|\(after \d+ lines more\)")
"""An exception is named alone; the full name of a class that a file holds may end so, too."""

_ASIDE = re.compile(r"\(\w+Error\b[^()]*(\([^()]*\)[^()]*)*\)")
"""What the code below has raised, in parentheses: of use to a search, and not in the way."""

METHODS = {"probabilities": "predict_proba", "decision": "decision_function"}


ALONE = 3
"""So many of the rows are asked one by one as well."""


def write(fitted: Fitted, folder: Path) -> None:
    """Write what to ask and what is right into a folder."""
    rows = fitted.rows.iloc[:ROWS]
    alone = [_answers(fitted, slice(row, row + 1)) for row in range(ALONE)]
    document = {"records": _records(rows), "many": _answers(fitted, slice(ROWS)), "alone": alone}
    if document["many"] is None:
        raise ValueError("the estimator refuses its own rows")
    (folder / FILE).write_text(json.dumps(document))
    rows.to_csv(folder / CSV_FILE, index=False)


def _answers(fitted: Fitted, part: slice) -> dict[str, Any] | None:
    """Return the right answers to some rows by output; None if the estimator itself refuses them."""
    own = fitted.rows if fitted.own is None else fitted.own
    own = own.iloc[part] if hasattr(own, "iloc") else own[part]
    answers = {name: value[part] for name, value in fitted.answers.items()}
    methods = {"prediction": "predict", **METHODS}
    try:
        for name, method in methods.items():
            if name not in answers and hasattr(fitted.estimator, method):
                answers[name] = getattr(fitted.estimator, method)(own)
    except ValueError:
        if part.start is None:
            raise
        return None  # as of a single row, where it takes two
    if _are_of_labels(answers):
        answers["probabilities"] = np.stack([1 - answers["probabilities"], answers["probabilities"]], axis=-1)
    return {name: _plain(value) for name, value in answers.items()}


def _are_of_labels(answers: dict[str, Any]) -> bool:
    """Return whether the probabilities are those of several labels, each a number: that it is there."""
    probabilities = answers.get("probabilities")
    return getattr(probabilities, "shape", None) == np.shape(answers["prediction"])


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as a client would send them in JSON: blanks are null, days are texts."""
    columns = {str(name): [_cell(value) for value in rows[name].tolist()] for name in rows.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _cell(value: Any) -> Any:
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return None
    return value.isoformat() if isinstance(value, pd.Timestamp) else value


def _plain(value: Any) -> Any:
    """Return arrays, tables, series and sparse matrices as lists; the rows are the outermost list."""
    if isinstance(value, list):  # probabilities of several targets: an array for each
        return [list(row) for row in zip(*map(_plain, value), strict=True)]
    return np.asarray(value.toarray() if hasattr(value, "toarray") else value).tolist()


def differences(name: str, folder: Path, ask: Ask) -> Iterator[tuple[int, str]]:
    """Ask a model all the questions; yield the status and what is wrong of each answer that is not right."""
    document = json.loads((folder / FILE).read_text())
    _, version = ask(f"/models/{name}/versions/1", None)
    columns = [feature["name"] for feature in version.get("signature", {}).get("features", ())]
    for form, include, body, right in _questions(document, columns):
        query = f"?include={','.join(include)}" if include else ""
        status, answer = ask(f"/predict/{name}{query}", body)
        if right is None:
            if status != 422 or not is_plain(_sentence(answer)):
                yield status, f"{form}, which the estimator itself refuses: {status} {_sentence(answer)}"
        elif status != 200:
            yield status, f"{form}: {_sentence(answer)}"
        else:
            for output in ("prediction", *include):
                if wrong := difference(answer.get(output), right[output]):
                    yield status, f"{form}: {output}: {wrong}"


def is_plain(message: str) -> bool:
    """Return whether a refusal is one line for readers who know files and models, but not the code below."""
    return not _PROGRAMMER_SPEECH.search(_ASIDE.sub("", message))


def csv_difference(folder: Path, lines: str) -> str | None:
    """Compare the lines of `mlapi predict` with the right answers to the rows; None if they are equal."""
    right = json.loads((folder / FILE).read_text())["many"]["prediction"]
    if isinstance(right[0], list):
        return None  # several outputs have no one cell
    cells = [row["prediction"] for row in csv.DictReader(lines.splitlines(keepends=True))]
    numbers = isinstance(right[0], float)
    return difference(
        [float(cell) for cell in cells] if numbers else cells, right if numbers else list(map(str, right))
    )


def _questions(
    document: Any, columns: list[str]
) -> Iterator[tuple[str, list[str], Any, dict[str, Any] | None]]:
    """Yield for each request: its form, what it includes, its body, and what is right by output.

    Lists have the cells of the columns that the model takes, in its order; records have all that there are.
    """
    records, many, alone = document["records"], document["many"], document["alone"]
    lists = [[record.get(name) for name in columns] for record in records]
    include = [output for output in many if output != "prediction"]
    yield "many rows, lists", [], {"instances": lists}, many
    yield "many rows, records", [], {"instances": records}, many
    yield "one row, list", [], {"instances": lists[:1]}, alone[0]
    yield "one row, record", [], {"instances": records[1:2]}, alone[1]
    yield "a bare record", [], records[2], alone[2]
    if include:
        yield "many rows, with outputs", include, {"instances": lists}, many
        yield "one row, with outputs", include, {"instances": records[:1]}, alone[0]


def _sentence(answer: Any) -> str:
    if not isinstance(answer, dict):
        return str(answer)[:300]
    errors = "; ".join(f"{entry['pointer']}: {entry['detail']}" for entry in answer.get("errors", ())[:3])
    return f"{answer.get('detail')} {errors}".strip()


def difference(answer: Any, right: Any) -> str | None:
    """Return what is wrong with the first answer that is not equal to the right one; None if all are."""
    if answer is None:
        return "is missing"
    if len(answer) != len(right):
        return f"{len(answer)} answers to {len(right)} rows"
    for row, (one, other) in enumerate(zip(answer, right, strict=True)):
        if not _agree(one, other):
            return f"row {row} is {str(one)[:80]}, the estimator's own {str(other)[:80]}"
    return None


def _agree(one: Any, other: Any) -> bool:
    """Compare labels exactly, in their type, and numbers within 1e-9 of their size."""
    if isinstance(one, list) or isinstance(other, list):
        both = isinstance(one, list) and isinstance(other, list)
        return both and len(one) == len(other) and all(map(_agree, one, other))
    if isinstance(one, bool | str) or isinstance(other, bool | str):
        return type(one) is type(other) and one == other
    return bool(abs(one - other) <= CLOSE * max(1.0, abs(other)))
