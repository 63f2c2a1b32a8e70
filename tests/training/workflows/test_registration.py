from collections.abc import Iterable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn.base
from sklearn import datasets
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, LabelEncoder, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR

from mlapi.artifacts import requirements
from mlapi.artifacts.manifest import NETWORK
from mlapi.data.tables.dialects import CsvOptions
from mlapi.errors import BrokenArtifact, DatasetError, RegistrationError
from mlapi.estimators.algorithms.svm import CalibratedSVC
from mlapi.registry.changes import Changes
from mlapi.training.versions.golden import SINGLE
from mlapi.training.workflows.registration import register
from tests.conftest import AppFactory, changes_in, classes_of
from tests.support.learnt_pictures import across_or_down, drawn

IRIS = datasets.load_iris(as_frame=True)
MANY = pd.DataFrame({"x": np.arange(1100)})


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "estimator.joblib", tmp_path / "sample.csv"


def uncalibrated() -> CalibratedSVC:
    """It predicts, and fails where it is asked for probabilities."""
    model = CalibratedSVC().fit(IRIS.data, IRIS.target)
    model.calibrator_ = StandardScaler()
    return model


def try_to_register(files: tuple[Path, Path], estimator: Any, frame: pd.DataFrame, name: str = "mine") -> Any:
    joblib.dump(estimator, files[0])
    frame.to_csv(files[1], index=False)
    return register(name, *files, changes(files[0].parent, classes_of(estimator)))


def changes(folder: Path, allowed: Iterable[str] = ()) -> Changes:
    return changes_in(folder / "models", state_dir=folder / "state", allowed_classes=tuple(allowed))


@pytest.mark.parametrize(
    ("estimator", "algorithm", "task"),
    [
        (LinearRegression(), "linear_regression", "regression"),
        (make_pipeline(StandardScaler(), LogisticRegression()), "logistic_regression", "classification"),
        (SVC(), "svm", "classification"),
        (SVR(), "svm", "regression"),
        (GridSearchCV(SVC(), {"C": [1, 2]}), "svm", "classification"),
        (RandomForestRegressor(3), "random_forest", "regression"),
        (HistGradientBoostingClassifier(max_iter=3), "gradient_boosting", "classification"),
        (Ridge(), "linear_regression", "regression"),
        (KMeans(2, n_init=1), "k_means", "classification"),
    ],
)
def test_any_estimator_is_served_as_it_predicts(
    files: tuple[Path, Path], make_app: AppFactory, estimator: Any, algorithm: str, task: str
) -> None:
    estimator.fit(IRIS.data.to_numpy(), IRIS.target)

    manifest = try_to_register(files, estimator, IRIS.data.head(20))

    assert (manifest.algorithm, manifest.task, manifest.version) == (algorithm, task, 1)
    client = make_app(files[0].parent / "models", state_dir=files[0].parent / "state").test_client()
    rows = IRIS.data.to_numpy()[::7]
    answer = client.post("/predict/mine", json={"X": rows.tolist()}).get_json()
    np.testing.assert_allclose(answer["prediction"], estimator.predict(rows), rtol=1e-9)


