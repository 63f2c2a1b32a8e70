"""A cross-validation that tests of searches share; as a program, a long search to be interrupted."""

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
    """Three folds of 569 rows of two classes, scored by accuracy, with these fields changed."""
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
    """Builds pipelines, and leaves a file in this folder for each, called by the machine's clock."""

    folder: Path

    def __call__(self, name: str, parameters: Mapping[str, Any]) -> Pipeline:
        (self.folder / str(time.monotonic())).touch()
        return build(name, parameters)


def _print_trial(state: TrialState) -> None:
    print(state.done, flush=True)


def main() -> None:
    """Print a line for each trial that is done, and at last the result, as JSON."""
    with engine(None) as here:
        result = tune(large(times=8), here, SVM, {}, trials=1000, progress=_print_trial)
    print(json.dumps([result.stopped, result.trials_done, result.mean, dict(result.parameters)]), flush=True)
