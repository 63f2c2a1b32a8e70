"""What each column of a table is: decided by looking at its cells, unless told.

The result is the table as a server will see it (numbers as float64, words as words, moments without a zone),
and a sentence on every decision. Looks at features only, never at the target: what is predicted must not
decide what it is predicted from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlapi.data.signature import Kind
from mlapi.errors import DatasetError
from mlapi.training.preparation.kinds import ColumnView, Treatment, infer_kind
from mlapi.training.recipes import Overrides

_DONE: Mapping[Treatment, tuple[str, str]] = {
    "number": ("scaled", "a blank gets the median, and a mark"),
    "flag": ("1 and 0", "a blank gets the more frequent one, and a mark"),
    "one_hot": ("a column for each category, one for all rare ones", "blank is one of them"),
    "frequent": ("a column for each of the frequent ones, one for all others", "blank is one of them"),
    "calendar": (
        "parts of the calendar that do not add up to others, and the age in days",
        "a blank gets the median, and a mark",
    ),
    "terms": ("a column for each word, weighed by how rare it is (TF-IDF)", "a blank is a word of its own"),
}
"""By treatment: what is done, and what with blanks (`mlapi.training.preparation.features` does it)."""


@dataclass(frozen=True, slots=True)
class Column:
    """A feature of this kind, or left out: then `kind` is None. `explanation` says why."""

    name: str
    kind: Kind | None
    explanation: str
    treatment: Treatment | None = None
    missing: int = 0
    format: str | None = None

    @property
    def nullable(self) -> bool:
        return self.missing > 0

    @property
    def done(self) -> str:
        """What is done with it before the estimator sees it; empty if it is left out."""
        if self.treatment is None:
            return ""
        plainly, with_blanks = _DONE[self.treatment]
        return f"{plainly}; {with_blanks}" if self.nullable else plainly


@dataclass(frozen=True, slots=True)
class InferredColumns:
    """`frame` has the features alone, each as a server makes it of a request's cells."""

    frame: pd.DataFrame
    columns: tuple[Column, ...]
    warnings: tuple[str, ...] = ()

    @property
    def features(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.kind is not None)

    def where_known(self, rows: NDArray[np.intp]) -> "InferredColumns":
        """Without the features that are blank in all of these rows, from which nothing can be learnt.

        Raises:
            DatasetError: None is left.
        """
        nullable = [column.name for column in self.features if column.nullable]
        blank = [name for name in nullable if self.frame[name].iloc[rows].isna().all()]
        if not blank:
            return self
        columns = tuple(
            Column(column.name, None, "left out: blank in all rows to learn from")
            if column.name in blank
            else column
            for column in self.columns
        )
        _check_left(columns)
        return replace(self, frame=self.frame.drop(columns=blank), columns=columns)


def infer_columns(
    frame: pd.DataFrame, told: Overrides, *, decimal: str | None = None, thousands: str | None = None
) -> InferredColumns:
    """Decide on every column.

    Args:
        decimal, thousands: How numbers are written that are words so far.

    Raises:
        DatasetError: A name stands twice, a column is not what was told, or none is left to learn from.
    """
    names = [str(name) for name in frame.columns]
    check_names(names)
    told.check(names)
    columns, values, warnings = [], {}, []
    for place, name in enumerate(names):
        found = infer_kind(ColumnView(name, frame.iloc[:, place], decimal, thousands), told.of(name))
        warnings += [f"column {name!r} {found.warning}"] if found.warning else []
        if found.values is not None:
            values[name] = found.values
        missing = 0 if found.values is None else int(pd.isna(found.values).sum())
        explanation = f"{found.explanation}; {missing:,} blank" if missing else found.explanation
        columns.append(Column(name, found.kind, explanation, found.treatment, missing, found.format))
    _check_left(columns)
    return InferredColumns(pd.DataFrame(values, copy=False), tuple(columns), tuple(warnings))


def check_names(names: list[str]) -> None:
    """
    Raises:
        DatasetError: A name stands twice.
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DatasetError(f"two columns are called {twice[0]!r}; rename one")


def _check_left(columns: Sequence[Column]) -> None:
    if any(column.kind for column in columns):
        return
    why = "; ".join(f"{column.name}: {column.explanation}" for column in columns[:3])
    raise DatasetError(f"no column is left to learn from ({why or 'there is none but the target'})")
