"""Words made of digits, and categories that a file cannot tell: what estimators know of their columns."""

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, VotingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, TargetEncoder

from mlapi.data.images.reader import reader_of
from mlapi.data.signature import Feature
from mlapi.errors import DatasetError, RegistrationError
from mlapi.inference.scoring import predict_table
from mlapi.training.workflows.estimator_columns import KnownColumn, fitted_names, fitted_width, known_columns
from mlapi.training.workflows.registration import register
from mlapi.training.workflows.sample_columns import (
    EstimatorSample,
    SampleOptions,
    described_columns,
    parse_types,
)
from tests.conftest import changes_in, classes_of

HOMES = pd.DataFrame(
    {
        "area": np.linspace(20, 120, 40),
        "zip": ["10115", "20099", "50667", "80331"] * 10,
        "lift": [True, False] * 20,
    }
)
PRICE = HOMES["area"] * 3 + HOMES["zip"].map({"10115": 30, "20099": 20, "50667": 10, "80331": 0})
ZIPS = ("10115", "20099", "50667", "80331")


def in_columns(encoder: Any, columns: Any = ("zip",)) -> Any:
    return make_column_transformer((encoder, columns), remainder="passthrough")


MODELS = {
    "one-hot": make_pipeline(in_columns(OneHotEncoder()), Ridge()),
    "ordinal": make_pipeline(in_columns(OrdinalEncoder(), [1]), Ridge()),
    "target": make_pipeline(in_columns(TargetEncoder(), slice(1, 2)), Ridge()),
    "filled": make_pipeline(
        in_columns(make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())), Ridge()
    ),
    "searched": GridSearchCV(
        make_pipeline(in_columns(OneHotEncoder()), Ridge()), {"ridge__alpha": [1]}, cv=2
    ),
    "voting": VotingRegressor([("one", make_pipeline(in_columns(OneHotEncoder()), Ridge()))]),
    "union": make_pipeline(
        make_column_transformer(
            (
                FeatureUnion([("one", OneHotEncoder()), ("other", OrdinalEncoder())]),
                np.array([False, True, False]),
            )
        ),
        Ridge(),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_an_encoder_tells_its_categories_through_whatever_is_around_it(name: str) -> None:
    model = MODELS[name].fit(HOMES, PRICE)

    assert known_columns(model, list(HOMES)) == {"zip": KnownColumn(ZIPS)}


@pytest.mark.parametrize("name", ["one-hot", "target", "filled"])
def test_digits_in_a_file_are_words_to_an_estimator_that_knows_them_as_words(
    tmp_path: Path, name: str
) -> None:
    """An encoder that maps unknown words to a mean answered something else, without a word."""
    model = MODELS[name].fit(HOMES, PRICE)
    joblib.dump(model, tmp_path / "estimator.joblib")
    HOMES.head(8).to_csv(tmp_path / "rows.csv", index=False)
    changes = changes_in(tmp_path / "models", allowed_classes=tuple(classes_of(model)))

    manifest = register("homes", tmp_path / "estimator.joblib", tmp_path / "rows.csv", changes)

    zips = manifest.signature.features[1]
    assert (zips.kind, zips.categories) == ("category", ZIPS)
    batch = {"area": np.array([50.0]), "zip": np.array(["80331"], dtype=object), "lift": np.array([True])}
    served = changes.registry.get("homes").predict(batch).values
    row = pd.DataFrame({"area": [50.0], "zip": ["80331"], "lift": [True]})
    np.testing.assert_allclose(served, model.predict(row), rtol=1e-9)


@pytest.mark.parametrize(
    ("cells", "categories", "words"),
    [
        ([10115, 20099], ("10115", "20099"), ["10115", "20099"]),
        ([10115.0, np.nan], ("10115", "20099"), ["10115", np.nan]),
        ([1.0, 2.0], ("1.0", "2.0"), ["1.0", "2.0"]),
        ([1.5, 2.0], ("1.5", "2"), ["1.5", "2"]),
        ([True, False], ("false", "true"), ["true", "false"]),
        ([True, False], ("False", "True"), ["True", "False"]),
        (["a", "b"], ("a", "b"), ["a", "b"]),
    ],
)
def test_numbers_and_flags_are_written_as_the_encoder_has_them(
    cells: list[Any], categories: tuple[str, ...], words: list[Any]
) -> None:
    model = OneHotEncoder().fit(pd.DataFrame({"c": categories}))

    _, sample = described_columns(model, EstimatorSample(pd.DataFrame({"c": cells}), is_exact=False))

    assert sample.frame["c"].fillna("-").tolist() == [
        word if isinstance(word, str) else "-" for word in words
    ]


def test_numbers_that_the_encoder_knows_as_numbers_stay_numbers() -> None:
    model = OneHotEncoder().fit(pd.DataFrame({"c": [1, 2]}))

    described, _ = described_columns(model, EstimatorSample(pd.DataFrame({"c": [1, 2]}), is_exact=False))

    assert described == (Feature("c", "number", False, 1.0, 2.0),)


def test_a_vectorizer_takes_texts_however_often_they_repeat() -> None:
    model = make_pipeline(make_column_transformer((TfidfVectorizer(), "text")), LinearRegression())
    rows = pd.DataFrame({"text": ["2026 good", "2027 bad"] * 6})

    described, _ = described_columns(model.fit(rows, [1, 0] * 6), EstimatorSample(rows, is_exact=False))

    assert described == (Feature("text", "text"),)


def test_boosting_gets_its_categories_by_dtype_from_a_file_too(tmp_path: Path) -> None:
    rows = HOMES.assign(zip=pd.Categorical(HOMES["zip"], categories=[*reversed(ZIPS), "99999"])).drop(
        columns="lift"
    )
    model = HistGradientBoostingRegressor(max_iter=3, categorical_features="from_dtype", min_samples_leaf=2)
    joblib.dump(model.fit(rows, PRICE), tmp_path / "estimator.joblib")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    rows.to_parquet(tmp_path / "rows.parquet")
    changes = changes_in(tmp_path / "models", allowed_classes=tuple(classes_of(model)))

    by_file = [
        register(
            "homes", tmp_path / "estimator.joblib", tmp_path / f"rows.{suffix}", changes
        ).signature.features[1]
        for suffix in ("csv", "parquet")
    ]

    assert [(zips.kind, zips.dtype) for zips in by_file] == [("category", "category")] * 2
    assert by_file[0].categories == ZIPS
    assert by_file[1].categories == (*reversed(ZIPS), "99999")
    batch = {"area": np.array([50.0, 50.0]), "zip": np.array(["80331", "new"], dtype=object)}
    frame = pd.DataFrame(
        {"area": [50.0, 50.0], "zip": pd.Categorical(["80331", None], categories=rows["zip"].cat.categories)}
    )
    for version in ("1", "2"):
        served = changes.registry.get("homes", version).predict(batch).values
        np.testing.assert_allclose(served, model.predict(frame), rtol=1e-9)


def test_types_are_told_where_neither_file_nor_estimator_tells(tmp_path: Path) -> None:
    words = FunctionTransformer(pd.DataFrame.astype, kw_args={"dtype": {"zip": str}})
    rows = pd.DataFrame({"zip": [101, 102, 103] * 5, "x": np.arange(15.0)})
    encode = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["zip"]))
    model = make_pipeline(words, encode, Ridge()).fit(rows, np.arange(15))
    joblib.dump(model, tmp_path / "estimator.joblib")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    changes = changes_in(tmp_path / "models", allowed_classes=tuple(classes_of(model)))
    files = (tmp_path / "estimator.joblib", tmp_path / "rows.csv")

    with pytest.raises(
        RegistrationError, match="as Parquet, which keeps dtypes, or say what the columns are with --types"
    ):
        register("zips", *files, changes)
    manifest = register("zips", *files, changes, said=SampleOptions(parse_types("zip=integer")))

    assert [(feature.kind, feature.dtype) for feature in manifest.signature.features] == [
        ("integer", "int64"),
        ("number", None),
    ]
    served = changes.registry.get("zips").predict(np.array([[102.0, 1.0]])).values
    np.testing.assert_allclose(served, model.predict(rows.iloc[[1]]), rtol=1e-9)


