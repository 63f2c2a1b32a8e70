"""POST /predict, through the client: the bodies, the outputs, the numbers."""

import gc
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import joblib
import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from sklearn import datasets
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import SVC

from mlapi.data.signature import Feature, Signature, Target
from mlapi.resources.predict import RESOURCES, ModelResource
from tests.conftest import AppFactory, publish_fitted
from tests.support.problems import assert_problem, pointers

LOADERS = {
    "linear_regression": datasets.load_diabetes,
    "logistic_regression": datasets.load_breast_cancer,
    "svm": datasets.load_wine,
}
ROWS = {name: load(as_frame=True).data.head(5) for name, load in LOADERS.items()}


def estimator(trained: Path, name: str) -> Any:
    return joblib.load(trained / name / "1" / "model.joblib")


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("form", ["instances", "X"])
@pytest.mark.parametrize("as_records", [False, True])
def test_many_rows_give_scikit_learns_own_answers(
    client: FlaskClient, trained: Path, name: str, form: str, as_records: bool
) -> None:
    frame = ROWS[name]
    rows = frame.to_dict("records") if as_records else frame.to_numpy().tolist()

    response = client.post(f"/predict/{name}", json={form: rows})

    assert response.status_code == 200
    answer = response.get_json()
    assert (answer["model"], answer["version"]) == (name, 1)
    assert answer["prediction"] == pytest.approx(
        estimator(trained, name).predict(frame.to_numpy()).tolist(), rel=1e-9
    )


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("ref", ["", "/1", "/production", "/latest"])
def test_one_row_is_a_list_an_object_or_the_body_itself(
    client: FlaskClient, trained: Path, name: str, ref: str
) -> None:
    frame = ROWS[name].head(1)
    record = frame.to_dict("records")[0]
    expected = estimator(trained, name).predict(frame.to_numpy()).tolist()

    for body in ({"features": frame.to_numpy()[0].tolist()}, {"features": record}, record):
        response = client.post(f"/predict/{name}{ref}", json=body)
        assert response.status_code == 200, response.get_json()
        assert response.get_json()["prediction"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "include"),
    [
        ("logistic_regression", "probabilities"),
        ("logistic_regression", "decision"),
        ("svm", "decision, probabilities"),
    ],
)
def test_probabilities_and_decision_values_are_included_on_request(
    client: FlaskClient, trained: Path, name: str, include: str
) -> None:
    rows = ROWS[name].to_numpy()
    fitted = estimator(trained, name)

    answer = client.post(f"/predict/{name}?include={include}", json={"X": rows.tolist()}).get_json()

    assert set(answer) == {"model", "version", "prediction"} | (
        {"classes", "probabilities"} if "probabilities" in include else set()
    ) | ({"decision"} if "decision" in include else set())
    if "probabilities" in include:
        assert answer["classes"] == fitted.classes_.tolist()
        np.testing.assert_allclose(answer["probabilities"], fitted.predict_proba(rows), rtol=1e-9)
    if "decision" in include:
        np.testing.assert_allclose(answer["decision"], fitted.decision_function(rows), rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "include", "possible"),
    [
        ("linear_regression", "probabilities", "none"),
        ("linear_regression", "decision", "none"),
        ("linear_regression", "names", "none"),
        ("svm", "probabilities,shap", "probabilities, decision, names"),
    ],
)
def test_an_output_that_the_model_cannot_give_is_refused(
    client: FlaskClient, name: str, include: str, possible: str
) -> None:
    rows = ROWS[name].to_numpy().tolist()

    response = client.post(f"/predict/{name}?include={include}", json={"X": rows})

    body = assert_problem(response, 422, "unknown-output")
    assert f"can include {possible}" in body["detail"]


