"""Which rows become golden, and the estimator's own answers to them."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlapi.artifacts.golden import PREDICTION, Golden
from mlapi.data.signature import NUMERIC, Feature, Signature
from mlapi.inference.estimator_calls import call
from mlapi.inference.model import presentable
from mlapi.inference.outputs import EXPECTED, METHODS, outputs_of

SINGLE = 1e-4
"""How far answers in float32 may be off: another processor may add up in another order."""

FEWEST = 32
"""Golden rows, where there are as many rows."""

MOST_NUMBERS = 1_000
"""The most numbers of a row that an output may have beside the prediction."""

MOST_EDGES = 256
"""Golden rows that are edge cases, at most: a wide table has two a column, and loading predicts them all."""


def choose_golden_rows(frame: pd.DataFrame, signature: Signature) -> NDArray[np.intp]:
    """Choose golden rows, by their positions in a frame `(rows, features)`, in order.

    These are the rows with each feature's extremes, a missing cell and each category, at most `MOST_EDGES`,
    and others that are evenly spread.
    """
    edges: dict[int, None] = {}
    for feature in signature.flat:
        edges |= dict.fromkeys(_edges(feature, frame[feature.name]))
    chosen = dict.fromkeys(list(edges)[:MOST_EDGES])
    spread = np.linspace(0, len(frame) - 1, min(FEWEST, len(frame))).astype(int).tolist()
    rest = (row for row in (*spread, *range(len(frame))) if row not in chosen)
    while len(chosen) < min(FEWEST, len(frame)):
        chosen[next(rest)] = None
    return np.array(sorted(chosen), dtype=np.intp)


def make_golden(estimator: Any, rows: Any, frame: pd.DataFrame, signature: Signature) -> Golden:
    """Return golden rows as a client sends them, with the estimator's answers.

    Args:
        rows: The rows `(rows, features)` as the estimator takes them, a DataFrame or a matrix.
        frame: The same rows by feature name: what a client sends for them.

    Raises:
        Unanswerable: An answer is not finite.
    """
    answers = outputs(estimator, rows)
    columns = [[_cell(feature, value) for value in frame[feature.name]] for feature in signature.flat]
    return Golden([list(row) for row in zip(*columns, strict=True)], answers)


def outputs(estimator: Any, rows: Any) -> dict[str, Any]:
    """Return every output of the estimator for rows `(rows, features)`, by name, as JSON has it.

    Raises:
        Unanswerable: As `answers_to`.
    """
    return {name: values.tolist() for name, values in answers_to(estimator, rows).items()}


def answers_to(estimator: Any, rows: Any) -> dict[str, NDArray[Any]]:
    """Return every output of the estimator for rows `(rows, features)`, by name: an entry for each row.

    Outputs that no estimator has to give are left out where this one does not.

    Raises:
        Unanswerable: An answer is not finite.
    """
    answers = {PREDICTION: presentable(call(estimator, "predict", rows))}
    if answers[PREDICTION].shape[:1] != (len(rows),):
        return answers
    for name in outputs_of(estimator):
        if name in EXPECTED:
            answers[name] = presentable(call(estimator, METHODS[name], rows))
        else:
            answers |= _tried(estimator, name, rows, len(answers[PREDICTION]))
    return answers


def _tried(estimator: Any, name: str, rows: Any, count: int) -> dict[str, NDArray[Any]]:
    """Return an output by its name, `(rows,)` or `(rows, columns)`; nothing if it is none."""
    try:
        values = presentable(call(estimator, METHODS[name], rows))
    except Exception:  # somebody else's code: a solver of scikit-learn's own that cannot transform, too
        return {}
    is_output = values.dtype.kind == "f" and values.shape[:1] == (count,) and values.ndim <= 2
    return {name: values} if is_output and values.size <= count * MOST_NUMBERS else {}


def _edges(feature: Feature, column: pd.Series) -> list[int]:
    """Find a missing cell, the extremes of numbers, and the first cell of each category."""
    missing = column.isna().to_numpy()
    edges = [int(missing.argmax())] if missing.any() else []
    if feature.kind in NUMERIC:
        values = column.to_numpy(dtype=np.float64)
        edges += [int(np.nanargmin(values)), int(np.nanargmax(values))]
    elif feature.kind in ("category", "boolean"):
        edges += np.flatnonzero(~column.duplicated().to_numpy() & ~missing).tolist()
    return edges


def _cell(feature: Feature, value: Any) -> Any:
    """Return a cell as JSON has it."""
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if feature.categories:  # of their own type: a column with missing cells holds 1.0 for 1
        return next((category for category in feature.categories if category == value), value)
    if feature.kind == "integer":
        return int(value)
    return value.item() if isinstance(value, np.generic) else value
