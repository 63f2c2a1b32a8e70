"""Where a training that takes long leaves how far it is, and what becomes of it when the next one begins.

What is in such a file is the business of the estimator that writes and reads it.
"""

from pathlib import Path
from typing import Literal, TypeAlias

from mlapi import disk
from mlapi.errors import RecipeError

FOLDER = "training"

Leftover: TypeAlias = Literal["refuse", "resume", "restart"]
"""What to do with a checkpoint that an earlier training has left behind."""


def place(state_dir: Path, name: str, leftover: Leftover) -> Path:
    """The model's checkpoint: a file that is there already if, and only if, it is to be resumed.

    Raises:
        RecipeError: There is one, and nobody has said what to do with it.
        OSError: The folder cannot be made.
    """
    path = _path(state_dir, name)
    disk.make_folder(path.parent, mode=0o700)
    if leftover == "restart":
        disk.remove_file(path)
    if leftover == "refuse" and path.exists():
        raise RecipeError(
            f"an earlier training of {name} did not come to its end: --resume goes on where it stopped, "
            f"--restart forgets it and begins anew"
        )
    return path


def forget(state_dir: Path, name: str) -> None:
    """Once the model's version is published."""
    disk.remove_file(_path(state_dir, name))


def _path(state_dir: Path, name: str) -> Path:
    return state_dir / FOLDER / f"{name}.ckpt"
