from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlapi.data.rows.reader import Reader
from mlapi.data.rows.violations import InvalidRows, all_findings, violations
from mlapi.data.signature import Feature, Signature, Target

NUMBERS = Signature(
    (Feature("a", minimum=0.0, maximum=10.0), Feature("b", "integer", nullable=True)),
    Target("y", "number"),
    ignored=("y",),
)
MIXED = Signature(
    (
        Feature("age", "integer", nullable=True, minimum=18, maximum=99),
        Feature("married", "boolean"),
        Feature("city", "category", nullable=True, categories=("Oslo", "Rome")),
        Feature("rooms", "category", categories=(1, 2, 3)),
        Feature("since", "datetime", nullable=True, format="%d.%m.%Y"),
        Feature("note", "text", nullable=True),
    ),
    Target("y", "category", ("no", "yes")),
)
ROW: dict[str, Any] = {
    "age": 40,
    "married": True,
    "city": "Oslo",
    "rooms": 2,
    "since": "2020-05-17",
    "note": "hello",
}


def refusals(signature: Signature, rows: list[Any]) -> dict[str, str]:
    with pytest.raises(InvalidRows) as caught:
        Reader(signature).read_rows(rows)
    return {"/".join(map(str, finding.place)): finding.detail for finding in caught.value.findings}


def test_lists_and_records_give_the_same_matrix() -> None:
    reader = Reader(NUMBERS)
    lists = reader.read_rows([[1.5, 2], [3, None]]).batch
    records = reader.read_rows([{"b": 2, "a": 1.5}, {"a": 3}]).batch

    np.testing.assert_array_equal(lists, [[1.5, 2.0], [3.0, np.nan]])
    np.testing.assert_array_equal(records, lists)
    assert isinstance(lists, np.ndarray)
    assert (lists.dtype, lists.flags.c_contiguous) == (np.float64, True)


def test_blanks_around_a_category_that_training_saw_are_no_part_of_it() -> None:
    instances = Reader(MIXED).read_rows(
        [{**ROW, "city": " Rome "}, {**ROW, "city": "Ro me"}, {**ROW, "city": None}]
    )

    assert isinstance(instances.batch, dict)
    assert instances.batch["city"][:2].tolist() == ["Rome", "Ro me"]
    assert [(warning.place, warning.detail) for warning in instances.warnings] == [
        ((1, "city"), '"Ro me" is a category that training did not see')
    ]


def test_a_category_in_the_other_form_of_unicode_is_the_same() -> None:
    features = (Feature("city", "category", categories=("Zürich", "Gene\u0300ve")),)
    reader = Reader(Signature(features, Target("y", "number")))

    instances = reader.read_rows([["Zu\u0308rich"], ["Genève"], ["Zürich"]])

    assert instances.warnings == ()
    assert isinstance(instances.batch, dict)
    assert instances.batch["city"].tolist() == ["Zürich", "Gene\u0300ve", "Zürich"]


@pytest.mark.parametrize("word", ["oslo", "OSLO", "Os\u200blo", "Ｏslo"])
def test_a_category_that_is_written_otherwise_is_told_the_one_that_is_known(word: str) -> None:
    (warning,) = Reader(MIXED).read_rows([{**ROW, "city": word}]).warnings

    assert warning.detail.endswith('is a category that training did not see, did you mean "Oslo"?')


def test_columns_have_the_types_that_reading_a_table_gives() -> None:
    batch = Reader(MIXED).read_rows([ROW, {**ROW, "age": None, "city": None, "since": None}]).batch

    assert isinstance(batch, dict)
    np.testing.assert_array_equal(batch["age"], [40.0, np.nan])
    assert batch["married"].dtype == bool
    assert batch["city"].tolist()[0] == "Oslo"
    assert np.isnan(batch["city"][1])
    assert batch["rooms"].dtype == np.float64
    assert batch["since"][0] == np.datetime64("2020-05-17")
    assert np.isnat(batch["since"][1])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("age", 13.0),
        ("age", None),
        ("rooms", 2.0),
        ("rooms", 1e300),
        ("rooms", 2**63),
        ("city", "Paris"),
        ("since", "17.05.2020"),
        ("since", "2020-05-17T10:00:00Z"),
        ("note", ""),
        ("note", None),
    ],
)
def test_what_a_cell_may_be(name: str, value: Any) -> None:
    assert name in Reader(MIXED).read_rows([{**ROW, name: value}]).batch


