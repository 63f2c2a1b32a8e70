"""Dates in the forms of programs and of other languages, and durations."""

import numpy as np
import pytest

from mlapi.data.tables.datetimes import parse_datetimes, read_datetime
from mlapi.data.tables.durations import parse_durations


@pytest.mark.parametrize(
    ("words", "times"),
    [
        (["Jan-24", "Dec-23"], ["2024-01-01", "2023-12-01"]),
        (["January 2024", "May 2024"], ["2024-01-01", "2024-05-01"]),
        (["01/2024", "12/2023"], ["2024-01-01", "2023-12-01"]),
        (["2024-01", "2023-12"], ["2024-01-01", "2023-12-01"]),
        (["2024Q1", "2023-Q4", "Q2 2024"], ["2024-01-01", "2023-10-01", "2024-04-01"]),
        (["3. Januar 2024", "4. März 2024", "5. Mai 2024"], ["2024-01-03", "2024-03-04", "2024-05-05"]),
        (["1er août 2024", "3 juin 2024"], ["2024-08-01", "2024-06-03"]),
        (["3 de enero de 2024", "4 de mayo de 2024"], ["2024-01-03", "2024-05-04"]),
        (["Mo., 8. Jan. 2024", "Di., 9. Dez. 2025"], ["2024-01-08", "2025-12-09"]),
        (["Mi, 03.01.2024", "Do, 04.01.2024"], ["2024-01-03", "2024-01-04"]),
        (["March 3rd, 2024", "May 21st, 2024"], ["2024-03-03", "2024-05-21"]),
        (["3 Sept 2024", "4 Oct 2024"], ["2024-09-03", "2024-10-04"]),
        (["2024年1月5日", "2024年12月31日"], ["2024-01-05", "2024-12-31"]),
        (["٢٠٢٤-٠١-٠٥"], ["2024-01-05"]),
        (["2024-01-05 09:05 CET", "2024-07-05 09:05 CEST"], ["2024-01-05T08:05", "2024-07-05T07:05"]),
        (["2024-01-05 09:05:00 PST"], ["2024-01-05T17:05"]),
        (["Wed Jan  3 10:05:00 2024"], ["2024-01-03T10:05"]),
        (["Wed Jan 03 10:05:00 UTC 2024"], ["2024-01-03T10:05"]),
        (["Wed Jan 03 10:05:00 +0100 2024"], ["2024-01-03T09:05"]),
        (["Wed Jan 03 2024 10:05:00 GMT+0100 (CET)"], ["2024-01-03T09:05"]),
        (
            ["[03/Jan/2024:10:05:00 +0000]", "03/Jan/2024:10:05:00 -0500"],
            ["2024-01-03T10:05", "2024-01-03T15:05"],
        ),
        (["03.01.2024", "04.01.2024 10:05"], ["2024-01-03", "2024-01-04T10:05"]),
        (["1/13/2024", "1/14/2024 2:05 PM"], ["2024-01-13", "2024-01-14T14:05"]),
        (["2PM", "11AM"], ["1900-01-01T14:00", "1900-01-01T11:00"]),
        (["9h05", "23h59"], ["1900-01-01T09:05", "1900-01-01T23:59"]),
    ],
)
def test_a_column_and_a_server_read_the_same_date(words: list[str], times: list[str]) -> None:
    parsed = parse_datetimes(words)

    assert parsed is not None
    expected = np.array(times, dtype="datetime64[us]")
    np.testing.assert_array_equal(parsed.values, expected)
    assert [read_datetime(word, parsed.format) for word in words] == expected.tolist()


@pytest.mark.parametrize(
    "words",
    [
        ["2024-01-05 09:05 XYZ"],
        ["Wed Foo 03 10:05:00 2024"],
        ["Wed Jan 03 10:05:00 XYZ 2024"],
        ["2024Q5"],
        ["Januar"],
        ["13/2024"],
        ["3. Quark 2024"],
        ["the first of may"],
    ],
)
def test_what_only_looks_like_such_a_date_is_none(words: list[str]) -> None:
    assert parse_datetimes(words) is None
    assert read_datetime(words[0]) is None


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["35:12:20", "1:30:00"], [126740, 5400]),
        (["75:20", "3:05"], [4520, 185]),
        (["1h 30m", "45 min", "2 hours", "30s"], [5400, 2700, 7200, 30]),
        (["PT1H30M", "P1DT2H", "PT45S"], [5400, 93600, 45]),
        (["1 days 02:30:00", "0 days 00:00:01.5"], [95400, 1.5]),
        (["-1:30:00", "n/a"], [-5400, np.nan]),
    ],
)
def test_durations_are_seconds(words: list[str], values: list[float]) -> None:
    parsed = parse_durations(words)

    assert parsed is not None
    np.testing.assert_array_equal(parsed.values, values)


@pytest.mark.parametrize("words", [["P"], ["T"], [""], ["n/a"], ["1:75"], ["5"], ["1h", "x"], ["m"], ["3:1"]])
def test_what_is_no_column_of_durations_is_none(words: list[str]) -> None:
    assert parse_durations(words) is None
