"""The file of an estimator that was fitted elsewhere -> the estimator, by the reader of its kind."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from mlapi.artifacts import requirements as requirements_here
from mlapi.artifacts.pickles.foreign_files import is_onnx
from mlapi.errors import BrokenArtifact, ClassesNotAllowed, RegistrationError
from mlapi.training.model_files.estimator_file import EstimatorFile
from mlapi.training.model_files.onnx_files import read_onnx
from mlapi.training.model_files.pickles import TAKES, read_pickle


def read_estimator(file: Path, allowed: Collection[str], rows: pd.DataFrame) -> EstimatorFile:
    """Read an estimator, once all that loading it needs is allowed.

    Args:
        allowed: The classes and functions that it may name beyond those that every estimator may.
        rows: Some rows that it answers, `(rows, columns)`, for files that do not say what their answers are.

    Raises:
        ClassesNotAllowed: It names others; nothing was imported.
        RegistrationError: It is a folder, no server could load it, or its estimator is of no use here.
        BrokenArtifact: It is of no kind that is read, or damaged.
        OSError: It cannot be read.
    """
    if file.is_dir():
        is_mlflow = (file / "MLmodel").is_file()
        way_out = "register the file model.pkl in it" if is_mlflow else TAKES
        raise RegistrationError(f"{file.name} is a folder: {way_out}")
    try:
        content = file.read_bytes()
        if is_onnx(content):
            return read_onnx(content, allowed, rows)
        return read_pickle(content, allowed, file.parent)
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