@pytest.mark.parametrize(
    ("name", "value", "detail"),
    [
        ("age", 13.5, "expected a whole number, got 13.5: training saw no fraction"),
        ("age", "13", 'expected a whole number, got "13": write 13, without quotes'),
        ("age", "1,5", 'expected a whole number, got "1,5": write 1.5'),
        ("age", "12 kg", 'expected a whole number, got "12 kg": write 12'),
        ("age", "n/a", 'expected a whole number, got "n/a": a blank is null'),
        ("age", "inf", 'expected a whole number, got "inf"'),
        ("married", "True", 'expected true or false, got "True": write true, without quotes'),
        ("married", "yes", 'expected true or false, got "yes"'),
        ("married", "", 'expected true or false, got "": training saw no blank'),
        ("age", True, "expected a whole number, got true"),
        ("age", [1], "expected a whole number, got a list"),
        ("married", 1, "expected true or false, got 1"),
        ("married", None, "expected true or false, got null: training saw no blank"),
        (
            "city",
            3,
            'expected one of "Oslo", "Rome", got 3: training read words here; write "3" in quotes, or train '
            "with --numeric city",
        ),
        ("rooms", "2", 'expected one of 1, 2, 3, got "2"'),
        ("rooms", True, "expected one of 1, 2, 3, got true"),
        ("rooms", 1.5, "expected one of 1, 2, 3, got 1.5"),
        ("since", "yesterday", 'expected a date or time in ISO 8601, or as 31.01.2024, got "yesterday"'),
        ("since", "", 'expected a date or time in ISO 8601, or as 31.01.2024, got "": a blank is null'),
        (
            "since",
            1704412800,
            "expected a date or time in ISO 8601, or as 31.01.2024, got 1704412800: a date is a text, "
            "such as 2024-01-31T09:30:00Z",
        ),
        ("note", {}, "expected a text, got an object"),
    ],
)
def test_what_a_cell_may_not_be(name: str, value: Any, detail: str) -> None:
    assert refusals(MIXED, [ROW, {**ROW, name: value}]) == {f"1/{name}": detail}


@pytest.mark.parametrize("value", ["", " ", "17.05.2020"])
def test_a_time_without_a_form_of_its_own_is_iso_8601_alone(value: str) -> None:
    signature = Signature((Feature("since", "datetime"),), Target("y", "number"))

    assert list(refusals(signature, [[value]])) == ["0/0"]


def test_an_offset_is_the_same_moment_in_utc() -> None:
    batch = Reader(MIXED).read_rows([{**ROW, "since": "2020-05-17T10:00:00+02:00"}]).batch

    assert batch["since"][0] == np.datetime64("2020-05-17T08:00:00")  # type: ignore[index]


def test_all_wrong_cells_are_named_at_once() -> None:
    found = refusals(NUMBERS, [["x", 1], [1], [None, 1.5], 7, {"a": 1}])

    assert found == {
        "0/0": 'a: expected a number, got "x"',
        "1": "expected 2 values, got 1",
        "2/0": "a: expected a number, got null: training saw no blank",
        "2/1": "b: expected a whole number, got 1.5: training saw no fraction",
        "3": "expected a row, a list or an object, got 7",
        "4": "rows of both forms: send either all lists or all objects",
    }


def test_unknown_and_missing_features_are_named_with_the_nearest() -> None:
    found = refusals(MIXED, [{**{k: v for k, v in ROW.items() if k != "married"}, "marred": True}])

    assert found == {
        "0/marred": 'unknown feature, did you mean "married"?',
        "0/married": "missing, expected true or false",
    }


def test_ignored_columns_count_for_nothing() -> None:
    reader = Reader(NUMBERS)

    np.testing.assert_array_equal(
        reader.read_rows([{"a": 1, "b": 2, "y": "anything"}]).batch, reader.read_rows([[1, 2]]).batch
    )


def test_many_problems_are_counted_and_twenty_kept() -> None:
    with pytest.raises(InvalidRows) as caught:
        Reader(NUMBERS).read_rows([["x", 1]] * 1000)

    assert (len(caught.value.findings), caught.value.count) == (20, 1000)


