"""From objects in memory to a version that is asked in the same program: `publish`, `load` and `train`."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn import datasets
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

import mlapi
from mlapi.errors import DatasetError, ModelUnavailable, RegistrationError, UnknownOutput, VersionNotFound
from tests.conftest import AppFactory, classes_of

IRIS = datasets.load_iris(as_frame=True)
TENURE = pd.DataFrame(
    {
        "months": np.arange(40) % 17,
        "plan": pd.Categorical(["pro", "basic"] * 20, categories=["pro", "basic", "trial"]),
        "share": np.linspace(0, 1, 40, dtype=np.float32),
    }
)
LEFT = (TENURE["months"] > 8).astype(int)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def boosting() -> Any:
    """Tells categories by their dtype alone."""
    model = HistGradientBoostingClassifier(max_iter=3, categorical_features="from_dtype", min_samples_leaf=2)
    return model.fit(TENURE, LEFT)


def features_of(version: Any) -> dict[str, tuple[str, str | None]]:
    return {feature.name: (feature.kind, feature.dtype) for feature in version.manifest.signature.features}


@pytest.mark.parametrize(
    "rows",
    [IRIS.data, IRIS.data.to_numpy(), IRIS.data.to_numpy().tolist(), pa.Table.from_pandas(IRIS.data)],
    ids=["frame", "matrix", "rows", "arrow"],
)
def test_an_estimator_is_published_from_rows_in_any_form(rows: Any) -> None:
    model = LinearRegression().fit(IRIS.data, IRIS.target)

    version = mlapi.publish(model, "iris", rows)

    assert version.manifest.signature.names == tuple(IRIS.data)
    np.testing.assert_allclose(version.predict(rows), model.predict(IRIS.data), rtol=1e-9)
    np.testing.assert_allclose(mlapi.load("iris").predict(rows), model.predict(IRIS.data), rtol=1e-9)


def test_a_matrix_gives_its_columns_the_names_that_scikit_learn_gives_them() -> None:
    model = LinearRegression().fit(IRIS.data.to_numpy(), IRIS.target)

    assert mlapi.publish(model, "iris", IRIS.data.to_numpy()).manifest.signature.names == (
        "x0",
        "x1",
        "x2",
        "x3",
    )


def test_categories_reach_the_estimator_in_the_dtype_of_its_fit(boosting: Any, make_app: AppFactory) -> None:
    version = mlapi.publish(boosting, "left", TENURE)

    plan = version.manifest.signature.features[1]
    assert (plan.kind, plan.dtype, plan.categories) == ("category", "category", ("pro", "basic", "trial"))
    assert (version.predict(TENURE) == boosting.predict(TENURE)).all()
    client = make_app(Path("models").resolve(), state_dir=version.changes.state_dir).test_client()
    records = TENURE.astype({"plan": str}).head(9).to_dict("records")
    answer = client.post("/predict/left?include=probabilities", json={"instances": records}).get_json()
    np.testing.assert_allclose(answer["probabilities"], boosting.predict_proba(TENURE.head(9)), rtol=1e-9)


def test_a_value_that_is_no_category_is_missing_to_the_estimator_and_a_warning(boosting: Any) -> None:
    version = mlapi.publish(boosting, "left", TENURE)
    missing = TENURE.head(1).assign(plan=pd.Categorical([None], categories=["pro", "basic", "trial"]))

    with pytest.warns(
        UserWarning, match='row 0, column plan: "gold" is a category that training did not see'
    ):
        answered = version.predict([{"months": 0, "plan": "gold", "share": 0.0}])

    assert answered == boosting.predict(missing)


def test_whole_numbers_arrive_as_such_where_the_estimator_makes_words_of_them() -> None:
    """Only there: an age of 2.5 is answered."""
    rows = pd.DataFrame({"zip": [101, 102, 103] * 5, "age": np.arange(15)})
    words = FunctionTransformer(pd.DataFrame.astype, kw_args={"dtype": {"zip": str}})
    encode = make_column_transformer((OneHotEncoder(), ["zip"]), remainder="passthrough")
    model = make_pipeline(words, encode, LogisticRegression()).fit(rows, [0, 1, 0] * 5)

    version = mlapi.publish(model, "zips", rows)

    assert features_of(version) == {"zip": ("integer", "int64"), "age": ("number", None)}
    assert (version.predict(rows) == model.predict(rows)).all()
    assert version.predict([[102, 2.5]]).shape == (1,)
    with pytest.raises(DatasetError, match=r"row 0, column 0: zip: expected a whole number, got 102\.5"):
        version.predict([[102.5, 2]])


class Typed(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Answers for each row how wide its numbers are."""

    def fit(self, X: Any, y: Any) -> "Typed":
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Any) -> Any:
        return np.full(len(X), float(np.asarray(X).dtype.itemsize))


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "float64", "int8"])
def test_a_matrix_arrives_in_the_dtype_that_the_estimator_depends_on(dtype: str) -> None:
    rows = np.array([[0, 1], [1, 0]], dtype=dtype)
    model = Typed().fit(rows, [1, 2])

    version = mlapi.publish(model, "typed", rows)

    assert version.predict(rows).tolist() == model.predict(rows).tolist()


