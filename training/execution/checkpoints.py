"""Where a training that takes long leaves how far it is, and what becomes of it when the next one begins.

What is in such a file is the business of the estimator that writes and reads it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

from mlapi.errors import RecipeError
from mlapi.storage import disk
from mlapi.storage.locks import locked

FOLDER = "training"

Leftover: TypeAlias = Literal["refuse", "resume", "restart"]
"""What to do with a checkpoint that an earlier training has left behind."""


@contextmanager
def place(state_dir: Path, name: str, leftover: Leftover) -> Iterator[Callable[[], Path]]:
    """For one training: what gives the model's checkpoint to it, if it asks, and to nobody else meanwhile.

    The file is there already if, and only if, it is to be resumed. It is forgotten when the training comes to
    its end, by the one that asked for it.

    Raises, where it is asked for:
        RecipeError: Another training has it; or an earlier one left it, and nobody has said what to do.
        OSError: The folder cannot be made.
    """
    path = state_dir / FOLDER / f"{name}.ckpt"
    asked = False
    with ExitStack() as held:

        def ask() -> Path:
            nonlocal asked
            disk.make_folder(path.parent, mode=0o700)
            _hold(held, path, name)
            _settle(path, name, leftover)
            asked = True
            return path

        yield ask
        if asked:
            disk.remove_file(path)


def _hold(held: ExitStack, path: Path, name: str) -> None:
    """Until `held` is left. The lock is a file beside it, for the checkpoint itself is replaced."""
    try:
        held.enter_context(locked(path.with_name(f".{name}.lock"), patience_s=0))
    except BlockingIOError as error:
        raise RecipeError(
            f"another training of {name} is running here: wait until it has come to its end, or end it"
        ) from error


def _settle(path: Path, name: str, leftover: Leftover) -> None:
    """What becomes of an earlier training's checkpoint."""
    if leftover == "restart":
        disk.remove_file(path)
    if leftover == "refuse" and path.exists():
        raise RecipeError(
            f"an earlier training of {name} did not come to its end: --resume goes on where it stopped, "
            f"--restart forgets it and begins anew"
        )
