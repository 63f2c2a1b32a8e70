"""Files of other releases of scikit-learn: served equal, or refused in a sentence that names the release.

`compatibility/releases/make.py` wrote them.
"""

import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_iris

from compatibility.case import Case, Fitted
from compatibility.saving import Bare

FOLDER = Path(__file__).parent.parent / "releases"


def cases() -> Iterator[Case]:
    for answers in sorted(FOLDER.glob("*/answers.json")):
        release = answers.parent.name
        for name, right in json.loads(answers.read_text())["answers"].items():
            file = answers.with_name(f"{name}.joblib")
            yield Case(
                "other releases",
                f"{name} of {release}",
                partial(_fitted, file, right),
                _copied,
                may_refuse=release.replace(".", r"\."),
            )


def _fitted(file: Path, right: dict[str, Any]) -> Fitted:
    own = load_iris().data[::2][: len(right["prediction"])]
    rows = pd.DataFrame(own, columns=["a", "b", "c", "d"])
    return Fitted(Bare(file), rows, own, {name: np.asarray(values) for name, values in right.items()})


def _copied(fitted: Fitted, folder: Path) -> Path:
    return Path(shutil.copy(fitted.estimator.estimator, folder / "model.joblib"))