def months(frame: pd.DataFrame) -> Any:
    return frame.iloc[:, :1].apply(lambda column: column.dt.month)


def test_texts_are_times_where_the_estimator_fails_on_them_as_words(tmp_path: Path) -> None:
    rows = pd.DataFrame({"day": pd.date_range("2024-01-31", periods=15, freq="21D"), "x": np.arange(15.0)})
    model = make_pipeline(FunctionTransformer(months), Ridge()).fit(rows, np.arange(15))
    joblib.dump(model, tmp_path / "estimator.joblib")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    changes = changes_in(tmp_path / "models", allowed_classes=tuple(classes_of(model)))

    manifest = register("days", tmp_path / "estimator.joblib", tmp_path / "rows.csv", changes)

    assert [feature.kind for feature in manifest.signature.features] == ["datetime", "number"]
    assert "taken for times, which the estimator needs: day" in manifest.provenance.notes
    days = {"day": rows["day"].to_numpy()[:2], "x": np.zeros(2)}
    served = changes.registry.get("days").predict(days).values
    np.testing.assert_allclose(served, model.predict(rows[:2]), rtol=1e-9)


def test_where_neither_helps_the_refusal_says_what_to_do(tmp_path: Path) -> None:
    rows = pd.DataFrame({"day": pd.date_range("2024-01-31", periods=15, freq="21D"), "x": np.arange(15.0)})
    model = make_pipeline(FunctionTransformer(months), Ridge()).fit(rows, np.arange(15))
    joblib.dump(model, tmp_path / "estimator.joblib")
    rows.assign(day="soon").to_csv(tmp_path / "rows.csv", index=False)
    changes = changes_in(tmp_path / "models", allowed_classes=tuple(classes_of(model)))

    with pytest.raises(RegistrationError, match=r"sample \(AttributeError: .*\); give the sample as Parquet"):
        register("days", tmp_path / "estimator.joblib", tmp_path / "rows.csv", changes)


