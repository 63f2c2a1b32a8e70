"""Pipelines that prepare a table of mixed columns, in the ways in which people write them."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - allows the next import
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from compatibility import own_functions, tables
from compatibility.case import BEYOND_CSV, Case, Fitted

NUMBERS = ["age", "income", "children"]

WORDS = ["city", "plan"]


def cases() -> Iterator[Case]:
    for name, make in _TABLES.items():
        is_own, may_refuse = name not in _WITH_OWN_CODE, BEYOND_CSV if "dates" in name else None
        yield Case("prepared tables", name, partial(_on_people, make), is_own=is_own, may_refuse=may_refuse)
        if "dates" in name:
            yield Case("prepared tables", f"{name}, from Parquet", partial(_on_people, make, "parquet"))
    for name, make in _TARGETS.items():
        yield Case("transformed targets", name, partial(_numbers, make), is_own="own" not in name)
    for name, columns, make in _ALONE:
        yield Case("columns of one kind", name, partial(_on_columns, columns, make), is_own=True)
    for name, make_fitted in _TYPES.items():
        yield Case("types of columns", name, make_fitted, is_own=True)


def of_numbers() -> Any:
    return make_pipeline(SimpleImputer(strategy="median"), StandardScaler())


def of_words(**how: Any) -> Any:
    return make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore", **how)
    )


def prepared(**how: Any) -> ColumnTransformer:
    return ColumnTransformer([("num", of_numbers(), NUMBERS), ("cat", of_words(), WORDS)], **how)


def _classifier() -> Any:
    return LogisticRegression(max_iter=1000)


def _columns(*steps: Any, last: Any = None, **how: Any) -> Any:
    return make_pipeline(make_column_transformer(*steps, **how), last or _classifier())


def _as_frame(pipeline: Any) -> Any:
    return pipeline.set_output(transform="pandas")


def _on_people(make: Callable[[], Any], sample: Any = "csv") -> Fitted:
    people = tables.people()
    return Fitted(make().fit(people, tables.stays()), people, sample=sample)


def on_numbers_and_words() -> Fitted:
    people = tables.people()[[*NUMBERS, *WORDS]]
    return Fitted(make_pipeline(prepared(), _classifier()).fit(people, tables.stays()), people)


def on_whole_numbers_and_words() -> Fitted:
    """Return a pipeline of columns without gaps, which have no place in ONNX's words and whole numbers."""
    people = tables.people()[["income", "children", "plan"]]
    columns = make_column_transformer((StandardScaler(), ["income", "children"]), (OneHotEncoder(), ["plan"]))
    return Fitted(make_pipeline(columns, _classifier()).fit(people, tables.stays()), people)


def _numbers(make: Callable[[], Any]) -> Fitted:
    people = tables.people()[[*NUMBERS, *WORDS]]
    return Fitted(make().fit(people, tables.spends()), people)


def _on_columns(columns: list[str], make: Callable[[], Any]) -> Fitted:
    rows = tables.people()[columns]
    return Fitted(make().fit(rows, tables.stays()), rows)


_WITH_OWN_CODE = {"dates by an own function", "ratio by an own function", "an own transformer"}

