"""The training profile: statistics of each feature over the training rows.

Training writes it into the artifact as reference.json. It is there for whoever compares live data with the
training data; the server itself does not read it.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.data.signature import NUMERIC, Signature

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""The quantiles of a column of numbers that the profile has."""

MOST_COMMON = 50
"""How many values of a column of categories are counted one by one, the most frequent first."""


def statistics(signature: Signature, columns: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the content of reference.json: how many rows there are, and the statistics of each feature.

    Numbers have mean, standard deviation, range and quantiles, of the rows that are not missing; a figure
    that float64 cannot hold is None. Any other kind has the counts of its most frequent values.

    Args:
        signature: Its `flat` features are described: of an image, every channel of every pixel.
        columns: An array `(rows,)` for each of these features, by name.
    """
    return {
        "rows": len(next(iter(columns.values()))),
        "features": {
            feature.name: (
                _of_numbers(columns[feature.name])
                if feature.kind in NUMERIC
                else _of_values(columns[feature.name])
            )
            for feature in signature.flat
        },
    }


def _of_numbers(column: NDArray[Any]) -> dict[str, Any]:
    values = column.astype(np.float64)
    present = values[~np.isnan(values)]
    if not present.size:
        return {"missing": len(values)}
    with np.errstate(over="ignore", invalid="ignore"):
        quantiles = np.quantile(present, QUANTILES).tolist()
        moments = {"mean": present.mean(), "std": present.std()}
    return {
        "missing": int(len(values) - len(present)),
        **{name: _finite(value) for name, value in moments.items()},
        "minimum": float(present.min()),
        "maximum": float(present.max()),
        "quantiles": {str(q): _finite(value) for q, value in zip(QUANTILES, quantiles, strict=True)},
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _of_values(column: NDArray[Any]) -> dict[str, Any]:
    missing = column != column  # noqa: PLR0124 - NaN and NaT are the values that differ from themselves
    counts = _counts(column[~missing])
    common = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:MOST_COMMON]
    return {"missing": int(missing.sum()), "distinct": len(counts), "counts": dict(common)}


def _counts(present: NDArray[Any]) -> Mapping[str, int]:
    if present.dtype == object:
        return Counter(map(str, present.tolist()))  # several times quicker than sorting a million texts
    values, counts = np.unique(present, return_counts=True)
    return dict(zip(values.astype(str).tolist(), counts.tolist(), strict=True))
