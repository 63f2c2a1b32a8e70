"""A training on disk, to go on after a break: written whole or not at all, read without calling anything."""

import io
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlapi.errors import RecipeError
from mlapi.storage import disk

_FORM = 1
"""Counts what the states of `mlapi.estimators.networks.fitting` are made of."""


class Checkpoint:
    """The file of one training, which `identity` tells from others: words and numbers by name."""

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        self._path = path
        self._identity = {"form": _FORM, **identity}

    def write(self, state: dict[str, Any]) -> None:
        content = io.BytesIO()
        torch.save({"identity": self._identity, "state": state}, content)
        disk.replace(self._path, content.getvalue())

    def read(self) -> dict[str, Any] | None:
        """The state that was written last; None where there is no file.

        Raises:
            RecipeError: The file is of another training, or no checkpoint.
        """
        if not self._path.exists():
            return None
        try:
            # weights_only: an unpickler that makes tensors and plain values, and calls nothing else.
            content = torch.load(self._path, map_location="cpu", weights_only=True)
            found, state = content["identity"], content["state"]
        except Exception as error:  # whatever PyTorch raises, nothing can go on from this file
            raise RecipeError(f"{self._path.name} is no checkpoint that can be read; remove it") from error
        self._compare(found)
        return state  # type: ignore[no-any-return]

    def _compare(self, found: dict[str, Any]) -> None:
        names = sorted(
            {name for name in found.keys() | self._identity if found.get(name) != self._identity.get(name)}
        )
        if names:
            told = ", ".join(f"{name} {_short(found.get(name))}" for name in names[:5])
            wanted = ", ".join(_short(self._identity.get(name)) for name in names[:5])
            raise RecipeError(
                f"{self._path.name} is the checkpoint of another training, with {told} instead of {wanted}; "
                "remove it to begin anew"
            )


def digest(*arrays: Any) -> str:
    """Of the data that a training is for."""
    found = sha256()
    for array in arrays:
        found.update(f"{array.dtype.str} {array.shape};".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 20 else f"{text[:12]}…"