_TABLES: dict[str, Callable[[], Any]] = {
    "numbers and words": lambda: make_pipeline(prepared(), _classifier()),
    "before a forest": lambda: make_pipeline(prepared(), RandomForestClassifier(10, random_state=0)),
    "before boosting": lambda: make_pipeline(
        prepared(sparse_threshold=0), HistGradientBoostingClassifier(max_iter=5)
    ),
    "before a support vector machine": lambda: make_pipeline(prepared(), SVC()),
    "before neighbours": lambda: make_pipeline(prepared(), KNeighborsClassifier()),
    "named steps": lambda: Pipeline([("prep", prepared()), ("clf", _classifier())]),
    "flags passed through": lambda: _columns((of_numbers(), NUMBERS), ("passthrough", ["member"])),
    "the remainder passed through": lambda: _columns(
        (of_numbers(), NUMBERS), (of_words(), WORDS), ("drop", ["joined", "note"]), remainder="passthrough"
    ),
    "a remainder of its own": lambda: _columns(
        (of_words(), WORDS), ("drop", ["joined", "note", "member"]), remainder=of_numbers()
    ),
    "columns by position": lambda: _columns((of_numbers(), [0, 1, 2]), (of_words(), [3, 4])),
    "columns by slice": lambda: _columns((of_numbers(), slice(0, 3)), (of_words(), slice("city", "plan"))),
    "columns by mask": lambda: _columns((of_numbers(), [True] * 3 + [False] * 5)),
    "columns by type": lambda: _columns(
        (of_numbers(), make_column_selector(dtype_include=np.number)),
        (of_words(), make_column_selector(pattern="city|plan")),
    ),
    "names without prefix": lambda: make_pipeline(prepared(verbose_feature_names_out=False), _classifier()),
    "in two processes": lambda: make_pipeline(prepared(n_jobs=2), _classifier()),
    "with weights": lambda: make_pipeline(prepared(transformer_weights={"num": 2.0}), _classifier()),
    "dense": lambda: make_pipeline(prepared(sparse_threshold=0), PCA(3), _classifier()),
    "within another": lambda: _columns((_columns_alone(), [*NUMBERS, *WORDS]), ("passthrough", ["member"])),
    "handed on as a table": lambda: _as_frame(make_pipeline(prepared_dense(), _classifier())),
    "handed on as a table, to trees": lambda: _as_frame(
        make_pipeline(prepared_dense(), RandomForestClassifier(10, random_state=0))
    ),
    "handed on as a table, twice": lambda: _as_frame(
        make_pipeline(prepared_dense(), StandardScaler(), SelectKBest(k=4), _classifier())
    ),
    "words as ordinals": lambda: _columns(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), WORDS),
        last=DecisionTreeClassifier(max_depth=4, random_state=0),
    ),
    "words by the target": lambda: _columns((TargetEncoder(random_state=0), WORDS), (of_numbers(), NUMBERS)),
    "the first word dropped": lambda: _columns((OneHotEncoder(drop="first"), WORDS)),
    "a flag for two words": lambda: _columns((OneHotEncoder(drop="if_binary"), ["plan", "member"])),
    "rare words together": lambda: _columns(
        (OneHotEncoder(min_frequency=0.3, handle_unknown="infrequent_if_exist"), WORDS)
    ),
    "few words": lambda: _columns(
        (OneHotEncoder(max_categories=2, handle_unknown="infrequent_if_exist"), WORDS)
    ),
    "words with a constant for gaps": lambda: _columns(
        (make_pipeline(SimpleImputer(strategy="constant", fill_value="?"), OneHotEncoder()), WORDS)
    ),
    "numbers in bins": lambda: _columns((make_pipeline(SimpleImputer(), KBinsDiscretizer(4)), NUMBERS)),
    "numbers in ordinal bins": lambda: _columns(
        (make_pipeline(SimpleImputer(), KBinsDiscretizer(4, encode="ordinal")), NUMBERS)
    ),
    "products of numbers": lambda: _columns(
        (make_pipeline(SimpleImputer(), MinMaxScaler(), PolynomialFeatures(2, include_bias=False)), NUMBERS)
    ),
    "splines": lambda: _columns((make_pipeline(SimpleImputer(), SplineTransformer(n_knots=4)), NUMBERS)),
    "ranks": lambda: _columns(
        (
            make_pipeline(SimpleImputer(), QuantileTransformer(n_quantiles=20, output_distribution="normal")),
            NUMBERS,
        )
    ),
    "powers": lambda: _columns((make_pipeline(SimpleImputer(), PowerTransformer()), NUMBERS)),
    "medians and ranges": lambda: _columns((make_pipeline(SimpleImputer(), RobustScaler()), NUMBERS)),
    "gaps by neighbours": lambda: _columns((KNNImputer(n_neighbors=3, add_indicator=True), NUMBERS)),
    "gaps by regression": lambda: _columns((IterativeImputer(random_state=0), NUMBERS)),
    "logarithms": lambda: _columns((FunctionTransformer(np.log1p), ["income"]), (of_numbers(), ["age"])),
    "logarithms there and back": lambda: _columns(
        (FunctionTransformer(np.log1p, inverse_func=np.expm1, feature_names_out="one-to-one"), ["income"])
    ),
    "roots of absolute values": lambda: _columns(
        (make_pipeline(FunctionTransformer(np.abs), FunctionTransformer(np.sqrt)), ["income", "children"])
    ),
    "a function that does nothing": lambda: _columns((FunctionTransformer(), ["income", "children"])),
    "side by side": lambda: _columns(
        (make_pipeline(SimpleImputer(), FeatureUnion([("s", StandardScaler()), ("p", PCA(2))])), NUMBERS)
    ),
    "constant columns left out": lambda: make_pipeline(
        prepared(), VarianceThreshold(), SelectKBest(k=5), _classifier()
    ),
    "texts beside numbers": lambda: _columns((TfidfVectorizer(), "note"), (of_numbers(), NUMBERS)),
    "texts, words and numbers": lambda: _columns(
        (CountVectorizer(), "note"), (of_words(), WORDS), (of_numbers(), NUMBERS)
    ),
    "texts made short": lambda: _columns(
        (make_pipeline(TfidfVectorizer(), TruncatedSVD(3, random_state=0)), "note"), (of_numbers(), NUMBERS)
    ),
    "dates by an own function": lambda: _columns(
        (FunctionTransformer(own_functions.month_and_weekday), ["joined"]), (of_numbers(), NUMBERS)
    ),
    "ratio by an own function": lambda: make_pipeline(
        FunctionTransformer(own_functions.add_ratio), prepared(), _classifier()
    ),
    "an own transformer": lambda: _columns((own_functions.Clipper(), ["income", "children"])),
    "cached": lambda: Pipeline([("prep", prepared()), ("clf", _classifier())], memory="cache"),
    "with a step left out": lambda: Pipeline(
        [("prep", prepared()), ("scale", "passthrough"), ("clf", _classifier())]
    ),
    "boosting of gaps": lambda: _columns(
        ("passthrough", NUMBERS), last=HistGradientBoostingClassifier(max_iter=5)
    ),
    "boosting of ordinal categories": lambda: _columns(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan), WORDS),
        ("passthrough", NUMBERS),
        last=HistGradientBoostingClassifier(max_iter=5, categorical_features=[0, 1]),
    ),
}


