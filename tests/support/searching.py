"""A small search that its tests share, and a long one for a process of its own, which Ctrl-C is sent to."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import loguniform
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import CLASSIFICATION
from mlapi.training.execution.engine import engine
from mlapi.training.execution.progress import TrialState
from mlapi.training.search.search import tune
from mlapi.training.search.trials import CrossValidation

SVM = replace(
    ALGORITHMS["svm"], search=({"C": loguniform(1e-2, 1e3), "gamma": loguniform(1e-4, 1)},), quick={}
)


def build(name: str, parameters: Mapping[str, Any]) -> Pipeline:
    return make_pipeline(StandardScaler(), ALGORITHMS[name].build(CLASSIFICATION, parameters))


def cross_validation(**changes: Any) -> CrossValidation:
    X, y = load_breast_cancer(return_X_y=True)
    folds = list(StratifiedKFold(3, shuffle=True, random_state=0).split(X, y))
    return replace(CrossValidation(CLASSIFICATION, X, y, folds, "accuracy", build, len(y)), **changes)


def large(times: int) -> CrossValidation:
    """The same rows again and again, so that the work is not small."""
    X, y = load_breast_cancer(return_X_y=True)
    X, y = np.tile(X, (times, 1)), np.tile(y, times)
    return cross_validation(X=X, y=y, folds=list(StratifiedKFold(3).split(X, y)))


@dataclass(frozen=True)
class RecordingBuild:
    """Leaves a file in this folder whenever a fit begins, called by the machine's clock."""

    folder: Path

    def __call__(self, name: str, parameters: Mapping[str, Any]) -> Pipeline:
        (self.folder / str(time.monotonic())).touch()
        return build(name, parameters)


def _tell(tried: TrialState) -> None:
    print(tried.done, flush=True)


def main() -> None:
    """Tell each trial that is done on a line, and at last what was found, as JSON."""
    with engine(None) as here:
        found = tune(large(times=8), here, SVM, {}, trials=1000, progress=_tell)
    print(json.dumps([found.stopped, found.trials_done, found.mean, dict(found.parameters)]), flush=True)