def test_float32_stays_float32_where_sums_depend_on_it() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    model = KNeighborsRegressor(3, weights="distance").fit(rows, rows[:, 0])

    version = mlapi.publish(model, "near", rows)

    np.testing.assert_allclose(version.predict(rows), model.predict(rows), rtol=1e-9)


def test_float32_stays_float32_where_only_probabilities_depend_on_it() -> None:
    """The labels are the same, and were all that was compared."""
    rows = np.random.default_rng(0).normal(20, 3, size=(50, 3)).astype(np.float32)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, rows[:, 0] > 20)

    version = mlapi.publish(model, "sure", rows)

    served = version.answer(rows, ["probabilities"]).outputs["probabilities"]
    np.testing.assert_allclose(served, model.predict_proba(rows), rtol=1e-9)


def test_texts_are_published_as_a_list() -> None:
    texts = ["good film", "bad film", "very good", "awful, bad"] * 3
    model = make_pipeline(CountVectorizer(), MultinomialNB()).fit(texts, ["+", "-", "+", "-"] * 3)

    version = mlapi.publish(model, "mood", texts)

    assert version.predict(["good", "bad"]).tolist() == ["+", "-"]


def test_who_publishes_needs_no_list_but_is_told_what_the_server_needs() -> None:
    """The list is where the version is served, and a signature does not stand for it."""
    rows = np.ones((3, 2))

    version = mlapi.publish(Typed().fit(rows, rows[:, 0]), "typed", rows)

    assert version.predict(rows).tolist() == [8.0] * 3
    name = f"{__name__}.Typed"
    assert version.needs == (name,)
    assert f'set in config/mlapi.toml, where it is served: allowed_classes = ["{name}"]' in repr(version)
    with pytest.raises(ModelUnavailable, match="Typed, which is not allowed"):
        mlapi.load("typed")


def test_what_the_settings_allow_needs_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    model = GaussianNB().fit(IRIS.data, IRIS.target)
    monkeypatch.setenv("MLAPI_ALLOWED_CLASSES", ",".join(classes_of(model)))

    assert "allowed_classes" not in repr(mlapi.publish(model, "bayes", IRIS.data))
    assert mlapi.load("bayes").predict(IRIS.data.head(1)).tolist() == [0]