def test_an_estimator_that_another_scikit_learn_fitted_is_said_to_be(
    files: tuple[Path, Path], make_app: AppFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimator = LinearRegression().fit(IRIS.data, IRIS.target)
    with monkeypatch.context() as patch:
        patch.setattr(sklearn.base, "__version__", "1.2.2")
        joblib.dump(estimator, files[0])
    IRIS.data.head().to_csv(files[1], index=False)

    manifest = register("mine", *files, changes(files[0].parent))

    assert manifest.environment["scikit-learn"] == "1.2.2"
    assert manifest.provenance.fitted_with == ("1.2.2",)
    assert manifest.provenance.libraries == {"scikit-learn": sklearn.__version__}
    client = make_app(files[0].parent / "models", state_dir=files[0].parent / "state").test_client()
    (note,) = client.get("/models/mine/versions/1").get_json()["notes"]
    assert note.startswith("scikit-learn 1.2.2 fitted this estimator. Its answers are those of scikit-learn ")


def test_a_version_is_broken_where_a_package_that_it_needs_is_not(
    files: tuple[Path, Path], make_app: AppFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    joblib.dump(LinearRegression().fit(IRIS.data, IRIS.target), files[0])
    IRIS.data.head().to_csv(files[1], index=False)

    manifest = register("mine", *files, changes(files[0].parent), requires=[f"numpy=={np.__version__}"])

    assert manifest.provenance.requires == (f"numpy=={np.__version__}",)
    monkeypatch.setattr(requirements, "version", lambda package: "1.2")
    client = make_app(files[0].parent / "models", state_dir=files[0].parent / "state").test_client()
    broken = client.get("/models/mine/versions/1").get_json()
    assert broken["status"] == "broken"
    assert broken["reason"] == f"it needs numpy=={np.__version__}, and 1.2 is installed here"


def test_a_network_may_be_off_by_what_float32_leaves_open(files: tuple[Path, Path]) -> None:
    X, _ = drawn(40, (8, 8, 1))

    manifest = try_to_register(files, across_or_down(), pd.DataFrame(X.reshape(40, 64)).add_prefix("p"))

    assert SINGLE <= manifest.tolerance <= 1e-3
    assert NETWORK in manifest.files


def test_columns_are_put_in_the_estimators_order_and_others_ignored(files: tuple[Path, Path]) -> None:
    frame = pd.DataFrame({"b": [1.0, 2.0, 4.0], "a": [0.0, 1.0, 0.0]})
    estimator = LinearRegression().fit(frame, [1, 2, 3])

    manifest = try_to_register(files, estimator, frame.assign(y=[1, 2, 3])[["y", "a", "b"]])

    assert manifest.signature.names == ("b", "a")
    assert manifest.signature.ignored == ("y",)


def test_kinds_are_read_off_the_sample(files: tuple[Path, Path]) -> None:
    frame = pd.DataFrame(
        {
            "n": [1, 2, 3, 4],
            "city": ["Oslo", "Rome", "Oslo", None],
            "note": ["a", "b", "c", "d"],
            "new": [True, False, True, True],
        }
    )

    manifest_features = _features(files, frame)

    assert {each.name: each.kind for each in manifest_features} == {
        "n": "number",
        "city": "text",
        "note": "text",
        "new": "boolean",
    }


def _features(files: tuple[Path, Path], frame: pd.DataFrame) -> Any:
    return try_to_register(files, DummyClassifier().fit(frame, [0, 1, 0, 1]), frame).signature.features


def test_an_estimator_that_whole_numbers_as_floats_would_mislead_is_refused(files: tuple[Path, Path]) -> None:
    """13 as the word "13" is another category than "13.0"."""
    frame = pd.DataFrame({"zip": [101, 102, 103] * 5, "x": np.arange(15.0)})
    words = FunctionTransformer(pd.DataFrame.astype, kw_args={"dtype": {"zip": str}})
    encode = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["zip"]))
    model = make_pipeline(words, encode, LogisticRegression()).fit(frame, [0, 1, 0] * 5)

    with pytest.raises(RegistrationError, match="whole numbers arrive as"):
        try_to_register(files, model, frame)


def test_a_pipeline_of_texts_takes_one_column(files: tuple[Path, Path], make_app: AppFactory) -> None:
    texts = pd.DataFrame({"text": ["good film", "bad film", "very good", "awful, bad"] * 3})
    model = make_pipeline(TfidfVectorizer(), MultinomialNB()).fit(texts["text"], ["+", "-", "+", "-"] * 3)

    try_to_register(files, model, texts)

    client = make_app(files[0].parent / "models", state_dir=files[0].parent / "state").test_client()
    answer = client.post("/predict", json={"instances": [{"text": "a good one"}, {"text": "bad"}]}).get_json()
    assert answer["prediction"] == ["+", "-"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b\n1,2,3\n4,5,6\n", "line 2 has 3 cells where the header has 2"),
        ("a,b\n1,2\n3,4,5\n", "line 3 has 3 cells"),
        ("a,a\n1,2\n", "two columns are called 'a'"),
        ("a,b\n1,inf\n", "infinite"),
    ],
)
def test_a_sample_that_pandas_would_misread_is_refused(
    files: tuple[Path, Path], content: str, words: str
) -> None:
    joblib.dump(LinearRegression().fit([[1, 2], [2, 3]], [1, 2]), files[0])
    files[1].write_text(content)

    with pytest.raises(DatasetError, match=words):
        register("mine", *files, changes(files[0].parent))


