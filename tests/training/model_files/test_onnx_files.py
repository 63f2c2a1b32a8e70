"""ONNX files of several programs, made by tests.training.model_files.onnx_graphs.make."""

import json
import pickle
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies

from mlapi.artifacts.pickles import pickling
from mlapi.artifacts.pickles.named_sets import SETS
from mlapi.errors import BrokenArtifact, ClassesNotAllowed, RegistrationError
from mlapi.estimators.external.onnx_file import read
from mlapi.training.model_files import onnx_files
from mlapi.training.model_files.onnx_files import read_onnx
from mlapi.training.model_files.reading import read_estimator
from mlapi.training.workflows.registration import register
from tests.conftest import AppFactory, changes_in

GRAPHS = Path(__file__).parent / "onnx_graphs"

ANSWERS: dict[str, Any] = json.loads((GRAPHS / "answers.json").read_text())

ALLOWED = SETS["onnx"].names


def graph(name: str) -> bytes:
    return (GRAPHS / f"{name}.onnx").read_bytes()


def rows_of(name: str) -> pd.DataFrame:
    rows = ANSWERS[name]["rows"]
    if isinstance(rows, dict):
        return pd.DataFrame(rows)
    return pd.DataFrame(rows, columns=["a", "b", "c", "d"]).astype("int64" if name == "whole" else "float64")


def estimator_of(name: str) -> Any:
    return read_onnx(graph(name), ALLOWED, rows_of(name)).estimator


def notes_on(name: str) -> str:
    return " ".join(read_onnx(graph(name), ALLOWED, rows_of(name)).notes)


@pytest.mark.parametrize(
    ("name", "classes", "output"),
    [
        ("labels", ["setosa", "versicolor", "virginica"], "predict_proba"),
        ("maps", ["setosa", "versicolor", "virginica"], "predict_proba"),
        ("bayes", [10, 11, 12], "predict_proba"),
        ("machine", ["setosa", "versicolor", "virginica"], "decision_function"),
        ("neurons", ["setosa", "versicolor", "virginica"], "predict_proba"),
        ("people", [0, 1], "predict_proba"),
    ],
)
def test_labels_and_a_number_for_each_class_are_what_the_graph_gives(
    name: str, classes: list[Any], output: str
) -> None:
    estimator, rows = estimator_of(name), rows_of(name)

    labels, scores = ANSWERS[name]["outputs"].values()

    assert estimator.predict(rows).tolist() == labels
    assert estimator.classes_.tolist() == classes
    by_class = [[row[label] for label in classes] if isinstance(row, dict) else row for row in scores]
    assert getattr(estimator, output)(rows).tolist() == by_class
    assert hasattr(estimator, "predict_proba") == (output == "predict_proba")


@pytest.mark.parametrize("name", ["softmax", "one_at_a_time"])
def test_a_softmax_at_the_end_makes_labels(name: str) -> None:
    estimator = estimator_of(name)

    probabilities = np.array(ANSWERS[name]["outputs"]["y"])

    assert estimator.predict(rows_of(name)).tolist() == probabilities.argmax(axis=1).tolist()
    assert estimator.predict_proba(rows_of(name)).tolist() == probabilities.tolist()


@pytest.mark.parametrize("name", ["numbers", "several_numbers", "logits", "sigmoid", "picture", "whole"])
def test_numbers_are_what_the_graph_gives(name: str) -> None:
    (numbers,) = ANSWERS[name]["outputs"].values()

    answer = estimator_of(name).predict(rows_of(name))

    assert answer.tolist() == np.squeeze(numbers).tolist()


@pytest.mark.parametrize("name", ["clusters", "several_labels"])
def test_labels_that_are_no_classes_of_a_classifier(name: str) -> None:
    labels = next(iter(ANSWERS[name]["outputs"].values()))

    assert estimator_of(name).predict(rows_of(name)).tolist() == labels
    assert not hasattr(estimator_of(name), "predict_proba")


@pytest.mark.parametrize("name", ANSWERS)
def test_a_row_has_the_same_answer_alone_as_among_others(name: str) -> None:
    estimator, rows = estimator_of(name), rows_of(name)

    alone = [estimator.predict(rows.iloc[[place]]).tolist()[0] for place in range(len(rows))]

    assert alone == estimator.predict(rows).tolist()


def test_what_was_decided_is_said() -> None:
    assert "The answer is the output 'label' of the ONNX graph, which skl2onnx wrote." in notes_on("labels")
    assert "It gives 3 numbers for each row. If these are scores of classes, end the graph with" in notes_on(
        "logits"
    )
    assert "Its outputs probabilities are not served" in notes_on("several_labels")
    assert "If these are scores" not in notes_on("softmax") + notes_on("numbers")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("external", r"weights in another file, which is not opened: export it .*external_data=False"),
        ("external_within", "weights in another file"),
        ("custom", "it has the operator 'Secret' of 'com.example', which onnxruntime does not bring"),
        ("newer", "onnxruntime cannot run it"),
    ],
)
def test_what_refers_to_something_outside_is_never_run(name: str, sentence: str) -> None:
    with pytest.raises(BrokenArtifact, match=sentence):
        read_onnx(graph(name), ALLOWED, rows_of("softmax"))


