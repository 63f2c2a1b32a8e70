"""Compiled preprocessing against scikit-learn's own: the same numbers, to the last bit, in the same form."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.decomposition import NMF, PCA, FactorAnalysis, FastICA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_selection import (
    RFE,
    SelectFromModel,
    SelectKBest,
    SelectPercentile,
    VarianceThreshold,
)
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
    TargetEncoder,
)

from mlapi.inference.compiled.final_estimator import Fallback
from mlapi.inference.compiled.predictor import Predictor
from mlapi.inference.compiling import compile_pipeline
from mlapi.inference.compiling.columns import preparation
from mlapi.inference.compiling.preprocessing import flat

ROWS = 60
NUMBERS, WORDS = ["age", "income", "rooms"], ["city", "plan"]


def table(seed: int, *, unseen: bool = False) -> pd.DataFrame:
    """Numbers and words, some missing; some ties, and some words that no other table has."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": random.normal(40, 12, ROWS).round(1),
            "city": random.choice(np.array(["Oslo", "Rome", "Bonn", "Lyon"], dtype=object), ROWS),
            "income": np.exp(random.normal(10, 1, ROWS)),
            "plan": random.choice(np.array(["basic", "plus"], dtype=object), ROWS),
            "rooms": random.integers(0, 5, ROWS).astype(float),
        }
    )
    frame.loc[random.random(ROWS) < 0.2, "age"] = np.nan
    frame.loc[random.random(ROWS) < 0.2, "city"] = np.nan
    if unseen:
        frame.loc[random.random(ROWS) < 0.2, "city"] = "Atlantis"
    return frame


FRAME, OTHER = table(1), table(2, unseen=True)
LABELS = np.array(["no", "yes"])[(FRAME["income"] > FRAME["income"].median()).to_numpy().astype(int)]


def batch_of(frame: pd.DataFrame) -> dict[str, NDArray[Any]]:
    return {name: frame[name].to_numpy() for name in frame}


def of_numbers(*steps: Any) -> ColumnTransformer:
    """Those steps after an imputer, and the words beside them."""
    words = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_column_transformer((make_pipeline(SimpleImputer(), *steps), NUMBERS), (words, WORDS))


def of_words(*steps: Any) -> ColumnTransformer:
    return make_column_transformer((make_pipeline(*steps), WORDS), (SimpleImputer(), NUMBERS))


ONE_HOT = OneHotEncoder(handle_unknown="ignore")
DENSE = OneHotEncoder(handle_unknown="ignore", sparse_output=False)

