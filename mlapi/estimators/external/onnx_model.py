"""An ONNX file of anybody's as an estimator: rows go into its inputs, labels and numbers come out.

What each of its outputs is was settled where it was registered (`mlapi.training.model_files.onnx_files`).
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if

from mlapi.errors import BrokenArtifact
from mlapi.estimators.external.onnx_file import read
from mlapi.estimators.networks.sessions import session_of
from mlapi.wording import reason

ROWS_AT_ONCE = 1024
"""How many rows are answered at once, where the graph does not say it: each takes memory for all that is
computed."""

DTYPES: Mapping[str, type] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int16)": np.int16,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(uint16)": np.uint16,
    "tensor(uint32)": np.uint32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}
"""By onnxruntime's name for the type of an input, numpy's."""

FEWEST_ROWS = 2
"""A single row is answered twice at once: onnxruntime multiplies one row in another order than several, and a
row shall have the same answer alone."""

WORDS = "tensor(string)"


class Input(NamedTuple):
    """An input of the graph, which takes some columns of the rows."""

    name: str
    type: str
    """As in `DTYPES`."""
    shape: tuple[int, ...]
    """Of one row: `()` of a single value, else its product is the number of columns."""

    @property
    def width(self) -> int:
        """How many columns it takes."""
        return int(np.prod(self.shape, dtype=np.int64))


class _OnnxModel(BaseEstimator):  # type: ignore[misc]
    """What classifiers and regressors share. It is made by `of`; a pickle holds the file, and no session."""

    graph_: NDArray[np.uint8]
    """The file's bytes `(bytes,)`: as an array, so that processes share them."""
    inputs_: list[tuple[str, str, tuple[int, ...]]]
    """What `inputs` returns, as plain tuples."""
    batch_: int
    """How many rows the graph takes at once, always; 0 if any number."""
    prediction_: str
    """The output that is the answer, by name."""

    @classmethod
    def of(cls, content: bytes, inputs: list[Input], batch: int, prediction: str) -> Any:
        """Return an estimator for a file.

        Args:
            content: The ONNX file.
            inputs, batch, prediction: As the attributes of these names.
        """
        made = cls()
        made.graph_ = np.frombuffer(content, np.uint8)
        made.inputs_ = [(each.name, each.type, each.shape) for each in inputs]
        made.batch_ = batch
        made.prediction_ = prediction
        made.n_features_in_ = sum(each.width for each in inputs)
        return made

    def inputs(self) -> list[Input]:
        """Return the inputs in the order of the columns that they take."""
        return [Input(*each) for each in self.inputs_]

    def run(self, X: Any, output: str) -> NDArray[Any]:
        """Return an output of the graph for rows `(rows, features)`: one entry or row of numbers for each.

        Maps of labels to numbers, as some classifiers give them, become `(rows, classes)`.

        Raises:
            ValueError: A cell is of no use to the graph: a missing word, a fraction for a whole number; or
                onnxruntime refuses it.
        """
        session = self._session()
        columns = X.iloc if isinstance(X, pd.DataFrame) else np.asarray(X)
        count, parts = len(X), []
        for start in range(0, count, self.batch_ or ROWS_AT_ONCE):
            rows = columns[start : start + (self.batch_ or ROWS_AT_ONCE)]
            parts.append(_matrix(_run(session, output, dict(self._feeds(rows))))[: len(rows)])
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _feeds(self, rows: Any) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield what each input gets of some rows, `(rows, *shape)`. The last row is repeated where the graph
        takes more."""
        place, fewest = 0, self.batch_ or FEWEST_ROWS
        for taken in self.inputs():
            columns = rows.iloc if isinstance(rows, pd.DataFrame) else rows
            values = _converted(columns[:, place : place + taken.width], taken.type)
            if len(values) < fewest:
                values = np.concatenate([values, np.repeat(values[-1:], fewest - len(values), axis=0)])
            yield taken.name, values.reshape(len(values), *taken.shape)
            place += taken.width

    def _session(self) -> Any:
        """Return the session of this process. Two threads may both make one, which does no harm.

        Raises:
            BrokenArtifact: onnxruntime cannot run the file, or must not.
        """
        current = self.__dict__.get("_session_by_process")
        if current is None or current[0] != os.getpid():
            current = self._session_by_process = os.getpid(), examined_session(self.graph_.tobytes())
        return current[1]

    def __getstate__(self) -> dict[str, Any]:
        """Return all but the session."""
        return {name: value for name, value in self.__dict__.items() if name != "_session_by_process"}


def examined_session(content: bytes) -> Any:
    """Return onnxruntime's session for a file, once `mlapi.estimators.external.onnx_file` has read it.

    Raises:
        BrokenArtifact: It is no ONNX file, refers to something outside, or onnxruntime cannot run it.
    """
    read(content)
    try:
        return session_of(content)
    except Exception as error:  # onnxruntime has a dozen of its own
        raise BrokenArtifact(f"onnxruntime cannot run it: {reason(error)}") from error


class OnnxRegressor(RegressorMixin, _OnnxModel):  # type: ignore[misc]
    """A graph that gives numbers."""

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the numbers for rows, `(rows,)` or `(rows, outputs)`."""
        return _flat(self.run(X, self.prediction_))


