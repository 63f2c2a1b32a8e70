"""One loaded version: its manifest, and what answers for it. Immutable, shared by threads.

What answers is a compiled predictor where there is one, else the fitted estimator, through scikit-learn.
"""

import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlapi.artifacts import golden
from mlapi.artifacts.manifest import Manifest
from mlapi.data.labels import MAX_CHARACTERS, are_valid_labels, character_count, is_valid_label
from mlapi.data.rows.reader import Row
from mlapi.data.signature import Batch, Signature
from mlapi.errors import BrokenArtifact, ModelUnavailable, Unanswerable, UnknownOutput
from mlapi.inference.compiled.columns import rows_of
from mlapi.inference.compiled.final_estimator import (
    DECISION_FUNCTION,
    PREDICT,
    PREDICT_PROBA,
    MethodOutputs,
)
from mlapi.inference.compiled.predictor import CompiledPipeline, Predictor
from mlapi.inference.estimator_calls import call
from mlapi.inference.outputs import (
    INTERVAL,
    METHODS,
    PROBABILITIES,
    classes_of,
    coverage_of,
    outputs_of,
)
from mlapi.inference.refusals import refusal, unpresentable
from mlapi.wording import listed

logger = logging.getLogger(__name__)

NAMES = "names"
"""The output with the name of each predicted class, as `include` and answers call it. Models have it whose
data set had names for classes that are numbers."""


class Prediction(NamedTuple):
    """The answer to a batch."""

    values: NDArray[Any]
    """`(rows,)`, or `(rows, targets)`."""
    outputs: Mapping[str, NDArray[Any]]
    """What was asked for beside it, by name: `(rows,)`, `(rows, classes)` or `(rows, targets, classes)`.
    There the probabilities of a target with fewer classes than others end in zeros."""
    classes: list[Any] | None = None
    """The labels, in the order of the columns of probabilities; None if these were not asked for."""
    class_names: Sequence[str] | None = None
    """The names of `classes`; None if these or `NAMES` were not asked for."""
    coverage: float | None = None
    """The share of rows that the intervals are meant to hold; None if these were not asked for."""


@dataclass(frozen=True)
class ModelOutputs:
    """What a version can answer beside its prediction."""

    outputs: tuple[str, ...]
    """The names that `include` takes."""
    classes: list[Any] | None
    """The labels, in the estimator's order, of several targets a list for each; None for a regressor."""
    coverage: float | None = None
    """The share of rows that the intervals are meant to hold; None where there are none."""


