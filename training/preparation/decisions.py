"""What is decided about one column, and how it is worded."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import pandas as pd
from numpy.typing import NDArray

from mlapi.data.signature import Kind
from mlapi.wording import listed, quoted

Treatment: TypeAlias = Literal["number", "flag", "one_hot", "frequent", "calendar", "terms"]
"""Which transformers a column gets (`mlapi.training.preparation.features`): a kind may have one of two."""


@dataclass(frozen=True, slots=True)
class ColumnDecision:
    """What a column is taken for, and its cells as training and a server read them.

    `values` is `(rows,)`, of a dtype that the kind decides: float64, bool, datetime64[us] or object. Where it
    is None the column is left out, and kind and treatment are None too. `explanation` and `warnings` are
    parts of sentences. `format` is how dates are written, as `strptime` has it; where `is_day_assumed`, day
    and month could be swapped in it. `number_style` is how numbers were written that were read off texts
    (`mlapi.data.tables.numbers.Style.example`).
    """

    explanation: str
    kind: Kind | None = None
    treatment: Treatment | None = None
    values: NDArray[Any] | pd.Series | None = None
    format: str | None = None
    warnings: tuple[str, ...] = ()
    is_day_assumed: bool = False
    number_style: str | None = None


def in_brackets(how: str, markers: tuple[str, ...]) -> str:
    """Say how texts were read, and which of them were taken for missing, if that has to be said."""
    parts = [how] if how else []
    parts += [f"{listed(map(quoted, markers))} taken for blank"] if markers else []
    return f" ({'; '.join(parts)})" if parts else ""
