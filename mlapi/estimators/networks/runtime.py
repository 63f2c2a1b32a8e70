"""Run a network: onnxruntime around the bytes of an ONNX file. Never imports PyTorch."""

import os
from typing import Any

import numpy as np

from mlapi.estimators.networks.examination import INPUT, MAX_NUMBERS, examine
from mlapi.estimators.networks.plan import Probabilities, RawImages, Shape
from mlapi.estimators.networks.sessions import session_of

CHUNK = 8
"""How many images are run at once, and their mirror images: as quick as 32, in a quarter of the memory."""


class Runtime:
    """A network that answers in one thread, in the caller's process; threads may call it at once.

    onnxruntime's session is made when it is first needed, and again after a fork, of a network that was
    examined.
    """

    def __init__(self, network: bytes, shape: Shape, classes: int) -> None:
        """Examine an ONNX file; onnxruntime is not imported before it answers.

        Raises:
            BrokenArtifact: It is no network that mlapi writes, for images of this shape and so many classes.
        """
        cost = examine(network, shape, classes)
        self._chunk = max(1, min(CHUNK, MAX_NUMBERS // cost.numbers))
        self._classes = classes
        self._network = network
        self._session_by_process: tuple[int, Any] | None = None

    def probabilities(self, images: RawImages) -> Probabilities:
        """Return the probability of each class for each image, `(images, classes)`.

        The values are raw ones, `(images, height, width, channels)`, of any numeric dtype; the network
        normalizes them. The rows sum to 1 in float64.
        """
        if not len(images):
            return np.empty((0, self._classes))
        run, chunk = self._session().run, self._chunk
        chunks = [
            run(None, {INPUT: images[start : start + chunk].astype(np.float32)})[0]
            for start in range(0, len(images), chunk)
        ]
        probabilities: Probabilities = np.concatenate(chunks).astype(np.float64)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        return probabilities

    def _session(self) -> Any:
        """Return the session of this process. Two threads may both make one, which does no harm."""
        current = self._session_by_process
        if current is None or current[0] != os.getpid():
            current = self._session_by_process = os.getpid(), session_of(self._network)
        return current[1]
