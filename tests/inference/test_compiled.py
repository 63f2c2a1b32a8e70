"""Compiled pipelines against scikit-learn: drawn ones, those of training, and those that fall back."""

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeClassifier,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import LinearSVC, LinearSVR

from mlapi.data.signature import Batch
from mlapi.estimators.preprocessing import CalendarParts, Flags, Frequent, Splines
from mlapi.inference.compiled.predictor import Predictor
from mlapi.inference.compiling import compile_pipeline
from mlapi.training.preparation import features
from mlapi.training.preparation.columns import infer_columns
from mlapi.training.preparation.features import PipelineFactory
from mlapi.training.recipes import Expansion, Overrides

CASES = 60
"""Of each property; some thousands while something is changed here."""

drawn = settings(max_examples=CASES, derandomize=True)

METHODS = ("predict", "predict_proba", "decision_function")

Draw = Callable[..., Any]


@dataclass
class Asked:
    """A fitted estimator, its compiled form, and how often scikit-learn was asked by that."""

    estimator: Any
    names: tuple[str, ...]
    questions: int = 0

    def __post_init__(self) -> None:
        pipeline = compile_pipeline(self.estimator, self.names)
        self.predictor = pipeline and Predictor(pipeline, self._original)

    def rows(self, batch: Batch) -> Any:
        if not hasattr(self.estimator, "feature_names_in_"):
            return batch
        if isinstance(batch, np.ndarray):
            return pd.DataFrame(batch, columns=list(self.names))
        return pd.DataFrame(dict(batch))

    def expected(self, method: str, batch: Batch) -> NDArray[Any]:
        with np.errstate(all="ignore"):
            return np.asarray(getattr(self.estimator, method)(self.rows(batch)))

    def _original(self, method: str, batch: Batch) -> NDArray[Any]:
        self.questions += 1
        return self.expected(method, batch)


