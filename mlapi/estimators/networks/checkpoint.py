"""Write the state of a training to a file and read it again, so that a training can go on after a break.

A file is written whole or not at all. Reading one runs no code from it, whatever it holds.
"""

import io
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlapi.errors import RecipeError
from mlapi.storage import disk

_FORM = 1
"""Is raised when the states of `mlapi.estimators.networks.fitting` are made of other things."""


class Checkpoint:
    """The file of one training.

    `identity` says which training: texts and numbers by name, which are compared when the file is read.
    """

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        self._path = path
        self._identity = {"form": _FORM, **identity}

    def write(self, state: dict[str, Any]) -> None:
        """Replace the file by one with this state: tensors and plain values, in dicts and lists."""
        content = io.BytesIO()
        torch.save({"identity": self._identity, "state": state}, content)
        disk.replace(self._path, content.getvalue())

    def read(self) -> dict[str, Any] | None:
        """Return the state that was written last, its tensors on the CPU; None if there is no file.

        Raises:
            RecipeError: The file is of another training, or no checkpoint.
        """
        if not self._path.exists():
            return None
        try:
            # weights_only: an unpickler that makes tensors and plain values, and calls nothing else.
            content = torch.load(self._path, map_location="cpu", weights_only=True)
            identity, state = content["identity"], content["state"]
        except Exception as error:  # whatever PyTorch raises, nothing can go on from this file
            raise RecipeError(f"{self._path.name} is no checkpoint that can be read; remove it") from error
        self._check(identity)
        return state  # type: ignore[no-any-return]

    def _check(self, stored: dict[str, Any]) -> None:
        own = self._identity
        names = sorted({name for name in stored.keys() | own if stored.get(name) != own.get(name)})
        if names:
            actual = ", ".join(f"{name} {_short(stored.get(name))}" for name in names[:5])
            wanted = ", ".join(_short(own.get(name)) for name in names[:5])
            raise RecipeError(
                f"{self._path.name} is the checkpoint of another training, with {actual} instead of "
                f"{wanted}; remove it to begin anew"
            )


def digest(*arrays: Any) -> str:
    """Return the SHA-256 of numpy arrays of any shape, in hexadecimal: of dtypes, shapes and values."""
    hashed = sha256()
    for array in arrays:
        hashed.update(f"{array.dtype.str} {array.shape};".encode())
        hashed.update(np.ascontiguousarray(array).data)
    return hashed.hexdigest()


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 20 else f"{text[:12]}…"
