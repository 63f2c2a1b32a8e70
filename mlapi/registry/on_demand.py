"""The versions that were loaded because somebody asked for them, and how much memory they may take."""

import threading
from collections import OrderedDict
from collections.abc import Mapping

from mlapi.artifacts.manifest import MODEL, NETWORK, PREDICTOR
from mlapi.inference.model import Model
from mlapi.registry.snapshot import Key

_LEAST_BYTES = 64 * 1024
"""What a loaded version takes beside its arrays."""

_TAKES: Mapping[str, int] = {MODEL: 1, PREDICTOR: 1, NETWORK: 3}
"""How many times its size a file takes in memory. A network lies there as it was read, and once more in the
session of ONNX Runtime, with four bytes for each two of the file."""


class Recent:
    """The versions asked for most recently, as many as fit into so many bytes; the last one always stays."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._models: OrderedDict[Key, Model] = OrderedDict()

    def get(self, key: Key) -> Model | None:
        """Return a version if it is in memory; it is then the one that was asked for last."""
        with self._lock:
            if key in self._models:
                self._models.move_to_end(key)
            return self._models.get(key)

    def keys(self) -> list[Key]:
        """Return which versions are in memory, the one that was asked for last at the end."""
        with self._lock:
            return list(self._models)

    def put(self, key: Key, model: Model) -> None:
        """Take in a version, and drop those that have not been asked for the longest until the rest fits."""
        with self._lock:
            self._models[key] = model
            self._models.move_to_end(key)
            while len(self._models) > 1 and sum(map(_size, self._models.values())) > self._most_bytes:
                self._models.popitem(last=False)


def _size(model: Model) -> int:
    """About what a loaded version takes: its arrays are as large as they are in the files."""
    files = model.manifest.files
    return _LEAST_BYTES + sum(times * files[name].bytes for name, times in _TAKES.items() if name in files)
