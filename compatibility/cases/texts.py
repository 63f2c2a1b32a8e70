"""Pipelines on one column of texts."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from sklearn.decomposition import NMF, LatentDirichletAllocation, TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.linear_model import LogisticRegression, PassiveAggressiveClassifier, Ridge, SGDClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import MaxAbsScaler, Normalizer
from sklearn.svm import SVC, LinearSVC

from compatibility import own_functions, tables
from compatibility.case import Case, Fitted


def cases() -> Iterator[Case]:
    for name, make in _PIPELINES.items():
        yield Case("texts", name, partial(_on_texts, make), is_own="own" not in name)
    yield Case("texts", "ridge", _ridge, is_own=True)


def _on_texts(make: Callable[[], Any]) -> Fitted:
    notes = tables.people()[["note"]]
    return Fitted(make().fit(notes["note"], tables.stays()), notes, notes["note"].tolist())


def _ridge() -> Fitted:
    notes = tables.people()[["note"]]
    return Fitted(
        make_pipeline(TfidfVectorizer(), Ridge()).fit(notes["note"], tables.spends()), notes, notes["note"]
    )


def _logistic(*steps: Any) -> Any:
    return make_pipeline(*steps, LogisticRegression())


_PIPELINES: dict[str, Callable[[], Any]] = {
    "TF-IDF, logistic": lambda: _logistic(TfidfVectorizer()),
    "counts, logistic": lambda: _logistic(CountVectorizer()),
    "counts, then TF-IDF": lambda: _logistic(CountVectorizer(), TfidfTransformer()),
    "hashed words": lambda: _logistic(HashingVectorizer(n_features=256)),
    "pairs of words": lambda: _logistic(TfidfVectorizer(ngram_range=(1, 2), min_df=2, max_df=0.9)),
    "characters": lambda: _logistic(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))),
    "English stop words": lambda: _logistic(TfidfVectorizer(stop_words="english")),
    "stop words of one's own": lambda: _logistic(TfidfVectorizer(stop_words=["and"])),
    "a fixed vocabulary": lambda: _logistic(CountVectorizer(vocabulary=["good", "bad", "fine", "film"])),
    "whether a word is there": lambda: _logistic(CountVectorizer(binary=True)),
    "sublinear, accents stripped": lambda: _logistic(
        TfidfVectorizer(sublinear_tf=True, strip_accents="unicode")
    ),
    "an own tokenizer": lambda: _logistic(
        TfidfVectorizer(tokenizer=own_functions.words_of, token_pattern=None)
    ),
    "an own preprocessor": lambda: _logistic(TfidfVectorizer(preprocessor=own_functions.lower)),
    "an own analyzer": lambda: _logistic(CountVectorizer(analyzer=own_functions.words_of)),
    "str.split as tokenizer": lambda: _logistic(TfidfVectorizer(tokenizer=str.split, token_pattern=None)),
    "words beside characters": lambda: _logistic(
        make_union(TfidfVectorizer(), TfidfVectorizer(analyzer="char", ngram_range=(2, 3)))
    ),
    "made short": lambda: _logistic(
        TfidfVectorizer(), TruncatedSVD(4, random_state=0), Normalizer(copy=False)
    ),
    "topics": lambda: _logistic(CountVectorizer(), LatentDirichletAllocation(3, random_state=0, max_iter=5)),
    "topics by NMF": lambda: _logistic(TfidfVectorizer(), NMF(3, random_state=0, max_iter=500)),
    "the best words": lambda: _logistic(TfidfVectorizer(), SelectKBest(chi2, k=5)),
    "scaled": lambda: _logistic(CountVectorizer(), MaxAbsScaler()),
    "naive Bayes": lambda: make_pipeline(CountVectorizer(), MultinomialNB()),
    "complement naive Bayes": lambda: make_pipeline(TfidfVectorizer(), ComplementNB()),
    "Bernoulli naive Bayes": lambda: make_pipeline(CountVectorizer(binary=True), BernoulliNB()),
    "linear machine": lambda: make_pipeline(TfidfVectorizer(), LinearSVC()),
    "machine with a kernel": lambda: make_pipeline(TfidfVectorizer(), SVC()),
    "stochastic descent": lambda: make_pipeline(TfidfVectorizer(), SGDClassifier(random_state=0)),
    "stochastic descent, log loss": lambda: make_pipeline(
        TfidfVectorizer(), SGDClassifier(loss="log_loss", random_state=0)
    ),
    "passive-aggressive": lambda: make_pipeline(
        TfidfVectorizer(), PassiveAggressiveClassifier(random_state=0)
    ),
    "forest": lambda: make_pipeline(TfidfVectorizer(), RandomForestClassifier(10, random_state=0)),
    "neighbours by angle": lambda: make_pipeline(TfidfVectorizer(), KNeighborsClassifier(metric="cosine")),
}
