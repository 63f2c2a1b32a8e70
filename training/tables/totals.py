"""The last row of a table that is no row, but the sums of all others."""

from collections.abc import Iterator, Sequence

import pandas as pd
from pandas.api import types

from mlapi.wording import quoted

_WORDS = frozenset(
    {"total", "totals", "grand total", "sum", "summe", "gesamt", "gesamtsumme", "totale", "totaal", "suma"}
)
"""What stands before sums."""


def totals(frame: pd.DataFrame, lines: Sequence[int]) -> Iterator[str]:
    """Say that the last row of a frame `(rows, columns)` seems to be a total, by its first word.

    No other row has this word in its column.
    """
    words = next((column for _, column in frame.items() if not types.is_numeric_dtype(column.dtype)), None)
    if words is None or len(frame) < 2:
        return
    last = words.iloc[-1]
    if not isinstance(last, str) or last.strip().rstrip(":").lower() not in _WORDS:
        return
    if (words == last).sum() == 1:
        yield f"line {lines[-1]} seems to be no row, but a total ({quoted(last)}): remove it"
