"""A single row, read and answered without arrays: as if it were one of many."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlapi.data.rows.reader import Reader, Row
from mlapi.data.signature import Feature, Signature, Target
from mlapi.inference.compiled.predictor import Predictor
from mlapi.inference.compiling import compile_pipeline

RANDOM = np.random.default_rng(0)
ROWS = 200

NUMBERS = Signature(
    tuple(Feature(name, minimum=-1e3, maximum=1e3) for name in "abcd"), Target("y", "category", (0, 1))
)
MIXED = Signature(
    (
        Feature("city", "category", nullable=True, categories=("Bonn", "Oslo", "Rome")),
        Feature("size", nullable=True, minimum=-1e3, maximum=1e3),
        Feature("rooms", "category", categories=(1, 2, 3)),
        Feature("age", "integer", minimum=0, maximum=100),
        Feature("new", "boolean"),
    ),
    Target("y", "category", ("high", "low", "mid")),
    ignored=("y",),
)
MATRIX = RANDOM.normal(size=(ROWS, 4)) * [1, 10, 1e-3, 100]
FRAME = pd.DataFrame(
    {
        "city": RANDOM.choice(np.array(["Bonn", "Oslo", "Rome", np.nan], dtype=object), ROWS),
        "size": np.where(RANDOM.random(ROWS) < 0.1, np.nan, RANDOM.normal(size=ROWS)),
        "rooms": RANDOM.integers(1, 4, ROWS).astype(float),
        "age": RANDOM.integers(0, 101, ROWS).astype(float),
        "new": RANDOM.random(ROWS) < 0.5,
    }
)
SCORE = MATRIX @ [1, 0.1, 100, 0.01]
WORDS = np.array(["low", "mid", "high"])[np.digitize(SCORE, [-0.5, 0.5])]


def _mixed(final: Any) -> Any:
    blocks = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city", "rooms", "new"]),
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["age", "size"]),
    )
    return make_pipeline(blocks, final)


ESTIMATORS = {
    "two classes": (NUMBERS, make_pipeline(StandardScaler(), LogisticRegression()), SCORE > 0),
    "three classes": (NUMBERS, LogisticRegression(max_iter=1000), WORDS),
    "a value": (NUMBERS, make_pipeline(StandardScaler(), Ridge()), SCORE),
    "two values": (NUMBERS, LinearRegression(), np.column_stack([SCORE, -SCORE])),
    "words and a value": (MIXED, _mixed(Ridge()), SCORE),
    "words and two classes": (MIXED, _mixed(LogisticRegression()), SCORE > 0),
    "words and three classes": (MIXED, _mixed(LogisticRegression()), WORDS),
}
FITTED = {
    name: (signature, estimator.fit(MATRIX if signature is NUMBERS else FRAME, target))
    for name, (signature, estimator, target) in ESTIMATORS.items()
}

numbers = st.integers(-1000, 1000) | st.floats(-1000, 1000)
records = st.fixed_dictionaries(
    {
        "city": st.sampled_from(["Bonn", "Oslo", "Rome", None]),
        "size": numbers,
        "rooms": st.sampled_from([1, 2, 3, 2.0]),
        "age": st.integers(0, 100) | st.integers(0, 100).map(float),
        "new": st.booleans(),
    }
)
lists = st.lists(numbers, min_size=4, max_size=4)


@pytest.mark.parametrize("name", FITTED)
@settings(derandomize=True)
@given(st.data())
def test_a_row_alone_gets_scikit_learns_answer(name: str, data: st.DataObject) -> None:
    signature, estimator = FITTED[name]
    row = data.draw(lists if signature is NUMBERS else records)
    reader = Reader(signature)
    usual = reader.try_without_arrays(row)
    assert usual is not None
    pipeline = compile_pipeline(estimator, signature.names)
    assert pipeline is not None

    answer = Predictor(pipeline, lambda *_: pytest.fail("asked")).answer_row(usual.cells)

    batch = reader.read_rows([row]).batch
    expected = estimator.predict(batch if isinstance(batch, np.ndarray) else pd.DataFrame(batch))
    if answer is not None:  # else it hangs on rounding, and the general path answers
        assert (answer.shape, answer.dtype) == (expected.shape, expected.dtype)
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(answer, expected, rtol=1e-9, atol=1e-9)
        else:
            assert answer.tolist() == expected.tolist()


def test_ordinary_rows_need_no_second_look() -> None:
    for signature, estimator in FITTED.values():
        predictor = Predictor(compile_pipeline(estimator, signature.names), lambda *_: pytest.fail("asked"))  # type: ignore[arg-type]
        rows = MATRIX if signature is NUMBERS else FRAME.dropna().to_numpy()

        assert all(predictor.answer_row(row.tolist()) is not None for row in rows)


def test_a_row_on_the_boundary_is_left_to_the_general_path() -> None:
    matrix = np.array([[1.0, 0, 0, 0], [-1.0, 0, 0, 0]])
    estimator = LogisticRegression(fit_intercept=False).fit(matrix, [0, 1])
    predictor = Predictor(compile_pipeline(estimator, NUMBERS.names), lambda *_: pytest.fail("asked"))  # type: ignore[arg-type]

    assert predictor.answer_row([0.0, 5.0, 5.0, 5.0]) is None


def test_a_blank_flag_among_numbers_is_left_to_the_general_path() -> None:
    signature = Signature((Feature("new", "boolean", nullable=True), Feature("size")), Target("y", "number"))
    frame = pd.DataFrame({"new": [True, False, np.nan] * 5, "size": np.arange(15.0)})
    estimator = make_pipeline(SimpleImputer(), Ridge()).fit(frame, np.arange(15.0))
    predictor = Predictor(compile_pipeline(estimator, signature.names), lambda *_: pytest.fail("asked"))  # type: ignore[arg-type]
    usual = Reader(signature).try_without_arrays([None, 3.0])
    assert usual is not None

    assert predictor.answer_row(usual.cells) is None


cells = st.none() | st.booleans() | numbers | st.floats(1e3, 1e9) | st.just([]) | st.just({})
cells |= st.sampled_from(["Bonn", "Paris", "", "x", 13.5])
any_row = st.dictionaries(st.sampled_from([*MIXED.names, *NUMBERS.names, "y", "z"]), cells, max_size=7)
any_row = any_row | st.lists(cells, max_size=6) | records | lists | cells  # type: ignore[assignment]


@given(st.sampled_from([NUMBERS, MIXED]), any_row)
def test_a_row_is_read_alone_only_if_nothing_is_to_be_said_of_it(signature: Signature, row: Any) -> None:
    reader = Reader(signature)

    usual = reader.try_without_arrays(row)

    if usual is not None:
        assert isinstance(usual, Row)
        same = reader.read_rows([row])
        assert same.warnings == ()
        batch = usual.to_batch()
        if isinstance(batch, np.ndarray):
            np.testing.assert_array_equal(batch, same.batch)
        else:
            assert list(batch) == list(same.batch)
            for name, column in batch.items():  # as words, because a blank is not equal to a blank
                assert column.dtype == same.batch[name].dtype
                assert list(map(str, column)) == list(map(str, same.batch[name]))


@pytest.mark.parametrize(
    ("signature", "row"),
    [(NUMBERS, [1, 2.5, -3, 0]), (MIXED, ["Oslo", 1, 2, 3.0, True]), (MIXED, [None, 1.5, 2.0, 3, False])],
)
def test_usual_rows_are_read_alone(signature: Signature, row: list[Any]) -> None:
    assert Reader(signature).try_without_arrays(row) is not None
    assert Reader(signature).try_without_arrays(dict(zip(signature.names, row, strict=True))) is not None
