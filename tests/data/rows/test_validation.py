"""The fast accept against a slow one, cell by cell: each kind of column, at each size where a path turns."""

from collections.abc import Sequence
from datetime import datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from mlapi.data.rows import validation
from mlapi.data.rows.reader import Reader
from mlapi.data.rows.values import parse_time
from mlapi.data.rows.violations import InvalidRows
from mlapi.data.signature import Feature, Signature, Target
from mlapi.formats import json_matrix
from mlapi.inference import scoring
from tests.conftest import AppFactory, Run, publish_fitted

CELLS: dict[str, tuple[Feature, Sequence[Any]]] = {
    "number": (Feature("number", nullable=True, minimum=0, maximum=9), [1.5, 2, None, 10, 9]),
    "integer": (Feature("integer", "integer", minimum=0, maximum=9), [3, 4.0, -1, 9]),
    "rooms": (
        Feature("rooms", "integer", nullable=True, minimum=0, maximum=9, fractions=True),
        [3, 4.0, 2.5, None, 9.5, -1],
    ),
    "flag": (Feature("flag", "boolean"), [True, False, False]),
    "blank flag": (Feature("blank flag", "boolean", nullable=True), [True, None, False]),
    "word": (Feature("word", "category", nullable=True, categories=("a", "b")), ["a", "b", None, "c"]),
    "code": (Feature("code", "category", categories=(1, 2)), [1, 2.0, 3]),
    "either": (Feature("either", "category", categories=("a", 1)), ["a", 1, "c"]),
    "day": (
        Feature("day", "datetime", True, "2020-01-02", "2024-12-31", format="%d.%m.%Y"),
        ["2020-01-02", "03.04.2021", None, "2024-12-31T00:00:01", "01.01.2020", "9999-12-31"],
    ),
    "time": (Feature("time", "datetime"), ["2020-01-02T03:04", "1999-01-01"]),
    "since": (
        Feature("since", "datetime", minimum="2020-01-02T03:04:05.678901234"),
        ["2020-01-02T03:05", "0001-01-01"],
    ),
    "text": (Feature("text", "text", nullable=True), ["some words", "", None, "more"]),
}
"""A feature of each kind, and cells that it takes: usual ones, blanks, and some that training did not see."""

SIGNATURES = [(kind,) for kind in CELLS] + [
    ("number", "integer"),
    ("rooms", "integer"),
    ("word", "flag", "text"),
    ("day", "number"),
    ("number", "word", "integer", "text"),
    tuple(CELLS),
]

SIZES = sorted({1, 2, *(validation._FOLD * times + off for times in (1, 2) for off in (-1, 0, 1))})


def signature_of(kinds: Sequence[str]) -> Signature:
    return Signature(tuple(CELLS[kind][0] for kind in kinds), Target("y", "number"))


def rows_of(kinds: Sequence[str], count: int, *, usual: bool) -> list[list[Any]]:
    """Without blanks and what is new to training where `usual`."""
    columns = [CELLS[kind][1][:2] if usual else CELLS[kind][1] for kind in kinds]
    return [list(row) for row in zip(*(islice(cycle(cells), count) for cells in columns), strict=True)]


def slowly(kind: str, cell: Any) -> Any:
    """What one cell becomes; None for a blank."""
    feature = CELLS[kind][0]
    if feature.kind == "datetime":
        return parse_time(feature, cell)
    return float(cell) if kind in ("number", "integer", "rooms", "code") and cell is not None else cell


def plainly(column: Any) -> list[Any]:
    """An array's values, None for NaN and NaT."""
    return [None if blank else value for blank, value in zip(pd.isna(column), column.tolist(), strict=True)]


def is_new(kind: str, cell: Any) -> bool:
    feature = CELLS[kind][0]
    if cell is None:
        return False
    if feature.kind == "datetime" and feature.minimum is not None:
        time = parse_time(feature, cell)
        low = datetime.fromisoformat(str(feature.minimum))
        high = datetime.max if feature.maximum is None else datetime.fromisoformat(str(feature.maximum))
        return time is not None and not low <= time <= high
    if feature.fractions and not float(cell).is_integer():
        return True
    if feature.minimum is not None and feature.maximum is not None:
        return not feature.minimum <= cell <= feature.maximum
    return feature.kind == "category" and cell not in (feature.categories or ())