PREPARATIONS: Mapping[str, Any] = {
    "function": of_numbers(FunctionTransformer(np.log1p), StandardScaler()),
    "function of checked rows": of_numbers(FunctionTransformer(np.sqrt, validate=True)),
    "no function, of a table": FunctionTransformer(),
    "bins": of_numbers(KBinsDiscretizer(3, encode="ordinal", quantile_method="linear")),
    "bins with columns": of_numbers(KBinsDiscretizer(3, quantile_method="linear")),
    "flags": of_numbers(Binarizer(threshold=3.0)),
    **{f"unit rows, {norm}": of_numbers(Normalizer(norm)) for norm in ("l1", "l2", "max")},
    "power": of_numbers(PowerTransformer()),
    "quantiles": of_numbers(QuantileTransformer(n_quantiles=20, output_distribution="normal")),
    "kernel": of_numbers(StandardScaler(), Nystroem(n_components=4, random_state=0)),
    "components": of_numbers(StandardScaler(), PCA(2)),
    "whitened components": of_numbers(PCA(2, whiten=True)),
    "components in parts": of_numbers(IncrementalPCA(2)),
    "factors": of_numbers(FactorAnalysis(2)),
    "sources": of_numbers(FastICA(2, random_state=0)),
    "parts": of_numbers(MinMaxScaler(clip=True), NMF(2, max_iter=2000)),
    "discriminants": of_numbers(LinearDiscriminantAnalysis()),
    "side by side": of_numbers(make_union(StandardScaler(), PCA(2), SelectKBest(k=1))),
    "weighted": of_numbers(FeatureUnion([("a", PCA(1)), ("b", "passthrough")], transformer_weights={"a": 3})),
    "divided again": of_numbers(make_column_transformer((PCA(1), [0, 2]), ("passthrough", slice(1, 2)))),
    "neighbors fill": make_column_transformer((KNNImputer(), NUMBERS), (ONE_HOT, WORDS)),
    "missing": make_column_transformer(
        (make_union(SimpleImputer(), MissingIndicator(error_on_new=False)), NUMBERS), (ONE_HOT, WORDS)
    ),
    "target": of_words(TargetEncoder(cv=2, random_state=0)),
    "scaled target": of_words(TargetEncoder(cv=2, random_state=0), StandardScaler()),
    "chosen words": of_words(ONE_HOT, SelectKBest(k=2)),
    "words as components": of_words(ONE_HOT, TruncatedSVD(2, random_state=0)),
    "words as dense components": of_words(DENSE, PCA(2)),
    "filled words": of_words(SimpleImputer(strategy="constant", fill_value="?"), ONE_HOT),
    "numbered words": of_words(
        SimpleImputer(strategy="most_frequent"),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        StandardScaler(),
    ),
    "words that warn": of_words(OneHotEncoder(handle_unknown="warn")),
    "chosen by type": make_column_transformer(
        (SimpleImputer(), make_column_selector(dtype_include=np.number)),
        (ONE_HOT, make_column_selector(dtype_exclude=np.number)),
    ),
    "sparse rows": make_column_transformer((ONE_HOT, WORDS), (SimpleImputer(), ["age"]), sparse_threshold=1),
    "sparse rows alone": make_pipeline(
        make_column_transformer((ONE_HOT, WORDS), sparse_threshold=1), StandardScaler(with_mean=False)
    ),
    "the rest": make_column_transformer((ONE_HOT, WORDS), remainder=SimpleImputer()),
    "the rest as it is": make_column_transformer((ONE_HOT, slice("city", "city")), ("drop", ["plan"]),
        (SimpleImputer(), ["age"]), remainder="passthrough"),
    "weighted parts": ColumnTransformer(
        [("n", SimpleImputer(), NUMBERS), ("w", ONE_HOT, WORDS)], transformer_weights={"n": 0.5, "w": 3.0}
    ),
    "parts of parts": make_column_transformer(
        (make_column_transformer((SimpleImputer(), [0, 2]), (ONE_HOT, ["city"])), ["age", "city", "income"]),
        ("passthrough", ["rooms"]),
    ),
    "steps after parts of parts": make_column_transformer(
        (make_pipeline(of_words(ONE_HOT), StandardScaler(with_mean=False)), [*NUMBERS, *WORDS]),
        ("passthrough", ["rooms"]),
    ),
    "united parts": make_union(of_words(ONE_HOT), make_column_transformer(("passthrough", ["rooms"]))),
    "chosen of all": make_pipeline(of_numbers(), SelectPercentile(percentile=50)),
    "chosen by variance": make_pipeline(of_words(ONE_HOT), VarianceThreshold(0.1)),
    "chosen by a model": make_pipeline(
        of_numbers(), SelectFromModel(RandomForestClassifier(5, random_state=0), threshold="mean")
    ),
    "chosen in rounds": make_pipeline(of_numbers(), RFE(RandomForestClassifier(2, random_state=0))),
    "components of all": make_pipeline(of_numbers(), StandardScaler(), PCA(3)),
    "bins as components": of_numbers(KBinsDiscretizer(3, quantile_method="linear"), PCA(2)),
    "components of sparse rows": make_pipeline(of_words(ONE_HOT), TruncatedSVD(3, random_state=0)),
    "an empty column": make_column_transformer((SimpleImputer(), ["age", "empty"]), (ONE_HOT, ["city"])),
    "tables": of_numbers(StandardScaler()).set_output(transform="pandas"),
    "tables throughout": make_pipeline(of_numbers(), StandardScaler(), SelectKBest(k=3)).set_output(
        transform="pandas"
    ),
}  # fmt: skip
"""Preprocessing as people write it, by what is special about it."""


class Recorder(ClassifierMixin, BaseEstimator):
    """A classifier that answers nothing: it notes what it gets."""

    def fit(self, X: Any, y: Any) -> "Recorder":
        self.classes_ = np.unique(y)
        self.rows_: list[Any] = []
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        self.rows_.append(X)
        return np.full(X.shape[0], self.classes_[0])


def values(rows: Any) -> NDArray[Any]:
    return np.asarray(rows.toarray() if sparse.issparse(rows) else rows)


@pytest.mark.parametrize("name", PREPARATIONS)
@pytest.mark.filterwarnings("ignore")  # of unknown words, and of an empty column
def test_the_last_step_gets_the_rows_that_scikit_learn_gives_it(name: str) -> None:
    frame, other = FRAME, OTHER
    if "empty" in name:
        frame, other = (each.assign(empty=np.nan) for each in (FRAME, OTHER))
    if name == "no function, of a table":
        frame, other = frame[NUMBERS], other[NUMBERS]
    model = make_pipeline(PREPARATIONS[name], Recorder()).fit(frame, LABELS)
    made = preparation(list(flat(model[:-1])), tuple(frame))
    pipeline = compile_pipeline(model, tuple(frame))
    for rows in (frame, other, frame[:1], other[5:6], other[7:10]):
        model[-1].rows_.clear()
        model.predict(rows)

        exact = values(model[-1].rows_[0])
        found = made.matrix(batch_of(rows))
        assert (found.shape, found.tobytes()) == (exact.shape, np.ascontiguousarray(exact).tobytes())
        if pipeline is not None:  # each row in the same form
            pipeline.answer(batch_of(rows), ["predict"])
            expected, given = model[-1].rows_
            assert type(given) is type(expected)
            assert list(getattr(given, "columns", ())) == list(getattr(expected, "columns", ()))
            assert values(given).tobytes() == np.ascontiguousarray(exact).tobytes()