class OnnxClassifier(ClassifierMixin, _OnnxModel):  # type: ignore[misc]
    """A graph that gives labels, or a number for each class."""

    scores_: str
    """The output with a number for each class, by name; empty if there is none."""
    are_probabilities_: bool
    """Whether these are probabilities; else they are the scores of a decision."""
    by_scores_: bool
    """Whether the label is the class with the largest of these numbers, as the graph gives none."""

    def set_scores(self, scores: str, classes: Sequence[Any], *, are_probabilities: bool) -> None:
        """Say which output has a number for each class.

        Args:
            scores: By name; empty for none.
            classes: The labels in the order of these numbers.
        """
        self.scores_ = scores
        self.are_probabilities_ = are_probabilities
        self.by_scores_ = scores == self.prediction_
        if classes:
            self.classes_ = np.array(classes, dtype=object if isinstance(classes[0], str) else None)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the labels for rows, `(rows,)`; of several targets `(rows, targets)`.

        Raises:
            ValueError: The graph has no number for each class, as of a missing value: its label is none.
        """
        answer = self.run(X, self.prediction_)
        if self.by_scores_ or (self.scores_ and _has_gaps(X)):
            scores = answer if self.by_scores_ else self.run(X, self.scores_)
            if not np.isfinite(scores).all():
                raise ValueError("the graph makes no numbers of such a row, as of one with a missing value")
        return self.classes_[answer.argmax(axis=1)] if self.by_scores_ else _flat(answer)

    @available_if(  # type: ignore[untyped-decorator]
        lambda model: bool(model.scores_) and model.are_probabilities_
    )
    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the probabilities `(rows, classes)`."""
        return self.run(X, self.scores_)

    @available_if(  # type: ignore[untyped-decorator]
        lambda model: bool(model.scores_) and not model.are_probabilities_
    )
    def decision_function(self, X: Any) -> NDArray[Any]:
        """Return the scores `(rows, classes)`, or `(rows,)` of a single one."""
        return _flat(self.run(X, self.scores_))


def _run(session: Any, output: str, feeds: Mapping[str, NDArray[Any]]) -> Any:
    try:
        return session.run([output], feeds)[0]
    except Exception as error:  # its classes are called Fail and InvalidArgument, which tell nobody anything
        raise ValueError(f"onnxruntime refuses it: {reason(error)}") from error


def _has_gaps(X: Any) -> bool:
    """Return whether a cell of rows `(rows, features)` is missing."""
    return bool(pd.isna(X).any(axis=None) if isinstance(X, pd.DataFrame) else pd.isna(np.asarray(X)).any())


def _matrix(answer: Any) -> NDArray[Any]:
    """Return an output as an array: of maps their values, in the order in which the first has its labels."""
    if not isinstance(answer, list):
        return np.asarray(answer)
    labels = list(answer[0])
    return np.array([[row[label] for label in labels] for row in answer])


def _flat(values: NDArray[Any]) -> NDArray[Any]:
    """Return `(rows,)` where there is one column."""
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _converted(columns: Any, kind: str) -> NDArray[Any]:
    """Return columns `(rows, columns)` in the type of an input.

    Raises:
        ValueError: One cell would become another value, or is missing.
    """
    if kind == WORDS:
        return _words(np.asarray(columns, dtype=object))
    dtype = np.dtype(DTYPES[kind])
    numbers = np.asarray(columns, dtype=np.float64)
    if dtype.kind == "f":
        return numbers.astype(dtype)
    whole = numbers.astype(dtype)
    if not np.array_equal(whole, numbers):
        raise ValueError(f"the graph takes {dtype.name}, and a cell is none, or missing")
    return whole


def _words(cells: NDArray[np.object_]) -> NDArray[np.object_]:
    if not all(isinstance(cell, str) for cell in cells.ravel()):
        raise ValueError("the graph takes words, and a cell is none, or missing")
    return cells
