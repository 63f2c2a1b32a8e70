"""Every transformer of scikit-learn before a linear classifier."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - allows the next import
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import IterativeImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.discovery import all_estimators

from compatibility import tables
from compatibility.case import Case, Fitted
from compatibility.cases.estimators import MATRIX, TABLE, shuffled

CONSTRUCTED: Mapping[str, Callable[[type], Any]] = {
    "ColumnTransformer": lambda kind: kind([("n", StandardScaler(), [0, 1])], remainder="passthrough"),
    "FeatureUnion": lambda kind: kind([("s", StandardScaler()), ("t", _made("PCA"))]),
    "GaussianRandomProjection": lambda kind: kind(2, random_state=0),
    "SparseRandomProjection": lambda kind: kind(2, random_state=0),
    "HashingVectorizer": lambda kind: kind(n_features=64),
    "IncrementalPCA": lambda kind: kind(2),
    "IterativeImputer": lambda kind: kind(random_state=0),
    "SelectFromModel": lambda kind: kind(DecisionTreeClassifier(random_state=0)),
    "SequentialFeatureSelector": lambda kind: kind(
        LogisticRegression(max_iter=500), n_features_to_select=2, cv=2
    ),
    "SparseCoder": lambda kind: kind(np.eye(4)),
    "TfidfTransformer": lambda kind: make_pipeline(CountVectorizer(), kind()),
    "LatentDirichletAllocation": lambda kind: kind(3, random_state=0, max_iter=5),
    "RadiusNeighborsTransformer": lambda kind: kind(radius=5.0),
    "SkewedChi2Sampler": lambda kind: kind(random_state=0, n_components=8),
}

_SMALL = {"random_state": 0, "n_components": 2, "n_estimators": 5, "n_quantiles": 20}

_TEXTS = {"CountVectorizer", "TfidfVectorizer", "HashingVectorizer", "TfidfTransformer"}

_WORDS = {"OneHotEncoder", "OrdinalEncoder", "TargetEncoder"}

_GAPS = {"SimpleImputer", "KNNImputer", "IterativeImputer", "MissingIndicator"}

_OF_TARGETS_OR_OBJECTS = {
    "DictVectorizer", "FeatureHasher", "LabelBinarizer", "LabelEncoder", "MultiLabelBinarizer",
    "PatchExtractor", "KernelCenterer",
}  # fmt: skip
"""They take labels, records, pictures or kernels: nobody puts them before a classifier of a table."""

_NO_STEPS_BEFORE_ANOTHER = {"MDS", "ClassicalMDS", "TSNE", "SpectralEmbedding", "PLSSVD"}
"""They transform no new rows, or give two tables where they are fitted."""


def cases() -> Iterator[Case]:
    for name, _ in _transformers():
        for form in (MATRIX,) if name in _TEXTS else (TABLE, MATRIX):
            yield Case(f"transformers, {form}", name, partial(fitted, name, form), is_own=True)


def _transformers() -> list[tuple[str, type]]:
    found = dict(all_estimators()) | {"IterativeImputer": IterativeImputer}
    left_out = _OF_TARGETS_OR_OBJECTS | _NO_STEPS_BEFORE_ANOTHER
    return sorted(
        (name, kind)
        for name, kind in found.items()
        if hasattr(kind, "transform") and not hasattr(kind, "predict") and name not in left_out
    )


def _made(name: str) -> Any:
    kind = dict(_transformers())[name]
    transformer = CONSTRUCTED[name](kind) if name in CONSTRUCTED else kind()
    if name in CONSTRUCTED:
        return transformer
    known = transformer.get_params(deep=False)
    return transformer.set_params(**{key: value for key, value in _SMALL.items() if key in known})


def fitted(name: str, form: str) -> Fitted:
    last = LogisticRegression(max_iter=500)
    if name in _TEXTS:
        rows = tables.people()[["note"]]
        own = rows["note"].to_numpy()
        return Fitted(make_pipeline(_made(name), last).fit(own, tables.stays()), rows, own)
    if name in _WORDS:
        rows, y = tables.people()[["city", "plan"]].fillna("?"), tables.stays()
    elif name in _GAPS:
        rows, y = tables.people()[["age", "income", "children"]].astype(float), tables.stays()
    else:
        rows, y = tables.flowers(), tables.species()
    transformer = _made(name)
    if name == "MissingIndicator":
        transformer = make_column_transformer((transformer, [0]), (SimpleImputer(), [0, 1, 2]))
    own: Any = rows
    if form == MATRIX:
        own = rows.to_numpy(object) if name in _WORDS else rows.to_numpy()
        rows = pd.DataFrame(own, columns=[f"x{number}" for number in range(own.shape[1])]).infer_objects()
    return Fitted(make_pipeline(transformer, last).fit(own, y), shuffled(rows), shuffled(own))
