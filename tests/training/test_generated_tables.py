"""Generated tables of every kind of column, alone and mixed: trained on, and answered alike by every path."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from mlapi.data.rows.reader import Reader
from mlapi.data.tables.dialects import CsvOptions
from mlapi.errors import DatasetError, RecipeError
from mlapi.inference.model import Model
from mlapi.inference.scoring import predict_table
from mlapi.server.app import create_app
from mlapi.training.preparation.features import batch
from mlapi.training.versions.golden import choose_golden_rows, make_golden
from tests.conftest import changes_in, settings_for
from tests.support.generated_tables import KINDS, TARGET, TARGETS, Trained, train, write

ROWS = 90
"""More than 50, from where batches go another way than a few rows."""

mixtures = st.lists(st.sampled_from(sorted(KINDS)), min_size=2, max_size=6)
seeds = st.integers(0, 2**32 - 1)
targets = st.sampled_from(sorted(TARGETS))
gaps = st.sampled_from([0.0, 0.1, 0.5])


def made(folder: Path, kinds: Sequence[str], target: str, seed: int = 0, **how: Any) -> Trained:
    write(folder / "table.csv", kinds, target, seed, **{"rows": ROWS, **how})
    return train(folder / "table.csv", target)


def assert_right(answers: Sequence[Any], right: Sequence[Any], path: str, largest: float = 1.0) -> None:
    """Labels are equal in value and type, numbers within 1e-9 of the largest of the table."""
    assert len(answers) == len(right), path
    if isinstance(right[0], float):
        assert list(answers) == pytest.approx(list(right), rel=1e-9, abs=1e-9 * largest), path
    else:
        assert list(answers) == list(right), path
        assert {type(answer) for answer in answers} == {type(label) for label in right}, path


def largest_of(right: Sequence[Any]) -> float:
    return max(1.0, *map(abs, right)) if isinstance(right[0], float) else 1.0


def assert_every_path_agrees(trained: Trained, file: Path) -> None:
    """The estimator's own answers are given to batches, lists, records, single rows and lines of a file."""
    right, records = trained.right.tolist(), trained.records
    lists = [list(record.values()) for record in records]
    largest = largest_of(right)
    reader = Reader(trained.prepared.signature)
    for model in trained.models:
        path = f"{trained.prepared.signature.features} by {model.served_by}"
        assert_right(
            model.predict(batch(trained.rows, model.signature)).values.tolist(), right, path, largest
        )
        for rows in (records, lists, records[:1], lists[:1]):
            answer = model.predict(reader.read_rows(rows).batch).values.tolist()
            assert_right(answer, right[: len(rows)], path, largest)
        for row in range(5):
            alone = reader.try_without_arrays(lists[row]) or reader.read_row(records[row]).batch
            answer = model.predict(alone).values.tolist()
            assert_right(answer, right[row : row + 1], f"{path}, row {row}", largest)
        assert_right(list(of_file(model, file, right)), right, f"{path}, file", largest)
        pd.DataFrame(trained.records).to_parquet(file.with_suffix(".parquet"))
        assert_right(
            list(of_file(model, file.with_suffix(".parquet"), right)), right, f"{path}, Parquet", largest
        )


def of_file(model: Model, file: Path, right: Sequence[Any]) -> Iterator[Any]:
    """What `mlapi predict` prints for a file, in the type of the right answers."""
    kind = type(right[0])
    lines = csv.reader(predict_table(model, file, (), lambda _: None))
    next(lines)
    return (kind(cells[0]) for cells in lines)


def assert_right_over_http(client: FlaskClient, name: str, trained: Trained) -> None:
    right, records = trained.right.tolist(), trained.records
    lists = [list(record.values()) for record in records]
    for body, part in (
        ({"instances": records}, slice(None)),
        ({"X": lists}, slice(None)),
        ({"features": lists[1]}, slice(1, 2)),
        (records[2], slice(2, 3)),
        ({"instances": records[:1]}, slice(1)),
    ):
        response = client.post(f"/predict/{name}", json=body)
        assert response.status_code == 200, response.get_json()
        assert_right(
            response.get_json()["prediction"], right[part], f"HTTP {list(body)[:3]}", largest_of(right)
        )


def publish(trained: Trained, folder: Path) -> None:
    prepared = trained.prepared
    chosen = prepared.train.take(choose_golden_rows(prepared.train.frame, prepared.signature))
    own = prepared.pipeline_input(chosen)
    golden = make_golden(trained.pipeline, own, chosen.frame, prepared.signature)
    changes_in(folder).publish(trained.draft, trained.pipeline, golden, {})


