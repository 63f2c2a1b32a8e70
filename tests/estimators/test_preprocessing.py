"""The transformers that travel in artifacts: calendars, flags, texts and splines."""

import io
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from mlapi.estimators.preprocessing import CalendarParts, Flags, Frequent, Splines, Texts

NEWEST = "2024-03-10"


def days(*words: str | None) -> pd.DataFrame:
    return pd.DataFrame({"day": np.array(words, dtype="datetime64[us]")})


def again(transformer: Any) -> Any:
    buffer = io.BytesIO()
    joblib.dump(transformer, buffer)
    return joblib.load(buffer)


def parts_of(fitted: CalendarParts, frame: pd.DataFrame) -> dict[str, float]:
    [row] = fitted.transform(frame).tolist()
    return dict(zip(fitted.get_feature_names_out(), row, strict=True))


def test_age_counts_from_the_newest_day_of_the_fit_and_is_kept_in_the_artifact() -> None:
    fitted = again(CalendarParts().fit(days("1969-07-20", NEWEST, None)))

    assert parts_of(fitted, days(NEWEST))["day_age_days"] == 0
    assert parts_of(fitted, days("2024-03-09"))["day_age_days"] == 1
    assert parts_of(fitted, days("2024-03-12"))["day_age_days"] == -2
    assert parts_of(fitted, days("2400-01-01"))["day_year"] == 2400


def test_parts_are_those_of_the_calendar_and_cycles_close() -> None:
    fitted = CalendarParts().fit(days("2023-12-31T23:30", "2024-01-31T00:00", "2024-06-05T06:15"))

    found = parts_of(fitted, days("2024-06-05T06:15"))

    expected = {"year": 2024, "month": 6, "day": 5, "weekday": 2, "hour": 6.25}
    assert {name: found[f"day_{name}"] for name in expected} == expected
    december, january = (parts_of(fitted, days(day)) for day in ("2023-12-15", "2024-01-15"))
    distance = np.hypot(
        *(december[f"day_month_{name}"] - january[f"day_month_{name}"] for name in ("sin", "cos"))
    )
    assert distance == pytest.approx(2 * np.sin(np.pi / 12))


def test_parts_that_never_changed_are_left_out_and_blanks_stay_blank() -> None:
    fitted = CalendarParts().fit(days("2024-01-01", "2024-01-08", None))

    assert list(fitted.get_feature_names_out()) == ["day_day", "day_age_days"]
    assert np.isnan(fitted.transform(days(None))).all()
    assert list(CalendarParts().fit(days(None)).get_feature_names_out()) == ["day_age_days"]


def trips(rows: int = 200) -> pd.DataFrame:
    """Trips of some minutes within a month, and days of birth, which have nothing to do with them."""
    chance = np.random.default_rng(0)
    begin = pd.Timestamp("2024-03-01") + pd.to_timedelta(chance.integers(0, 30 * 24 * 60, rows), unit="m")
    end = begin + pd.to_timedelta(chance.integers(3, 90, rows), unit="m")
    born = pd.Timestamp("1960-01-01") + pd.to_timedelta(chance.integers(0, 15_000, rows), unit="D")
    return pd.DataFrame({"begin": begin, "end": end, "born": born})


def test_two_dates_that_belong_together_make_a_duration_in_place_of_an_age() -> None:
    frame = trips()
    fitted = CalendarParts().fit(frame)

    names = set(fitted.get_feature_names_out())
    spans = {name for name in names if "since" in name or "age" in name}

    assert spans == {"begin_age_days", "end_since_begin", "born_age_days"}
    minutes = (frame["end"] - frame["begin"]).dt.total_seconds() / 60
    np.testing.assert_allclose(part(fitted, frame, "end_since_begin") * 24 * 60, minutes)


def test_all_durations_are_parts_where_columns_may_add_up_and_a_missing_end_has_none() -> None:
    frame = trips()
    fitted = CalendarParts(all_durations=True).fit(frame)
    frame.loc[0, "end"] = None

    assert {"end_since_begin", "born_since_begin", "born_since_end"} <= set(fitted.get_feature_names_out())
    assert np.isnan(part(fitted, frame, "end_since_begin")).tolist() == [True, *[False] * (len(frame) - 1)]


def part(fitted: CalendarParts, frame: pd.DataFrame, name: str) -> np.ndarray[Any, Any]:
    """Return one part of all rows, `(rows,)`."""
    return fitted.transform(frame)[:, fitted.get_feature_names_out().tolist().index(name)]


