"""What words mean: numbers and times in people's styles, and that a server reads the same from them."""

import string
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlapi.data.rows.values import parse_time
from mlapi.data.signature import Feature
from mlapi.data.tables.cells import _FORMATS, MARKERS, parse_datetimes, parse_numbers

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


@pytest.mark.parametrize("marker", sorted(MARKERS))
def test_a_marker_is_a_blank_among_numbers_and_times(marker: str) -> None:
    count, moments = parse_numbers(["5", marker.upper()]), parse_datetimes(["2024-01-31", marker])

    assert count is not None
    assert moments is not None
    assert np.isnan(count.values).tolist() == np.isnat(moments.values).tolist() == [False, True]
    assert (count.markers, moments.markers) == ((marker.upper(),), (marker,))


@pytest.mark.parametrize(
    ("words", "moment", "form"),
    [
        (["2024-12-31"], "2024-12-31", None),
        (["2024-12-31T23:59:58.5"], "2024-12-31T23:59:58.5", None),
        (["2024-12-31 23:59"], "2024-12-31T23:59", None),
        (["2024-12-31T23:30:00-01:00"], "2025-01-01T00:30", None),
        (["2024-12-31T23:30:00Z", "2024-12-31"], "2024-12-31T23:30", None),
        (["31.12.2024"], "2024-12-31", "%d.%m.%Y"),
        (["1.2.2024"], "2024-02-01", "%d.%m.%Y"),
        (["12/31/2024"], "2024-12-31", "%m/%d/%Y"),
        (["31/12/2024", "01/02/2024"], "2024-12-31", "%d/%m/%Y"),
        (["31/12/24"], "2024-12-31", "%d/%m/%y"),
        (["2024/12/31"], "2024-12-31", "%Y/%m/%d"),
        (["31-Dec-2024"], "2024-12-31", "%d-%b-%Y"),
        (["31-DEC-24"], "2024-12-31", "%d-%b-%y"),
        (["Dec 31, 2024"], "2024-12-31", "%b %d, %Y"),
        (["December 31, 2024"], "2024-12-31", "%B %d, %Y"),
        (["31 December 2024"], "2024-12-31", "%d %B %Y"),
        (["12/31/2024 11:59 PM"], "2024-12-31T23:59", "%m/%d/%Y %I:%M %p"),
        (["31.12.2024, 23:59:58"], "2024-12-31T23:59:58", "%d.%m.%Y, %H:%M:%S"),
        (["23:59"], "1900-01-01T23:59", "%H:%M"),
        (["9:05"], "1900-01-01T09:05", "%H:%M"),
    ],
)
def test_times_of_one_form_are_read(words: list[str], moment: str, form: str | None) -> None:
    found = parse_datetimes(words)

    assert found is not None
    assert (found.values[0], found.format, found.assumed) == (np.datetime64(moment, "us"), form, "")


@pytest.mark.parametrize(
    ("word", "assumed", "moment"),
    [
        ("01/02/2024", "the month stands first", "2024-01-02"),
        ("01-02-2024", "the day stands first", "2024-02-01"),
        ("01/02/24 10:00", "the month stands first", "2024-01-02T10:00"),
    ],
)
def test_a_day_that_can_be_a_month_is_told(word: str, assumed: str, moment: str) -> None:
    found = parse_datetimes([word])

    assert found is not None
    assert found.is_ambiguous
    assert (found.assumed, found.values[0]) == (assumed, np.datetime64(moment, "us"))


@pytest.mark.parametrize(
    "words",
    [
        ["20240131"],
        ["2024"],
        ["2024-01-31", "31.01.2024"],
        ["31.02.2024"],
        ["13/13/2024"],
        ["2024-13-01"],
        ["1.5"],
        ["Monday"],
        ["12:60"],
        ["3:2"],
        [" 2024-01-31"],
        ["0001-01-01T00:00+14:00"],
        ["0000/01/01"],
        ["n/a"],
        [],
    ],
)
def test_what_is_no_column_of_times_is_none(words: list[str]) -> None:
    assert parse_datetimes(words) is None


PRINTED = st.tuples(
    st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)), st.sampled_from(_FORMATS)
).map(lambda drawn: drawn[0].strftime(drawn[1]))
ISO = st.builds(
    datetime.isoformat,
    st.datetimes(timezones=st.none() | st.timezones()),
    st.sampled_from("T "),
)
ALMOST = st.text(string.digits + "./-: ,TZAPMdecjan+", min_size=4, max_size=20)


@given(st.lists(PRINTED | ISO | ALMOST, min_size=1, max_size=3) | ISO.map(lambda word: [word]))
def test_a_server_reads_the_same_times_from_the_same_words(words: list[str]) -> None:
    found = parse_datetimes(words)

    if found is not None:
        feature = Feature("when", "datetime", nullable=True, format=found.format)
        later = [parse_time(feature, word) for word in words]
        np.testing.assert_array_equal(found.values, np.array(later, dtype="datetime64[us]"))


@given(st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)), st.sampled_from(_FORMATS))
def test_every_form_is_recognised(moment: datetime, form: str) -> None:
    word = moment.strftime(form)

    found = parse_datetimes([word])

    assert found is not None
    assert found.is_ambiguous or found.values[0] == np.datetime64(datetime.strptime(word, form), "us")


@given(st.floats(allow_nan=False), st.sampled_from([(".", ""), (".", ","), (",", "."), (",", " ")]))
def test_a_number_written_in_a_style_is_read_back(number: float, signs: tuple[str, str]) -> None:
    decimal, group = signs
    plain = format(number, ",.3f") if np.isfinite(number) else repr(number)
    word = plain.translate({ord(","): group, ord("."): decimal})

    found = parse_numbers([word, f"0{decimal}5"])

    assert found is not None
    assert found.values[0] == pytest.approx(float(plain.replace(",", "")), rel=1e-15)