def matrix_of(draw: Draw, rows: int, columns: int) -> NDArray[np.float64]:
    """Columns of any scale and any distance from zero; some constant, some whole."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    matrix = random.normal(size=(rows, columns))
    for column in range(columns):
        kind = draw(st.sampled_from(["plain", "plain", "far", "constant", "whole", "zero"]))
        if kind == "whole":
            matrix[:, column] = np.round(matrix[:, column] * 3)
        if kind in ("constant", "zero"):
            matrix[:, column] = matrix[0, column] * (kind == "constant")
        if kind == "far":
            matrix[:, column] += 10.0 ** draw(st.integers(1, 9))
        matrix[:, column] *= 10.0 ** draw(st.integers(-12, 12))
    return matrix


def blanked(draw: Draw, values: NDArray[Any], share: float) -> NDArray[Any]:
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    found = values.copy()
    found[random.random(values.shape) < share] = np.nan
    return found


def target_of(draw: Draw, rows: int, kind: str) -> NDArray[Any]:
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if kind == "values":
        return random.normal(size=rows) * 10.0 ** draw(st.integers(-6, 6))
    if kind == "pairs":
        return random.normal(size=(rows, 2))
    count = 2 if kind == "two" else draw(st.integers(3, 5))
    classes = draw(
        st.sampled_from(
            [np.arange(10), np.array(list("abcdefghij")), np.array(list("abcdefghij"), dtype=object)]
        )
    )
    if count == 2 and draw(st.booleans()):
        classes = np.array([False, True])
    chosen = random.integers(0, count, rows)
    if draw(st.booleans()):  # one class rare
        chosen[chosen == count - 1] = 0
    chosen[:count] = np.arange(count)
    chosen[count : 2 * count] = np.arange(count)
    return classes[chosen]  # type: ignore[no-any-return]


def scalers(draw: Draw) -> list[Any]:
    makers = [StandardScaler, StandardScaler, MinMaxScaler, RobustScaler, MaxAbsScaler]
    variants: list[Callable[[], Any]] = [
        *makers,
        lambda: StandardScaler(with_mean=False),
        lambda: StandardScaler(with_std=False),
        lambda: MinMaxScaler((-1, 3), clip=True),
        lambda: RobustScaler(with_centering=False),
    ]
    return [draw(st.sampled_from(variants))() for _ in range(draw(st.integers(0, 2)))]


def expansions(draw: Draw) -> list[Any]:
    return draw(  # type: ignore[no-any-return]
        st.sampled_from(
            [
                [],
                [],
                [PolynomialFeatures(2, include_bias=False)],
                [PolynomialFeatures(3, interaction_only=True)],
                [PolynomialFeatures((2, 3))],
                [Splines(4, extrapolation="linear", include_bias=False)],
            ]
        )
    )


def model_of(draw: Draw, kind: str) -> Any:
    few = {"max_iter": 30}
    classifiers: list[Callable[[], Any]] = [
        lambda: LogisticRegression(**few),
        lambda: LogisticRegression(C=1e-3, **few),
        lambda: LogisticRegression(C=1e4, fit_intercept=False, **few),
        lambda: LogisticRegression(l1_ratio=1.0, solver="saga", C=0.1, **few),
        RidgeClassifier,
        lambda: LinearSVC(**few),
        lambda: OneVsRestClassifier(LogisticRegression(**few)),
    ]
    regressors: list[Callable[[], Any]] = [
        LinearRegression,
        Ridge,
        lambda: Lasso(0.1, **few),
        lambda: ElasticNet(0.1, **few),
    ]
    singles: list[Callable[[], Any]] = [
        lambda: LinearSVR(**few),
        lambda: TransformedTargetRegressor(Ridge(), transformer=StandardScaler()),
        lambda: TransformedTargetRegressor(
            make_pipeline(StandardScaler(), Ridge()), transformer=StandardScaler()
        ),
    ]
    if kind in ("two", "many"):
        return draw(st.sampled_from(classifiers))()
    return draw(st.sampled_from(regressors + (singles if kind == "values" else [])))()


def fitted(pipeline: Any, rows: Any, target: NDArray[Any]) -> Any:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of what hardly converges, or can hardly be scaled
        return pipeline.fit(rows, target)


def sizes(estimator: Any, rows: Any) -> NDArray[np.float64] | float:
    """For each row, the sum of the sizes of the terms that make its largest score."""
    final = estimator[-1]
    if isinstance(final, TransformedTargetRegressor):
        values = final.transformer_.inverse_transform(np.zeros((1, 1)))
        inner = final.regressor_
        steps = inner if isinstance(inner, Pipeline) else make_pipeline(inner)
        before = estimator[:-1].transform(rows) if len(estimator) > 1 else rows
        return np.abs(values).max() + final.transformer_.scale_.max() * sizes(steps, before)
    matrix = rows if len(estimator) == 1 else estimator[:-1].transform(rows)
    matrix = np.abs(matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix, dtype=np.float64))
    parts = getattr(final, "estimators_", [final])
    found = [
        matrix @ np.abs(np.atleast_2d(part.coef_)).T + np.abs(np.asarray(part.intercept_)) for part in parts
    ]
    return np.hstack(found).max(axis=1)


def assert_same(asked: Asked, batch: Batch) -> None:
    """Labels are equal, and numbers within 1e-9 of the size of what makes them."""
    assert asked.predictor is not None
    methods = [method for method in METHODS if hasattr(asked.estimator, method)]
    found = asked.predictor.answer(batch, methods)
    with np.errstate(all="ignore"):
        allowed = 1e-9 * np.asarray(sizes(asked.estimator, asked.rows(batch)))
    for method in methods:
        expected = asked.expected(method, batch)
        assert (found[method].dtype, found[method].shape) == (expected.dtype, expected.shape), method
        if method == "predict" and hasattr(asked.estimator, "classes_"):
            assert found[method].tolist() == expected.tolist()
            continue
        apart = np.abs(found[method] - expected).reshape(len(expected), -1).max(axis=1)
        least = 1e-9 if method == "predict_proba" else 0.0
        assert (apart <= allowed + least).all(), (method, apart.max(), allowed)


@drawn
@given(st.data())
def test_pipelines_of_numbers_answer_as_scikit_learn_does(data: st.DataObject) -> None:
    draw = data.draw
    rows, columns = draw(st.integers(12, 40)), draw(st.integers(1, 6) | st.just(50))
    matrix = matrix_of(draw, rows, columns)
    steps = scalers(draw)
    if has_blanks := draw(st.booleans()):
        matrix = blanked(draw, matrix, 0.2)
        imputer = SimpleImputer(
            strategy=draw(st.sampled_from(["median", "mean", "most_frequent", "constant"])),
            add_indicator=draw(st.booleans()),
            keep_empty_features=True,
        )
        steps = [imputer, *steps]
    if columns < 7:
        steps = [*steps, *expansions(draw), *scalers(draw)[:1]]
    kind = draw(st.sampled_from(["two", "many", "values", "pairs"]))
    pipeline = make_pipeline(*steps, model_of(draw, kind))
    target = target_of(draw, rows, kind)
    names = tuple(f"x{column}" for column in range(columns))
    given_rows = pd.DataFrame(matrix, columns=list(names)) if draw(st.booleans()) else matrix
    try:
        asked = Asked(fitted(pipeline, given_rows, target), names)
    except ValueError:  # such numbers cannot be fitted
        return

    other = matrix_of(draw, 5, columns)
    for batch in (matrix, matrix[:1], other, other[:1], np.asfortranarray(matrix)):
        try:
            asked.expected("predict", batch)
        except ValueError as error:
            with pytest.raises(ValueError, match=re.escape(str(error))):
                asked.predictor.answer(batch, ["predict"])  # type: ignore[union-attr]
            continue
        assert_same(asked, batch)
    if has_blanks:
        assert_same(asked, np.full((2, columns), np.nan))


WORDS = ("red", "green", "blue", "rare", "_other_", "")
UNSEEN = ("purple", "blue ", "nan")


def words_of(draw: Draw, rows: int, words: tuple[str, ...], *, blanks: bool) -> NDArray[Any]:
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    found = random.choice(np.array(words, dtype=object), rows)
    found[: len(words)] = words
    if blanks:
        found[random.random(rows) < 0.2] = np.nan
    return found


def table_of(
    draw: Draw, rows: int, *, blanks: bool, words: tuple[str, ...] = WORDS
) -> dict[str, NDArray[Any]]:
    """A column of each kind, as a server makes them of a request's cells."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    numbers = matrix_of(draw, rows, 2)
    sizes = random.choice([1.0, 2.0, 13.0], rows)
    flags = random.random(rows) < 0.5
    days = random.integers(-(10**15), 2 * 10**15, rows).astype("datetime64[us]")
    if blanks:
        numbers, sizes = blanked(draw, numbers, 0.2), blanked(draw, sizes, 0.2)
        flags = np.where(random.random(rows) < 0.2, np.nan, flags.astype(object))
        days[random.random(rows) < 0.2] = np.datetime64("NaT", "us")
    return {
        "length": numbers[:, 0],
        "color": words_of(draw, rows, words, blanks=blanks),
        "flag": flags,
        "size": sizes,
        "day": days,
        "until": days + random.integers(0, 10**12, rows).astype("timedelta64[us]"),
        "width": numbers[:, 1],
        "shape": words_of(draw, rows, words, blanks=blanks),
    }