def test_a_machine_without_probabilities_says_so(tmp_path: Path, make_app: AppFactory) -> None:
    frame = ROWS["svm"]
    publish_fitted(tmp_path, "plain", SVC().fit(frame.to_numpy(), [0, 1, 0, 1, 1]), frame)
    client = make_app(tmp_path).test_client()

    response = client.post("/predict/plain?include=probabilities", json={"X": frame.to_numpy().tolist()})

    assert "can include decision" in assert_problem(response, 422, "unknown-output")["detail"]


def test_the_version_decides_which_class_answers(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered: list[str] = []
    real = ModelResource.post

    def post(self: ModelResource) -> Any:
        answered.append(type(self).__name__)
        return real(self)

    monkeypatch.setattr(ModelResource, "post", post)
    for name in LOADERS:
        client.post(f"/predict/{name}", json={"X": ROWS[name].to_numpy().tolist()})

    assert answered == ["LinearRegressionResource", "LogisticRegressionResource", "SVMResource"]


def test_each_class_has_schemas_of_its_own() -> None:
    assert {name: resource.__name__ for name, resource in RESOURCES.items()} == {
        "linear_regression": "LinearRegressionResource",
        "logistic_regression": "LogisticRegressionResource",
        "svm": "SVMResource",
        "cnn": "ImageClassifierResource",
    }
    schemas = [(each.request_schema, type(each.response_schema)) for each in RESOURCES.values()]
    assert len(set(schemas)) == len(schemas), "each has its own request and response schema"


def test_any_other_estimator_is_served_by_the_general_resource(tmp_path: Path, make_app: AppFactory) -> None:
    data = datasets.load_iris(as_frame=True)
    words = data.target.map(dict(enumerate(data.target_names))).to_numpy(dtype=str)
    forest = RandomForestClassifier(20, random_state=0).fit(data.data.to_numpy(), words)
    publish_fitted(tmp_path, "iris", forest, data.data)
    client = make_app(tmp_path).test_client()
    rows = data.data.to_numpy()[::10]

    answer = client.post("/predict/iris?include=probabilities", json={"X": rows.tolist()}).get_json()

    assert answer["prediction"] == forest.predict(rows).tolist()
    assert answer["classes"] == ["setosa", "versicolor", "virginica"]
    np.testing.assert_allclose(answer["probabilities"], forest.predict_proba(rows), rtol=1e-9)


def test_a_pipeline_on_a_table_takes_words_and_blanks(tmp_path: Path, make_app: AppFactory) -> None:
    frame = pd.DataFrame(
        {
            "city": ["Oslo", "Rome", None, "Oslo", "Rome", "Rome"],
            "size": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            "new": [True, False, True, True, False, False],
        }
    )
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city"]), remainder="passthrough"
    )
    model = make_pipeline(encode, LogisticRegression()).fit(frame, [True, False, True, True, False, False])
    publish_fitted(tmp_path, "flats", model, frame)
    client = make_app(tmp_path).test_client()
    records = [{"city": None, "size": 3.5, "new": True}, {"city": "Oslo", "size": 2, "new": False}]

    answer = client.post("/predict?include=probabilities", json={"instances": records}).get_json()
    unknown = client.post("/predict", json={"city": "Paris", "size": 2, "new": False}).get_json()

    assert answer["prediction"] == model.predict(pd.DataFrame(records)).tolist()
    assert all(type(label) is bool for label in answer["prediction"])
    np.testing.assert_allclose(answer["probabilities"], model.predict_proba(pd.DataFrame(records)), rtol=1e-9)
    assert unknown["warnings"] == [
        {"pointer": "/city", "detail": '"Paris" is a category that training did not see'}
    ]


def test_an_estimator_that_refuses_an_unknown_category_is_no_5xx(
    tmp_path: Path, make_app: AppFactory
) -> None:
    frame = pd.DataFrame({"city": ["Oslo", "Rome", "Oslo", "Rome"]})
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(frame, [0, 1, 0, 1])
    publish_fitted(tmp_path, "strict", model, frame)
    client = make_app(tmp_path).test_client()

    response = client.post("/predict/strict", json={"city": "Paris"})

    assert_problem(response, 422, "unanswerable")


