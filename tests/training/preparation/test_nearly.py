"""Columns that are nearly one thing: what is said of them, and what the user's word makes of them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlapi.errors import DatasetError
from mlapi.training.preparation.columns import infer_columns
from mlapi.training.preparation.target import read_target
from mlapi.training.recipes import Overrides

ROWS = 60
NUMBERS = [f"{row * 1.7 % 31:.1f}" for row in range(ROWS)]
DAYS = [f"2024-{1 + row % 12:02}-{1 + row % 28:02}" for row in range(ROWS)]


def with_odd(cells: list[str], *odd: str) -> list[str]:
    """Put odd cells into the rows from the fourth on."""
    return [*cells[:3], *odd, *cells[3 + len(odd) :]]


def infer(cells: list[Any], **overrides: Any) -> tuple[pd.Series, str]:
    """Return the column as it is fitted on, and the warnings about it."""
    frame = pd.DataFrame({"c": cells, "other": np.arange(len(cells)) % 7 * 0.5})
    inferred = infer_columns(frame, Overrides(**overrides))
    return inferred.frame.get("c"), "; ".join(inferred.warnings)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (with_odd(NUMBERS, "<1.0"), 'would be numbers but for 1 of 60 cells ("<1.0", row 4)'),
        (with_odd(NUMBERS, "1,5"), 'would be numbers but for 1 of 60 cells ("1,5", row 4)'),
        (with_odd([f"${cell}" for cell in NUMBERS], "€5"), 'but for 1 of 60 cells ("€5", row 4)'),
        (
            with_odd(NUMBERS, "low", "high", "n/a", "low", "see notes", "??"),
            'but for 5 of 60 cells ("low", row 4; "high", row 5; "see notes", row 8; and 1 more)',
        ),
        (with_odd(DAYS, "soon"), 'would be dates but for 1 of 60 cells ("soon", row 4)'),
        (
            with_odd([f"{row + 1:02}.01.2024" for row in range(30)] * 2, "31.02.2024"),
            "would be dates but for",
        ),
        (with_odd(NUMBERS, *["unfit"] * 20), 'would be numbers but for 20 of 60 cells ("unfit", row 4)'),
        (with_odd(NUMBERS, *["~5", ">30", "7*"] * 7), 'but for 21 of 60 cells ("~5", row 4; ">30", row 5'),
        (with_odd(["true", "false"] * 30, "maybe"), "would be true or false but for 1 of 60 cells"),
    ],
)
def test_a_column_that_is_nearly_one_thing_is_named_with_the_cell_and_the_way_out(
    cells: list[str], words: str
) -> None:
    _, warnings = infer(cells)

    assert words in warnings
    assert "mend what is wrong, or leave it blank" in warnings


@pytest.mark.parametrize(
    "cells",
    [
        NUMBERS,
        with_odd(NUMBERS, "n/a", ""),
        ["red", "green", "blue"] * 20,
        ["1", "2", "x", "y"] * 15,
        [f"{row}{'ABC'[row % 3]}" for row in range(ROWS)],
        ["true", "false", "#N/A"] * 20,
        [f"{row} kg" for row in range(ROWS)],
        [f"{row} rue de Rivoli" for row in range(ROWS)],
        ["n/a"] * 57 + ["a", "b", "c"],
    ],
)
def test_a_column_that_is_one_thing_or_nothing_near_is_not(cells: list[str]) -> None:
    _, warnings = infer(cells)

    assert "would be" not in warnings


def test_numbers_in_several_ways_are_named_with_two_of_them() -> None:
    _, warnings = infer([f"{cell} {'kg' if place % 2 else 'g'}" for place, cell in enumerate(NUMBERS)])

    assert (
        'holds numbers that are written in several ways ("0.0 g", "1.7 kg"), and counts as words' in warnings
    )


def test_marks_for_none_among_flags_are_blank() -> None:
    column, _ = infer(["true", "false", "#N/A", "n/a"] * 15)

    assert column[:2].tolist() == [True, False]
    assert column.isna().sum() == 30


def test_words_that_only_look_the_same_are_told_apart_by_their_codes() -> None:
    _, warnings = infer(["caf\xe9", "cafe\u0301", "Be\u200brn", "Bern"] * 15)

    assert "differ by signs that nobody sees alone ('caf\\xe9' and 'cafe\\u0301'" in warnings
    assert "'Be\\u200brn' and 'Bern'" in warnings


def test_whole_numbers_of_too_many_digits_for_64_bits_are_left_out_as_others_are() -> None:
    column, _ = infer([str(10**19 + row) for row in range(ROWS)])

    assert column is None


def test_who_says_that_a_column_is_numeric_gets_its_odd_cells_as_blanks_and_hears_of_them() -> None:
    column, warnings = infer(with_odd(NUMBERS, "<1.0", "<1.0"), numeric=("c",))

    assert column.dtype == np.float64
    assert np.flatnonzero(column.isna()).tolist() == [3, 4]
    assert column[0] == float(NUMBERS[0])
    assert 'has 2 of 60 cells ("<1.0", row 4) that are no numbers, which are taken for blank' in warnings


def test_who_says_that_a_column_is_dates_gets_its_odd_cells_as_blanks() -> None:
    column, warnings = infer(with_odd(DAYS, "soon"), datetime=("c",))

    assert np.flatnonzero(column.isna()).tolist() == [3]
    assert "which are taken for blank" in warnings


def test_who_says_that_a_column_of_whole_numbers_is_numeric_means_that_it_takes_fractions() -> None:
    frame = pd.DataFrame({"c": np.arange(ROWS) % 9, "other": np.arange(ROWS) % 7})

    columns = infer_columns(frame, Overrides(numeric=("c",))).used_columns

    assert [column.kind for column in columns] == ["number", "integer"]


def test_blanks_around_words_are_no_part_of_them() -> None:
    column, warnings = infer(["Riga", " Riga", "Oslo ", "Oslo"] * 15)

    assert set(column) == {"Riga", "Oslo"}
    assert not warnings


def test_words_that_differ_by_capitals_or_blanks_alone_are_named() -> None:
    _, warnings = infer(["Riga", "RIGA", "New York", "New  York"] * 15)

    assert '("Riga" and "RIGA", "New York" and "New  York")' in warnings


def test_classes_that_differ_by_capitals_alone_are_named_and_blanks_are_no_part_of_them() -> None:
    target = read_target(pd.Series(["yes", "no ", " no", "No"] * 15, name="y"))

    assert target.classes == ("No", "no", "yes")
    [warning] = target.warnings
    assert warning.startswith('has classes that differ by capitals or blanks alone ("No" and "no")')


@pytest.mark.parametrize("task", ["regression", None])
def test_a_target_that_is_nearly_numbers_is_refused_with_its_odd_cell(task: str | None) -> None:
    target = pd.Series(with_odd(NUMBERS, "<1.0"), name="y")

    with pytest.raises(DatasetError, match=r'holds 1 of 60 cells \("<1.0", row 4\)') as refusal:
        read_target(target, task)

    assert 'holds 1 of 60 cells ("<1.0", row 4)' in str(refusal.value)
    assert ("--task classification" in str(refusal.value)) == (task is None)
    assert "--numeric y takes such cells for blank" in str(refusal.value)


def test_a_target_that_is_said_to_be_numeric_leaves_odd_rows_out_and_counts_them() -> None:
    cells = with_odd(NUMBERS, "<1.0", "")

    target = read_target(pd.Series(cells, name="y"), is_numeric=True)

    assert target.task == "regression"
    assert len(target.values) == ROWS - 2
    assert target.left_out == (
        "1 row whose y is blank",
        '1 row whose y is no number: 1 of 59 cells ("<1.0", row 4)',
    )


def test_few_classes_of_digits_and_words_stay_classes() -> None:
    assert read_target(pd.Series(["1", "2", "3"] * 19 + ["4a"] * 3, name="y")).classes == (
        "1",
        "2",
        "3",
        "4a",
    )


def test_a_column_of_dates_reads_as_the_other_columns_do_where_it_does_not_tell() -> None:
    frame = pd.DataFrame(
        {
            "begin": [f"{1 + row % 28}/{1 + row % 3}/2024" for row in range(ROWS)],
            "end": [f"{1 + row * 5 % 12}/{1 + row * 7 % 12}/2024" for row in range(ROWS)],
        }
    )

    inferred = infer_columns(frame, Overrides())

    assert [column.format for column in inferred.used_columns] == ["%d/%m/%Y", "%d/%m/%Y"]
    assert "as in other columns" in inferred.used_columns[1].explanation
    assert not inferred.warnings


def test_an_assumed_order_of_day_and_month_is_a_warning_with_both_ways_out() -> None:
    _, warnings = infer([f"{1 + row * 5 % 12}/{1 + row * 7 % 12}/2024" for row in range(ROWS)])

    assert "it is assumed that the month stands first; say --month-first or --day-first" in warnings