def encoder_of(draw: Draw) -> list[Any]:
    one_hot = [
        OneHotEncoder(handle_unknown="ignore"),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=4, max_categories=4),
        OneHotEncoder(handle_unknown="ignore", min_frequency=5, sparse_output=False),
        OneHotEncoder(handle_unknown="error"),
        OneHotEncoder(drop="first"),
        OneHotEncoder(drop="if_binary", sparse_output=False),
        OneHotEncoder(drop="first", min_frequency=6),
    ]
    ordinal = [
        OrdinalEncoder(encoded_missing_value=-1),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-2, encoded_missing_value=-3),
        OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=50, encoded_missing_value=70, min_frequency=4
        ),
    ]
    encoder = draw(st.sampled_from([*one_hot, *ordinal]))
    after = [StandardScaler(with_mean=False)] if draw(st.booleans()) else []
    before = draw(st.sampled_from([[], [], [Frequent(3)], [SimpleImputer(strategy="most_frequent")]]))
    return [*before, encoder, *after]


def imputer_of(draw: Draw, *, blanks: bool, strategy: str = "median") -> list[Any]:
    marks = draw(st.booleans())
    return [SimpleImputer(strategy=strategy, add_indicator=marks, keep_empty_features=True)] if blanks else []


def blocks_of(draw: Draw, *, blanks: bool) -> ColumnTransformer:
    numbers = [*imputer_of(draw, blanks=blanks), *expansions(draw), *scalers(draw)]
    blocks = [
        ("numbers", make_pipeline(*numbers) if numbers else "passthrough", ["length", "width"]),
        ("words", make_pipeline(*encoder_of(draw)), ["shape", "color"]),
        ("codes", OneHotEncoder(handle_unknown="ignore"), ["size"]),
        (
            "flags",
            make_pipeline(Flags(), *imputer_of(draw, blanks=blanks, strategy="most_frequent")),
            ["flag"],
        ),
        (
            "days",
            make_pipeline(
                CalendarParts(draw(st.booleans())), *imputer_of(draw, blanks=blanks), StandardScaler()
            ),
            draw(st.sampled_from([["day"], ["day", "until"]])),
        ),
        ("dropped", "drop", ["length"]),
    ]
    chosen = draw(st.lists(st.sampled_from(blocks), min_size=1, unique_by=lambda block: block[0]))
    remainder = "drop"
    used = {name for _, _, columns in chosen for name in columns}
    if {"color", "size", "day", "until", "flag"} <= used and not blanks:
        remainder = "passthrough"
    return ColumnTransformer(chosen, remainder=remainder, sparse_threshold=draw(st.sampled_from([0, 0.3, 1])))


