"""What a row costs is known from what an estimator was fitted to, and bounds what many rows cost."""

import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingRegressor
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import LabelEncoder, OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.validation import check_is_fitted

from mlapi.artifacts.pickles.fitted import widths
from mlapi.artifacts.pickles.fitted.widths import AT_ONCE, size_of
from mlapi.artifacts.pickles.parts.names import NotAllowed
from mlapi.errors import Unanswerable
from mlapi.estimators.preprocessing import CalendarParts, Splines
from mlapi.inference import estimator_calls
from mlapi.inference.compiled.columns import rows_of
from mlapi.inference.compiled.predictor import Predictor
from mlapi.inference.compiling import compile_pipeline
from mlapi.inference.estimator_calls import MOST_GRAMS, call
from tests.support.fitted import estimators

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 10))
Y = X[:, 0]
LABELS = (X[:, 1] * 2).round().clip(-1, 1)
CODES = RANDOM.integers(0, 9, (60, 4)) * 1.0
CODES[:9] = np.arange(9)[:, None]
TEXTS = ["good film", "bad plot", "fine day"] * 20


def of_texts(**options: Any) -> Any:
    return make_pipeline(CountVectorizer(**options), Ridge()).fit(TEXTS, Y)


def divided(*parts: Any, **options: Any) -> Any:
    return make_pipeline(ColumnTransformer(list(parts), **options), Ridge()).fit(X, Y)


@pytest.mark.parametrize(
    ("estimator", "width"),
    [
        (Ridge().fit(X, Y), 10),
        (LinearRegression().fit(X, np.tile(X, 3)), 30),
        (make_pipeline(Nystroem(n_components=7), Ridge()).fit(sparse.csr_matrix(X), Y), 10),
        (make_pipeline(Nystroem(n_components=20), Ridge()).fit(sparse.csr_matrix(X), Y), 20),
        (make_pipeline(PolynomialFeatures(2), Ridge()).fit(X, Y), 66),
        (make_pipeline(PolynomialFeatures((2, 2), include_bias=False), Ridge()).fit(X, Y), 65),
        (make_pipeline(PolynomialFeatures(2), StandardScaler(), PCA(3), Ridge()).fit(X, Y), 66),
        (make_pipeline(Splines(n_knots=3), Ridge()).fit(X, Y), 50),
        (make_pipeline(OneHotEncoder(sparse_output=False), Ridge()).fit(CODES, Y), 36),
        (make_pipeline(OneHotEncoder(), Ridge()).fit(CODES, Y), 4),
        (make_pipeline(Nystroem(n_components=20), Ridge()).fit(X, Y), 20),
        (make_pipeline(SimpleImputer(add_indicator=True), Ridge()).fit(np.where(X > 1, np.nan, X), Y), 20),
        (divided(("a", PolynomialFeatures(2), [0, 1, 2]), ("b", "passthrough", slice(3, 10))), 17),
        (divided(("a", PolynomialFeatures(2), [0, 1]), ("b", "drop", [2]), remainder="passthrough"), 13),
        (
            make_pipeline(FeatureUnion([("a", PolynomialFeatures(2)), ("b", StandardScaler())]), Ridge()).fit(
                X, Y
            ),
            76,
        ),
        (GridSearchCV(make_pipeline(PolynomialFeatures(2), Ridge()), {}, cv=2).fit(X, Y), 66),
        (TransformedTargetRegressor(make_pipeline(PolynomialFeatures(2), Ridge())).fit(X, Y), 66),
        (VotingRegressor([("a", make_pipeline(PolynomialFeatures(2), Ridge()))]).fit(X, Y), 66),
        (
            CalibratedClassifierCV(make_pipeline(PolynomialFeatures(2), LogisticRegression()), cv=2).fit(
                X, LABELS
            ),
            66,
        ),
        (SVC().fit(np.arange(20)[:, None], np.arange(20)), 190),
        (LabelEncoder().fit(["a" * 80]), 40),
    ],
)
def test_the_width_of_an_estimator_is_that_of_its_widest_part(estimator: Any, width: int) -> None:
    assert size_of(estimator).width == width