def test_an_answer_that_is_not_finite_is_refused(tmp_path: Path, make_app: AppFactory) -> None:
    frame = pd.DataFrame({"x": [0.0, 1.0]})
    publish_fitted(tmp_path, "steep", LinearRegression().fit(frame.to_numpy(), [0, 1e10]), frame)
    client = make_app(tmp_path).test_client()

    response = client.post("/predict/steep", json={"x": 1e308})

    assert "not finite" in assert_problem(response, 422, "unanswerable")["detail"]


def test_probabilities_of_a_target_with_fewer_classes_are_fewer(tmp_path: Path, make_app: AppFactory) -> None:
    frame = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]})
    forest = RandomForestClassifier(3, random_state=0).fit(frame.to_numpy(), [[0, 0], [1, 1], [0, 2], [1, 0]])
    publish_fitted(tmp_path, "pairs", forest, frame)
    client = make_app(tmp_path).test_client()

    answer = client.post("/predict", json={"X": [[0], [3]]}).get_json()
    included = client.post("/predict?include=probabilities", json={"X": [[0], [3]]}).get_json()

    assert answer["prediction"] == forest.predict([[0], [3]]).tolist()
    assert [list(map(len, row)) for row in included["probabilities"]] == [[2, 3], [2, 3]]


def test_outputs_may_be_named_in_two_parameters(client: FlaskClient) -> None:
    rows = ROWS["svm"].to_numpy().tolist()

    answer = client.post("/predict/svm?include=decision&include=probabilities,decision", json={"X": rows})

    assert {"decision", "probabilities"} <= set(answer.get_json())


def test_categories_of_equal_value_and_other_type_are_told_apart(
    tmp_path: Path, make_app: AppFactory
) -> None:
    frame = pd.DataFrame({"c": [0.0, 1.0]})
    model = LinearRegression().fit(frame.to_numpy(dtype=object), [0.0, 1.0])
    for name, categories in (("numbers", (0, 1)), ("flags", (False, True))):
        signature = Signature((Feature("c", "category", categories=categories),), Target("y", "number"))
        publish_fitted(tmp_path, name, model, frame, signature=signature)
    client = make_app(tmp_path).test_client()

    assert client.post("/predict/numbers", json={"c": 1}).status_code == 200
    assert client.post("/predict/flags", json={"c": True}).status_code == 200
    assert_problem(client.post("/predict/flags", json={"c": 1}), 422, "invalid-input")


def test_values_outside_of_training_are_answered_and_named(client: FlaskClient) -> None:
    rows = ROWS["svm"].to_numpy().tolist()
    rows[1][0] = 1000

    answer = client.post("/predict/svm", json={"instances": rows}).get_json()

    assert len(answer["prediction"]) == 5
    assert answer["warnings"] == [
        {"pointer": "/instances/1/0", "detail": "1000 is outside of what training saw, 11.41 to 14.83"}
    ]
    assert answer["warning_count"] == 1


def test_there_are_no_warnings_where_there_is_nothing_to_warn_of(client: FlaskClient, trained: Path) -> None:
    signature = json.loads((trained / "svm" / "1" / "manifest.json").read_text())["signature"]
    row = [feature["minimum"] for feature in signature["features"]]

    assert "warnings" not in client.post("/predict/svm", json={"features": row}).get_json()


def test_the_target_may_stand_in_a_record_and_counts_for_nothing(client: FlaskClient) -> None:
    record = ROWS["svm"].to_dict("records")[0]

    plain = client.post("/predict/svm", json=record).get_json()
    with_target = client.post("/predict/svm", json={**record, "target": "whatever"}).get_json()

    assert plain == with_target


def test_without_a_name_the_default_model_answers(client: FlaskClient) -> None:
    rows = ROWS["logistic_regression"].to_numpy().tolist()

    assert client.post("/predict", json={"X": rows}).get_json()["model"] == "logistic_regression"


