"""What each column of a table is taken for."""

import datetime
import re
import sys
from collections import Counter
from decimal import Decimal
from types import FrameType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlapi.errors import DatasetError
from mlapi.training.preparation.columns import Column, InferredColumns, infer_columns
from mlapi.training.preparation.kinds import infer_kind
from mlapi.training.preparation.views import ColumnView
from mlapi.training.recipes import Overrides

ROWS = 60
RANDOM = np.random.default_rng(0)
OTHER = RANDOM.normal(size=ROWS)
WORDS = ["red", "green", "blue"] * 20
SENTENCES = [f"a long story, number {row}, of {row * 7} things" for row in range(ROWS)]
DAYS = pd.Series(pd.date_range("2024-01-01", periods=ROWS))


def look(cells: Any, **told: Any) -> tuple[Column, InferredColumns]:
    """One column that is looked at, beside another one."""
    understood = infer_columns(pd.DataFrame({"c": cells, "other": OTHER}), Overrides(**told))
    return understood.columns[0], understood


def repeated(*cells: Any) -> list[Any]:
    return list(cells) * (ROWS // len(cells))


@pytest.mark.parametrize(
    ("cells", "kind", "nullable"),
    [
        (OTHER, "number", False),
        (repeated(1, 2, 30), "integer", False),
        (repeated(1.0, 2.0, 30.0), "number", False),
        (repeated(1.0, None, 30.0), "integer", True),
        (pd.array(repeated(1, None, 30), dtype="Int64"), "integer", True),
        (repeated(Decimal("1.5"), Decimal("2.5")), "number", False),
        (pd.to_timedelta(RANDOM.integers(1, 99, ROWS), unit="s"), "number", False),
        (repeated("1,234.5", "2,345.5", "n/a"), "number", True),
        (repeated("12%", "13.5%"), "number", False),
        (repeated("$1,200.50", "$13.00"), "number", False),
        (repeated(True, False), "boolean", False),
        (repeated(True, None), "boolean", True),
        (repeated("True", "FALSE", None), "boolean", True),
        (pd.array(repeated(True, None, False), dtype="boolean"), "boolean", True),
        (WORDS, "category", False),
        (repeated("red", None, "blue"), "category", True),
        (repeated("red", " ", "blue"), "category", True),
        (repeated("t", "f"), "category", False),
        (pd.Categorical(WORDS), "category", False),
        (pd.array(repeated("red", None, "blue"), dtype="string"), "category", True),
        (pd.array([*SENTENCES[1:], None], dtype="string"), "text", True),
        (repeated("x", 1, 2.5), "category", False),
        (repeated(1, "n/a"), "integer", True),
        (SENTENCES, "text", False),
        ([*SENTENCES[1:], None], "text", True),
        (DAYS, "datetime", False),
        (DAYS.dt.tz_localize("Europe/Berlin"), "datetime", False),
        (DAYS.dt.date, "datetime", False),
        (DAYS.dt.to_period("D"), "datetime", False),
        (DAYS.dt.strftime("%d.%m.%Y"), "datetime", False),
        (repeated("1969-07-20", "0001-01-01", "9999-12-31"), "datetime", False),
        (repeated("2024-01-31T10:00+02:00", "", "n/a"), "datetime", True),
    ],
)
def test_cells_decide_on_the_kind(cells: Any, kind: str, nullable: bool) -> None:
    column, understood = look(cells)

    assert (column.kind, column.nullable) == (kind, nullable), column.explanation
    assert understood.frame["c"].isna().any() == nullable
    assert not any(cell is pd.NA for cell in understood.frame["c"])


@pytest.mark.parametrize(
    ("name", "step", "kind"),
    [
        ("Unnamed: 0", 5, None),
        ("Unnamed: 0.1", 5, None),
        ("Unnamed: 0", 0.5, "number"),
        ("Unnamed: 3", 5, "integer"),
        ("index", 5, "integer"),
    ],
)
def test_what_pandas_calls_its_index_is_left_out(name: str, step: float, kind: str | None) -> None:
    frame = pd.DataFrame(
        {name: [step * row + row % 2 for row in range(ROWS)], "other": RANDOM.normal(size=ROWS)}
    )

    column = infer_columns(frame, Overrides()).columns[0]

    assert column.kind == kind
    assert (column.explanation == "left out: pandas' index, by its name (--numeric keeps it)") == (
        kind is None
    )


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ([None] * ROWS, "blank from top to bottom"),
        ([" "] * ROWS, "blank from top to bottom"),
        ([7] * ROWS, "7 in every row"),
        (["x"] * ROWS, '"x" in every row'),
        ([True] * ROWS, "True in every row"),
        (["2024-01-31"] * ROWS, "2024-01-31 in every row"),
        (list(range(ROWS)), "only count the rows (--numeric keeps them)"),
        ([f"id{row}" for row in range(ROWS)], "a word of its own (--categorical or --text keeps it)"),
        (
            RANDOM.permutation(ROWS) + 2**53,
            "more digits than can be computed with (--categorical keeps them)",
        ),
        (np.array(repeated(2**63, 2**63 + 1), dtype=np.uint64), "more digits"),
        ([np.inf] * ROWS, "no number but infinite ones"),
        (repeated(1e200, -1e300), "or beyond 1e+150"),
        ([[1, 2]] * ROWS, "values of type list"),
        ([b"x"] * ROWS, "values of type bytes"),
        (repeated(1j, 2j), "complex numbers"),
    ],
)
def test_columns_that_teach_nothing_are_left_out_and_the_story_says_why(cells: Any, why: str) -> None:
    column, understood = look(cells)

    assert column.kind is None
    assert column.explanation.startswith("left out")
    assert why in column.explanation
    assert list(understood.frame) == ["other"]