def assert_served(trained: Trained, folder: Path) -> None:
    publish(trained, folder)
    assert_right_over_http(create_app(settings_for(folder)).test_client(), "table", trained)


@pytest.mark.parametrize("kind", KINDS)
def test_columns_of_one_kind_alone_are_answered_alike_by_every_path(tmp_path: Path, kind: str) -> None:
    assert_every_path_agrees(made(tmp_path, [kind], "number"), tmp_path / "table.csv")


@settings(max_examples=6)
@given(kinds=mixtures, target=targets, seed=seeds, gaps=gaps)
def test_mixed_columns_are_answered_alike_by_every_path(
    tmp_path: Path, kinds: list[str], target: str, seed: int, gaps: float
) -> None:
    assert_every_path_agrees(made(tmp_path, kinds, target, seed, gaps=gaps), tmp_path / "table.csv")


@pytest.mark.parametrize("kinds", [["words"], ["flags", "numbers", "days"]], ids=" and ".join)
def test_they_are_answered_alike_over_http(tmp_path: Path, kinds: list[str]) -> None:
    assert_served(made(tmp_path, kinds, "classes", gaps=0.1), tmp_path / "models")


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_table_of_few_rows_is_refused_in_words(tmp_path: Path, rows: int) -> None:
    for kind in KINDS:
        for target in TARGETS:
            with pytest.raises((RecipeError, DatasetError), match=r"row|class|column"):
                made(tmp_path, [kind], target, 1, rows=rows)


STYLES: Mapping[str, tuple[Callable[[int], str], dict[str, Any]]] = {
    "decimal comma": (lambda cents: f"{cents // 100},{cents % 100:02}", {}),
    "points between thousands": (lambda cents: f"{cents:,}".replace(",", "."), {}),
    "commas between thousands": (lambda cents: f"{cents:,}", {}),
    "three digits behind a comma": (lambda cents: f"{cents / 1000:.3f}".replace(".", ","), {"decimal": ","}),
    "per cent": (lambda cents: f"{cents / 100:.1f} %", {}),
    "a currency, as in India": (
        lambda cents: f"₹{cents // 100_000},{cents // 1000 % 100:02},{cents % 1000:03}",
        {},
    ),
    "a minus behind": (lambda cents: f"{cents:,}.5" + "-" * (cents % 2), {}),
    "Excel's errors": (lambda cents: ["#WERT!", "n/a", *map(str, [cents] * 9)][cents % 11], {}),
    "odd cells": (lambda cents: ["<1.0", "soon", *map(str, [cents] * 19)][cents % 21], {"numeric": ["x"]}),
}
"""How a number from 100,000 on is written, and the options of a recipe."""


@pytest.mark.parametrize("style", STYLES)
def test_a_row_of_the_training_file_is_read_alike_in_a_file_of_its_own(tmp_path: Path, style: str) -> None:
    write_cell, options = STYLES[style]
    random = np.random.default_rng(0)
    cells = [write_cell(int(cents)) for cents in random.integers(100_000, 900_000, ROWS)]
    lines = [f"{cell};{place}" for place, cell in enumerate(cells)]
    (tmp_path / "table.csv").write_text("\n".join([f"x;{TARGET}", *lines]))
    trained = train(tmp_path / "table.csv", "number", **options)

    for rows in (slice(None), slice(1), slice(20, 23)):
        (tmp_path / "rows.csv").write_text("\n".join([f"x;{TARGET}", *lines[rows]]))
        right = trained.right[rows].tolist()
        answers = list(of_file(trained.models[0], tmp_path / "rows.csv", right))
        assert_right(answers, right, f"{style}: {cells[rows][:3]}", largest_of(right))


def test_the_signs_of_a_file_or_of_the_user_are_stronger_than_those_of_the_training(tmp_path: Path) -> None:
    lines = [f"{1234 + place}.5,{place}" for place in range(ROWS)]
    (tmp_path / "table.csv").write_text("\n".join([f"x,{TARGET}", *lines]))
    model = train(tmp_path / "table.csv", "number").models[0]
    (tmp_path / "rows.csv").write_text('x,z\n"1,234",\n')
    (tmp_path / "german.csv").write_text(f"x;{TARGET}\n1,234;0,5\n")

    def answer(file: str, **options: Any) -> float:
        return float([*predict_table(model, tmp_path / file, (), lambda _: None, CsvOptions(**options))][1])

    assert answer("rows.csv", decimal=",") == answer("german.csv") == pytest.approx(1.234 - 1234.5)
    assert answer("rows.csv") == pytest.approx(1234 - 1234.5)


