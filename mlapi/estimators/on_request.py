"""A fit on request: scikit-learn's own estimator on the rows of one request, and what it says of them.

Nothing is kept.
"""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlapi.data.signature import Matrix
from mlapi.errors import Unfittable
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import CLASSIFICATION
from mlapi.wording import counted, listed, reason

SEED = 0
"""Of what is drawn: one request has one answer."""


@dataclass(frozen=True, slots=True)
class FitInput:
    """What is to be fitted. `X` and `predict` have one column a name; `y` has numbers, or labels in their own
    type, one a row."""

    algorithm: str
    task: str
    parameters: Mapping[str, Any]
    scale: bool
    names: tuple[str, ...]
    X: Matrix
    y: list[Any]
    predict: Matrix | None = None


def answer(fit: FitInput) -> dict[str, Any]:
    """What the fitted estimator says, arrays as they are; the score is of the rows that it was fitted to.

    Raises:
        Unfittable: scikit-learn refuses the rows, or parameters that do not go together.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = _fitted(fit, np.array(fit.y))
        except (ValueError, TypeError, ArithmeticError, np.linalg.LinAlgError) as error:
            raise Unfittable(f"{fit.algorithm} cannot be fitted so: {reason(error)}") from error
    notes = [*_notes(fit), *sorted({_line(warning) for warning in caught})]
    return {"algorithm": fit.algorithm, "task": fit.task, **found, **({"notes": notes} if notes else {})}


def _fitted(fit: FitInput, y: NDArray[Any]) -> dict[str, Any]:
    estimator = ALGORITHMS[fit.algorithm].bare[fit.task](**fit.parameters)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=SEED)
    if fit.scale:
        estimator = make_pipeline(StandardScaler(), estimator)
    estimator.fit(fit.X, y)
    prediction = estimator.predict(fit.X if fit.predict is None else fit.predict)
    score = float(estimator.score(fit.X, y))
    if prediction.dtype.kind == "f" and not np.isfinite(prediction).all():
        raise OverflowError("its answers are beyond float64: scale the rows, or the target")
    classes = {"classes": estimator.classes_} if fit.task == CLASSIFICATION else {}
    return {
        "prediction": prediction,
        "score": score if np.isfinite(score) else None,
        "metric": "accuracy" if classes else "r2",
        **classes,
        **_equation(fit, estimator),
    }


def _equation(fit: FitInput, estimator: Any) -> dict[str, Any]:
    """Of what is a weighted sum: its weights, by feature or by class and feature, in the rows' own units."""
    scaler, last = (estimator[0], estimator[-1]) if fit.scale else (None, estimator)
    weights = getattr(last, "coef_", None)
    if weights is None or ("C" in last.get_params() and hasattr(last, "support_")):
        return {}
    weights, intercept = np.asarray(weights, float), np.asarray(last.intercept_, float)
    if scaler is not None:
        weights = weights / scaler.scale_
        intercept = intercept - weights @ scaler.mean_
    return {"features": fit.names, "coefficients": weights, "intercept": intercept}


def _notes(fit: FitInput) -> Iterator[str]:
    rows, columns = fit.X.shape
    constant = [name for name, same in zip(fit.names, (fit.X[0] == fit.X).all(axis=0), strict=True) if same]
    if len(constant) == columns:
        yield "all columns are constant: nothing but the mean, or the most frequent class, can be learnt"
    elif constant:
        yield f"constant columns say nothing: {listed(constant)}"
    if columns > rows:
        yield f"{columns} columns for {counted(rows, 'row')}: the score of these rows says nothing of others"


def _line(warning: warnings.WarningMessage) -> str:
    return str(warning.message).strip().splitlines()[0][:200]
