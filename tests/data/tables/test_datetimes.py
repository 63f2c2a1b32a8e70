"""What texts mean as dates and times, and that a server reads the same from them."""

import string
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlapi.data.rows.values import parse_time
from mlapi.data.signature import Feature
from mlapi.data.tables.datetimes import _FORMATS, parse_datetimes


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
