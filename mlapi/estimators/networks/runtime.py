"""A network's answers: onnxruntime around the bytes of an ONNX file. Never imports PyTorch."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.estimators.networks.examination import INPUT, MOST_NUMBERS, examine
from mlapi.estimators.networks.plan import Shape

CHUNK = 8
"""Pictures at once, and their mirror images: as quick as 32, in a quarter of the memory."""


class Runtime:
    """Answers in one thread, in the caller's process; threads may call it at once.

    The session is made when it is first needed, and again after a fork. Nobody else makes one: so no
    network is run that was not examined.
    """

    def __init__(self, network: bytes, shape: Shape, classes: int) -> None:
        """
        Raises:
            BrokenArtifact: It is no network that mlapi writes, for such pictures and so many classes.
        """
        work = examine(network, shape, classes)
        self._chunk = max(1, min(CHUNK, MOST_NUMBERS // work.numbers))
        self._classes = classes
        self._network = network
        self._made: tuple[int, Any] | None = None

    def probabilities(self, pictures: NDArray[Any]) -> NDArray[np.float64]:
        """Raw values (n, height, width, channels) -> rows that sum to 1."""
        if not len(pictures):
            return np.empty((0, self._classes))
        run, chunk = self._session().run, self._chunk
        chunks = [
            run(None, {INPUT: pictures[start : start + chunk].astype(np.float32)})[0]
            for start in range(0, len(pictures), chunk)
        ]
        found: NDArray[np.float64] = np.concatenate(chunks).astype(np.float64)
        found /= found.sum(axis=1, keepdims=True)
        return found

    def _session(self) -> Any:
        made = self._made
        if made is None or made[0] != os.getpid():
            made = self._made = os.getpid(), _session(self._network)
        return made[1]


def _session(network: bytes) -> Any:
    import onnxruntime  # noqa: PLC0415 - 0.1 s and 30 MB, where a network is asked and nowhere else

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Four threads that ask for 1 to 256 pictures each take 40 MB, however often they do. Without
    # onnxruntime's arena malloc has one for each thread (130 MB, and growing), and patterns are kept for
    # each count of pictures.
    options.enable_mem_pattern = False
    options.log_severity_level = 3  # errors are raised; warnings about its own optimizations help nobody
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