def test_a_file_that_only_begins_like_onnx_is_called_damaged(tmp_path: Path) -> None:
    (tmp_path / "cut.onnx").write_bytes(graph("labels")[:100])

    with pytest.raises(BrokenArtifact, match=r"cut\.onnx: it is no ONNX file, or damaged"):
        read_estimator(tmp_path / "cut.onnx", ALLOWED, rows_of("labels"))


def test_an_operator_that_the_file_defines_is_none_of_somebody_s_own() -> None:
    assert (
        estimator_of("function").predict(rows_of("function")).tolist() == ANSWERS["function"]["outputs"]["y"]
    )


def test_nothing_is_run_before_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_files, "examined_session", None)

    with pytest.raises(ClassesNotAllowed, match=r'allowed_sets = \["onnx"\]'):
        read_onnx(graph("labels"), (), rows_of("labels"))


@pytest.mark.parametrize(
    ("name", "columns", "sentence"),
    [
        ("labels", ["a", "b", "c"], r"takes 4 columns, the sample has 3 \(a, b, c\); leave the target out"),
        ("people", ["age"], "takes the columns height, zip, which the sample lacks"),
    ],
)
def test_a_sample_without_the_graph_s_columns_is_refused(
    name: str, columns: list[str], sentence: str
) -> None:
    with pytest.raises(RegistrationError, match=sentence):
        read_onnx(graph(name), ALLOWED, rows_of(name)[columns])


def test_a_cell_that_the_graph_would_change_is_refused() -> None:
    whole, people = estimator_of("whole"), estimator_of("people")

    with pytest.raises(ValueError, match="takes int64, and a cell is none, or missing"):
        whole.predict([[1, 2, 3, 4.5]])
    with pytest.raises(ValueError, match="takes words"):
        people.predict(rows_of("people").assign(zip=None))


def test_a_pickle_of_it_is_no_way_around_the_examination() -> None:
    hostile = estimator_of("softmax")
    hostile.graph_ = np.frombuffer(graph("external"), np.uint8)

    loaded = pickling.load(pickle.dumps(hostile), ALLOWED)

    with pytest.raises(BrokenArtifact, match="weights in another file"):
        loaded.predict(rows_of("softmax"))


def refusal(content: bytes) -> str | None:
    try:
        read(content)
    except BrokenArtifact as error:
        return str(error)
    return None


@hypothesis.given(strategies.data())
@hypothesis.settings(deadline=None, max_examples=60)
def test_damaged_files_are_read_or_refused_in_one_line(data: strategies.DataObject) -> None:
    """Nothing else is raised, whatever the bytes are."""
    content = bytearray(graph(data.draw(strategies.sampled_from(sorted(ANSWERS)))))
    for _ in range(data.draw(strategies.integers(1, 4))):
        content[data.draw(strategies.integers(0, len(content) - 1))] = data.draw(strategies.integers(0, 255))

    sentence = refusal(bytes(content))

    assert sentence is None or (sentence.startswith("it ") and "\n" not in sentence)
    assert refusal(bytes(content[: data.draw(strategies.integers(0, 20))])) is not None


@pytest.mark.parametrize("name", ["labels", "people", "several_numbers"])
def test_it_is_registered_and_served(tmp_path: Path, make_app: AppFactory, name: str) -> None:
    file, sample = GRAPHS / f"{name}.onnx", tmp_path / "sample.csv"
    rows = rows_of(name)
    rows.to_csv(sample, index=False)
    settings: Any = {"state_dir": tmp_path / "state", "allowed_sets": ("onnx",)}

    manifest = register("mine", file, sample, changes_in(tmp_path / "models", **settings))

    client = make_app(tmp_path / "models", **settings).test_client()
    answer = client.post("/predict/mine", json={"instances": rows.to_dict("records")}).get_json()
    assert answer["prediction"] == next(iter(ANSWERS[name]["outputs"].values()))
    assert manifest.provenance.libraries == {}, "onnxruntime's version is in the environment, as numpy's"
    assert manifest.algorithm == ("onnx_regressor" if name == "several_numbers" else "onnx_classifier")
    alone = client.post("/predict/mine", json={"instances": [rows.to_dict("records")[3]]}).get_json()
    assert alone["prediction"] == answer["prediction"][3:4]


def test_a_server_that_does_not_allow_it_says_so(tmp_path: Path, make_app: AppFactory) -> None:
    rows_of("labels").to_csv(tmp_path / "sample.csv", index=False)
    state: Any = {"state_dir": tmp_path / "state", "allowed_classes": ()}
    changes = changes_in(tmp_path / "models", **state, allowed_sets=("onnx",))
    register("mine", GRAPHS / "labels.onnx", tmp_path / "sample.csv", changes)

    client = make_app(tmp_path / "models", **state).test_client()

    version = client.get("/models/mine/versions/1").get_json()
    assert version["status"] == "broken"
    assert "OnnxClassifier, which is not allowed" in version["reason"]


def test_a_missing_value_is_no_label() -> None:
    for name in ("labels", "softmax"):
        rows = rows_of(name)
        rows.iloc[2, 1] = np.nan
        with pytest.raises(ValueError, match="makes no numbers of such a row"):
            estimator_of(name).predict(rows)
