"""What texts mean as dates and times, and that a server reads the same from them."""

import string
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlapi.data.rows.values import parse_time
from mlapi.data.signature import Feature
from mlapi.data.tables.cells import CellOptions
from mlapi.data.tables.date_formats import FORMATS
from mlapi.data.tables.datetimes import most_frequent_format, parse_datetimes


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
        ([" 2024-12-31 "], "2024-12-31", None),
        (["2024-2-1 9:05"], "2024-02-01T09:05", None),
        (["2024-12-31 23:59:58.123456789 UTC"], "2024-12-31T23:59:58.123456", None),
        (["2024-12-31 23:30:00 -0100"], "2025-01-01T00:30", None),
        (["2024-12-31T23:30+01:00[Europe/Berlin]"], "2024-12-31T22:30", None),
        (["Thu, 23 Mar 2023 08:15:00 -0500"], "2023-03-23T13:15", None),
        (["23 Mar 2023 08:15:00 GMT", "2023-03-23"], "2023-03-23T08:15", None),
        (["Thursday, March 23, 2023"], "2023-03-23", "%B %d, %Y"),
        (["31/12/2024  23:59"], "2024-12-31T23:59", "%d/%m/%Y %H:%M"),
        (["12/31/2024 11:59 p.m."], "2024-12-31T23:59", "%m/%d/%Y %I:%M %p"),
        (["2024-12-31", "0000-00-00", "0000-00-00 00:00:00"], "2024-12-31", None),
    ],
)
def test_times_of_one_form_are_read(words: list[str], moment: str, form: str | None) -> None:
    found = parse_datetimes(words)

    assert found is not None
    assert (found.values[0], found.format, found.is_assumed) == (np.datetime64(moment, "us"), form, False)


@pytest.mark.parametrize(
    ("word", "day_first", "moment"),
    [
        ("01/02/2024", False, "2024-01-02"),
        ("01-02-2024", True, "2024-02-01"),
        ("01/02/24 10:00", False, "2024-01-02T10:00"),
    ],
)
def test_a_day_that_can_be_a_month_is_told(word: str, day_first: bool, moment: str) -> None:
    found = parse_datetimes([word])

    assert found is not None
    assert found.is_assumed
    assert (found.day_first, found.values[0]) == (day_first, np.datetime64(moment, "us"))


MONTHLY = [f"01/{month:02}/{year}" for year in (2023, 2024) for month in range(1, 13)]
ASCENDING = [f"{day:02}/{month:02}/2024" for month in (1, 2, 3) for day in (4, 8, 12)]


@pytest.mark.parametrize("words", [MONTHLY, ASCENDING, ASCENDING[::-1]])
def test_dates_that_make_sense_in_one_way_alone_decide_where_the_day_stands(words: list[str]) -> None:
    parsed = parse_datetimes(words)

    assert parsed is not None
    assert parsed.day_first
    assert parsed.reason
    assert parsed.values[1] == np.datetime64(datetime.strptime(words[1], "%d/%m/%Y"), "us")


def test_what_the_user_says_decides_where_the_day_stands() -> None:
    months = parse_datetimes(MONTHLY, CellOptions(day_first=False))
    days, only_months = (
        parse_datetimes([word], CellOptions(day_first=True)) for word in ("1/2/24", "1/13/24")
    )

    assert months is not None
    assert days is not None
    assert only_months is not None
    assert (months.format, days.format, only_months.format) == ("%m/%d/%Y", "%d/%m/%y", "%m/%d/%y")
    assert not days.is_assumed


def test_times_of_which_only_some_have_an_offset_are_told() -> None:
    some, none = (parse_datetimes(["2024-01-01T10:00", last]) for last in ("2024-01-01T10:00Z", "2024-01-01"))

    assert some is not None
    assert none is not None
    assert (some.lacks_offsets, none.lacks_offsets) == (True, False)


def test_the_dates_of_most_cells_are_chosen() -> None:
    iso = most_frequent_format(["2024-01-05", "soon", "NA", "2024-1-6"], np.array([9, 1, 1, 1]))
    days = most_frequent_format(["13/01/2024", "31/02/2024", "2024-01-01"], np.array([9, 1, 1]))

    assert iso.tolist() == [True, False, True, True]
    assert days.tolist() == [True, False, False]


@pytest.mark.parametrize(
    "words",
    [
        ["20240131"],
        ["2024-1-32"],
        ["2024-01-01 24:01"],
        ["Thu, 32 Mar 2023 08:15:00 -0500"],
        ["0000-00-00"],
        ["2024"],
        ["2024-01-31", "31.01.2024"],
        ["31.02.2024"],
        ["13/13/2024"],
        ["2024-13-01"],
        ["1.5"],
        ["Monday"],
        ["12:60"],
        ["3:2"],
        ["0001-01-01T00:00+14:00"],
        ["0000/01/01"],
        ["n/a"],
        [],
    ],
)
def test_what_is_no_column_of_times_is_none(words: list[str]) -> None:
    assert parse_datetimes(words) is None


PRINTED = st.tuples(st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)), st.sampled_from(FORMATS)).map(
    lambda drawn: drawn[0].strftime(drawn[1])
)
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


@given(st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)), st.sampled_from(FORMATS))
def test_every_form_is_recognised(moment: datetime, form: str) -> None:
    word = moment.strftime(form)

    found = parse_datetimes([word])

    assert found is not None
    assert found.is_assumed or found.values[0] == np.datetime64(datetime.strptime(word, form), "us")
