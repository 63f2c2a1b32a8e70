"""The names of classes that are numbers, in the answers of models whose data set had names for them."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sklearn import datasets
from sklearn.linear_model import LogisticRegression

from mlapi.inference.scoring import predict_table
from mlapi.registry.opening import open_registry
from tests.conftest import AppFactory, publish_fitted, settings_for
from tests.support.problems import assert_problem

CANCER = datasets.load_breast_cancer(as_frame=True)
WINE = datasets.load_wine(as_frame=True)


def test_names_of_predicted_classes_are_given_on_request(client: FlaskClient) -> None:
    rows = CANCER.data.iloc[15:25].to_numpy().tolist()

    answer = client.post("/predict/logistic_regression?include=names", json={"X": rows}).get_json()

    assert set(answer) == {"model", "version", "prediction", "names"}
    assert set(answer["prediction"]) == {0, 1}
    assert answer["names"] == [["malignant", "benign"][label] for label in answer["prediction"]]


@pytest.mark.parametrize("form", ["features", "instances"])
def test_one_row_has_a_name_too(client: FlaskClient, form: str) -> None:
    row = CANCER.data.iloc[0].to_dict()

    body = {form: row if form == "features" else [row]}

    assert client.post("/predict?include=names", json=body).get_json()["names"] == ["malignant"]


def test_with_probabilities_all_classes_are_named(client: FlaskClient) -> None:
    rows = WINE.data.iloc[::60].to_numpy().tolist()

    answer = client.post("/predict/svm?include=names,probabilities", json={"X": rows}).get_json()

    assert answer["classes"] == [0, 1, 2]
    assert answer["class_names"] == ["class_0", "class_1", "class_2"]
    assert answer["names"] == [f"class_{label}" for label in answer["prediction"]]


def test_without_names_in_training_there_are_none(tmp_path: Path, make_app: AppFactory) -> None:
    frame = WINE.data.iloc[:, :1]
    publish_fitted(tmp_path, "plain", LogisticRegression().fit(frame.to_numpy(), WINE.target), frame)

    response = make_app(tmp_path).test_client().post("/predict?include=names", json={"X": [[13.0]]})

    assert "can include probabilities, decision" in assert_problem(response, 422, "unknown-output")["detail"]


def test_a_file_is_answered_with_names(trained: Path, tmp_path: Path) -> None:
    CANCER.data.iloc[18:21].to_csv(tmp_path / "rows.csv", index=False)
    model = open_registry(settings_for(trained), eager=False).get("logistic_regression", None)

    lines = list(predict_table(model, tmp_path / "rows.csv", ["names"], lambda _: None))

    assert lines == ["prediction,names\n", "0,malignant\n", "1,benign\n", "1,benign\n"]
