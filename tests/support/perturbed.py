"""Asks estimators in files, each in turn, and writes their answers. A program of its own: one that leads
compiled code astray ends the process.

    python -m tests.support.perturbed FOLDER RESULT

Each folder in FOLDER has rows.pickle and some *.joblib files; RESULT gets a line for each: its path, and the
digest of its answers.
"""

import hashlib
import pickle
import signal
import sys
import warnings
from pathlib import Path

import numpy as np

from mlapi.artifacts.pickles import pickling
from mlapi.estimators.algorithms import CLASSES

LIMIT_S = 60


def answer(file: Path, rows: object) -> str:
    """The digest of all answers, or the exception's name."""
    estimator = pickling.load(file.read_bytes(), CLASSES)
    digest = hashlib.sha256()
    for method in ("predict", "decision_function", "predict_proba"):
        if hasattr(estimator, method):
            try:
                with np.errstate(all="ignore"):
                    digest.update(np.ascontiguousarray(getattr(estimator, method)(rows)).tobytes())
            except Exception as error:
                digest.update(type(error).__name__.encode())
    return digest.hexdigest()


def main(folder: Path, result: Path) -> None:
    warnings.simplefilter("ignore")
    with result.open("w") as lines:
        for file in sorted(folder.rglob("*.joblib")):
            signal.alarm(LIMIT_S)  # ends the process: compiled code hears nothing else
            rows = pickle.loads((file.parent / "rows.pickle").read_bytes())
            lines.write(f"{file.relative_to(folder)} {answer(file, rows)}\n")
            lines.flush()
    signal.alarm(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