class Lying(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Answers frames and matrices in two ways, and no dtype mends that."""

    def fit(self, X: Any, y: Any) -> "Lying":
        self.feature_names_in_ = np.array(list(X), dtype=object)
        return self

    def predict(self, X: Any) -> Any:
        return np.random.default_rng().normal(size=len(X))


@pytest.mark.parametrize(
    ("estimator", "rows", "words"),
    [
        (
            Lying().fit(IRIS.data, None),
            IRIS.data,
            "gives other predictions for the values that a client can send",
        ),
        (LinearRegression(), IRIS.data, "is not fitted: call its fit"),
        (LinearRegression().fit(IRIS.data, IRIS.target), IRIS.data.iloc[:, :2], "lacks columns"),
        (
            make_pipeline(FunctionTransformer(lambda X: X), LinearRegression()).fit(IRIS.data, IRIS.target),
            IRIS.data,
            "the estimator cannot be saved: .* be no lambdas",
        ),
        (object(), IRIS.data, "is no scikit-learn estimator"),
    ],
    ids=["lying", "unfitted", "columns", "lambda", "object"],
)
def test_what_would_answer_otherwise_or_not_at_all_is_not_published(
    estimator: Any, rows: Any, words: str
) -> None:
    with pytest.raises(RegistrationError, match=words) as caught:
        mlapi.publish(estimator, "mine", rows)

    assert "\n" not in str(caught.value)
    assert not list(Path("models").glob("*/*/manifest.json"))


def test_a_class_of_the_program_itself_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Typed, "__module__", "__main__")
    monkeypatch.setitem(vars(__import__("__main__")), "Typed", Typed)

    with pytest.raises(RegistrationError, match=r"__main__\.Typed, .* a module of a package"):
        mlapi.publish(Typed().fit(np.ones((2, 1)), [1, 2]), "mine", np.ones((2, 1)))


def test_a_version_shows_what_it_is_in_a_line_and_in_a_notebook() -> None:
    model = LinearRegression().fit(IRIS.data, IRIS.target)

    first, second = (mlapi.publish(model, "iris", IRIS.data) for _ in range(2))

    assert repr(first) == "<iris version 1; algorithm: linear_regression; production: yes>"
    assert "production: no; promote() makes it so" in repr(second)
    assert second.promote().is_production
    assert "production: no" in repr(first)
    assert "<caption>iris version 2</caption>" in second._repr_html_()
    assert second.card is None


def test_a_version_is_loaded_by_its_number_or_alias() -> None:
    model = LinearRegression().fit(IRIS.data, IRIS.target)
    for _ in range(2):
        mlapi.publish(model, "iris", IRIS.data)

    assert [mlapi.load(which).version for which in ("iris", "iris@production", "iris@2", "iris@latest")] == [
        1,
        1,
        2,
        2,
    ]
    with pytest.raises(VersionNotFound, match="staging"):
        mlapi.load("iris@staging")


def test_a_version_gives_its_outputs_and_refuses_what_a_server_refuses() -> None:
    model = LogisticRegression(max_iter=1000).fit(IRIS.data, IRIS.target)
    version = mlapi.publish(model, "iris", IRIS.data)

    answer = version.answer(IRIS.data, ["probabilities"])

    np.testing.assert_allclose(answer.outputs["probabilities"], model.predict_proba(IRIS.data), rtol=1e-9)
    with pytest.raises(UnknownOutput):
        version.answer(IRIS.data, ["magic"])
    with pytest.raises(DatasetError, match=r"row 0, column hue: unknown feature; .* \(and 149 more\)"):
        version.predict(IRIS.data.assign(hue=1))


def test_a_trained_version_predicts_and_shows_its_card(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is wrong with a folder of models that is not there yet, and nothing is logged of it."""
    rows, target = IRIS.data.to_numpy()[:, :2], IRIS.data.iloc[::-1, 3].rename("width")

    with caplog.at_level(logging.WARNING):
        trained = mlapi.train(rows, target=target.sort_index(), algorithm="linear_regression", name="petals")

    own = [record.getMessage() for record in caplog.records if record.threadName == "MainThread"]
    assert own == []  # the servers of other tests look at their folders in threads of their own
    assert (trained.name, trained.version, trained.verdict, trained.is_production) == (
        "petals",
        1,
        None,
        True,
    )
    assert trained.manifest.signature.names == ("x0", "x1")
    assert (trained.manifest.data["source"], trained.manifest.data["rows"]) == ("a DataFrame", 150)
    assert trained.metrics["r2"] > 0.5
    assert trained.predict(rows).shape == (150,)
    assert trained.card is not None
    assert "<html" in trained.card.html


def test_what_seems_wrong_with_the_rows_is_shown() -> None:
    rows = IRIS.frame.assign(answer=IRIS.frame["target"] * 2 + 1)

    trained = mlapi.train(rows, target="target", algorithm="decision_tree")

    assert any('"answer" alone' in warning for warning in trained.warnings)
    assert f"warnings: {len(trained.warnings)} (.warnings)" in repr(trained)
    assert "<td>&quot;answer&quot; alone" in trained._repr_html_()


@pytest.mark.exhaustive
def test_a_version_that_is_never_promoted_says_so_and_can_be_promoted() -> None:
    for _ in range(2):
        trained = mlapi.train(IRIS.frame, target="target", algorithm="decision_tree", promote="never")

    assert "production: no: its recipe says never" in repr(trained)
    assert trained.promote().is_production


def test_the_target_of_a_file_is_a_name() -> None:
    IRIS.frame.to_csv("iris.csv", index=False)

    with pytest.raises(DatasetError, match="the target of a file is the name of a column, not a Series"):
        mlapi.train("iris.csv", target=IRIS.target)