def test_a_sample_is_read_as_the_options_say_and_what_is_no_row_is_noted(files: tuple[Path, Path]) -> None:
    joblib.dump(LinearRegression().fit([[1, 2], [2, 3]], [1, 2]), files[0])
    files[1].write_text(",a;b\n1,5;2\n;\n2,5;3\n")

    manifest = register("mine", *files, changes(files[0].parent), CsvOptions(delimiter=";"))

    assert manifest.signature.names == (",a", "b")
    assert manifest.provenance.notes == (
        '"," is its decimal sign',
        "passed over: 1 blank row of nothing but delimiters (line 3)",
    )


def test_only_a_blank_cell_is_blank(files: tuple[Path, Path]) -> None:
    frame = pd.DataFrame({"word": ["NA", "None", "NA", "None"], "n": ["1", "", "2", "3"]})

    features = _features(files, frame)

    assert [(each.name, each.kind, each.categories) for each in features] == [
        ("word", "category", ("NA", "None")),
        ("n", "number", None),
    ]


def test_numbers_near_the_end_of_float64_are_described(files: tuple[Path, Path]) -> None:
    frame = pd.DataFrame({"x": [1.7e308, -1.7e308]})

    assert try_to_register(files, DummyRegressor().fit(frame, [1, 2]), frame).version == 1


def test_a_parameter_that_would_be_shown_without_end_is_told_by_its_kind(files: tuple[Path, Path]) -> None:
    """One word in a list, a million times: the file is short."""
    X, y = IRIS.data.iloc[:, :2], IRIS.target
    model = Ridge().fit(X, y)
    model.solver, model.alpha, model.tol = ["x" * 10**5] * 10**5, [1.0, 2.0], "x" * 10**8

    told = try_to_register(files, model, X).parameters

    assert (told["solver"], told["alpha"], told["tol"]) == ("a long list", "[1.0, 2.0]", "a long str")


def test_the_next_registration_is_the_next_version(files: tuple[Path, Path]) -> None:
    estimator = LinearRegression().fit(IRIS.data, IRIS.target)

    assert [try_to_register(files, estimator, IRIS.data).version for _ in range(2)] == [1, 2]


def labelled(classes: Any) -> Any:
    """Each answer would repeat what is long."""
    model = LogisticRegression(max_iter=1000).fit(IRIS.data, IRIS.target)
    model.classes_ = np.array(classes, dtype=object)
    return model


def named_twice() -> Any:
    """A short file whose rows would be a table of any width."""
    model = LinearRegression().fit(IRIS.data, IRIS.target)
    model.feature_names_in_ = np.array([IRIS.data.columns[0]] * 10**6, dtype=object)
    return model


