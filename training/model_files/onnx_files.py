"""ONNX files, as skl2onnx, PyTorch, TensorFlow and boosters write them -> estimators.

A file says the names, types and shapes of its inputs and outputs, but not which output is the answer. That is
read off the operators behind it, and off what it gives for some rows.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlapi.errors import RegistrationError
from mlapi.estimators.external.onnx_file import OnnxGraph, OnnxNode, attribute, constant, read, tensor_values
from mlapi.estimators.external.onnx_model import (
    DTYPES,
    WORDS,
    Input,
    OnnxClassifier,
    OnnxRegressor,
    examined_session,
)
from mlapi.training.model_files.estimator_file import EstimatorFile, check_set
from mlapi.wording import listed

_NAMED_SET = "onnx"
"""The set of classes that has to be allowed."""

_ROWS = 200
"""How many of the rows are answered, to see what the outputs are."""

_HANDS_ON = ("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")
"""Operators whose output has the values of their first input."""

_LABELS = ("classlabels_ints", "classlabels_int64s", "classlabels_strings")
"""The attributes in which operators of classifiers list their classes."""

_MOST_STEPS = 32
"""How many operators are looked at behind an output."""

_APART = 1e-3
"""How far the sum of a row of probabilities may be from 1: some graphs compute in float16."""

_WITH_SHAPES = "export it with the number of columns of each input"


class _Meaning(NamedTuple):
    """What the outputs of a graph are."""

    prediction: str
    """The output that is the answer, by name."""
    is_label: bool
    """Whether the answer is a label, or is read off a number for each class; else it is a number."""
    scores: str = ""
    """The output with a number for each class."""
    are_probabilities: bool = False
    classes: tuple[Any, ...] = ()
    """The labels in the order of these numbers."""


def read_onnx(content: bytes, allowed: Collection[str], rows: pd.DataFrame) -> EstimatorFile:
    """Make an estimator of an ONNX file.

    Args:
        rows: Some rows that it answers, `(rows, columns)`.

    Raises:
        ClassesNotAllowed: The set `onnx` is not allowed.
        BrokenArtifact: It is no ONNX file, refers to something outside, or onnxruntime cannot run it.
        RegistrationError: What it takes is no table of columns, what it gives no answer, or the rows lack a
            column.
    """
    graph = read(content)
    check_set(_NAMED_SET, allowed)
    session = examined_session(content)
    inputs, batch = _inputs(session.get_inputs(), rows.shape[1])
    names = _column_names(inputs)
    types = {output.name: output.type for output in session.get_outputs()}
    asked = OnnxRegressor.of(content, inputs, batch, "")
    values = _values(asked, _cells(rows, inputs, names), types)
    meaning = _meaning(graph, values, types)
    estimator: Any
    if meaning.is_label:
        estimator = OnnxClassifier.of(content, inputs, batch, meaning.prediction)
        estimator.set_scores(meaning.scores, meaning.classes, are_probabilities=meaning.are_probabilities)
    else:
        estimator = OnnxRegressor.of(content, inputs, batch, meaning.prediction)
    if names is not None:
        estimator.feature_names_in_ = np.array(names, dtype=object)
    return EstimatorFile(estimator, notes=tuple(_notes(graph, values, meaning, types)))


def _inputs(taken: Sequence[Any], columns: int) -> tuple[list[Input], int]:
    """Return the inputs, and how many rows the graph takes at once; 0 is any number.

    Args:
        taken: As onnxruntime describes them: name, type, and a shape of numbers, words and None.
        columns: How many columns the rows have, for a single input that does not say how many it takes.

    Raises:
        RegistrationError: They take no table of columns.
    """
    inputs, batches = [], set()
    for each in taken:
        if each.type not in DTYPES or not each.shape:
            raise RegistrationError(f"takes {each.name!r} of type {each.type}, and no columns of rows")
        first, *shape = each.shape
        batches.add(first if isinstance(first, int) else 0)
        if len(taken) == len(shape) == 1 and not isinstance(shape[0], int):
            shape = [columns]
        if not all(isinstance(length, int) and length > 0 for length in shape):
            raise RegistrationError(f"does not say how many columns {each.name!r} takes; {_WITH_SHAPES}")
        inputs.append(Input(each.name, each.type, tuple(shape)))
    if len(batches) != 1:
        raise RegistrationError("takes no rows, or other numbers of them in each input")
    return inputs, batches.pop()


def _column_names(inputs: Sequence[Input]) -> list[str] | None:
    """Return the inputs' names where each takes one column; None where columns count by their places."""
    return (
        [each.name for each in inputs]
        if len(inputs) > 1 and all(each.width == 1 for each in inputs)
        else None
    )


def _cells(rows: pd.DataFrame, inputs: Sequence[Input], names: list[str] | None) -> NDArray[np.object_]:
    """Return some whole rows `(rows, columns)` as the inputs take them.

    Raises:
        RegistrationError: They lack a column, or have others as well.
    """
    missing = [name for name in names or () if name not in rows.columns]
    if missing:
        raise RegistrationError(f"takes the columns {listed(missing)}, which the sample lacks")
    chosen = rows[names] if names else rows
    width = sum(each.width for each in inputs)
    if chosen.shape[1] != width:
        raise RegistrationError(
            f"takes {width} columns, the sample has {chosen.shape[1]} "
            f"({listed(map(str, chosen.columns))}); leave the target out"
        )
    whole = chosen.dropna()
    cells: NDArray[np.object_] = (whole if len(whole) else chosen).iloc[:_ROWS].to_numpy(dtype=object)
    are_words = np.repeat([each.type == WORDS for each in inputs], [each.width for each in inputs])
    for place in np.flatnonzero(are_words):
        cells[:, place] = list(map(str, cells[:, place]))
    return cells


