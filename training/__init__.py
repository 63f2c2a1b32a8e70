"""Trains recipes into the versions that mlapi serves. Imports floors 0 and 1 of mlapi, never the web."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from mlapi.training.workflows.train import Trained

__all__ = ["train"]


def train(table: "pd.DataFrame | str", *, target: str, name: str | None = None, **recipe: Any) -> "Trained":
    """Train a DataFrame, or the CSV or Parquet file at a path or URL, and publish the result.

    As `mlapi train --data` does, with the settings in force: config/mlapi.toml and MLAPI_* variables. What
    was decided about columns and rows, and warnings, are in the result's `manifest.data` and in the card.

    Args:
        name: The model's; else made of the target's.
        recipe: What docs/training.md lists for a recipe, such as `algorithm`, `budget` or `drop`.

    Raises:
        RecipeError, DatasetError: The recipe is wrong or does not suit the table; nothing is published.
        OSError: The table cannot be reached, or the models folder not written.

    Example:
        >>> from mlapi import training
        >>> trained = training.train(frame, target="species", drop=["island"], budget="20s")
        >>> trained.manifest.name, trained.manifest.version
        ('species', 1)
    """
    # Here, since who imports one room of training/ comes through this file and needs no other room.
    import pandas as pd  # noqa: PLC0415

    from mlapi.artifacts.names import as_model_name  # noqa: PLC0415
    from mlapi.registry.audit import who  # noqa: PLC0415
    from mlapi.registry.opening import open_changes  # noqa: PLC0415
    from mlapi.settings import load_settings  # noqa: PLC0415
    from mlapi.training.recipes import make_recipe  # noqa: PLC0415
    from mlapi.training.workflows.train import train as train_recipe  # noqa: PLC0415

    frame = table if isinstance(table, pd.DataFrame) else None
    data = None if frame is not None else str(table)
    made = make_recipe(name or as_model_name(target), {**recipe, "data": data, "target": target})
    return train_recipe(made, open_changes(load_settings(), who()), frame=frame)