def test_without_a_default_and_with_many_models_they_are_listed(trained: Path, make_app: AppFactory) -> None:
    response = make_app(trained).test_client().post("/predict", json={"features": [1]})

    detail = assert_problem(response, 404, "model-not-found")["detail"]
    assert all(name in detail for name in LOADERS)


@pytest.mark.parametrize("path", ["/predict/nothing", "/predict/../etc", "/predict/Svm", "/predict/svm%00"])
def test_unknown_models_list_the_known(client: FlaskClient, path: str) -> None:
    detail = assert_problem(client.post(path, json={}), 404, "model-not-found")["detail"]

    assert "linear_regression, logistic_regression, svm" in detail


@pytest.mark.parametrize("ref", ["0", "2", "01", "canary", "-1", "..", "1.0", "9" * 100])
def test_unknown_versions_list_the_known(client: FlaskClient, ref: str) -> None:
    response = client.post(f"/predict/svm/{ref}", json={"features": []})

    detail = assert_problem(response, 404, "version-not-found")["detail"]
    assert "versions: 1; aliases: production" in detail


@pytest.mark.parametrize(
    "path", ["/predict/svm/1/2", "/predict/%2e%2e%2f%2e%2e%2fetc", "/nothing", "//predict", "/models/"]
)
def test_unknown_paths_are_problems_too(client: FlaskClient, path: str) -> None:
    # Of a URL that begins with two slashes the test client makes a host.
    response = client.post("/", json={}, environ_overrides={"PATH_INFO": unquote(path)})

    assert_problem(response, 404, "not-found")


