"""The file in which a long training saves how far it is, and what becomes of it when the next one begins.

The estimator that writes and reads the file decides what is in it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

from mlapi.errors import RecipeError
from mlapi.storage import disk
from mlapi.storage.locks import locked

FOLDER = "training"
"""Below the folder of states: where checkpoints lie, one for each model."""

Leftover: TypeAlias = Literal["refuse", "resume", "restart"]
"""What to do with a checkpoint that an earlier training has left behind."""


@contextmanager
def lockable_checkpoint(state_dir: Path, name: str, leftover: Leftover) -> Iterator[Callable[[], Path]]:
    """Yield a function that locks the model's checkpoint for one training, and returns its path.

    The lock is held until the block ends. When the function has returned, the file exists if, and only if,
    the training is to go on from it. If the block ends without an error, the file is deleted. A training that
    never calls the function has no checkpoint, and no lock.

    Entering the block raises nothing. A call of the function raises RecipeError if another training has the
    lock, or if an earlier one left the file and `leftover` is "refuse"; it raises OSError if the folder
    cannot be made.
    """
    path = state_dir / FOLDER / f"{name}.ckpt"
    is_locked = False
    with ExitStack() as locks:

        def lock_checkpoint() -> Path:
            nonlocal is_locked
            disk.make_folder(path.parent, mode=0o700)
            _lock(locks, path, name)
            _settle(path, name, leftover)
            is_locked = True
            return path

        yield lock_checkpoint
        if is_locked:
            disk.remove_file(path)


def _lock(locks: ExitStack, path: Path, name: str) -> None:
    """Lock until `locks` is left. The lock is a file beside the checkpoint, which itself is replaced."""
    try:
        locks.enter_context(locked(path.with_name(f".{name}.lock"), patience_s=0))
    except BlockingIOError as error:
        raise RecipeError(
            f"another training of {name} is running here: wait until it has come to its end, or end it"
        ) from error


def _settle(path: Path, name: str, leftover: Leftover) -> None:
    """Delete an earlier training's checkpoint, refuse it, or leave it to be resumed."""
    if leftover == "restart":
        disk.remove_file(path)
    if leftover == "refuse" and path.exists():
        raise RecipeError(
            f"an earlier training of {name} did not come to its end: --resume goes on where it stopped, "
            f"--restart forgets it and begins anew"
        )
