"""Training: a recipe and its data -> a version that mlapi serves. Imports nothing of Flask or the server.

`train` is all that a user needs from Python. The code of a whole training begins in `workflows/`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlapi.training.programs.versions import ModelVersion

__all__ = ["load", "publish", "train"]

# Imports are late: whoever imports one room of training/ comes through this file, and needs no other room.


def train(table: Any, *, target: Any, name: str | None = None, **recipe: Any) -> "ModelVersion":
    """Train a model on a table, and publish it as the next version of its name.

    Does what `mlapi train --data` does, with the settings in force (config/mlapi.toml and MLAPI_* variables):
    decides what each column is, compares the algorithms that suit the target, tunes the best one for a
    minute, tests it on a quarter of the rows, and writes the version with its model card to the models
    folder. The version becomes `production` if it is not worse there than the version before; the first one
    of a name always is.

    Args:
        table: Rows and columns, `(rows, columns)`: a DataFrame, a matrix, a list of rows or of records, or an
            Arrow table. A text or a path is the path or URL of a CSV or Parquet file.
        target: The name of the column to predict; or its values `(rows,)`, where the table is none of a file:
            a Series, whose index says which row each is of, an array or a list. A Series has a name, others
            are called `target`.
        name: The model's name; None: made of the target's.
        recipe: Any key of a recipe, such as `algorithm="svm"`, `budget="20s"`, `test_size=0.2` or
            `drop=["id"]`; docs/training.md lists them with their defaults.

    Returns:
        The version: it predicts, can be promoted, and shows its card. `manifest` says what it is, with its
        metrics on the test rows; `Manifest.provenance` has what was decided about columns and rows, and
        warnings; `verdict` says whether it became `production`, and why.

    Raises:
        RecipeError: The recipe is wrong; the message has all that is wrong. Nothing is published.
        DatasetError: The table cannot be read, or the recipe does not suit it. Nothing is published.
        OSError: The table cannot be reached, or the models folder cannot be written.

    Example:
        >>> import mlapi
        >>> trained = mlapi.train(frame, target="species", drop=["island"], budget="20s")
        >>> trained.name, trained.version
        ('species', 1)
        >>> trained.predict(frame.head(3))
    """
    from mlapi.settings import load_settings  # noqa: PLC0415
    from mlapi.training.programs.training import train_table  # noqa: PLC0415

    return train_table(table, target, name, recipe, load_settings())


def publish(estimator: Any, name: str, rows: Any, *, types: "dict[str, Any] | None" = None) -> "ModelVersion":
    """Publish a fitted scikit-learn estimator, or one like it, as the next version of a model.

    Before anything is published the estimator has answered the rows as a server will ask it, and its answers
    were its own. The first version of a name is `production`; a later one waits for `promote()`.

    Args:
        estimator: Fitted, and of classes that can be imported where it is served.
        name: The model's name: lower case letters, digits, _ and -, a letter first.
        rows: Some rows that it can answer, `(rows, columns)`, best those of its fit: a DataFrame, a matrix, a
            list of rows or of records, or an Arrow table. What clients may send is read off them: dtypes are
            taken as they are.
        types: What columns are (`{"zip": "category"}`), where the rows cannot tell.

    Returns:
        The version. Where a server with these settings could not load it, `needs` has the classes to allow,
        and what is shown of it the line to write.

    Raises:
        RegistrationError: The name, the estimator or the rows do not do. Nothing is published.
        DatasetError: The rows are no table. Nothing is published.
        BrokenArtifact: It does not answer alike once it is saved and loaded. Nothing is published.
        OSError: The models folder cannot be written.

    Example:
        >>> import mlapi
        >>> version = mlapi.publish(estimator, "churn", X)
        >>> version.predict(X.head(3))
    """
    from mlapi.settings import load_settings  # noqa: PLC0415
    from mlapi.training.programs.publishing import publish_object  # noqa: PLC0415

    return publish_object(name, estimator, rows, load_settings(), types)


def load(reference: str) -> "ModelVersion":
    """Return a version to ask without a server: it is checked and loaded as a server would do it.

    Loading runs what the classes in its pickle do, as far as the settings in force allow them.

    Args:
        reference: A model, with a version or an alias where another than the serving one is meant: `churn`,
            `churn@3`, `churn@production`.

    Raises:
        ModelNotFound, VersionNotFound: There is none.
        ModelUnavailable: It cannot be loaded, or is not trusted.

    Example:
        >>> import mlapi
        >>> mlapi.load("churn@production").predict([{"age": 41, "plan": "basic"}])
    """
    from mlapi.settings import load_settings  # noqa: PLC0415
    from mlapi.training.programs.versions import load_version  # noqa: PLC0415

    return load_version(reference, load_settings())
