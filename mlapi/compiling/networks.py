"""Networks for pictures, asked once for labels and probabilities alike."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.algorithms.cnn import ConvolutionalNetwork
from mlapi.compiled.linear import PREDICT, PROBABILITIES
from mlapi.compiled.machine import Answer
from mlapi.compiling.machines import Machines
from mlapi.networks.runtime import Runtime
from mlapi.signature import Matrix


class Network:
    methods = frozenset({PREDICT, PROBABILITIES})
    engine = "onnxruntime"

    def __init__(self, network: ConvolutionalNetwork) -> None:
        self._runtime = Runtime(network.network_)
        self._classes: NDArray[Any] = network.classes_
        self._shape = network.shape_

    def answer(self, matrix: Matrix, methods: Collection[str]) -> Answer:
        probabilities = self._runtime.probabilities(matrix.reshape(-1, *self._shape))
        outputs: dict[str, NDArray[Any]] = {}
        if PREDICT in methods:
            outputs[PREDICT] = self._classes.take(np.argmax(probabilities, axis=1))
        if PROBABILITIES in methods:
            outputs[PROBABILITIES] = probabilities
        return Answer(outputs, None)


MACHINES: Machines = {ConvolutionalNetwork: Network}
