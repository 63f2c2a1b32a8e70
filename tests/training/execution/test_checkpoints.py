"""Where a long training leaves how far it is: for that training alone, and for whoever resumes it."""

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import get_args

import pytest

from mlapi.errors import RecipeError
from mlapi.training.execution.checkpoints import Leftover, lockable_checkpoint
from mlapi.training.recipes import make_recipe
from mlapi.training.workflows.train import train
from tests.conftest import changes_in


def broken_off(folder: Path) -> Path:
    """A checkpoint that a training has left behind."""
    stopped = ExitStack()
    path = stopped.enter_context(lockable_checkpoint(folder, "shapes", "refuse"))()
    path.write_bytes(b"half")
    with suppress(KeyboardInterrupt), stopped:
        raise KeyboardInterrupt
    return path


def test_a_second_training_of_the_same_name_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    with lockable_checkpoint(tmp_path, "shapes", "refuse") as first:
        path = first()
        path.write_bytes(b"half")
        for leftover in get_args(Leftover):
            second = lockable_checkpoint(tmp_path, "shapes", leftover)
            with second as ask, pytest.raises(RecipeError, match="another training of shapes is running"):
                ask()
        with lockable_checkpoint(tmp_path, "others", "refuse") as other:
            other()
        assert path.read_bytes() == b"half"

    assert not path.exists()
    with lockable_checkpoint(tmp_path, "shapes", "refuse") as third:
        assert third() == path


def test_what_broke_off_is_resumed_or_forgotten_as_told(tmp_path: Path) -> None:
    path = broken_off(tmp_path)

    with (
        pytest.raises(RecipeError, match="--resume"),
        lockable_checkpoint(tmp_path, "shapes", "refuse") as lock_checkpoint,
    ):
        lock_checkpoint()
    assert path.exists()
    with lockable_checkpoint(tmp_path, "shapes", "resume") as lock_checkpoint:
        assert lock_checkpoint().read_bytes() == b"half"
    assert not path.exists()
    with lockable_checkpoint(broken_off(tmp_path).parents[1], "shapes", "restart") as lock_checkpoint:
        assert not lock_checkpoint().exists()


def test_a_table_of_the_same_name_leaves_the_checkpoint_alone(tmp_path: Path) -> None:
    path = broken_off(tmp_path / "state")
    recipe = make_recipe("shapes", {"dataset": "iris", "algorithm": "logistic_regression"})

    train(recipe, changes_in(tmp_path / "models", state_dir=tmp_path / "state"))

    assert path.read_bytes() == b"half"
