"""Lines through the origin: models that tell by their answer which version they are."""

import pandas as pd
from sklearn.linear_model import LinearRegression

from mlapi.artifacts.manifest import REFERENCE, REPORT, Draft
from mlapi.data.signature import Signature, Target
from mlapi.registry.changes import Changes
from mlapi.registry.registry import Registry
from mlapi.training.preparation import features
from mlapi.training.versions.golden import make_golden

FRAME = pd.DataFrame({"x": [0.0, 1.0, 2.0]})
SIGNATURE = Signature(features.features_of_sample(FRAME), Target("y", "number"))

FILES = {
    REFERENCE: b'{"rows": 3}' + b" " * 50,
    REPORT: b"<!doctype html><title>A line</title>" + b"<p>It is straight.</p>",
}


def fit(slope: float) -> LinearRegression:
    return LinearRegression().fit(FRAME.to_numpy(), FRAME["x"].to_numpy() * slope)


def publish(changes: Changes, slope: float, name: str = "line", **attributes: object) -> int:
    """Publish a line with every file that a version can have; its number.

    Args:
        attributes: What the estimator carries along, to make it large.
    """
    estimator = fit(slope)
    vars(estimator).update(attributes)
    draft = Draft(
        name=name,
        algorithm="linear_regression",
        task="regression",
        signature=SIGNATURE,
        parameters={},
        metrics={},
        data={},
    )
    golden = make_golden(estimator, FRAME.to_numpy(), FRAME, SIGNATURE)
    return changes.publish(draft, estimator, golden, FILES).version


def slope(registry: Registry, ref: str | None = None, name: str = "line") -> float:
    """What the version answers for 1, without what arithmetic adds."""
    return round(float(registry.get(name, ref).predict(FRAME.to_numpy()[1:2]).values[0]), 6)
