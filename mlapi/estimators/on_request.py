"""A fit on request: scikit-learn's own estimator on the rows of one request, and its answers.

Nothing of it is stored.
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
"""The random state of all fits: so one request has one answer."""


@dataclass(frozen=True, slots=True)
class FitInput:
    """What is to be fitted, and what is to be predicted."""

    algorithm: str
    task: str
    parameters: Mapping[str, Any]
    scale: bool
    """Whether columns are standardized first."""
    names: tuple[str, ...]
    """The names of the columns."""
    X: Matrix
    """`(rows, columns)`, to fit on."""
    y: list[Any]
    """Numbers, or labels in their own type, one for each row."""
    predict: Matrix | None = None
    """`(rows, columns)`, to predict; None for `X` itself."""


def answer(fit: FitInput) -> dict[str, Any]:
    """Fit, and return the answer of the request: predictions `(rows,)`, score, coefficients, notes.

    Arrays are numpy's, in scikit-learn's shapes. The score is that of the rows that it was fitted to.

    Raises:
        Unfittable: scikit-learn refuses the rows, or parameters that do not go together.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            results = _results(fit, np.array(fit.y))
        except (ValueError, TypeError, ArithmeticError, np.linalg.LinAlgError) as error:
            raise Unfittable(f"{fit.algorithm} cannot be fitted so: {reason(error)}") from error
    notes = [*_notes(fit), *sorted({_line(warning) for warning in caught})]
    return {"algorithm": fit.algorithm, "task": fit.task, **results, **({"notes": notes} if notes else {})}


def _results(fit: FitInput, y: NDArray[Any]) -> dict[str, Any]:
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
    """Return the weights of a linear model, (features,) or (classes, features), in the units of the rows.

    Nothing for other models, and for support vector machines with a kernel.
    """
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