@pytest.mark.parametrize(
    ("cells", "told", "kind"),
    [
        (list(range(ROWS)), {"numeric": ("c",)}, "number"),
        (repeated(1.0, None, 30.0), {"numeric": ("c",)}, "number"),
        (repeated("1", "2 ", "n/a"), {"numeric": ("c",)}, "number"),
        (repeated(True, False), {"numeric": ("c",)}, "number"),
        (repeated(1, 2), {"categorical": ("c",)}, "category"),
        (repeated(1.0, None), {"categorical": ("c",)}, "category"),
        (repeated("1.5", "2.5"), {"categorical": ("c",)}, "category"),
        (repeated("2024-01-01", "2024-01-02"), {"categorical": ("c",)}, "category"),
        (repeated(True, False), {"categorical": ("c",)}, "boolean"),
        ([f"id{row}" for row in range(ROWS)], {"categorical": ("c",)}, "category"),
        (WORDS, {"text": ("c",)}, "text"),
        (repeated("2024-01-01", "2024-01-02"), {"datetime": ("c",)}, "datetime"),
    ],
)
def test_what_is_told_counts_more_than_the_cells(cells: Any, told: Any, kind: str) -> None:
    assert look(cells, **told)[0].kind == kind
    assert look(cells, drop=("c",))[0].explanation == "left out, as told"


def test_long_whole_numbers_keep_their_digits_as_categories() -> None:
    long = pd.array(repeated(2**53, 2**53 + 1, None), dtype="Int64")

    _, understood = look(long, categorical=("c",))

    assert understood.frame["c"].dropna().unique().tolist() == ["9007199254740992", "9007199254740993"]


@pytest.mark.parametrize(
    ("cells", "told", "words"),
    [
        (
            repeated("1", "x", "y"),
            {"numeric": ("c",)},
            'told to be numeric, but 40 of 60 cells ("x", row 2; "y", row 3) are no numbers',
        ),
        (DAYS, {"numeric": ("c",)}, "told to be numeric, but"),
        (repeated(1.5, 2), {"categorical": ("c",)}, 'told to be categorical, but holds "1.5"'),
        (DAYS, {"categorical": ("c",)}, "told to be categorical, but holds"),
        (repeated("2024-01-01", "soon", "late"), {"datetime": ("c",)}, "told to be datetime, but"),
        (repeated(2023, 2024), {"datetime": ("c",)}, '("2023", row 1; "2024", row 2) are no dates'),
        (repeated(1, 2), {"text": ("c",)}, 'told to be text, but holds "1"'),
        (WORDS, {"text": ("c",), "drop": ("c",)}, "'c' is told twice"),
        (WORDS, {"drop": ("othr",)}, "there is no column 'othr', did you mean \"other\"?"),
        (WORDS, {"drop": ("C",)}, 'did you mean "c"?'),
        (WORDS, {"drop": ("zz",)}, "known are c, other"),
        (WORDS, {"drop": ("c", "other")}, "no column is left to learn from (c: left out, as told; other:"),
    ],
)
def test_what_cannot_be_as_told_is_refused_by_name_and_cell(cells: Any, told: Any, words: str) -> None:
    with pytest.raises(DatasetError, match=re.escape(words)):
        look(cells, **told)


