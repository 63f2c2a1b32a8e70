"""Compiled vectorizers against scikit-learn's: the same numbers of words, and what linear models answer."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from mlapi.estimators.preprocessing import Texts
from mlapi.inference.compiled.final_estimator import Fallback
from mlapi.inference.compiled.predictor import Predictor
from mlapi.inference.compiling import compile_pipeline
from mlapi.inference.compiling import texts as compiling_texts
from mlapi.inference.compiling.columns import preparation
from mlapi.inference.compiling.preprocessing import flat

RANDOM = np.random.default_rng(0)
WORDS = (
    *("good", "bad", "film", "plot", "fine", "dull", "story", "The", "love", "war", "sea", "day"),
    *("acting", "Übel", "café", "CAFÉ", "12", "it's"),
)
ROWS = 60


def some_texts(rows: int) -> NDArray[Any]:
    """Texts with words more than once, words that no vocabulary has, and nothing at all."""
    found = [" ".join(RANDOM.choice(WORDS, RANDOM.integers(0, 12))) + "!" for _ in range(rows)]
    return np.array(["", "?", "unheard of", *found[3:]], dtype=object)


TEXTS, OTHER = some_texts(ROWS), some_texts(30)
TWO = np.array(["no", "yes"])[[int("good" in text or "sea" in text) for text in TEXTS]]
THREE = np.array(["a", "b", "c"])[[("good" in text) + ("sea" in text) for text in TEXTS]]

VECTORIZERS = {
    "words": TfidfVectorizer(),
    "counts": CountVectorizer(),
    "flags": CountVectorizer(binary=True),
    "letters": TfidfVectorizer(analyzer="char", ngram_range=(1, 3), lowercase=False),
    "letters within words": TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3), max_features=50),
    "pairs": TfidfVectorizer(ngram_range=(1, 2), stop_words="english", min_df=2, max_df=0.9),
    "logarithms": TfidfVectorizer(sublinear_tf=True, strip_accents="unicode", smooth_idf=False),
    "shares": TfidfVectorizer(norm="l1", use_idf=False, binary=True),
    "of no length": TfidfVectorizer(norm=None),
    "in two steps": make_pipeline(CountVectorizer(), TfidfTransformer(sublinear_tf=True)),
    "a given vocabulary": CountVectorizer(vocabulary=["film", "plot", "sea"]),
    "of both kinds": make_union(TfidfVectorizer(), CountVectorizer(analyzer="char")),
    "scaled": make_pipeline(TfidfVectorizer(), MaxAbsScaler()),
    "chosen": make_pipeline(TfidfVectorizer(), SelectKBest(k=5)),
    "as components": make_pipeline(TfidfVectorizer(), TruncatedSVD(3, random_state=0)),
}


def batch_of(texts: NDArray[Any]) -> dict[str, NDArray[Any]]:
    return {"text": texts}


@pytest.mark.parametrize("name", VECTORIZERS)
def test_numbers_of_words_are_scikit_learns_own(name: str) -> None:
    vectorizer = VECTORIZERS[name].fit(TEXTS, TWO)
    made = preparation(list(flat(vectorizer)), ("text",))

    for texts in (TEXTS, OTHER, OTHER[:1], OTHER[5:6]):
        expected = vectorizer.transform(texts)
        exact = np.ascontiguousarray(expected.toarray() if hasattr(expected, "toarray") else expected)
        found = made.matrix(batch_of(texts))
        assert (found.shape, found.tobytes()) == (exact.shape, exact.astype(np.float64).tobytes())


@pytest.mark.parametrize("name", VECTORIZERS)
@pytest.mark.parametrize("last", [LogisticRegression(), LinearSVC()])
def test_linear_models_of_texts_answer_as_scikit_learn_does(name: str, last: Any) -> None:
    target = THREE if isinstance(last, LinearSVC) else TWO
    model = make_pipeline(VECTORIZERS[name], last)
    model.fit(TEXTS, target)
    pipeline = compile_pipeline(model, ("text",))
    assert pipeline is not None
    predictor = Predictor(pipeline, lambda method, batch: getattr(model, method)(batch["text"]))
    methods = [each for each in ("predict", "predict_proba", "decision_function") if hasattr(model, each)]

    for texts in (TEXTS, OTHER, OTHER[:1], OTHER[5:6]):
        answer = predictor.answer(batch_of(texts), methods)
        for method in methods:
            expected = np.asarray(getattr(model, method)(texts))
            assert (answer[method].shape, answer[method].dtype) == (expected.shape, expected.dtype)
            if expected.dtype.kind == "f":
                assert answer[method] == pytest.approx(expected, rel=1e-9, abs=1e-9)
            else:
                assert answer[method].tolist() == expected.tolist()


def table(texts: NDArray[Any]) -> pd.DataFrame:
    rows = len(texts)
    return pd.DataFrame(
        {
            "size": RANDOM.normal(size=rows),
            "text": texts,
            "city": RANDOM.choice(np.array(["Oslo", "Rome"], dtype=object), rows),
        }
    )


@pytest.mark.parametrize("last", [LogisticRegression(), RandomForestClassifier(3), MultinomialNB()])
def test_texts_beside_numbers_and_categories_are_compiled(last: Any) -> None:
    frame, other = table(TEXTS), table(OTHER)
    frame.loc[7, "text"], other.loc[3, "text"] = np.nan, np.nan
    codes = OneHotEncoder(handle_unknown="ignore")
    columns = make_column_transformer(
        (make_pipeline(Texts(), TfidfVectorizer()), "text"),
        (codes if isinstance(last, MultinomialNB) else StandardScaler(), ["size"]),
        (codes, ["city"]),
    )
    model = make_pipeline(columns, last).fit(frame, THREE)
    pipeline = compile_pipeline(model, tuple(frame))
    assert pipeline is not None
    predictor = Predictor(pipeline, lambda *_: pytest.fail("scikit-learn was asked"))

    for rows in (frame, other, other[:1], other[3:4]):
        batch = {name: rows[name].to_numpy() for name in rows}
        answer = predictor.answer(batch, ["predict", "predict_proba"])
        assert answer["predict"].tolist() == model.predict(rows).tolist()
        assert answer["predict_proba"] == pytest.approx(model.predict_proba(rows), rel=1e-9, abs=1e-12)


def test_texts_that_are_none_or_too_long_are_left_to_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = compile_pipeline(make_pipeline(TfidfVectorizer(), LinearSVC()).fit(TEXTS, TWO), ("text",))
    assert pipeline is not None
    monkeypatch.setattr(compiling_texts, "MOST_WORDS", 3)
    for cell in (np.nan, 3.5, "film " * 20_000, "good bad film plot"):
        for texts in ([cell], ["good film", cell]):
            with pytest.raises(Fallback):
                pipeline.answer(batch_of(np.array(texts, dtype=object)), ["predict"])
    assert len(pipeline.answer(batch_of(np.array(["good bad film"])), ["predict"]).outputs["predict"]) == 1