def prepared_dense() -> Any:
    return ColumnTransformer(
        [("num", of_numbers(), NUMBERS), ("cat", of_words(sparse_output=False), WORDS)],
        verbose_feature_names_out=False,
    )


def _columns_alone() -> Any:
    return make_column_transformer((of_numbers(), NUMBERS), (of_words(), WORDS))


def _target(**how: Any) -> Any:
    return TransformedTargetRegressor(make_pipeline(prepared(), Ridge()), **how)


_TARGETS: dict[str, Callable[[], Any]] = {
    "logarithm": lambda: _target(func=np.log1p, inverse_func=np.expm1),
    "plain logarithm": lambda: _target(func=np.log, inverse_func=np.exp),
    "root": lambda: _target(func=np.sqrt, inverse_func=np.square),
    "scaled": lambda: _target(transformer=StandardScaler()),
    "to the normal": lambda: _target(
        transformer=QuantileTransformer(n_quantiles=20, output_distribution="normal")
    ),
    "power": lambda: _target(transformer=PowerTransformer()),
    "within a pipeline": lambda: make_pipeline(
        prepared(), TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1)
    ),
    "own functions": lambda: _target(func=own_functions.log_of_all, inverse_func=own_functions.exp_of_all),
}


def _one_hot(**how: Any) -> Any:
    return make_pipeline(OneHotEncoder(handle_unknown="ignore", **how), _classifier())