def test_two_columns_of_one_name_are_refused() -> None:
    frame = pd.DataFrame([[1, 2, 3]] * ROWS, columns=["0", "a", 0])

    with pytest.raises(DatasetError, match="two columns are called '0'; rename one"):
        infer_columns(frame, Overrides())


def test_values_that_cannot_be_computed_with_are_blank_and_said() -> None:
    cells = [np.inf, -np.inf, 1e200, *OTHER[3:]]

    column, understood = look(cells)

    assert understood.warnings == (
        "column 'c' has 3 cells infinite or beyond 1e+150, which are taken for blank",
    )
    assert column.nullable
    assert understood.frame["c"].isna().sum() == 3


def test_moments_are_in_utc_and_of_one_resolution() -> None:
    _, understood = look(repeated("2024-01-31T10:00+02:00", "2024-01-31T10:00Z"))

    assert understood.frame["c"].dtype == "datetime64[us]"
    assert understood.frame["c"][:2].tolist() == [
        pd.Timestamp("2024-01-31T08:00"),
        pd.Timestamp("2024-01-31T10:00"),
    ]


def test_the_form_of_a_date_is_kept_and_an_assumption_is_said() -> None:
    assert look(DAYS.dt.strftime("%d.%m.%Y"))[0].format == "%d.%m.%Y"
    assert "the month stands first" in look(repeated("01/02/2024", "03/04/2024"))[0].explanation


def test_a_column_that_is_blank_in_all_rows_to_learn_from_is_left_out() -> None:
    cells = [None] * (ROWS - 1) + ["x"]
    column, understood = look(cells)
    assert column.kind == "category"

    without = understood.without_empty(np.arange(ROWS - 1))

    assert [entry.kind for entry in without.columns] == [None, "number"]
    assert list(without.frame) == ["other"]
    assert understood.without_empty(np.array([ROWS - 1])) is understood


def test_many_categories_are_not_listed_and_any_word_is_taken() -> None:
    words = [f"w{row % 1500}" for row in range(6000)]
    frame = pd.DataFrame({"c": words, "n": [row % 1500 for row in range(6000)]})

    found = infer_columns(frame, Overrides(categorical=("c", "n"))).columns

    assert [column.kind for column in found] == ["text", "integer"]
    assert [column.treatment for column in found] == ["frequent", "one_hot"]


def test_what_is_looked_at_stays_as_it_is() -> None:
    frame = pd.DataFrame({"c": [np.inf, *OTHER[1:]], "d": WORDS, "e": [datetime.date(2024, 1, 1)] * ROWS})
    before = frame.copy(deep=True)

    infer_columns(frame, Overrides())

    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%d.%m.%Y %H:%M"])
def test_no_function_of_ours_is_called_for_each_text_of_a_long_column(form: str) -> None:
    """Of 300,000 distinct timestamps they took longer than all else together."""
    cells = pd.Series(pd.date_range("2024-01-01", periods=3000, freq="7h").strftime(form))
    calls: Counter[str] = Counter()

    def see(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and "mlapi" in frame.f_globals["__name__"]:
            calls[frame.f_code.co_name] += 1

    sys.setprofile(see)
    try:
        infer_kind(ColumnView("c", cells))
    finally:
        sys.setprofile(None)

    assert 0 < calls.most_common(1)[0][1] < 1000
