"""Tables in memory become frames with their dtypes; what is none is refused, and nothing is a path."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse

from mlapi.errors import DatasetError
from mlapi.training.programs.tables import to_frame, with_target

FRAME = pd.DataFrame({"age": [41, 52], "plan": ["basic", "pro"]})


@pytest.mark.parametrize(
    "table",
    [
        FRAME,
        FRAME.to_dict("records"),
        FRAME.to_dict("list"),
        pa.Table.from_pandas(FRAME),
        pa.RecordBatch.from_pandas(FRAME),
        FRAME.to_records(index=False),
    ],
    ids=["frame", "records", "columns", "arrow", "batch", "recarray"],
)
def test_a_table_with_names_is_a_frame_of_the_same_cells(table: Any) -> None:
    pd.testing.assert_frame_equal(to_frame(table), FRAME, check_dtype=False)


@pytest.mark.parametrize("rows", [[[1.5, 2], [3, 4]], [(1.5, 2), (3, 4)], np.array([[1.5, 2], [3, 4]])])
def test_rows_without_names_get_those_of_the_estimator_or_of_scikit_learn(rows: Any) -> None:
    assert list(to_frame(rows)) == ["x0", "x1"]
    assert list(to_frame(rows, ["a", "b"])) == ["a", "b"]
    assert list(to_frame(rows, ["a", "b", "c"])) == ["x0", "x1"]


def test_dtypes_stay_as_they_are() -> None:
    columns = {
        "c": pd.Categorical(["b", "a"], categories=["b", "a", "z"]),
        "f": np.array([1, 2], dtype=np.float32),
        "n": pd.array([1, None], dtype="Int64"),
    }
    frame = pd.DataFrame(columns)

    assert to_frame(frame).dtypes.equals(frame.dtypes)
    assert set(to_frame(np.ones((2, 2), dtype=np.float32)).dtypes.map(str)) == {"float32"}
    assert to_frame(pa.Table.from_pandas(frame[["c"]]))["c"].cat.categories.tolist() == ["b", "a", "z"]


def test_names_that_are_numbers_become_texts() -> None:
    assert list(to_frame(pd.DataFrame([[1, 2]]))) == ["0", "1"]


def test_texts_are_one_column_and_no_paths() -> None:
    assert to_frame(["good.csv", "bad.csv"])["x0"].tolist() == ["good.csv", "bad.csv"]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("rows.csv", "a str is no table; expected a DataFrame, a matrix"),
        (7, "a int is no table"),
        ([], "a list of none is no table"),
        ([1, 2, 3], "a list of int is no table"),
        ([[1, 2], [3]], "the rows have 1, 2 cells"),
        ([[1, 2], {"a": 1}], "is no table"),
        (np.ones((2, 2, 2)), "this array has 3 dimensions"),
        (sparse.eye(3), "the matrix is sparse"),
        ({"a": 1, "b": 2}, "for one row give a list of one record"),
        (FRAME.head(0), "the table has no rows"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns are called 'a'"),
        (pd.DataFrame({("a", "b"): [1]}), "names in levels"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_table_is_refused_in_one_line(table: Any, words: str) -> None:
    with pytest.raises(DatasetError, match=words) as caught:
        to_frame(table)

    assert "\n" not in str(caught.value)


def test_the_values_of_a_series_go_to_the_rows_of_its_labels() -> None:
    rows = pd.DataFrame({"x": [10, 20, 30]}, index=["a", "b", "c"])

    frame, name = with_target(rows, pd.Series([3, 1, 2], index=["c", "a", "b"], name="y"))

    assert name == "y"
    assert frame["y"].tolist() == [1, 2, 3]


def test_values_without_a_name_are_called_target_and_stand_in_the_order_of_the_rows() -> None:
    for target in ([1, 0], np.array([1, 0]), np.array([[1], [0]]), pd.Series([1, 0]), pa.array([1, 0])):
        frame, name = with_target(FRAME, target)

        assert name == "target"
        assert frame["target"].tolist() == [1, 0]


def test_a_column_of_the_table_itself_is_the_target() -> None:
    frame, name = with_target(FRAME, FRAME["plan"])

    assert (name, list(frame)) == ("plan", ["age", "plan"])


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (pd.Series([1, 2], index=[0, 7]), "give target.to_numpy\\(\\)"),
        (pd.Series([1, 2, 3], index=[0, 0, 1]), "has some twice"),
        ([1, 2, 3], "the target has 3 values, the table 2 rows"),
        (pd.Series(["pro", "pro"], name="plan"), "a column 'plan' already, with other values"),
        (np.ones((2, 2)), "a ndarray is no target"),
        (7, "a int is no target"),
    ],
)
def test_a_target_that_does_not_go_with_the_rows_is_refused(target: Any, words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        with_target(FRAME, target)