def test_a_broken_version_is_503_and_the_others_answer(models_dir: Path, make_app: AppFactory) -> None:
    file = models_dir / "svm" / "1" / "model.joblib"
    file.write_bytes(file.read_bytes()[:-1])
    client = make_app(models_dir).test_client()
    rows = ROWS["linear_regression"].to_numpy().tolist()

    response = client.post("/predict/svm", json={"features": [1]})

    assert_problem(response, 503, "model-unavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert client.post("/predict/linear_regression", json={"X": rows}).status_code == 200


def test_the_wrong_method_names_the_right_ones(client: FlaskClient) -> None:
    response = client.get("/predict/svm")

    assert_problem(response, 405, "method-not-allowed")
    assert "POST" in response.headers["Allow"]


def test_what_is_not_accepted_is_406(client: FlaskClient) -> None:
    rows = ROWS["svm"].to_numpy().tolist()

    response = client.post("/predict/svm", json={"X": rows}, headers={"Accept": "application/x-unknown"})

    assert_problem(response, 406, "not-acceptable")
    assert response.headers["Accept"] == "application/json"


def test_the_limit_of_rows_is_413_and_told(trained: Path, make_app: AppFactory) -> None:
    client = make_app(trained, max_rows=3).test_client()
    rows = ROWS["svm"].to_numpy().tolist()

    assert client.post("/predict/svm", json={"X": rows[:3]}).status_code == 200
    assert (
        "at most 3"
        in assert_problem(client.post("/predict/svm", json={"X": rows}), 413, "too-large")["detail"]
    )


@pytest.mark.parametrize("chunked", [False, True])
def test_the_limit_of_bytes_is_413_and_told(trained: Path, make_app: AppFactory, chunked: bool) -> None:
    client = make_app(trained, max_body_bytes=1000).test_client()
    body = json.dumps({"features": [1.5] * 1000}).encode()
    how: dict[str, Any] = {"data": body}
    if chunked:
        how = {
            "input_stream": __import__("io").BytesIO(body),
            "environ_base": {"wsgi.input_terminated": True},
        }

    response = client.post("/predict/svm", **how)

    assert "1,000 bytes" in assert_problem(response, 413, "too-large")["detail"]


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        ([1, 2], "", "expected an object"),
        (3, "", "expected an object"),
        (None, "", "expected an object"),
        ({}, "/alcohol", "missing"),
        ({"instances": []}, "/instances", "no rows"),
        ({"instances": {}}, "/instances", "expected a list of rows"),
        ({"instances": 3}, "/instances", "expected a list of rows"),
        ({"instances": [3]}, "/instances", "expected a list of rows"),
        ({"instances": [[]]}, "/instances/0", "expected 13 values, got 0"),
        ({"instances": [[1] * 12]}, "/instances/0", "expected 13 values, got 12"),
        ({"instances": [[1] * 13, [1] * 14]}, "/instances/1", "expected 13 values, got 14"),
        ({"X": [["1"] * 13]}, "/X/0/0", "expected a number"),
        ({"X": [[True] * 13]}, "/X/0/0", "expected a number, got true"),
        ({"X": [[None] * 13]}, "/X/0/0", "null"),
        ({"X": [[[1]] * 13]}, "/X/0/0", "a list"),
        ({"X": [1.0, 2.0]}, "/X", "expected a list of rows"),
        ({"features": [[1] * 13]}, "/features", "expected one row"),
        ({"features": "x"}, "/features", "expected a row"),
        ({"features": None}, "/features", "expected a row, a list or an object, got null"),
        ({"instances": [[1] * 13], "X": [[1] * 13]}, "", "expected one of instances, X, features"),
        ({"instances": [[1] * 13], "extra": 1}, "/extra", "unknown key"),
        ({"instances": [[1] * 13, {"alcohol": 1}]}, "/instances/1", "both forms"),
        ({"instances": [{"alcool": 1}]}, "/instances/0/alcool", 'did you mean "alcohol"'),
        ({"instance": [[1] * 13]}, "/instance", "unknown feature"),
        ({"_schema": 1}, "/_schema", "unknown feature"),
        ({"instances": [[1] * 13], "_schema": 1}, "/_schema", "unknown key"),
        ({"od280/od315_of_diluted_wines": "x"}, "/od280~1od315_of_diluted_wines", 'got "x"'),
    ],
)
def test_what_can_be_read_but_does_not_fit_is_422_with_pointers(
    client: FlaskClient, body: Any, pointer: str, words: str
) -> None:
    response = client.post("/predict/svm", data=json.dumps(body))

    problem = assert_problem(response, 422, "invalid-input")
    details = {error["pointer"]: error["detail"] for error in problem["errors"]}
    assert words in details[pointer]
    assert problem["error_count"] >= len(problem["errors"])


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances": [%b1]}' % (b'{"a": {"b": 1}},' * 5000),
        b'{"features": [%b1]}' % (b'"a",' * 5000),
        b'{"instances": [%b]}' % (b"[1]" * 5000),
        b'{"instances": [%b1e999]}' % (b"[1]," * 5000),
    ],
    ids=["rows that are none", "a row that is too long", "no JSON", "too large a number"],
)
def test_a_refused_body_is_gone_with_its_answer(client: FlaskClient, body: bytes) -> None:
    """Memory that waits for Python's collector grows with each such body meanwhile."""
    tracked: list[int] = []
    for _ in range(2):  # the first one also makes what is kept
        gc.collect()
        gc.disable()
        try:
            answer = client.post("/predict/svm", data=body, content_type="application/json")
            assert answer.status_code in (400, 422)
            tracked.append(gc.collect())
        finally:
            gc.enable()

    assert tracked[-1] < 25  # the test client leaves six


def test_wrong_keys_and_wrong_cells_are_told_together(client: FlaskClient) -> None:
    response = client.post("/predict/svm", json={"X": [["x"] + [1] * 12], "why": 1})

    assert pointers(assert_problem(response, 422, "invalid-input")) == ["/X/0/0", "/why"]