@pytest.mark.parametrize("usual", [True, False], ids=["usual", "unusual"])
@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("kinds", SIGNATURES, ids=" ".join)
def test_rows_are_accepted_as_one_cell_after_the_other(
    kinds: tuple[str, ...], count: int, usual: bool
) -> None:
    signature = signature_of(kinds)
    rows = rows_of(kinds, count, usual=usual)
    records = [dict(zip(kinds, row, strict=True)) for row in rows]
    expected = [[slowly(kind, row[place]) for row in rows] for place, kind in enumerate(kinds)]
    new = sum(is_new(kind, row[place]) for row in rows for place, kind in enumerate(kinds))

    for form in (rows, records):
        found = Reader(signature).read_rows(form)

        columns = found.batch.T if signature.is_numeric else found.batch.values()
        assert list(map(plainly, columns)) == expected
        assert found.warning_count == new
        assert len(found.warnings) == min(new, 20)


@pytest.mark.parametrize("kinds", SIGNATURES, ids=" ".join)
def test_no_row_is_refused_and_rows_of_nothing_too(kinds: tuple[str, ...]) -> None:
    for rows in ([], [[]], [[]] * 50):
        with pytest.raises(InvalidRows):
            Reader(signature_of(kinds)).read_rows(rows)


@pytest.mark.parametrize("count", SIZES)
def test_a_matrix_is_accepted_as_its_rows_are(count: int) -> None:
    reader = Reader(signature_of(("number", "integer")))
    rows = [[number % 12, number % 7] for number in range(count)]

    for matrix in (np.array(rows, dtype=np.float64), np.asfortranarray(np.array(rows, dtype=np.float64))):
        found, wanted = reader.try_matrix(matrix), reader.read_rows(rows)

        assert found is not None
        np.testing.assert_array_equal(found.batch, wanted.batch)
        assert (found.warnings, found.warning_count) == (wanted.warnings, wanted.warning_count)


def texts(count: int) -> pd.DataFrame:
    return pd.DataFrame(
        {"note": [f"note {'good' if place % 2 else 'bad'} {place}" for place in range(count)]}
    )


def pets(count: int) -> pd.DataFrame:
    """Words and flags alone, more of them than rows are folded."""
    return pd.DataFrame(
        {
            "breed": [f"breed {place % 60}" for place in range(count)],
            "tame": [place % 3 == 0 for place in range(count)],
            "likes": ["yes" if place % 2 else "no" for place in range(count)],
        }
    )


def test_a_model_of_texts_answers_as_many_as_are_sent(tmp_path: Path, make_app: AppFactory) -> None:
    frame = texts(60)
    labels = np.arange(60) % 2
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(frame["note"], labels)
    publish_fitted(
        tmp_path,
        "notes",
        model,
        frame,
        signature=Signature((Feature("note", "text"),), Target("y", "number")),
    )
    client = make_app(tmp_path).test_client()

    for count in SIZES:
        body = {"instances": texts(count).to_dict("records")}
        answer = client.post("/predict/notes", json=body)
        assert answer.status_code == 200, answer.text
        assert answer.json["prediction"] == model.predict(texts(count)["note"]).tolist()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_model_without_a_number_is_trained_registered_and_asked_with_many_golden_rows(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pets(180).to_csv("pets.csv", index=False)
    run("train", "--data", "pets.csv", "--target", "likes", "--algorithm", "logistic_regression")
    golden = pd.read_json(folder / "models" / "likes" / "1" / "golden.json", typ="series")
    assert len(golden["rows"]) >= validation._FOLD
    run("register", "again", "models/likes/1/model.joblib", "--sample", "pets.csv")
    monkeypatch.setattr(scoring, "CHUNK", validation._FOLD)

    for count in (validation._FOLD - 1, validation._FOLD, validation._FOLD + 1, 2 * validation._FOLD):
        pets(count).drop(columns="likes").to_csv("rows.csv", index=False)
        first, second = (run("predict", name, "rows.csv").stdout for name in ("likes", "again"))
        assert first == second
        assert len(first.splitlines()) == 1 + count


@pytest.mark.parametrize("name", ["svm", "logistic_regression", "linear_regression"])
def test_bodies_around_the_size_of_another_reader_are_answered_alike(
    trained: Path, make_app: AppFactory, name: str
) -> None:
    client = make_app(trained).test_client()
    features = client.get(f"/models/{name}/versions/latest").json["signature"]["features"]
    row = [feature["minimum"] for feature in features]

    def answer(count: int, padding: int = 0) -> Any:
        body = b'{"X": [' + b", ".join([str(row).encode()] * count) + b"]}" + b" " * padding
        return client.post(f"/predict/{name}", data=body).json["prediction"]

    one = len(b'{"X": []}') + len(str(row))
    (alone,) = answer(1)
    for size in (-1, 0, 1):
        (found,) = answer(1, json_matrix._LEAST_BYTES + size - one)
        assert found == pytest.approx(alone)
    for count in SIZES:
        assert (
            answer(count) == pytest.approx([alone] * count) if not isinstance(alone, str) else [alone] * count
        )