def test_parts_that_others_add_up_to_are_left_out_and_the_age_stays() -> None:
    march = np.datetime64("2024-03-01T00:00", "us") + np.arange(0, 31 * 24 * 60, 97).astype("timedelta64[m]")
    year = np.datetime64("2024-01-01", "us") + np.arange(366).astype("timedelta64[D]")

    within_a_month = CalendarParts().fit(pd.DataFrame({"day": march})).parts_[0]
    within_a_year = CalendarParts().fit(pd.DataFrame({"day": year})).parts_[0]

    assert "day" not in within_a_month
    assert {"age_days", "hour", "weekday"} <= set(within_a_month)
    assert {"month", "day", "weekday", "age_days"} <= set(within_a_year)


@pytest.mark.parametrize("blanks", [0, 40])
def test_a_column_that_is_another_once_more_has_no_part_of_its_own(blanks: int) -> None:
    moments = np.datetime64("2024-01-01", "us") + np.arange(0, 366 * 24, 7).astype("timedelta64[h]")
    moments[:blanks] = np.datetime64("NaT")
    frame = pd.DataFrame({"sent": moments, "sent again": moments})

    fitted = again(CalendarParts().fit(frame))

    assert fitted.parts_[0]
    assert fitted.parts_[1] == []
    assert fitted.transform(frame).shape == (len(moments), len(fitted.parts_[0]))
    assert list(fitted.get_feature_names_out()) == [f"sent_{part}" for part in fitted.parts_[0]]


def test_moments_of_an_older_version_keep_the_parts_that_it_was_fitted_with() -> None:
    older = CalendarParts()
    older.__setstate__(
        {
            "feature_names_in_": np.array(["day"], dtype=object),
            "n_features_in_": 1,
            "newest_us_": np.array([1_711_843_200_000_000]),
            "parts_": [["day", "age_days"]],
        }
    )

    assert parts_of(again(older), days("2024-03-30")) == {"day_day": 30, "day_age_days": 1}


def test_flags_are_numbers_and_blanks_are_nan() -> None:
    frame = pd.DataFrame({"a": np.array([True, False, np.nan], dtype=object), "b": [False, True, True]})

    np.testing.assert_array_equal(Flags().fit(frame).transform(frame), [[1, 0], [0, 1], [np.nan, 1]])


def test_only_the_most_frequent_words_stay_and_blanks_do() -> None:
    words = pd.DataFrame({"a": ["x", "x", "y", "y", "z", None], "b": ["p"] * 6})
    asked = pd.DataFrame({"a": np.array(["y", "z", "new", np.nan], dtype=object), "b": ["p", "q", "p", "p"]})

    rows = again(Frequent(2).fit(words)).transform(asked).tolist()

    assert rows[:3] == [["y", "p"], ["_other_", "_other_"], ["_other_", "p"]]
    assert pd.isna(rows[3][0])


def test_blanks_around_a_frequent_word_are_no_part_of_it() -> None:
    words = pd.DataFrame({"a": ["x", "x", "y", " y"] + [" y"] * 3})
    asked = pd.DataFrame({"a": [" x", "x\t", " y", " y ", "y", " z", 3, None]})

    rows = Frequent(3).fit(words).transform(asked)[:, 0].tolist()

    assert rows[:-1] == ["x", "x", " y", "y", "y", "_other_", "_other_"]


@pytest.mark.parametrize("column", [pd.Series(["", " ", None]), np.array([np.nan, "", "\t"], dtype=object)])
def test_blank_texts_are_one_word_so_that_a_vectorizer_finds_one(column: Any) -> None:
    vectorizer = make_pipeline(Texts(), TfidfVectorizer()).fit(column)

    assert vectorizer.transform(column).toarray().tolist() == [[1.0]] * 3
    assert vectorizer.transform(np.array(["a good day"], dtype=object)).nnz == 0


def test_splines_are_scikit_learns_after_a_pickle_too() -> None:
    numbers = np.random.default_rng(0).normal(size=(50, 3))
    expected = SplineTransformer(5, extrapolation="linear").fit(numbers).transform(numbers * 2)

    fitted = Splines(5, extrapolation="linear").fit(numbers)

    np.testing.assert_array_equal(fitted.transform(numbers * 2), expected)
    np.testing.assert_array_equal(again(fitted).transform(numbers * 2), expected)
    assert not hasattr(again(Splines(5)), "bsplines_")
