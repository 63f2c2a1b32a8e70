"""The file of an estimator that was fitted elsewhere -> the estimator, once all that it names is allowed."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from mlapi.artifacts.pickles import pickling
from mlapi.artifacts.pickles.scanner import names_in
from mlapi.errors import BrokenArtifact, RegistrationError
from mlapi.estimators.algorithms import CLASSES


def read_estimator(file: Path, allowed: Collection[str]) -> Any:
    """Unpickle a file of joblib's or pickle's, once all that it names is allowed.

    Args:
        allowed: The classes and functions that it may name beyond those of this project's own algorithms.

    Raises:
        RegistrationError: It names others; nothing was imported.
        BrokenArtifact: It cannot be unpickled.
        OSError: It cannot be read.
    """
    try:
        content = pickling.decompress(file.read_bytes())
        unknown = [name for name in names_in(content) if name not in CLASSES.union(allowed)]
        if unknown:
            words = ", ".join(f'"{name}"' for name in (*allowed, *unknown))
            raise RegistrationError(
                f"{file.name} names classes that are not allowed: {', '.join(unknown)}. Loading it would "
                f"import them and run what they do. If you trust them, set in config/mlapi.toml, here and "
                f"where it is served: allowed_classes = [{words}]"
            )
        return pickling.load(content, CLASSES.union(allowed))
    except BrokenArtifact as error:
        raise BrokenArtifact(f"{file.name}: {error}") from error