def _values(asked: OnnxRegressor, cells: NDArray[Any], types: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    """Return what each output gives for rows `(rows, columns)`, if that is an entry or a row for each.

    Raises:
        RegistrationError: The graph refuses them.
    """
    try:
        answers = {name: asked.run(cells, name) for name in types}
    except ValueError as error:
        raise RegistrationError(f"cannot answer the sample: {error}") from error
    return {
        name: values
        for name, values in answers.items()
        if len(values) == len(cells) and values.ndim in (1, 2)
    }


def _meaning(graph: OnnxGraph, values: Mapping[str, NDArray[Any]], types: Mapping[str, str]) -> _Meaning:
    """Say which output is the answer, and which has a number for each class.

    Raises:
        RegistrationError: None is the answer.
    """
    labels = [name for name, each in values.items() if each.dtype.kind in "biuOUS"]
    numbers = [name for name, each in values.items() if each.dtype.kind == "f"]
    if labels:
        answer = values[labels[0]]
        for scores in numbers if answer.size == len(answer) else ():
            width = _width(values[scores])
            classes = _classes(graph, labels[0], scores, types[scores], width)
            meaning = _with_scores(labels[0], scores, values[scores], classes)
            if meaning and _agree(answer.ravel(), meaning, values[scores]):
                return meaning
        return _Meaning(labels[0], is_label=True)
    if not numbers:
        raise RegistrationError("gives neither labels nor numbers, one or a row of them for each row")
    last = _behind(graph, numbers[0])
    width = _width(values[numbers[0]])
    if last is not None and last.op_type in ("Softmax", "LogSoftmax") and width > 1:
        meaning = _with_scores(numbers[0], numbers[0], values[numbers[0]], list(range(width)))
        if meaning:
            return meaning
    return _Meaning(numbers[0], is_label=False)


def _with_scores(prediction: str, scores: str, numbers: NDArray[Any], classes: list[Any]) -> _Meaning | None:
    """Return the meaning of labels and scores; None if there is not one number for each class."""
    columns = numbers.reshape(len(numbers), -1)
    if len(classes) < 2 or columns.shape[1] not in ((1, 2) if len(classes) == 2 else (len(classes),)):
        return None
    in_range = bool((columns >= -_APART).all() and (columns <= 1 + _APART).all())
    are_probabilities = in_range and bool((abs(columns.sum(axis=1) - 1) < _APART).all())
    return _Meaning(prediction, True, scores, are_probabilities, tuple(classes))


def _agree(labels: NDArray[Any], meaning: _Meaning, numbers: NDArray[Any]) -> bool:
    """Return whether most labels are the classes with the largest numbers: their order is right then.

    Machines read their labels off other numbers, so some may differ.
    """
    columns = numbers.reshape(len(numbers), -1)
    if columns.shape[1] == 1:
        return True
    largest = np.array(meaning.classes, dtype=object)[columns.argmax(axis=1)]
    return 2 * int((largest == labels.astype(object)).sum()) >= len(labels)


def _classes(graph: OnnxGraph, labels: str, scores: str, kind: str, columns: int) -> list[Any]:
    """Return the labels in the order of the scores' columns; none if the graph does not say it.

    Args:
        labels, scores: Two outputs, by name.
        kind: The type of the scores, as onnxruntime calls it.
    """
    if kind.startswith("seq(map("):  # onnxruntime's maps are sorted
        node = graph.nodes.get(scores)
        return sorted(_listed(node)) if node else []
    node = _behind(graph, labels)
    if node is None:
        return []
    if node.op_type == "ArgMax":
        return list(range(columns))
    if node.op_type in ("ArrayFeatureExtractor", "Gather"):
        tensor = graph.initializers.get(node.inputs[0])
        if tensor is not None:
            return tensor_values(tensor)
        source = graph.nodes.get(node.inputs[0])
        return constant(source) if source and source.op_type == "Constant" else []
    return _listed(node)


def _width(values: NDArray[Any]) -> int:
    """Return how many numbers an output `(rows,)` or `(rows, columns)` has for each row."""
    return 1 if values.ndim == 1 else values.shape[1]


def _listed(node: OnnxNode) -> list[Any]:
    return next(filter(None, (attribute(node, name) for name in _LABELS)), [])


def _behind(graph: OnnxGraph, output: str) -> OnnxNode | None:
    """Return the operator that computes an output, before it is only cast or given another shape."""
    node = graph.nodes.get(output)
    for _ in range(_MOST_STEPS):
        if node is None or node.op_type not in _HANDS_ON or not node.inputs:
            return node
        node = graph.nodes.get(node.inputs[0])
    return None


def _notes(
    graph: OnnxGraph, values: Mapping[str, NDArray[Any]], meaning: _Meaning, types: Mapping[str, str]
) -> list[str]:
    """Return what was decided about the graph, in sentences."""
    by = f", which {graph.producer} wrote" if graph.producer.isprintable() and graph.producer else ""
    notes = [f"The answer is the output {meaning.prediction!r} of the ONNX graph{by:.100}."]
    others = [name for name in types if name not in (meaning.prediction, meaning.scores)]
    if others:
        notes.append(f"Its outputs {listed(others)} are not served: they are no labels or numbers by class.")
    width = _width(values[meaning.prediction])
    if not meaning.is_label and width > 1:
        notes.append(
            f"It gives {width} numbers for each row. If these are scores of classes, end the graph with a "
            f"Softmax: labels are answered then."
        )
    return notes