def test_moments_become_their_parts() -> None:
    days = pd.DataFrame({"d": pd.date_range("2024", periods=60, freq="37h")})
    parts = CalendarParts().fit(days)

    assert size_of(parts).width == parts.transform(days).shape[1] > 3


@pytest.mark.parametrize("name", list(estimators()))
def test_no_estimator_is_wider_than_it_is_counted_to_be(name: str) -> None:
    """Of those that are loaded unasked; what is made in between is not seen here."""
    estimator, rows = estimators()[name]
    counted = size_of(estimator).width

    made = estimator[:-1].transform(rows) if hasattr(estimator, "steps") else rows

    assert counted >= made.shape[1]


def test_words_that_are_compared_with_long_ones_become_as_long() -> None:
    encoder = OneHotEncoder(handle_unknown="ignore").fit(np.array([["a" * 1000], ["b"]]))

    assert size_of(make_pipeline(encoder, "passthrough")).width == 500


@pytest.mark.parametrize(
    ("options", "grams"),
    [
        ({}, 0.5),
        ({"ngram_range": (1, 2)}, 1),
        ({"analyzer": "char", "ngram_range": (1, 10)}, 10),
        ({"analyzer": "char_wb", "ngram_range": (3, 3)}, 1),
    ],
)
def test_a_letter_begins_as_many_pieces_as_there_are_sizes(options: Any, grams: float) -> None:
    assert size_of(of_texts(**options)).grams == grams


def test_a_part_that_is_reached_again_and_again_is_followed_once() -> None:
    part: Any = make_pipeline(StandardScaler())
    for _ in range(60):
        part = make_pipeline(part, part)

    assert size_of(part).width == 1