@pytest.mark.parametrize(
    ("estimator", "frame", "words"),
    [
        (LinearRegression(), IRIS.data, "is not fitted: call its fit before you save it"),
        (
            LinearRegression().fit(IRIS.data, IRIS.target),
            IRIS.data.iloc[:, :3],
            "lacks columns of the estimator: petal",
        ),
        (
            LinearRegression().fit(IRIS.data.to_numpy(), IRIS.target),
            IRIS.data.iloc[:, :3],
            "takes 4 features",
        ),
        (named_twice(), IRIS.data, "columns stand twice"),
        (labelled(["x" * 10**6, "y", "z"]), IRIS.data, "labels that are no words of up to 10,000 letters"),
        (labelled([["x"] * 1000] * 3), IRIS.data, "classes are no labels"),
        (
            uncalibrated(),
            IRIS.data,
            r"cannot predict the sample \(AttributeError: .*; give the sample as Parquet",
        ),
        (
            AgglomerativeClustering().fit(IRIS.data),
            IRIS.data,
            "is no scikit-learn estimator that has predict",
        ),
        (LabelEncoder().fit([0, 1]), IRIS.data, "dump one that predicts new rows"),
        (GridSearchCV(Ridge(), {"alpha": [1]}, refit=False, cv=2), IRIS.data, "search with refit=True"),
        (OneHotEncoder().fit(MANY), MANY, "into 1,100 numbers; 1,000 are the most"),
        (LinearRegression, IRIS.data, "LinearRegression itself, and no fitted estimator"),
        ({"not": "an estimator"}, IRIS.data, "is no scikit-learn estimator that has predict"),
        (
            LinearRegression().fit(IRIS.data, IRIS.target),
            IRIS.data.assign(**{IRIS.data.columns[0]: "x"}),
            "cannot predict the sample",
        ),
    ],
)
def test_what_cannot_serve_is_refused_in_one_line(
    files: tuple[Path, Path], estimator: Any, frame: pd.DataFrame, words: str
) -> None:
    with pytest.raises((RegistrationError, BrokenArtifact), match=words) as caught:
        try_to_register(files, estimator, frame)

    assert "\n" not in str(caught.value)
    assert list((files[0].parent / "models").iterdir()) == []


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"input": "filename"}, "opens files: its input is 'filename'; 'content' opens none"),
        ({"token_pattern": r"(?:a|a|aa)+$|\w+"}, r"can take for ever on some texts; a pattern such as"),
        ({"ngram_range": (1, 10**9)}, "ngram_range"),
        ({"vocabulary_": {"good": 0, "bad": 10**9}}, "vocabulary whose places"),
    ],
    ids=["files", "pattern", "grams", "vocabulary"],
)
def test_a_vectorizer_that_reaches_too_far_is_refused_with_the_way_out(
    files: tuple[Path, Path], attributes: dict[str, Any], words: str
) -> None:
    texts = pd.DataFrame({"text": ["good film", "bad film"] * 6})
    model = make_pipeline(make_column_transformer((TfidfVectorizer(), "text")), LinearRegression())
    model.fit(texts, [1.0, 0.0] * 6)
    vars(model[0].named_transformers_["tfidfvectorizer"]).update(attributes)
    joblib.dump(model, files[0])
    texts.to_csv(files[1], index=False)

    with pytest.raises(BrokenArtifact, match=words):
        register("mine", *files, changes(files[0].parent))

    assert list((files[0].parent / "models").iterdir()) == []


@pytest.mark.parametrize(
    "content", ["", "a,b\n", "a,a\n1,2\n", 'a,b\n"1,2\n3', "a,b\n1,2\n1,2,3,4\n", "\xff\xfe"]
)
def test_a_sample_that_is_no_table_is_refused(files: tuple[Path, Path], content: str) -> None:
    joblib.dump(LinearRegression().fit(IRIS.data.to_numpy(), IRIS.target), files[0])
    files[1].write_bytes(content.encode("latin-1"))

    with pytest.raises((DatasetError, RegistrationError)):
        register("mine", *files, changes(files[0].parent))


def test_a_file_that_is_no_pickle_is_refused(files: tuple[Path, Path]) -> None:
    files[0].write_text("hello")
    IRIS.data.to_csv(files[1], index=False)

    with pytest.raises(BrokenArtifact, match=r"estimator\.joblib: it is no joblib or pickle file but a text"):
        register("mine", *files, changes(files[0].parent))


def test_a_name_that_no_model_can_have_is_refused(files: tuple[Path, Path]) -> None:
    with pytest.raises(RegistrationError, match="cannot be called"):
        register("../x", *files, changes(files[0].parent))