@dataclass(frozen=True)
class Model:
    """A loaded version. Immutable, so threads may share it."""

    manifest: Manifest
    fitted: Callable[[], Any]
    """Gives the fitted estimator. A version that is compiled may load it only now, which takes seconds."""
    capabilities: ModelOutputs
    predictor: Predictor | None = None
    """What answers in the estimator's place; None where the estimator does."""
    notes: tuple[str, ...] = ()
    """Sentences for whoever asks about this version: what is unusual about how it serves."""

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def version(self) -> int:
        return self.manifest.version

    @property
    def algorithm(self) -> str:
        return self.manifest.algorithm

    @property
    def signature(self) -> Signature:
        return self.manifest.signature

    @property
    def served_by(self) -> str:
        """The name of what answers: `scikit-learn`, `compiled`, or the package that a network runs in."""
        if self.predictor is None:
            return "scikit-learn"
        return self.predictor.pipeline.served_by

    @property
    def estimator(self) -> Any:
        """The fitted estimator, which may be loaded only now.

        Raises:
            ModelUnavailable: It cannot be loaded. What is compiled is answered all the same.
        """
        try:
            return self.fitted()
        except BrokenArtifact as error:
            raise ModelUnavailable(
                f"this takes the estimator of version {self.version} of model {self.name!r}, which cannot be "
                f"loaded: {error}"
            ) from error

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names that `predict` takes for `include`."""
        names = () if self._class_names is None else (NAMES,)
        return (*self.capabilities.outputs, *names)

    @property
    def _class_names(self) -> Mapping[Any, str] | None:
        """The name of each class by its label; None where training had no names for them."""
        target = self.signature.target
        if self.capabilities.classes is None or target.classes is None or target.class_names is None:
            return None
        if len(target.classes) != len(target.class_names):
            return None
        return dict(zip(target.classes, target.class_names, strict=True))

    def with_pipeline(self, pipeline: CompiledPipeline) -> "Model":
        """Return the same version, answered by a compiled pipeline, else by its estimator."""
        return replace(self, predictor=Predictor(pipeline, partial(_original, self)))

    def with_outputs(self, names: Collection[str]) -> "Model":
        """Return the same version with those of its outputs that are among these."""
        outputs = tuple(name for name in self.capabilities.outputs if name in names)
        return replace(self, capabilities=replace(self.capabilities, outputs=outputs))

    def predict(self, batch: Batch | Row, include: Collection[str] = ()) -> Prediction:
        """Answer validated rows.

        Args:
            batch: A batch, or one row, for which there may be a quicker path.
            include: The names of the outputs to give beside the prediction.

        Raises:
            UnknownOutput: `include` has a name that this model cannot give.
            Unanswerable: The estimator has no answer, or not a finite one.
            ModelUnavailable: It takes the estimator, which cannot be loaded.
        """
        for name in include:
            if name not in self.outputs:
                raise UnknownOutput(
                    f"model {self.name!r} cannot include {name[:40]!r}; can include {listed(self.outputs)}"
                )
        if isinstance(batch, Row):
            values = None if include else self._answer_row(batch)
            if values is not None:
                return Prediction(values, _NOTHING)
            batch = batch.to_batch()
        if not include:
            return Prediction(self._answer(batch, _ALONE)[PREDICT], _NOTHING)
        answers = self._answer(batch, (PREDICT, *(METHODS[name] for name in include if name in METHODS)))
        outputs = {name: answers[METHODS[name]] for name in include if name in METHODS}
        classes = self.capabilities.classes if PROBABILITIES in include else None
        names = self._class_names if NAMES in include else None
        coverage = self.capabilities.coverage if INTERVAL in include else None
        if names is None:
            return Prediction(answers[PREDICT], outputs, classes, coverage=coverage)
        labels = answers[PREDICT].tolist()
        outputs[NAMES] = np.array([names.get(label, str(label)) for label in labels], dtype=object)
        of_classes = None if classes is None else [names.get(label, str(label)) for label in classes]
        return Prediction(answers[PREDICT], outputs, classes, of_classes)

    def answers(self, batch: Batch | Row, outputs: Collection[str]) -> dict[str, NDArray[Any]]:
        """Return the named outputs by name, `(rows,)` or `(rows, classes)`, and the prediction among them.

        They are compared with the answers of training (`mlapi.artifacts.golden`).

        Raises:
            UnknownOutput, Unanswerable, ModelUnavailable: As `predict`.
        """
        prediction = self.predict(batch, [name for name in outputs if name != golden.PREDICTION])
        return {golden.PREDICTION: prediction.values, **prediction.outputs}

    def _answer_row(self, row: Row) -> NDArray[Any] | None:
        """Return the prediction by the path for single rows; None if the general path has to answer."""
        try:
            return self.predictor.answer_row(row.cells) if self.predictor else None
        except Exception:  # a defect of ours, or a damaged predictor: the general path answers all the same
            logger.exception("single row failed", extra={"model": self.name, "version": self.version})
            return None

    def _answer(self, batch: Batch, methods: Collection[str]) -> MethodOutputs:
        """Return what these methods of the estimator give."""
        try:
            if self.predictor is not None:
                answers = self.predictor.answer(batch, methods)
            else:
                rows = estimator_input(self.estimator, self.signature, batch)
                answers = {method: call(self.estimator, method, rows) for method in methods}
            return {
                method: presentable(values, _WORDS.get(method, "the output"))
                for method, values in answers.items()
            }
        except (Unanswerable, ModelUnavailable):
            raise
        except Exception as error:  # somebody else's estimator, and rows that fit its signature
            if not isinstance(error, ValueError):  # which is how scikit-learn refuses rows
                logger.exception("estimator failed", extra={"model": self.name, "version": self.version})
            raise refusal(
                lambda part: [_original(self, method, part) for method in methods],
                batch,
                rows_of(batch),
                error,
            ) from error


_WORDS = {PREDICT: "the answer", PREDICT_PROBA: "the probability", DECISION_FUNCTION: "the decision"}
"""What a method gives, in a message; of others it is the output."""

_ALONE = (PREDICT,)
"""The methods of a request that includes no outputs."""

_NOTHING: Mapping[str, NDArray[Any]] = MappingProxyType({})
"""The outputs of such a request."""


def model_of(manifest: Manifest, estimator: Any) -> Model:
    """Return a version that its estimator answers for."""
    outputs = ModelOutputs(outputs_of(estimator), classes_of(estimator), coverage_of(estimator))
    return Model(manifest, lambda: estimator, outputs)


def presentable(values: NDArray[Any], what: str = "the answer") -> NDArray[Any]:
    """Return an estimator's answer, `(rows,)` or `(rows, columns)`, if JSON can hold it; floats as float64.

    Args:
        what: The words for the answer in a message.

    Raises:
        Unanswerable: It is not finite, or neither numbers nor booleans nor valid labels; or its labels have
            too many characters together.
    """
    kind = values.dtype.kind
    if kind == "f":
        if values.dtype != np.float64:
            values = values.astype(np.float64)
        if not _are_finite(values):
            raise unpresentable(f"{what} is not finite", np.isfinite(values))
    elif kind in "OU":
        _check_labels(values, what)
    elif kind not in "biu":
        raise Unanswerable(f"{what} is of type {values.dtype}, which JSON cannot hold")
    return values


_MAX_ANSWER_CHARACTERS = 2**26
"""The most characters of all labels of an answer: 64 MB of JSON, or four times as many beyond ASCII."""

_UNCOUNTED_LABELS = _MAX_ANSWER_CHARACTERS // MAX_CHARACTERS
"""So many labels cannot have more characters than that, and are not counted."""

_VALID_LABELS = f"words of up to {MAX_CHARACTERS:,} letters that UTF-8 has"
"""What labels have to be, in a message."""


def estimator_input(estimator: Any, signature: Signature, batch: Batch) -> Any:
    """Return a batch as the estimator takes it.

    That is a table `(rows, features)` with names if it was fitted on such, which imports pandas; else a
    matrix, of objects if the columns are mixed. A pipeline of one column of texts gets these, `(rows,)`.
    Columns have the dtypes that the signature says.

    Raises:
        Unanswerable: A number does not fit its dtype.
    """
    if signature.typed:
        from mlapi.inference.dtypes import typed_input  # noqa: PLC0415 - pandas, as below

        return typed_input(signature, batch, as_table=hasattr(estimator, "feature_names_in_"))
    if not hasattr(estimator, "feature_names_in_"):
        if not isinstance(batch, np.ndarray) and not hasattr(estimator, "n_features_in_") and len(batch) == 1:
            return next(iter(batch.values()))  # a text pipeline takes its texts, not a table of them
        return batch if isinstance(batch, np.ndarray) else _object_matrix(batch)
    import pandas as pd  # noqa: PLC0415 - only for such a model: its import costs half a second and 60 MB

    if isinstance(batch, np.ndarray):
        return pd.DataFrame(batch, columns=list(signature.columns), copy=False)
    return pd.DataFrame(dict(batch), copy=False)


def _original(model: Model, method: str, batch: Batch) -> NDArray[Any]:
    estimator = model.estimator
    return call(estimator, method, estimator_input(estimator, model.signature, batch))


def _check_labels(values: NDArray[Any], what: str) -> None:
    if values.dtype.kind == "U" and not are_valid_labels(values):
        good = [are_valid_labels(value) for value in values.reshape(-1, 1)]
        raise unpresentable(f"{what} is not made of {_VALID_LABELS}", np.reshape(good, values.shape))
    if values.dtype.kind == "O" and not all(map(_is_scalar, values.ravel().tolist())):
        good = list(map(_is_scalar, values.ravel().tolist()))
        wrong = f"{what} is not made of finite numbers, flags, or {_VALID_LABELS}"
        raise unpresentable(wrong, np.reshape(good, values.shape))
    if values.size > _UNCOUNTED_LABELS and character_count(values) > _MAX_ANSWER_CHARACTERS:
        raise Unanswerable("the answer to so many rows is too large: send fewer at once")


def _are_finite(values: NDArray[np.float64]) -> bool:
    return math.isfinite(values.item()) if values.size == 1 else bool(np.isfinite(values).all())


def _is_scalar(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):
        return is_valid_label(value)
    return isinstance(value, bool) or (isinstance(value, int) and -(2**63) <= value < 2**63)


def _object_matrix(columns: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Return mixed columns as one matrix, (rows, features), for an estimator that knows no names."""
    return np.column_stack([column.astype(object) for column in columns.values()])
