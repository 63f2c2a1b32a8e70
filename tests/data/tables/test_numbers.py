"""What texts mean as numbers, in people's styles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlapi.data.tables.numbers import parse_numbers

NAN = float("nan")


@pytest.mark.parametrize(
    ("words", "values", "style"),
    [
        (["1", "2.5", "-3", "+4", "1e3", ".5", "5."], [1, 2.5, -3, 4, 1000, 0.5, 5], "plain numbers"),
        (["1,234", "1,234,567.5", "12"], [1234, 1234567.5, 12], 'thousands set apart by ","'),
        (["1,234"], [1234], 'thousands set apart by "," (assumed)'),
        (["0,125", "1,234"], [0.125, 1.234], 'decimal sign ","'),
        (["3,14", "1,234"], [3.14, 1.234], 'decimal sign ","'),
        (["1.234,5", "1.234"], [1234.5, 1234], 'thousands set apart by ".", decimal sign ","'),
        (["1 234", "12"], [1234, 12], 'thousands set apart by " "'),
        (["1\u202f234,5"], [1234.5], 'thousands set apart by " ", decimal sign ","'),
        (["1'234.50", "1’000.00"], [1234.5, 1000], 'thousands set apart by "\'"'),
        (["12%", "3.5 %"], [12, 3.5], "per cent (12% is 12)"),
        (
            ["$1,200.50", "-$3", "($5)", "$-7"],
            [1200.5, -3, -5, -7],
            'thousands set apart by ",", currency "$"',
        ),
        (["12,50 €", "3 €"], [12.5, 3], 'decimal sign ",", currency "€"'),
        (["(1,234.5)", "−3"], [-1234.5, -3], 'thousands set apart by ","'),
        ([" 5", "6 "], [5, 6], "plain numbers"),
        (["5", "n/a", "?"], [5, NAN, NAN], "plain numbers"),
        (["inf", "-Infinity"], [np.inf, -np.inf], "plain numbers"),
    ],
)
def test_numbers_of_one_style_are_read(words: list[str], values: list[float], style: str) -> None:
    found = parse_numbers(words)

    assert found is not None
    np.testing.assert_array_equal(found.values, values)
    assert str(found.style) == style


@pytest.mark.parametrize(
    "words",
    [
        ["1", "two"],
        ["007", "12"],
        ["1,23,456"],
        ["1,5", "1.5"],
        ["12%", "0.5"],
        ["$1", "€2"],
        ["31.12.2024"],
        ["2024-01-01"],
        ["1_000"],
        ["0x10"],
        ["1-2"],
        ["--5"],
        ["-$-5"],
        ["-(5)"],
        ["1,234,56"],
        ["١"],
        ["n/a"],
        [],
    ],
)
def test_what_is_no_column_of_numbers_is_none(words: list[str]) -> None:
    assert parse_numbers(words) is None


@pytest.mark.parametrize(
    ("told", "value", "assumed"),
    [
        ({}, 1234, True),
        ({"decimal": "."}, 1234, False),
        ({"decimal": ","}, 1.234, False),
        ({"thousands": ","}, 1234, False),
        ({"thousands": "."}, 1.234, False),
    ],
)
def test_what_is_told_decides_where_a_comma_can_be_both(
    told: dict[str, str], value: float, assumed: bool
) -> None:
    found = parse_numbers(["1,234"], **told)

    assert found is not None
    assert (found.values.tolist(), found.style.assumed) == ([value], assumed)


def test_a_decimal_sign_that_is_told_does_not_forbid_the_other() -> None:
    found = parse_numbers(["3.14"], decimal=",")

    assert found is not None
    assert found.values.tolist() == [3.14]


@given(st.floats(allow_nan=False), st.sampled_from([(".", ""), (".", ","), (",", "."), (",", " ")]))
def test_a_number_written_in_a_style_is_read_back(number: float, signs: tuple[str, str]) -> None:
    decimal, group = signs
    plain = format(number, ",.3f") if np.isfinite(number) else repr(number)
    word = plain.translate({ord(","): group, ord("."): decimal})

    found = parse_numbers([word, f"0{decimal}5"])

    assert found is not None
    assert found.values[0] == pytest.approx(float(plain.replace(",", "")), rel=1e-15)