def test_no_rows_are_refused() -> None:
    assert refusals(NUMBERS, []) == {"": "no rows: expected at least one"}


def test_values_that_training_did_not_see_are_warned_of() -> None:
    numbers = Reader(NUMBERS).read_rows([[5, 1], [10.5, 1], [-1, 1]])
    mixed = Reader(MIXED).read_rows([{**ROW, "age": 17, "city": "Paris"}])

    assert [warning.place for warning in numbers.warnings] == [(1, 0), (2, 0)]
    assert {warning.place: warning.detail for warning in mixed.warnings} == {
        (0, "age"): "17 is outside of what training saw, 18 to 99",
        (0, "city"): '"Paris" is a category that training did not see',
    }


def test_only_what_is_shown_is_put_into_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A nearest name costs a millisecond; a body can hold a million unknown ones."""
    asked: list[str] = []
    monkeypatch.setattr("mlapi.wording.get_close_matches", lambda name, *_, **__: asked.append(name) or [])

    with pytest.raises(InvalidRows) as caught:
        Reader(NUMBERS).read_rows([{f"x{i}": 1 for i in range(1000)}])

    assert caught.value.count == 1001
    assert len(asked) == 20


def test_warnings_are_bounded_and_counted() -> None:
    found = Reader(NUMBERS).read_rows([[99, 1]] * 500)

    assert (len(found.warnings), found.warning_count) == (20, 500)


def test_one_row_has_no_row_number_in_its_paths() -> None:
    reader = Reader(NUMBERS)
    with pytest.raises(InvalidRows) as caught:
        reader.read_row(["x", 1])

    assert caught.value.findings[0].place == (0,)
    assert reader.read_row([99, 1]).warnings[0].place == (0,)


cells = st.none() | st.booleans() | st.integers(-5, 200) | st.floats(allow_nan=False, allow_infinity=False)
cells |= st.sampled_from(["Oslo", "Paris", "2020-01-01", "", "x"]) | st.just([]) | st.just({})
records = st.dictionaries(st.sampled_from([*ROW, "a", "b", "y", "other"]), cells, max_size=7)
rows = st.lists(records | st.lists(cells, max_size=7) | st.just(3), max_size=4)


@given(st.sampled_from([NUMBERS, MIXED]), rows)
def test_the_fast_check_refuses_exactly_what_the_slow_walk_explains(
    signature: Signature, rows: list[Any]
) -> None:
    reader = Reader(signature)
    is_wrong = not rows or any(True for _ in all_findings(rows, signature))

    if is_wrong:
        with pytest.raises(InvalidRows):
            reader.read_rows(rows)
    else:
        reader.read_rows(rows)


@given(st.sampled_from([NUMBERS, MIXED]), rows.filter(bool))
def test_all_that_is_wrong_is_counted_as_it_would_be_explained(signature: Signature, rows: list[Any]) -> None:
    many = rows * 30

    assert violations(many, signature).count == sum(1 for _ in all_findings(many, signature))


@given(st.integers(0, 120), st.integers(0, 119), st.sampled_from([99.0, -1.0, None, 5.0]))
def test_one_strange_value_among_many_rows_is_found(rows: int, place: int, value: float | None) -> None:
    signature = Signature(
        (Feature("a", nullable=True, minimum=0.0, maximum=10.0), Feature("b")), Target("y", "number")
    )
    table = [[5.0, 1.0] for _ in range(rows + 1)]
    table[place % len(table)][0] = value  # type: ignore[call-overload]

    found = Reader(signature).read_rows(table)

    strange = [] if value in (None, 5.0) else [(place % len(table), 0)]
    assert [warning.place for warning in found.warnings] == strange


@pytest.mark.parametrize("categories", [None, ("5", "<1.0")])
def test_a_number_where_training_read_words_is_refused_with_the_way_out(
    categories: tuple[str, ...] | None,
) -> None:
    area = Feature("area", "category" if categories else "text", categories=categories)

    with pytest.raises(InvalidRows) as caught:
        Reader(Signature((area,), Target("y", "number"))).read_rows([{"area": 57.3}])

    words = 'got 57.3: training read words here; write "57.3" in quotes, or train with --numeric area'
    assert caught.value.findings[0].detail.endswith(words)