@pytest.mark.exhaustive
@drawn
@given(st.data())
def test_tables_answer_as_scikit_learn_does(data: st.DataObject) -> None:
    draw = data.draw
    rows, blanks = draw(st.integers(20, 60)), draw(st.booleans())
    table = table_of(draw, rows, blanks=blanks)
    kind = draw(st.sampled_from(["two", "many", "values", "pairs"]))
    pipeline = make_pipeline(blocks_of(draw, blanks=blanks), model_of(draw, kind))
    target = target_of(draw, rows, kind)
    try:
        asked = Asked(fitted(pipeline, pd.DataFrame(table), target), tuple(table))
    except (ValueError, ZeroDivisionError):  # no column is left, or such numbers cannot be fitted
        return

    other = table_of(draw, 12, blanks=blanks, words=WORDS + UNSEEN)
    for batch in (table, other, head(table, 0), head(other, 8), head(other, 9)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of words that were not known
                asked.expected("predict", batch)
        except ValueError as error:
            with pytest.raises(ValueError, match=re.escape(str(error))):
                asked.predictor.answer(batch, ["predict"])  # type: ignore[union-attr]
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert_same(asked, batch)


def head(table: Mapping[str, NDArray[Any]], row: int) -> dict[str, NDArray[Any]]:
    return {name: column[row : row + 1] for name, column in table.items()}


def mixed() -> pd.DataFrame:
    """A table with a column of each treatment but texts, blanks in all of them."""
    random = np.random.default_rng(5)
    rows = 400
    codes = [f"code {number}" for number in range(1200)]
    table = {
        "age": random.normal(40, 10, rows).round(1),
        "color": random.choice(["red", "green", "blue"], rows).astype(object),
        "zone": np.array(random.choice(codes[:150], rows), dtype=object),
        "member": random.choice([True, False], rows).astype(object),
        "since": np.datetime64("2020-01-01", "us") + random.integers(0, 10**8, rows) * np.timedelta64(1, "s"),
    }
    for column in table.values():
        column[random.random(rows) < 0.1] = np.datetime64("NaT", "us") if column.dtype.kind == "M" else np.nan
    return pd.DataFrame(table)


@pytest.mark.parametrize("expansion", [Expansion(), Expansion(polynomial=2), Expansion(splines=5)])
@pytest.mark.parametrize("numeric", [True, False])
@pytest.mark.parametrize(
    ("name", "task"), [("logistic_regression", "classification"), ("linear_regression", "regression")]
)
def test_what_training_makes_is_compiled_and_not_asked_back(
    name: str, task: str, numeric: bool, expansion: Expansion
) -> None:
    frame = mixed()[["age"]].assign(more=np.arange(400.0) ** 2) if numeric else mixed()
    found = infer_columns(frame, Overrides())
    blueprint = PipelineFactory(task, found.used_columns, len(frame), seed=0, expansion=expansion)
    target = np.tile(["a", "b", "c", "d"], 100) if task == "classification" else np.arange(400.0)
    rows = features.pipeline_input(found.frame, found.used_columns)
    asked = Asked(fitted(blueprint.pipeline(name, {}), rows, target), tuple(found.frame.columns))
    batch: Batch = rows if numeric else {column: found.frame[column].to_numpy() for column in found.frame}

    assert_same(asked, batch)

    assert asked.questions == 0


@pytest.mark.parametrize(
    "steps",
    [
        [FunctionTransformer(np.nan_to_num), LinearRegression()],
        [type("MyScaler", (StandardScaler,), {})(), LinearRegression()],
        [type("MyRegression", (LinearRegression,), {})()],
        [KNeighborsRegressor(2)],
        [TransformedTargetRegressor(LinearRegression(), transformer=MinMaxScaler())],
    ],
)
def test_what_is_not_known_stays_with_scikit_learn(steps: list[Any]) -> None:
    matrix = np.arange(20.0).reshape(10, 2)
    pipeline = make_pipeline(*steps).fit(matrix, matrix[:, 0])

    assert Asked(pipeline, ("a", "b")).predictor is None


@pytest.mark.parametrize(
    ("step", "rows"),
    [
        (PolynomialFeatures(38), np.zeros((2, 4))),
        (OneHotEncoder(), np.arange(4200.0)[:, None]),
        (OneHotEncoder(), np.tile(np.arange(1000.0)[:, None], 20)),
    ],
)
def test_tables_that_would_take_much_memory_stay_with_scikit_learn(step: Any, rows: NDArray[Any]) -> None:
    model = make_pipeline(step.fit(rows), Ridge())
    width = step.transform(rows[:1]).shape[1]
    vars(model[1]).update(coef_=np.zeros(width), intercept_=0.0, n_features_in_=width)

    assert compile_pipeline(model, tuple(f"c{place}" for place in range(rows.shape[1]))) is None


def test_columns_out_of_order_stay_with_scikit_learn_which_refuses_them() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": [0.0, 1.0, 0.0]})
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(frame, [1, 2, 3])

    assert Asked(model, ("a", "b")).predictor is not None
    assert Asked(model, ("b", "a")).predictor is None


def test_a_row_on_the_boundary_gets_scikit_learns_label() -> None:
    matrix = np.array([[-1.0], [1.0], [-2.0], [2.0]])
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(matrix, [0, 1, 0, 1])
    model[-1].intercept_[:] = 0
    asked = Asked(model, ("x",))
    assert asked.predictor is not None

    for batch in (np.zeros((1, 1)), np.array([[0.0], [1.0], [1e-300]])):
        assert asked.predictor.answer(batch, ["predict"])["predict"].tolist() == model.predict(batch).tolist()

    assert asked.questions == 2


def test_blanks_that_a_pipeline_does_not_take_are_refused_as_scikit_learn_does() -> None:
    matrix = np.random.default_rng(0).normal(size=(30, 3))
    for model in (Lasso(100.0), LogisticRegression()):
        asked = Asked(make_pipeline(StandardScaler(), model).fit(matrix, matrix[:, 0] > 0), ("a", "b", "c"))
        assert asked.predictor is not None
        for rows in (1, 20):
            with pytest.raises(ValueError, match="NaN"):
                asked.predictor.answer(np.where(np.eye(rows, 3) > 0, np.nan, 0.0), ["predict"])


def test_digits_that_all_values_of_a_column_share_are_not_lost() -> None:
    """Mean 1e9, spread 1e-3: a scaler that is folded into the coefficients would be percents off."""
    matrix = 1e9 + np.random.default_rng(0).normal(size=(50, 2)) * 1e-3
    model = make_pipeline(StandardScaler(), Ridge()).fit(matrix, np.arange(50.0))
    asked = Asked(model, ("a", "b"))

    assert_same(asked, matrix)

    assert asked.questions == 0