def test_a_missing_word_is_none_to_an_encoder_that_knows_it_as_none(tmp_path: Path) -> None:
    """NaN was a word that it did not know, and was answered as such."""
    rows = pd.DataFrame({"plan": ["pro", "basic", None, "pro", None, "basic"] * 3}, dtype=object)
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), Ridge()).fit(rows, [3, 1, 9, 3, 9, 1] * 3)
    joblib.dump(model, tmp_path / "estimator.joblib")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    changes = changes_in(tmp_path / "models")

    register("plans", tmp_path / "estimator.joblib", tmp_path / "rows.csv", changes)

    served = changes.registry.get("plans")
    cells = reader_of(served.signature).read_rows([["pro"], [None]]).batch
    np.testing.assert_allclose(served.predict(cells).values, model.predict(rows.iloc[[0, 2]]), rtol=1e-9)


class Centred(TransformerMixin, BaseEstimator):
    """It takes columns by name, and does not note their names."""

    def fit(self, X: Any, y: Any = None) -> "Centred":
        self.mean_ = X["x"].mean()
        return self

    def transform(self, X: Any) -> Any:
        return X[["x"]] - self.mean_


def test_a_step_of_ones_own_that_takes_tables_is_served_with_tables(tmp_path: Path) -> None:
    rows = pd.DataFrame({"x": np.arange(9.0), "y": np.zeros(9)})
    model = make_pipeline(Centred(), Ridge()).fit(rows, np.arange(9.0))
    joblib.dump(model, tmp_path / "estimator.joblib")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    changes = changes_in(tmp_path / "models", allowed_classes=tuple(classes_of(model)))

    register("centred", tmp_path / "estimator.joblib", tmp_path / "rows.csv", changes)

    served = changes.registry.get("centred").predict(rows.to_numpy()).values
    np.testing.assert_allclose(served, model.predict(rows), rtol=1e-9)


def test_blanks_around_a_name_are_those_that_the_estimator_knows(tmp_path: Path) -> None:
    rows = pd.DataFrame({" a": [0.0, 1.0, 2.0], "b ": [1.0, 0.0, 1.0], "c": [3.0, 1.0, 1.0]})
    model = LinearRegression().fit(rows, [0, 1, 3])
    joblib.dump(model, tmp_path / "estimator.joblib")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    changes = changes_in(tmp_path / "models")

    manifest = register("blanks", tmp_path / "estimator.joblib", tmp_path / "rows.csv", changes)

    assert manifest.signature.names == (" a", "b ", "c")
    lines = list(predict_table(changes.registry.get("blanks"), tmp_path / "rows.csv", (), pytest.fail))
    np.testing.assert_allclose(np.array(lines[1:], dtype=float), [0, 1, 3], atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "cells", "described"),
    [
        ("category", [10115, 20099, 10115], Feature("c", "category", categories=("10115", "20099"))),
        ("text", [1, 2, np.nan], Feature("c", "text", nullable=True)),
        ("integer", [1, 2, 3], Feature("c", "integer", False, 1.0, 3.0, dtype="int64")),
        ("integer", [1, np.nan, 3], Feature("c", "integer", True, 1.0, 3.0)),
        ("number", ["1", "2.5", "3"], Feature("c", "number", False, 1.0, 3.0)),
        ("boolean", [0, 1, 1], Feature("c", "boolean")),
        ("boolean", ["TRUE", "false", "true"], Feature("c", "boolean")),
    ],
)
def test_a_column_is_what_it_is_said_to_be(kind: Any, cells: list[Any], described: Feature) -> None:
    sample = EstimatorSample(pd.DataFrame({"c": cells}), is_exact=False, types={"c": kind})

    assert described_columns(Ridge(), sample)[0] == (described,)