def test_twenty_errors_are_shown_and_all_are_counted(client: FlaskClient) -> None:
    response = client.post("/predict/svm", json={"X": [["x"] * 13] * 100})

    problem = assert_problem(response, 422, "invalid-input")
    assert (len(problem["errors"]), problem["error_count"]) == (20, 1300)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"{",
        b'{"X": [[NaN]]}',
        b'{"X": [[Infinity]]}',
        b'{"X": [[-Infinity]]}',
        b"[" * 10_000,
        b"\xff",
    ],
)
def test_what_is_not_json_is_400(client: FlaskClient, body: bytes) -> None:
    response = client.post("/predict/svm", data=body, content_type="application/json")

    assert_problem(response, 400, "malformed-body")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"X": [[1e999]]}', "/X/0/0"),
        (b'{"features": {"alcohol": 1, "alcohol": 2}}', "/features/alcohol"),
        (b'{"alcohol": 1, "alcohol": 2}', "/alcohol"),
    ],
)
def test_numbers_beyond_float64_and_names_that_stand_twice_are_422(
    client: FlaskClient, body: bytes, pointer: str
) -> None:
    problem = assert_problem(client.post("/predict/svm", data=body), 422, "invalid-input")

    assert pointers(problem) == [pointer]


def test_a_form_is_415_and_a_compressed_body_too(client: FlaskClient) -> None:
    form = client.post("/predict/svm", data={"alcohol": "1"})
    zipped = client.post("/predict/svm", data=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})

    assert_problem(form, 415, "unsupported-format")
    assert form.headers["Accept"] == "application/json"
    assert_problem(zipped, 415, "unsupported-format")
    assert zipped.headers["Accept-Encoding"] == "identity"


def test_a_column_may_be_called_like_a_form(tmp_path: Path, make_app: AppFactory) -> None:
    frame = pd.DataFrame({"X": [0.0, 1.0], "features": [1.0, 0.0]})
    publish_fitted(tmp_path, "odd", LinearRegression().fit(frame.to_numpy(), [0.0, 1.0]), frame)
    client = make_app(tmp_path).test_client()

    assert client.post("/predict/odd", json={"X": 1, "features": 0}).status_code == 200
    assert client.post("/predict/odd", json={"instances": [[1, 0]]}).status_code == 200


def test_an_integer_feature_takes_whole_numbers_only(tmp_path: Path, make_app: AppFactory) -> None:
    frame = pd.DataFrame({"n": [0.0, 1.0]})
    signature = Signature((Feature("n", "integer"),), Target("y", "number"))
    model = LinearRegression().fit(frame.to_numpy(), [0.0, 1.0])
    publish_fitted(tmp_path, "count", model, frame, signature=signature)
    client = make_app(tmp_path).test_client()

    assert client.post("/predict", json={"n": 13.0}).status_code == 200
    assert_problem(client.post("/predict", json={"n": 13.5}), 422, "invalid-input")


@pytest.mark.parametrize("count", [1, 3, 60, 600])
def test_an_integer_that_is_a_number_to_the_model_answers_fractions(
    tmp_path: Path, make_app: AppFactory, count: int
) -> None:
    frame = pd.DataFrame({"n": [0.0, 1.0, 9.0]})
    feature = Feature("n", "integer", minimum=0, maximum=9, fractions=True)
    model = LinearRegression().fit(frame.to_numpy(), [0.0, 1.0, 9.0])
    signature = Signature((feature,), Target("y", "number"))
    publish_fitted(tmp_path, "count", model, frame, signature=signature)
    client = make_app(tmp_path).test_client()

    for rows in ([[2.5]] * count, [{"n": 2.5}] * count):
        answer = client.post("/predict", json={"instances": rows}).get_json()

        assert answer["prediction"] == pytest.approx([2.5] * count)
        assert answer["warning_count"] == count
        told = "2.5 is a fraction, and training saw whole numbers alone"
        assert {warning["detail"] for warning in answer["warnings"]} == {told}
    assert "warnings" not in client.post("/predict", json={"instances": [[2.0]] * count}).get_json()
    assert_problem(client.post("/predict", json={"n": "2"}), 422, "invalid-input")