_ALONE: list[tuple[str, list[str], Callable[[], Any]]] = [
    ("words", WORDS, _one_hot),
    ("words, dense", WORDS, lambda: _one_hot(sparse_output=False)),
    ("one column of words", ["plan"], _one_hot),
    ("words in a column transformer", WORDS, lambda: _columns((OneHotEncoder(), WORDS))),
    (
        "words for trees",
        WORDS,
        lambda: make_pipeline(OrdinalEncoder(), DecisionTreeClassifier(max_depth=3, random_state=0)),
    ),
    ("flags", ["member"], _classifier),
    ("flags for trees", ["member"], lambda: DecisionTreeClassifier(max_depth=3)),
    ("flags, one hot", ["member"], _one_hot),
    ("one column of numbers", ["income"], lambda: make_pipeline(StandardScaler(), _classifier())),
    ("whole numbers", ["children"], _classifier),
    ("whole numbers as categories", ["children"], _one_hot),
    ("flags and words", ["member", "plan"], _one_hot),
    ("numbers with gaps", ["age"], lambda: make_pipeline(SimpleImputer(), _classifier())),
    (
        "words and a text",
        ["plan", "note"],
        lambda: _columns((_words(), ["plan"]), (TfidfVectorizer(), "note")),
    ),
    ("a text in a column transformer", ["note"], lambda: _columns((TfidfVectorizer(), "note"))),
]


def _words() -> Any:
    return OneHotEncoder()


def _typed(frame: pd.DataFrame, estimator: Any, y: Any = None, sample: Any = "parquet") -> Fitted:
    return Fitted(estimator.fit(frame, tables.stays() if y is None else y), frame, sample=sample)


def _digits(sample: Any) -> Fitted:
    codes = np.random.default_rng(0).choice(["10115", "20095", "80331", "01067"], tables.ROWS)
    return _typed(pd.DataFrame({"zip": codes}), _one_hot(), sample=sample)


def _categories(estimator: Any) -> Fitted:
    frame = tables.people()[WORDS].astype("category")
    return _typed(frame, estimator)


def _boosted_categories() -> Fitted:
    frame = tables.people()[["income", *WORDS]].astype(dict.fromkeys(WORDS, "category"))
    return _typed(frame, HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype"))


def _converted(types: Any, estimator: Any = None) -> Fitted:
    return _typed(
        tables.people()[list(types)].astype(types), estimator or make_pipeline(SimpleImputer(), _classifier())
    )


def _renamed(names: list[str], sample: str = "csv") -> Fitted:
    return _typed(tables.flowers().set_axis(names, axis=1), _classifier(), tables.species(), sample)


_TYPES: dict[str, Callable[[], Fitted]] = {
    "digits as words, from CSV": lambda: _digits("csv"),
    "digits as words, from Parquet": lambda: _digits("parquet"),
    "categories, one hot": lambda: _categories(_one_hot()),
    "categories, ordinal": lambda: _categories(
        make_pipeline(OrdinalEncoder(encoded_missing_value=-1), _classifier())
    ),
    "categories, boosted": _boosted_categories,
    "float32": lambda: _converted({"age": "float32", "income": "float32"}),
    "int8 and int32": lambda: _converted({"children": "int8"}, _classifier()),
    "nullable numbers": lambda: _converted({"age": "Float64", "children": "Int64"}),
    "nullable flags": lambda: _converted({"member": "boolean"}, _classifier()),
    "strings": lambda: _converted({"plan": "string"}, _one_hot()),
    "Arrow's numbers": lambda: _converted({"income": "double[pyarrow]", "children": "int64[pyarrow]"}),
    "unsigned": lambda: _converted({"children": "uint8"}, _classifier()),
    "names with blanks and signs": lambda: _renamed(["a b", "c/d", "e.f", 'g"h']),
    "names beyond ASCII": lambda: _renamed(["größe", "宽度", "prénom", "x²"]),
    "names that the body has too": lambda: _renamed(["instances", "X", "features", "y"]),
    "names with commas and lines": lambda: _renamed(["a,b", "c\nd", "e'", "f"]),
    "names with blanks around, from Parquet": lambda: _renamed([" a", "b ", "c", "d"], "parquet"),
    "names that are numbers": lambda: _renamed(["1", "2", "3", "4"]),
    "names like JSON pointers": lambda: _renamed(["a~b", "/c", "~0", "__proto__"]),
}
