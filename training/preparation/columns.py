"""What each column of a table is: inferred from its cells, unless the recipe overrides it.

The result is the table as a server will make it of requests (numbers as float64, texts as they are, datetimes
without a zone), and an explanation of every decision. Looks at features only, never at the target: what is
predicted must not decide what it is predicted from.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlapi.data.signature import Kind
from mlapi.data.tables.cells import UNDECIDED, CellOptions
from mlapi.errors import DatasetError
from mlapi.training.preparation.decisions import ColumnDecision, Treatment
from mlapi.training.preparation.kinds import infer_kind
from mlapi.training.preparation.views import ColumnView, row_number
from mlapi.training.recipes import Overrides

_IN_WORDS: Mapping[Treatment, tuple[str, str]] = {
    "number": ("scaled", "a blank gets the median, and a mark"),
    "flag": ("1 and 0", "a blank gets the more frequent one, and a mark"),
    "one_hot": ("a column for each category, one for all rare ones", "blank is one of them"),
    "frequent": ("a column for each of the frequent ones, one for all others", "blank is one of them"),
    "calendar": (
        "parts of the calendar that do not add up to others, the age in days, and the days since other dates",
        "a blank gets the median, and a mark",
    ),
    "terms": ("a column for each word, weighed by how rare it is (TF-IDF)", "a blank is a word of its own"),
}
"""By treatment: what is done with a column, and what with missing cells, in words that people read.

`mlapi.training.preparation.features` does it.
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A feature of this kind, or a column that is left out: then `kind` and `treatment` are None.

    `explanation` says why; `missing` is how many cells are. `format` is how dates are written, and
    `number_style` how numbers are that were read off texts, by the example of 1234.5.
    """

    name: str
    kind: Kind | None
    explanation: str
    treatment: Treatment | None = None
    missing: int = 0
    format: str | None = None
    number_style: str | None = None

    @property
    def nullable(self) -> bool:
        """Whether a cell is missing, in any row of the table."""
        return self.missing > 0

    @property
    def treatment_in_words(self) -> str:
        """What is done with the column before the estimator sees it; empty if the column is left out."""
        if self.treatment is None:
            return ""
        with_cells, with_missing = _IN_WORDS[self.treatment]
        return f"{with_cells}; {with_missing}" if self.nullable else with_cells


@dataclass(frozen=True, slots=True)
class InferredColumns:
    """What each column is: `frame` `(rows, features)` has the features alone, `columns` also those left out.

    Each column of the frame is as a server makes it of a request's cells.
    """

    frame: pd.DataFrame
    columns: tuple[Column, ...]
    warnings: tuple[str, ...] = ()

    @property
    def used_columns(self) -> tuple[Column, ...]:
        """The columns that are not left out, in the frame's order."""
        return tuple(column for column in self.columns if column.kind is not None)

    def without_empty(self, rows: NDArray[np.intp]) -> "InferredColumns":
        """Return the same without the features that are missing in all of these rows.

        Args:
            rows: Positions `(rows,)` of the train rows: nothing could be fitted on such a feature.

        Raises:
            DatasetError: No feature is left.
        """
        nullable = [column.name for column in self.used_columns if column.nullable]
        missing = [name for name in nullable if self.frame[name].iloc[rows].isna().all()]
        if not missing:
            return self
        columns = tuple(
            Column(column.name, None, "left out: blank in all rows to learn from")
            if column.name in missing
            else column
            for column in self.columns
        )
        _check_left(columns)
        return replace(self, frame=self.frame.drop(columns=missing), columns=columns)


def infer_columns(
    frame: pd.DataFrame,
    overrides: Overrides,
    options: CellOptions = UNDECIDED,
    place_of: Callable[[int], str] = row_number,
) -> InferredColumns:
    """Decide what every column of a frame `(rows, columns)` without the target is taken for.

    Args:
        options: How texts are read that can be read in two ways.
        place_of: Names a row of the frame for people, by its position.

    Raises:
        DatasetError: A name stands twice, a column is not what the overrides say, or none is left.
    """
    names = [str(name) for name in frame.columns]
    check_names(names)
    overrides.check(names)

    def decide(name: str, options: CellOptions) -> ColumnDecision:
        view = ColumnView(name, frame.iloc[:, names.index(name)], options, place_of)
        return infer_kind(view, overrides.of(name))

    by_name = {name: decide(name, options) for name in names}
    day_first = _day_first(by_name.values())
    if day_first is not None:
        of_file = replace(options, day_first_of_file=day_first)
        by_name |= {name: decide(name, of_file) for name in names if by_name[name].is_day_assumed}
    columns = tuple(_column(name, decision) for name, decision in by_name.items())
    _check_left(columns)
    values = {name: decision.values for name, decision in by_name.items() if decision.values is not None}
    warnings = (
        f"column {name!r} {warning}" for name, decision in by_name.items() for warning in decision.warnings
    )
    return InferredColumns(pd.DataFrame(values, copy=False), columns, tuple(warnings))


def _day_first(decisions: Iterable[ColumnDecision]) -> bool | None:
    """Return whether the day stands before the month in all columns of dates that tell; None if none does."""
    formats = [each.format for each in decisions if each.format and not each.is_day_assumed]
    orders = {each.startswith("%d") for each in formats if re.match("%d.%m|%m.%d", each)}
    return orders.pop() if len(orders) == 1 else None


def _column(name: str, decision: ColumnDecision) -> Column:
    missing = 0 if decision.values is None else int(pd.isna(decision.values).sum())
    explanation = f"{decision.explanation}; {missing:,} blank" if missing else decision.explanation
    how = decision.format, decision.number_style
    return Column(name, decision.kind, explanation, decision.treatment, missing, *how)


def check_names(names: list[str]) -> None:
    """Check that no two columns have one name.

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
