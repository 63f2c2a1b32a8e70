"""A table in memory, or a path -> a trained version in the hands of a program."""

import os
from collections.abc import Mapping
from typing import Any

from mlapi.artifacts.names import as_model_name
from mlapi.errors import DatasetError
from mlapi.registry.audit import who
from mlapi.registry.opening import open_changes
from mlapi.settings import Settings
from mlapi.training.programs.tables import with_target
from mlapi.training.programs.versions import ModelVersion
from mlapi.training.recipes import make_recipe
from mlapi.training.workflows.train import train


def train_table(
    table: Any, target: Any, name: str | None, recipe: Mapping[str, Any], settings: Settings
) -> ModelVersion:
    """Train a table `(rows, columns)`, or the one at a path or URL, and return the published version.

    Args:
        target: The name of a column; or its values `(rows,)`, of a table that is not at a path.
        name: The model's name; None: made of the target's.
        recipe: Keys of a recipe.

    Raises:
        RecipeError, DatasetError: The recipe or the table does not do; nothing is published.
        OSError: The table cannot be reached, or the models folder not written.
    """
    frame, data = None, None
    if isinstance(table, str | os.PathLike):
        data = os.fspath(table)
        if not isinstance(target, str):
            raise DatasetError(f"the target of a file is the name of a column, not a {type(target).__name__}")
    else:
        frame, target = with_target(table, target)
    checked = make_recipe(name or as_model_name(target), {**recipe, "data": data, "target": target})
    changes = open_changes(settings, who())
    trained = train(checked, changes, table=frame)
    return ModelVersion(trained.manifest, changes, trained.verdict, trained.seconds)
