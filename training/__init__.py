"""Training: a recipe and its data -> a version that mlapi serves. Imports nothing of Flask or the server.

`train` is all that a user needs from Python. The code of a whole training begins in `workflows/`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from mlapi.training.workflows.train import TrainedVersion

__all__ = ["train"]


def train(
    table: "pd.DataFrame | str", *, target: str, name: str | None = None, **recipe: Any
) -> "TrainedVersion":
    """Train a model on a table, and publish it as the next version of its name.

    Does what `mlapi train --data` does, with the settings in force (config/mlapi.toml and MLAPI_* variables):
    decides what each column is, compares the algorithms that suit the target, tunes the best one for a
    minute, tests it on a quarter of the rows, and writes the version with its model card to the models
    folder. The version becomes `production` if it is not worse there than the version before.

    Args:
        table: Rows and columns, the target among them, `(rows, columns)`: a DataFrame, or the path or URL of
            a CSV or Parquet file.
        target: The name of the column to predict.
        name: The model's name; None: made of the target's.
        recipe: Any key of a recipe, such as `algorithm="svm"`, `budget="20s"`, `test_size=0.2` or
            `drop=["id"]`; docs/training.md lists them with their defaults.

    Returns:
        What was published: `manifest` says what the version is, with its metrics on the test rows;
        `Manifest.provenance` has what was decided about columns and rows, and warnings; `verdict` says
        whether it became `production`, and why.

    Raises:
        RecipeError: The recipe is wrong; the message has all that is wrong. Nothing is published.
        DatasetError: The table cannot be read, or the recipe does not suit it. Nothing is published.
        OSError: The table cannot be reached, or the models folder cannot be written.

    Example:
        >>> import mlapi
        >>> trained = mlapi.train(frame, target="species", drop=["island"], budget="20s")
        >>> trained.manifest.name, trained.manifest.version
        ('species', 1)
    """
    # Imported here: whoever imports one room of training/ comes through this file, and needs no other room.
    import pandas as pd  # noqa: PLC0415

    from mlapi.artifacts.names import as_model_name  # noqa: PLC0415
    from mlapi.registry.audit import who  # noqa: PLC0415
    from mlapi.registry.opening import open_changes  # noqa: PLC0415
    from mlapi.settings import load_settings  # noqa: PLC0415
    from mlapi.training.recipes import make_recipe  # noqa: PLC0415
    from mlapi.training.workflows.train import train as train_recipe  # noqa: PLC0415

    frame = table if isinstance(table, pd.DataFrame) else None
    data = None if frame is not None else str(table)
    checked = make_recipe(name or as_model_name(target), {**recipe, "data": data, "target": target})
    return train_recipe(checked, open_changes(load_settings(), who()), table=frame)
