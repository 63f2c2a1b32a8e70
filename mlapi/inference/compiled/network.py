"""The compiled form of a network: one pass over an image gives its label and its probabilities."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.data.signature import Batch
from mlapi.estimators.networks.runtime import Runtime
from mlapi.inference.compiled.final_estimator import PREDICT, PREDICT_PROBA, Answer, Fallback, MethodOutputs
from mlapi.inference.compiled.one_row import OneRow


class Network:
    """Answers once it has loaded its network, which lies in a file of its own and is not pickled."""

    methods = frozenset({PREDICT, PREDICT_PROBA})
    served_by = "onnxruntime"
    one_row: OneRow | None = None

    def __init__(self, classes: NDArray[Any], shape: tuple[int, int, int]) -> None:
        """
        Args:
            classes: (classes,), the labels.
            shape: The height, width and channels of an image.
        """
        self._classes = classes
        self._shape = shape
        self._runtime: Runtime | None = None

    @property
    def width(self) -> int:
        """How many probabilities it makes of one row.

        What it computes in between does not count: images are bounded already, and the runtime takes few at
        a time.
        """
        return len(self._classes)

    def load_network(self, network: bytes) -> None:
        """Answer with this ONNX file.

        Raises:
            BrokenArtifact: It is no network that mlapi writes, for such images and these classes.
        """
        self._runtime = Runtime(network, self._shape, len(self._classes))

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer:
        """Return labels, `(rows,)`, and probabilities, `(rows, classes)`, as they are asked for.

        Args:
            batch: A matrix, whose rows are the numbers of one image each.

        Raises:
            Fallback: It has no network yet, or the batch is no matrix.
        """
        if self._runtime is None or not isinstance(batch, np.ndarray):
            raise Fallback
        probabilities = self._runtime.probabilities(batch.reshape(len(batch), *self._shape))
        outputs: MethodOutputs = {}
        if PREDICT in methods:
            outputs[PREDICT] = self._classes.take(probabilities.argmax(axis=1))
        if PREDICT_PROBA in methods:
            outputs[PREDICT_PROBA] = probabilities
        return Answer(outputs, None)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_runtime": None}
