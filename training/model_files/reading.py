"""The file of an estimator that was fitted elsewhere -> the estimator, by the reader of its kind.

A kind is known by the first bytes of a file, whatever its name is. Whatever has read it, the estimator is
taken from its own pickle in the end, as a server loads it.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pandas as pd

from mlapi.artifacts import requirements as requirements_here
from mlapi.artifacts.pickles.foreign_files import ModelKind, model_kind_of
from mlapi.errors import BrokenArtifact, ClassesNotAllowed, RegistrationError
from mlapi.training.model_files.catboost_files import read_catboost
from mlapi.training.model_files.estimator_file import EstimatorFile
from mlapi.training.model_files.lightgbm_files import read_lightgbm
from mlapi.training.model_files.onnx_files import read_onnx
from mlapi.training.model_files.other_objects import with_estimator
from mlapi.training.model_files.pickles import TAKES, read_pickle, read_skops
from mlapi.training.model_files.xgboost_files import read_xgboost

Reader = Callable[[bytes, Collection[str], Path, pd.DataFrame], EstimatorFile]
"""Takes the content of a file, what it may name, the file itself, and rows `(rows, columns)` as of
`read_estimator`. Its messages go on after the name of the file."""

READERS: Mapping[ModelKind, Reader] = {
    "skops": lambda content, allowed, file, _: read_skops(content, allowed, file.parent),
    "xgboost": lambda content, allowed, file, _: read_xgboost(content, allowed, file.name),
    "lightgbm": lambda content, allowed, file, rows: read_lightgbm(content, allowed, file.name, rows),
    "catboost": lambda content, allowed, file, _: read_catboost(content, allowed, file),
    "onnx": lambda content, allowed, _, rows: read_onnx(content, allowed, rows),
}
"""By kind of a file that is no pickle, what reads it."""


def read_estimator(file: Path, allowed: Collection[str], rows: pd.DataFrame) -> EstimatorFile:
    """Read an estimator, once all that loading it needs is allowed.

    Args:
        allowed: The classes and functions that it may name beyond those that every estimator may.
        rows: Some rows that it answers, `(rows, columns)`, for files that do not say what their answers or
            columns are.

    Raises:
        ClassesNotAllowed: It names others; nothing was imported.
        RegistrationError: It is a folder, no server could load it, or its estimator is of no use here.
        BrokenArtifact: It is of no kind that is read, or damaged.
        OSError: It cannot be read.
    """
    if file.is_dir():
        raise RegistrationError(f"{file.name} is a folder, and none of MLflow's: {TAKES}")
    content = file.read_bytes()
    kind = model_kind_of(content)
    try:
        if kind is None:
            return with_estimator(read_pickle(content, allowed, file.parent), allowed, rows)
        return READERS[kind](content, allowed, file, rows)
    except ClassesNotAllowed as error:
        raise ClassesNotAllowed(f"{file.name} {error}", error.names) from error
    except RegistrationError as error:
        raise RegistrationError(f"{file.name} {error}") from error
    except BrokenArtifact as error:
        raise BrokenArtifact(f"{file.name}: {error}") from error


def check_requirements(requirements: Collection[str]) -> None:
    """Check that the packages that an estimator needs are installed here.

    Raises:
        RegistrationError: One is not, in this version.
    """
    missing = requirements_here.problems(requirements)
    if missing:
        raise RegistrationError("; ".join(missing))
