"""What the training data looked like: per-feature statistics, kept beside the model.

Written at training time as reference.json; a server compares live data with it.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.data.signature import NUMERIC, Signature

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)

MOST_COMMON = 50
"""How many values of a column of words are counted by name."""


def statistics(signature: Signature, columns: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Statistics by feature: of numbers the moments and quantiles, of anything else the counts.

    A figure that float64 cannot hold is None.
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
        found = {"mean": present.mean(), "std": present.std()}
    return {
        "missing": int(len(values) - len(present)),
        **{name: _finite(value) for name, value in found.items()},
        "minimum": float(present.min()),
        "maximum": float(present.max()),
        "quantiles": {str(q): _finite(value) for q, value in zip(QUANTILES, quantiles, strict=True)},
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _of_values(column: NDArray[Any]) -> dict[str, Any]:
    blank = column != column  # noqa: PLR0124 - NaN and NaT are the values that differ from themselves
    counts = _counts(column[~blank])
    common = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:MOST_COMMON]
    return {"missing": int(blank.sum()), "distinct": len(counts), "counts": dict(common)}


def _counts(known: NDArray[Any]) -> Mapping[str, int]:
    if known.dtype == object:
        return Counter(map(str, known.tolist()))  # several times quicker than sorting a million words
    values, counts = np.unique(known, return_counts=True)
    return dict(zip(values.astype(str).tolist(), counts.tolist(), strict=True))
