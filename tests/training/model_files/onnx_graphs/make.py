"""Make the ONNX files of this folder, and answers.json with what onnxruntime gives for their rows.

    python -m tests.training.model_files.onnx_graphs.make

Needs skl2onnx, which the tests do not.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

FOLDER = Path(__file__).parent

FLOWERS, KINDS = load_iris(return_X_y=True)
FLOWERS = FLOWERS.astype(np.float32)
WORDS = np.array(["setosa", "versicolor", "virginica"])[KINDS]
ROWS = FLOWERS[::15]

PEOPLE = pd.DataFrame(
    {
        "age": np.arange(20, 60, dtype=np.int64),
        "height": np.linspace(1.5, 2, 40, dtype=np.float32),
        "zip": ["10115", "20095", "80331", "50667"] * 10,
    }
)


def of_estimator(estimator: Any, y: Any = None, **options: Any) -> bytes:
    estimator.fit(FLOWERS, y)
    content: bytes = to_onnx(estimator, FLOWERS[:1], options=options or None).SerializeToString()
    return content


def of_people() -> bytes:
    columns = make_column_transformer((StandardScaler(), ["age", "height"]), (OneHotEncoder(), ["zip"]))
    fitted = make_pipeline(columns, LogisticRegression()).fit(PEOPLE, PEOPLE["zip"] > "30000")
    content: bytes = to_onnx(fitted, PEOPLE[:1], options={"zipmap": False}).SerializeToString()
    return content


def network(
    *nodes: Any, batch: Any = "n", width: int = 3, shape: tuple[int, ...] = (4,), **more: Any
) -> bytes:
    """Return a graph of own nodes from `x` to `y`, with the weights `w` `(4, 3)` and `b` `(3,)`."""
    weights = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
    initializers = [numpy_helper.from_array(weights[:, :width].copy(), "w")]
    initializers.append(numpy_helper.from_array(np.arange(width, dtype=np.float32), "b"))
    taken = helper.make_tensor_value_info("x", more.pop("takes", TensorProto.FLOAT), [batch, *shape])
    answer = helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, width])
    graph = helper.make_graph(nodes, "network", [taken], [answer], initializers)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.example", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10, **more)
    return model.SerializeToString()  # type: ignore[no-any-return]


def node(kind: str, inputs: str, output: str, **more: Any) -> Any:
    return helper.make_node(kind, inputs.split(), [output], **more)


def inlined() -> bytes:
    """Return a graph whose operator is a function that the file defines, as PyTorch's exporter may do."""
    body = [node("Gemm", "x w b", "z"), node("Softmax", "z", "y")]
    opsets = [helper.make_opsetid("", 20)]
    function = helper.make_function("com.example", "Layer", ["x", "w", "b"], ["y"], body, opsets)
    return network(node("Layer", "x w b", "y", domain="com.example"), functions=[function])


def with_external_data(content: bytes, *, deep: bool = False) -> bytes:
    """Return a graph whose weights are said to lie in another file; with `deep` in a branch."""
    model = onnx.load_from_string(content)
    tensor = model.graph.initializer[0]
    if deep:
        tensor = TensorProto(name="hidden", dims=[1], data_type=TensorProto.FLOAT)
    else:
        tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    if deep:
        constant = helper.make_node("Constant", [], ["k"], value=tensor)
        branch = helper.make_graph([constant], "branch", [], [helper.make_empty_tensor_value_info("k")])
        model.graph.node.append(node("If", "c", "out", then_branch=branch, else_branch=branch))
    return model.SerializeToString()  # type: ignore[no-any-return]


LAYER = node("Gemm", "x w b", "z"), node("Softmax", "z", "y")

ANSWERED: dict[str, Callable[[], bytes]] = {
    "labels": lambda: of_estimator(LogisticRegression(), WORDS, zipmap=False),
    "maps": lambda: of_estimator(LogisticRegression(), WORDS),
    "bayes": lambda: of_estimator(GaussianNB(), KINDS + 10, zipmap=False),
    "machine": lambda: of_estimator(SVC(), WORDS, zipmap=False),
    "neurons": lambda: of_estimator(MLPClassifier((5,), max_iter=5, random_state=0), WORDS, zipmap=False),
    "clusters": lambda: of_estimator(KMeans(3, random_state=0)),
    "numbers": lambda: of_estimator(LinearRegression(), FLOWERS[:, 0] * 2),
    "several_numbers": lambda: of_estimator(LinearRegression(), FLOWERS[:, :2] * 2),
    "several_labels": lambda: of_estimator(
        DecisionTreeClassifier(max_depth=2), np.c_[KINDS, (KINDS + 1) % 3], zipmap=False
    ),
    "softmax": lambda: network(*LAYER),
    "one_at_a_time": lambda: network(*LAYER, batch=1),
    "logits": lambda: network(node("Gemm", "x w b", "y")),
    "sigmoid": lambda: network(node("Gemm", "x w b", "z"), node("Sigmoid", "z", "y"), width=1),
    "picture": lambda: network(node("Flatten", "x", "f"), node("Gemm", "f w b", "y"), shape=(1, 2, 2)),
    "whole": lambda: network(
        node("Cast", "x", "f", to=TensorProto.FLOAT), node("Gemm", "f w b", "y"), takes=TensorProto.INT64
    ),
    "function": inlined,
    "people": of_people,
}
"""By name, graphs that are answered."""

REFUSED: dict[str, Callable[[], bytes]] = {
    "external": lambda: with_external_data(network(*LAYER)),
    "external_within": lambda: with_external_data(network(*LAYER), deep=True),
    "custom": lambda: network(node("Secret", "x", "y", domain="com.example")),
    "newer": lambda: network(node("NoSuchOperator", "x", "y")),
}
"""By name, graphs that must not be run, or cannot."""


def answers(content: bytes, rows: Any) -> dict[str, Any]:
    """Return what onnxruntime itself gives by output, one row at a time where it takes one only."""
    session = onnxruntime.InferenceSession(content)
    taken = session.get_inputs()
    if len(taken) > 1:
        feeds = {each.name: rows[[each.name]].to_numpy() for each in taken}
        parts = [session.run(None, feeds)]
    else:
        dtype = np.int64 if taken[0].type == "tensor(int64)" else np.float32
        cells = rows.astype(dtype).reshape(len(rows), *taken[0].shape[1:])
        step = 1 if taken[0].shape[0] == 1 else len(rows)
        parts = [
            session.run(None, {taken[0].name: cells[at : at + step]}) for at in range(0, len(rows), step)
        ]
    columns = [[row for part in parts for row in part[place]] for place in range(len(parts[0]))]
    return {
        each.name: [row if isinstance(row, str | dict | int) else np.asarray(row).tolist() for row in column]
        for each, column in zip(session.get_outputs(), columns, strict=True)
    }


def main() -> None:
    document = {}
    for name, make in {**ANSWERED, **REFUSED}.items():
        content = make()
        (FOLDER / f"{name}.onnx").write_bytes(content)
        if name in ANSWERED:
            rows = PEOPLE[::3] if name == "people" else ROWS
            document[name] = {
                "rows": rows.to_dict("list") if name == "people" else rows.tolist(),
                "outputs": answers(content, rows),
            }
    (FOLDER / "answers.json").write_text(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