def test_a_column_of_times_is_read_as_such() -> None:
    sample = EstimatorSample(
        pd.DataFrame({"c": ["2026-01-31", "2026-02-28T12:00"]}), is_exact=False, types={"c": "datetime"}
    )

    described, read = described_columns(Ridge(), sample)

    assert described[0].kind == "datetime"
    assert read.frame["c"].tolist() == [pd.Timestamp("2026-01-31"), pd.Timestamp("2026-02-28T12:00")]


@pytest.mark.parametrize(
    ("types", "error", "words"),
    [
        ({"zipp": "category"}, RegistrationError, "no column 'zipp', did you mean \"zip\""),
        ({"zip": "boolean"}, DatasetError, "column 'zip' is not of kind boolean in all rows: \"10115\""),
        ({"area": "integer"}, DatasetError, "column 'area' is not of kind integer in all rows: \"22.564"),
    ],
)
def test_what_is_said_of_a_column_has_to_hold(types: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        described_columns(Ridge(), EstimatorSample(HOMES, is_exact=False, types=types))


@pytest.mark.parametrize("text", ["zip", "zip=", "=category", "zip=words", "zip:category"])
def test_types_that_are_written_otherwise_are_refused(text: str) -> None:
    with pytest.raises(RegistrationError, match="expected column=kind, such as zip=category"):
        parse_types(text)


def test_several_types_are_told_at_once() -> None:
    assert parse_types(" zip=category, a=b=number,") == {"zip": "category", "a=b": "number"}


class Boosted:
    """What CatBoost is once it was saved, and what LightGBM calls the columns of a matrix."""

    def __init__(self, **known: Any) -> None:
        vars(self).update(known)


@pytest.mark.parametrize(
    ("estimator", "names", "width"),
    [
        (Boosted(feature_names_=["n", "c"], n_features_in_=0), ["n", "c"], 2),
        (Boosted(feature_names_=["0", "1"], n_features_in_=0), None, 2),
        (Boosted(feature_names_in_=np.array(["Column_0", "Column_1"]), n_features_in_=2), None, 2),
        (Boosted(feature_names_in_=np.array(["a", "b"], dtype=object), n_features_in_=2), ["a", "b"], 2),
        (Boosted(n_features_in_=3), None, 3),
        (Boosted(), None, None),
    ],
)
def test_boosters_tell_their_columns_in_their_own_ways(estimator: Any, names: Any, width: int | None) -> None:
    assert (fitted_names(estimator), fitted_width(estimator)) == (names, width)


class LGBMModel:
    """What LightGBM tells of the columns of its fit, as of 4.7."""

    __module__ = "lightgbm.sklearn"

    def __init__(self) -> None:
        self.booster_ = self
        self.params = {"categorical_column": [1]}
        self.pandas_categorical = [["pro", "basic"]]

    def num_feature(self) -> int:
        return 2


class CatBoost:
    """What CatBoost tells, as of 1.2."""

    __module__ = "catboost.core"
    feature_names_ = ("n", "c")

    def get_cat_feature_indices(self) -> list[int]:
        return [1]


def test_boosters_tell_their_categories_in_their_own_ways() -> None:
    lightgbm, catboost = (known_columns(booster(), ["n", "c"]) for booster in (LGBMModel, CatBoost))

    assert lightgbm == {"c": KnownColumn(("pro", "basic"), by_dtype=True)}
    assert catboost == {"c": KnownColumn(None)}


def test_digits_are_words_to_catboost_and_numbers_are_categories_to_lightgbm() -> None:
    """Parquet has no dtype for categories that are numbers."""
    booster = LGBMModel()
    booster.pandas_categorical = [[10115, 20099, 50667]]
    rows = pd.DataFrame({"n": [1.5, 2.5, 3.5, 4.5], "c": [10115, 20099, 20099, 10115]})

    of_numbers, numbers = described_columns(booster, EstimatorSample(rows, is_exact=True))
    of_words, words = described_columns(CatBoost(), EstimatorSample(rows, is_exact=False))

    assert of_numbers[1] == Feature("c", "category", categories=(10115, 20099, 50667), dtype="category")
    assert numbers.frame["c"].cat.categories.tolist() == [10115, 20099, 50667]
    assert of_words[1] == Feature("c", "category", categories=("10115", "20099"))
    assert words.frame["c"].tolist() == ["10115", "20099", "20099", "10115"]
