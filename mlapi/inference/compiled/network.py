"""A network's answers to pictures: one pass gives labels and probabilities alike."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.data.signature import Batch
from mlapi.estimators.networks.runtime import Runtime
from mlapi.inference.compiled.final_estimator import Answer, Fallback
from mlapi.inference.compiled.linear import PREDICT, PROBABILITIES
from mlapi.inference.compiled.one_row import OneRow


class Network:
    """Answers once it was given its network, which has a file of its own and is not pickled."""

    methods = frozenset({PREDICT, PROBABILITIES})
    engine = "onnxruntime"
    one_row: OneRow | None = None

    def __init__(self, classes: NDArray[Any], shape: tuple[int, int, int]) -> None:
        self._classes = classes
        self._shape = shape
        self._runtime: Runtime | None = None

    @property
    def width(self) -> int:
        """Pictures are bounded by themselves, and the runtime takes few at a time."""
        return len(self._classes)

    def load_network(self, network: bytes) -> None:
        """Answer with this ONNX file.

        Raises:
            BrokenArtifact: It is no network that mlapi writes, for such pictures and these classes.
        """
        self._runtime = Runtime(network, self._shape, len(self._classes))

    def answer(self, batch: Batch, methods: Collection[str]) -> Answer:
        if self._runtime is None or not isinstance(batch, np.ndarray):
            raise Fallback
        probabilities = self._runtime.probabilities(batch.reshape(len(batch), *self._shape))
        outputs: dict[str, NDArray[Any]] = {}
        if PREDICT in methods:
            outputs[PREDICT] = self._classes.take(probabilities.argmax(axis=1))
        if PROBABILITIES in methods:
            outputs[PROBABILITIES] = probabilities
        return Answer(outputs, None)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_runtime": None}
