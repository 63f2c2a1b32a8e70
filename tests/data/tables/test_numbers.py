"""What texts mean as numbers, in people's styles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlapi.data.tables.cells import CellOptions
from mlapi.data.tables.numbers import most_frequent_style, parse_numbers, written_in_several_ways

NAN = float("nan")


@pytest.mark.parametrize(
    ("words", "values", "style"),
    [
        (["1", "2.5", "-3", "+4", "1e3", ".5", "5."], [1, 2.5, -3, 4, 1000, 0.5, 5], "plain numbers"),
        (["1,234", "1,234,567.5", "12"], [1234, 1234567.5, 12], 'thousands set apart by ","'),
        (["1,234"], [1234], 'thousands set apart by "," (assumed; --decimal , reads them otherwise)'),
        (["0,125", "1,234"], [0.125, 1.234], 'decimal sign ","'),
        (["3,14", "1,234"], [3.14, 1.234], 'decimal sign ","'),
        (["1.234,5", "1.234"], [1234.5, 1234], 'thousands set apart by ".", decimal sign ","'),
        (["1 234", "12"], [1234, 12], 'thousands set apart by " "'),
        (["1\u202f234,5"], [1234.5], 'thousands set apart by " ", decimal sign ","'),
        (
            ["₹12,34,567", "₹950"],
            [1234567, 950],
            'thousands set apart by ",", grouped as in India (12,34,567), currency "₹"',
        ),
        (
            ["1.234,56-", "3"],
            [-1234.56, 3],
            'thousands set apart by ".", decimal sign ",", minus behind (5- is -5)',
        ),
        (["70.00 CHF", "5 CHF"], [70, 5], 'currency "CHF"'),
        (
            ["EUR 5", "EUR -6", "7 EUR-", "(8 EUR)"],
            [5, -6, -7, -8],
            'currency "EUR", minus behind (5- is -5)',
        ),
        (["R$ 1.234,50"], [1234.5], 'thousands set apart by ".", decimal sign ",", currency "R$"'),
        (["1.5E3", "EUR 5"], [1500, 5], 'currency "EUR"'),
        (["- 5", "7"], [-5, 7], "plain numbers"),
        (["1.234.567", "1.234"], [1234567, 1234], 'thousands set apart by ".", decimal sign ","'),
        (["1.234"], [1.234], 'decimal sign "." (assumed; --thousands . reads them otherwise)'),
        (
            ["1.230", "950"],
            [1230, 950],
            'thousands set apart by "." (assumed; --decimal . reads them otherwise), decimal sign ","',
        ),
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
        (["12 kg", "3.5 kg"], [12, 3.5], 'unit "kg"'),
        (["1.37kg", "2kg", "n/a"], [1.37, 2, NAN], 'unit "kg"'),
        (["5 km/h", "7 km/h"], [5, 7], 'unit "km/h"'),
        (["1,5 Mio.", "2 Mio."], [1.5, 2], 'decimal sign ",", unit "Mio."'),
        (["48.21°", "-3.5°"], [48.21, -3.5], 'unit "°"'),
        (
            ["Rs. 1,23,456/-", "Rs. 950/-"],
            [123456, 950],
            'thousands set apart by ",", grouped as in India (12,34,567), currency "Rs.", unit "/-"',
        ),
        (["$\u00a05", "$ 7"], [5, 7], 'currency "$"'),
        (["'-5", "12", "'3.5'"], [-5, 12, 3.5], "without the apostrophes (')"),
        (["–5", "7"], [-5, 7], "plain numbers"),
        (["\u200e5", "7\u200b", "\ufeff8"], [5, 7, 8], "plain numbers"),
        (["٣٤٫٥", "१२", "１２"], [34.5, 12, 12], "plain numbers"),
        (["5", "–", "---", "k. A.", "unknown"], [5, NAN, NAN, NAN, NAN], "plain numbers"),
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
        ["12,34,567", "123,456"],
        ["70.-"],
        ["5 EUROS", "5 DOLLARS"],
        ["CHF"],
        ["kr 5", "7 kr."],
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
        ({"decimal_of_file": ","}, 1.234, True),
    ],
)
def test_what_is_told_decides_where_a_comma_can_be_both(
    told: dict[str, str], value: float, assumed: bool
) -> None:
    found = parse_numbers(["1,234"], CellOptions(**told))

    assert found is not None
    assert (found.values.tolist(), found.style.assumed) == ([value], assumed)


def test_thousands_that_are_told_forbid_the_same_decimal_sign() -> None:
    parsed = parse_numbers(["1.234"], CellOptions(thousands="."))

    assert parsed is not None
    assert parsed.values.tolist() == [1234]


def test_the_numbers_of_most_cells_are_chosen() -> None:
    chosen = most_frequent_style(
        ["5", "<1.0", "1,5", "NA", "$5", "7%", "€2"], np.array([9, 1, 1, 1, 2, 1, 1])
    )

    assert chosen.tolist() == [True, False, True, True, True, False, False]


def test_a_decimal_sign_that_is_told_does_not_forbid_the_other() -> None:
    found = parse_numbers(["3.14"], CellOptions(decimal=","))

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


@pytest.mark.parametrize(
    "words",
    [
        ["12 kg", "800 g"],
        ["1,5", "2.5"],
        ["$5", "€7"],
        ["45%", "0.3"],
        ["5", "6k", "7M"],
        ["3.566,57 S", "3 H"],
    ],
)
def test_numbers_that_are_written_in_several_ways_are_known_for_numbers(words: list[str]) -> None:
    assert written_in_several_ways(words, np.ones(len(words), dtype=np.intp)) == tuple(words[:2])


@pytest.mark.parametrize(
    "words", [["1A", "2B", "3C"], ["1.2.3", "2.0.1"], ["12 Main St", "5 High St"], ["a", "5 kg"], ["n/a"]]
)
def test_codes_versions_and_addresses_are_no_numbers_in_any_way(words: list[str]) -> None:
    assert written_in_several_ways(words, np.ones(len(words), dtype=np.intp)) is None