def test_odd_cells_that_the_recipe_takes_for_blank_are_counted_with_the_first_line(tmp_path: Path) -> None:
    days = [f"2024-01-{1 + place % 28:02}" for place in range(ROWS)]
    lines = [f"{place % 9}.5,{day},{place}" for place, day in enumerate(days)]
    lines[4], lines[7] = "<1,soon,4", "<2,later,7"
    (tmp_path / "table.csv").write_text("\n".join([f"x,day,{TARGET}", *lines]))
    trained = train(tmp_path / "table.csv", "number", numeric=["x"], datetime=["day"])
    notes: list[str] = []

    answers = [
        float(line)
        for line in [*predict_table(trained.models[0], tmp_path / "table.csv", (), notes.append)][1:]
    ]

    assert answers == pytest.approx(trained.right.tolist())
    assert [note.partition(": ")[2] for note in notes] == [
        "column 'x' has 2 cells (\"<1\", line 6) that the recipe takes for blank",
        "column 'day' has 2 cells (\"soon\", line 6) that the recipe takes for blank",
    ]


def padded(file: Path) -> Path:
    """A file of the same cells with blanks around them, but for the names."""
    names, *rows = csv.reader(file.read_text().splitlines())
    lines = [names, *([f" {cell} " if cell else cell for cell in row] for row in rows)]
    (file.parent / "padded.csv").write_text("\n".join(map(",".join, lines)))
    return file.parent / "padded.csv"


@pytest.mark.parametrize("kind", ["codes", "days", "flags", "numbers", "words"])
def test_blanks_around_the_cells_of_a_file_change_no_answer(tmp_path: Path, kind: str) -> None:
    trained = made(tmp_path, [kind, kind], "number")
    right = trained.right.tolist()

    for model in trained.models:
        answers = list(of_file(model, padded(tmp_path / "table.csv"), right))
        assert_right(answers, right, f"{kind} by {model.served_by}", largest_of(right))


@pytest.mark.parametrize("rare", [40, 1010], ids=["listed", "too many to list"])
def test_blanks_around_words_are_no_part_of_them_in_requests(tmp_path: Path, rare: int) -> None:
    cities = [*(f"city{place}" for place in range(rare)), *["Berlin", "Oslo"] * 300]
    lines = [f"{city},{place % 7},{len(city)}.5" for place, city in enumerate(cities)]
    (tmp_path / "table.csv").write_text("\n".join([f"city,size,{TARGET}", *lines]))
    trained = train(tmp_path / "table.csv", "number")
    reader = Reader(trained.prepared.signature)

    for model in trained.models:
        for rows in ([["Berlin", 1]], [["Berlin", 1], ["Oslo", 2], ["city3", 3]] * 30):
            right = model.predict(reader.read_rows(rows).batch).values.tolist()
            blanks = [[f"\t{city} ", size] for city, size in rows]
            assert model.predict(reader.read_rows(blanks).batch).values.tolist() == right
            alone = reader.try_without_arrays(blanks[0]) or reader.read_row(blanks[0]).batch
            assert model.predict(alone).values.tolist() == pytest.approx(right[:1], rel=1e-12)
            assert not reader.read_rows(blanks).warnings


@pytest.mark.exhaustive
@pytest.mark.parametrize(("columns", "gaps"), [(1, 0.2), (3, 0.0)])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_with_each_target_is_answered_alike_by_all(
    tmp_path: Path, kind: str, target: str, columns: int, gaps: float
) -> None:
    trained = made(tmp_path, [kind] * columns, target, columns, gaps=gaps)

    assert_every_path_agrees(trained, tmp_path / "table.csv")
    assert_served(trained, tmp_path / "models")


@pytest.mark.exhaustive
@settings(max_examples=25)
@given(kinds=mixtures, target=targets, seed=seeds, table=st.tuples(gaps, st.integers(40, 400)))
def test_many_mixtures_are_answered_alike_by_every_path(
    tmp_path: Path, kinds: list[str], target: str, seed: int, table: tuple[float, int]
) -> None:
    trained = made(tmp_path, kinds, target, seed, gaps=table[0], rows=table[1])

    assert_every_path_agrees(trained, tmp_path / "table.csv")


@pytest.mark.exhaustive
def test_a_million_rows_are_answered_as_few_are(tmp_path: Path) -> None:
    million = 1_000_000
    trained = made(tmp_path, ["numbers", "words", "days"], "number", rows=million)
    model, right = trained.models[0], trained.right

    together = model.predict(batch(trained.rows, model.signature)).values
    of_lines = np.fromiter(of_file(model, tmp_path / "table.csv", [1.0]), float, million)

    np.testing.assert_allclose(together, right, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(of_lines, right, rtol=1e-9, atol=1e-9)