def asked_alone(model: Any, names: tuple[str, ...]) -> Predictor:
    """The compiled form of a model, which may not ask it as a whole."""
    pipeline = compile_pipeline(model, names)
    assert pipeline is not None
    return Predictor(pipeline, lambda *_: pytest.fail("scikit-learn was asked for the whole pipeline"))


def test_refusals_of_steps_in_between_are_scikit_learns_own() -> None:
    matrix = np.random.default_rng(0).normal(size=(30, 3))
    for step in (
        PolynomialFeatures(2),
        SelectKBest(k=1),
        PCA(1),
        KBinsDiscretizer(2, encode="ordinal"),
        Normalizer(),
    ):
        forest = HistGradientBoostingRegressor(max_iter=1)  # which takes missing numbers itself
        model = make_pipeline(step, forest).fit(matrix, matrix[:, 0] > 0)
        pipeline = compile_pipeline(model, ("a", "b", "c"))
        assert pipeline is not None
        predictor = Predictor(pipeline, lambda method, batch, model=model: getattr(model, method)(batch))

        with pytest.raises(ValueError, match="NaN"):
            predictor.answer(np.array([[0.5, np.nan, np.nan]]), ["predict"])


@pytest.mark.parametrize(
    "steps",
    [[StandardScaler(), PCA(2)], [SelectKBest(k=2), StandardScaler()], [LinearDiscriminantAnalysis()]],
)
def test_chosen_and_projected_columns_cost_a_linear_model_nothing(steps: list[Any]) -> None:
    matrix = np.random.default_rng(0).normal(3, 2, size=(80, 5))
    labels = (matrix[:, 0] + matrix[:, 2] > 6).astype(int) + (matrix[:, 1] > 4)
    model = make_pipeline(*steps, LogisticRegression()).fit(matrix, labels)
    predictor = asked_alone(model, tuple("abcde"))
    rows = np.random.default_rng(1).normal(3, 4, size=(300, 5))

    assert predictor.pipeline.one_row is not None
    found = predictor.answer(rows, ["predict", "predict_proba"])
    assert found["predict"].tolist() == model.predict(rows).tolist()
    assert found["predict_proba"] == pytest.approx(model.predict_proba(rows), rel=1e-9, abs=1e-12)
    for row, label in zip(rows[:50], model.predict(rows[:50]).tolist(), strict=True):
        assert predictor.answer_row(row.tolist()) == [label]


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_a_last_step_that_is_not_known_is_asked_alone(output: str) -> None:
    model = make_pipeline(of_numbers(StandardScaler()), KNeighborsClassifier(3)).set_output(transform=output)
    model.fit(FRAME, LABELS)
    predictor = asked_alone(model, tuple(FRAME))

    for rows in (OTHER, OTHER[:1]):
        found = predictor.answer(batch_of(rows), ["predict", "predict_proba"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a word that was not known
            assert found["predict"].tolist() == model.predict(rows).tolist()
            assert found["predict_proba"].tolist() == model.predict_proba(rows).tolist()


def test_booleans_that_go_on_as_they_are_stay_with_scikit_learn() -> None:
    """A table of booleans is another thing to an estimator than one of numbers."""
    frame = pd.DataFrame({"age": [1.0, 2.0, 4.0, 8.0], "member": [True, False, True, False]})
    columns = make_column_transformer((StandardScaler(), ["age"]), remainder="passthrough")
    model = make_pipeline(columns.set_output(transform="pandas"), KNeighborsClassifier(1))
    pipeline = compile_pipeline(model.fit(frame, [0, 1, 0, 1]), tuple(frame))
    assert pipeline is not None

    with pytest.raises(Fallback):
        pipeline.answer(batch_of(frame), ["predict"])


def test_steps_that_give_other_numbers_than_float64_stay_with_scikit_learn() -> None:
    encoder = OneHotEncoder(dtype=np.float32, handle_unknown="ignore")
    model = make_pipeline(make_column_transformer((encoder, WORDS)), KNeighborsClassifier(1))

    assert compile_pipeline(model.fit(FRAME, LABELS), tuple(FRAME)) is None