class Holding(BaseEstimator):  # type: ignore[misc]
    """Of somebody else's: it holds what it likes, and is equal to what it likes."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self.inner_ = [self, {"a": [make_pipeline(PolynomialFeatures(2), Ridge()).fit(X, Y)]}]

    def __eq__(self, other: object) -> bool:
        return True


def test_a_class_of_somebody_elses_is_looked_through() -> None:
    assert size_of(Holding()).width == 66


def test_a_row_of_more_than_a_million_numbers_is_refused() -> None:
    wide = PolynomialFeatures(2).fit(np.zeros((1, 900)))
    twice = FeatureUnion([("a", wide), ("b", wide), ("c", wide)])

    widths.check(wide)
    with pytest.raises(NotAllowed, match="it makes 1,219,053 numbers of one row; 1,000,000 are the most"):
        widths.check(twice)


class Counting(BaseEstimator):  # type: ignore[misc]
    """Answers, and remembers how many rows it was asked at once."""

    def __init__(self, inner: Any) -> None:
        self.inner_ = inner
        self.asked_: list[int] = []

    def predict(self, rows: Any) -> Any:
        self.asked_.append(len(rows))
        return self.inner_.predict(rows)


@pytest.mark.parametrize("as_table", [True, False])
def test_many_wide_rows_are_answered_some_at_a_time(as_table: bool) -> None:
    names = [f"c{place}" for place in range(10)]
    many = RANDOM.normal(size=(30_000, 10))
    fitted, rows = (
        (pd.DataFrame(X, columns=names), pd.DataFrame(many, columns=names)) if as_table else (X, many)
    )
    model = Counting(make_pipeline(PolynomialFeatures(3), Ridge()).fit(fitted, Y))

    found = call(model, "predict", rows)

    at_once = AT_ONCE // 286
    assert model.asked_ == [at_once, 30_000 - at_once]
    np.testing.assert_allclose(found, model.inner_.predict(rows), rtol=1e-9)


def test_few_rows_are_answered_at_once() -> None:
    model = Counting(Ridge().fit(X, Y))

    call(model, "predict", RANDOM.normal(size=(30_000, 10)))

    assert model.asked_ == [30_000]


def test_a_row_is_the_least_that_is_asked() -> None:
    model = Counting(make_pipeline(PolynomialFeatures(45), Ridge()))
    model.inner_.steps[0][1].fit(np.zeros((1, 4)))
    vars(model.inner_.steps[1][1]).update(coef_=np.zeros(211876), intercept_=1.0)

    tracemalloc.start()
    found = call(model, "predict", np.zeros((600, 4)))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert set(model.asked_) == {AT_ONCE // 211876, 600 % (AT_ONCE // 211876)}
    assert (found == 1).all()
    assert most < 250e6


@pytest.mark.parametrize("target", [Y, LABELS])
def test_what_is_compiled_answers_some_at_a_time_as_well(target: Any) -> None:
    is_labels = target is LABELS
    last = LogisticRegression(max_iter=5000) if is_labels else Ridge()
    methods = ["predict", "predict_proba", "decision_function"] if is_labels else ["predict"]
    model = make_pipeline(StandardScaler(), PolynomialFeatures(3), last).fit(X, target)
    pipeline = compile_pipeline(model, tuple(f"c{place}" for place in range(10)))
    assert pipeline is not None
    predictor = Predictor(pipeline, lambda method, batch: getattr(model, method)(batch))
    rows = RANDOM.normal(size=(30_000, 10))
    asked = []
    vars(pipeline)["answer"] = lambda batch, methods: (
        asked.append(rows_of(batch)) or type(pipeline).answer(pipeline, batch, methods)
    )

    found = predictor.answer(rows, methods)

    assert len(asked) > 1
    assert sum(asked) == 30_000
    for method in methods:
        own = getattr(model, method)(rows)
        np.testing.assert_allclose(found[method], own, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("as_table", [True, False])
def test_a_text_that_is_cut_into_too_many_pieces_is_refused(as_table: bool) -> None:
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 8))
    table = pd.DataFrame({"n": Y, "text": TEXTS})
    parts = ColumnTransformer([("t", vectorizer, "text"), ("n", "passthrough", ["n"])])
    model = make_pipeline(parts if as_table else vectorizer, Ridge()).fit(table if as_table else TEXTS, Y)

    def rows(text: str) -> Any:
        texts = ["good", "a" * 9, text]
        return pd.DataFrame({"n": [1.0, 2.0, 3.0], "text": texts}) if as_table else np.array(texts, object)

    check_is_fitted(model)
    assert len(call(model, "predict", rows("a" * 1000))) == 3
    with pytest.raises(Unanswerable, match=r"^row 2 has a text of 524,289 letters.* 524,288 letters at most"):
        call(model, "predict", rows("a" * (MOST_GRAMS // 8 + 1)))
    with pytest.raises(Unanswerable, match=r"^row 2 has a text of 30,000 letters"):
        call(model, "predict", rows("\ufdfa" * 30_000))


def test_many_long_texts_are_answered_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimator_calls, "MOST_GRAMS", 2**12)
    model = Counting(of_texts(analyzer="char", ngram_range=(1, 8)))
    texts = np.array(["abc", "a" * 300, "b" * 300, "c" * 500, "good", "film"], dtype=object)

    found = call(model, "predict", texts)

    assert model.asked_ == [2, 1, 3]
    np.testing.assert_allclose(found, model.inner_.predict(texts), rtol=1e-9)


@pytest.mark.parametrize("last", [LogisticRegression(), SVC(), DecisionTreeClassifier(max_depth=2)])
def test_long_labels_are_answered_some_at_a_time_until_they_are_too_many(last: Any) -> None:
    model = last.fit(X, np.where(Y > 0, "a", "b" * 9000))
    pipeline = compile_pipeline(model, tuple(f"c{place}" for place in range(10)))
    assert pipeline is not None
    predictor = Predictor(pipeline, lambda method, batch: getattr(model, method)(batch))
    rows = RANDOM.normal(size=(20_000, 10))

    some = predictor.answer(rows[:3000], ["predict"])["predict"]

    np.testing.assert_array_equal(some, model.predict(rows[:3000]))
    for ask in (lambda: call(model, "predict", rows), lambda: predictor.answer(rows, ["predict"])):
        with pytest.raises(Unanswerable, match="too large: send fewer at once"):
            ask()
