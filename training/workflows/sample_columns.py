"""The columns of a sample as their estimator takes them, and what clients send for them.

What a column is, is told by who registers, else by the estimator, else read off the cells.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlapi.data.signature import Feature, Kind
from mlapi.errors import DatasetError, RegistrationError
from mlapi.inference.dtypes import CATEGORY, WITH_NONE, typed_column
from mlapi.training.preparation import features
from mlapi.training.preparation.kinds import MOST_LISTED
from mlapi.training.workflows.estimator_columns import KnownColumn, known_columns
from mlapi.wording import did_you_mean, listed, quoted


@dataclass(frozen=True, slots=True)
class SampleOptions:
    """What who registers says of a sample.

    `types` are the kinds of columns by name, `expect` is the column with the answers that are expected, and
    `ranges_from` a file of more rows, whose ranges and categories count as well.
    """

    types: Mapping[str, Kind] = field(default_factory=dict)
    expect: str | None = None
    ranges_from: Path | None = None


NOTHING_SAID = SampleOptions()
"""Where nothing is said."""


@dataclass(frozen=True, slots=True)
class EstimatorSample:
    """Rows that an estimator answers, and what who registers says of them (`SampleOptions`).

    `frame` is `(rows, columns)`. `is_exact` says that it has the dtypes of the fit, as a CSV file has not:
    there digits may stand for words. `wider` has more rows, `(rows, columns)`.
    """

    frame: pd.DataFrame
    is_exact: bool
    types: Mapping[str, Kind] = field(default_factory=dict)
    expect: str | None = None
    wider: pd.DataFrame | None = None

    def spread(self, most: int) -> "EstimatorSample":
        """Return at most so many of the rows, evenly spread."""
        if len(self.frame) <= most:
            return self
        places = np.linspace(0, len(self.frame) - 1, most).astype(int)
        return replace(self, frame=self.frame.iloc[places])


def described_columns(estimator: Any, sample: EstimatorSample) -> tuple[tuple[Feature, ...], EstimatorSample]:
    """Describe the columns of a sample, and return it with the cells that the estimator takes.

    Args:
        sample: Has the estimator's columns, in its order, and no other.

    Raises:
        RegistrationError: A type is said of no column.
        DatasetError: A column is none, or is not what is said of it.
    """
    names, types = list(map(str, sample.frame.columns)), sample.types
    for name in types:
        if name not in names:
            raise RegistrationError(f"the sample has no column {name!r}{did_you_mean(name, names)}")
    frame = sample.frame.set_axis(names, axis=1)
    known = {name: column for name, column in known_columns(estimator, names).items() if name not in types}
    cells = {name: _told(frame[name], types[name]) for name in types}
    for name, column in known.items():
        # Parquet keeps the dtype of categories that are words, and loses that of others
        is_lost = column.by_dtype and not isinstance(frame[name].dtype, pd.CategoricalDtype)
        if is_lost or column.blank_is_none or not sample.is_exact:
            cells[name] = _as_known(frame[name], column)
    frame = frame.assign(**cells)
    described = tuple(
        _as_told(feature, types[feature.name], frame[feature.name])
        if feature.name in types
        else _as_listed(feature, known.get(feature.name), frame[feature.name])
        for feature in features.features_of_sample(frame)
    )
    return described, replace(sample, frame=frame)


def converted(frame: pd.DataFrame, kinds: Mapping[str, Kind]) -> pd.DataFrame:
    """Return a table `(rows, columns)` with the cells of these columns as what they are said to be.

    What kind of feature a column is, is still read off its cells: words may be categories or texts.

    Args:
        kinds: By name of a column, which need not be there.

    Raises:
        DatasetError: A cell is not.
    """
    return frame.assign(**{name: _told(frame[name], kind) for name, kind in kinds.items() if name in frame})


def expected_column(sample: EstimatorSample) -> pd.Series:
    """Return the answers `(rows,)` that the sample's own column expects.

    Raises:
        RegistrationError: There is no such column, or a cell of it is blank.
    """
    names = list(map(str, sample.frame.columns))
    if sample.expect not in names:
        raise RegistrationError(
            f"the sample has no column {sample.expect!r}{did_you_mean(str(sample.expect), names)}"
        )
    column = sample.frame[sample.expect].reset_index(drop=True)
    if column.isna().any():
        raise RegistrationError(f"column {sample.expect!r} is blank in row {int(column.isna().argmax()) + 1}")
    return column


def columns_of_times(sample: EstimatorSample) -> dict[str, Kind]:
    """Return the kind `datetime` by the name of each column that holds words, all of which say a time."""
    names = [
        str(name)
        for name in sample.frame.columns
        if name not in sample.types and _are_times(sample.frame[name].dropna())
    ]
    return dict.fromkeys(names, "datetime")


def _are_times(cells: pd.Series) -> bool:
    """Return whether the cells `(rows,)` are texts that say times."""
    if not len(cells) or not all(isinstance(cell, str) for cell in cells):
        return False
    try:
        _datetimes(cells)
    except (ValueError, TypeError):
        return False
    return True


def widened(estimator: Any, sample: EstimatorSample, described: Sequence[Feature]) -> tuple[Feature, ...]:
    """Return the features with the ranges and categories of the sample's wider rows as well.

    Raises:
        RegistrationError: The wider rows lack a column, or have another kind of cells in one.
        DatasetError: A column of them is none.
    """
    names = [feature.name for feature in described]
    table = sample.frame if sample.wider is None else sample.wider
    wider = table.set_axis(list(map(str, table.columns)), axis=1)
    missing = [name for name in names if name not in wider.columns]
    if missing:
        raise RegistrationError(f"the file of more rows lacks columns of the estimator: {listed(missing)}")
    others, _ = described_columns(estimator, replace(sample, frame=wider[names]))
    return tuple(_wider(feature, other) for feature, other in zip(described, others, strict=True))


def _wider(feature: Feature, other: Feature) -> Feature:
    kinds = {feature.kind, other.kind}
    if kinds == {"category", "text"} and feature.dtype is None:
        return replace(feature, kind="text", categories=None)
    if len(kinds) > 1 and kinds != {"number", "integer"}:
        raise RegistrationError(
            f"column {feature.name!r} is of kind {feature.kind} in the sample, and of kind {other.kind} in "
            f"the file of more rows; say what it is with --types"
        )
    nullable = feature.nullable or (other.nullable and feature.dtype is None)
    if feature.kind == "category":
        known = feature.categories or ()
        more = () if feature.dtype else tuple(sorted(set(other.categories or ()) - set(known)))
        return replace(feature, nullable=nullable, categories=(*known, *more))
    lows = [bound for bound in (feature.minimum, other.minimum) if bound is not None]
    highs = [bound for bound in (feature.maximum, other.maximum) if bound is not None]
    return replace(
        feature, nullable=nullable, minimum=min(lows, default=None), maximum=max(highs, default=None)
    )


def _as_told(feature: Feature, kind: Kind, cells: pd.Series) -> Feature:
    if kind == "category":
        return replace(feature, kind=kind, categories=tuple(sorted(set(cells.dropna()))))
    dtype = str(cells.dtype) if kind == "integer" and not feature.nullable else None
    return replace(feature, kind=kind, categories=None, dtype=dtype)


def _as_listed(feature: Feature, known: KnownColumn | None, cells: pd.Series) -> Feature:
    """Return a feature of words with the categories that the estimator lists, where it does."""
    if known is None or known.categories is None or feature.kind not in ("category", "text"):
        return feature
    if isinstance(cells.dtype, pd.CategoricalDtype):
        return replace(feature, dtype=CATEGORY) if known.by_dtype else feature
    if not known.has_words:
        return feature
    if known.blank_is_none:
        feature = replace(feature, dtype=WITH_NONE)
    if not 0 < len(known.categories) <= MOST_LISTED:
        return replace(feature, kind="text", categories=None)
    return replace(feature, kind="category", categories=known.categories)


def _as_known(cells: pd.Series, column: KnownColumn) -> pd.Series:
    """Return the cells `(rows,)` as the estimator knows them: digits as words where it has words."""
    if column.has_words:
        cells = _as_words(cells, column.categories or ())
    if column.blank_is_none:
        return typed_column(Feature("", "text", dtype=WITH_NONE), cells.to_numpy()).set_axis(cells.index)
    if not column.by_dtype:
        return cells
    feature = Feature("", "category", categories=column.categories, dtype=CATEGORY)
    return typed_column(feature, cells.to_numpy()).set_axis(cells.index)


def _as_words(cells: pd.Series, categories: tuple[Any, ...]) -> pd.Series:
    """Write numbers and flags as words: in the form that most of the categories have."""
    if cells.dtype.kind not in "biuf":
        return cells
    known = set(categories)
    written = [cells.map(form, na_action="ignore") for form in (_whole, str, lambda cell: str(cell).lower())]
    best = max(written, key=lambda words: int(words.isin(known).sum()))
    return best.astype(object).where(cells.notna(), np.nan)


def _whole(number: Any) -> str:
    return str(int(number)) if not isinstance(number, bool) and float(number).is_integer() else str(number)


def _told(cells: pd.Series, kind: Kind) -> pd.Series:
    """Return the cells `(rows,)` as what they are said to be.

    Raises:
        DatasetError: One of them is not.
    """
    try:
        return _CONVERSIONS[kind](cells)
    except (ValueError, TypeError, KeyError) as error:
        raise DatasetError(
            f"column {cells.name!r} is not of kind {kind} in all rows: {_wrong(cells, kind)}"
        ) from error


def _wrong(cells: pd.Series, kind: Kind) -> str:
    for cell in cells.dropna():
        try:
            _CONVERSIONS[kind](pd.Series([cell]))
        except (ValueError, TypeError, KeyError):
            return quoted(str(cell))
    return "its cells are written in several ways"


def _words(cells: pd.Series) -> pd.Series:
    words = cells.map(_whole if cells.dtype.kind in "iuf" else str, na_action="ignore")
    return words.astype(object).where(cells.notna(), np.nan)


def _integers(cells: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(cells)
    if not (numbers.isna() | (numbers == np.floor(numbers))).all():
        raise ValueError("a fraction")
    return numbers if numbers.isna().any() else numbers.astype(np.int64)


_FLAGS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}


def _booleans(cells: pd.Series) -> pd.Series:
    flags = cells.map(lambda cell: _FLAGS[str(cell).lower()], na_action="ignore")
    return flags if flags.isna().any() else flags.astype(bool)


def _datetimes(cells: pd.Series) -> pd.Series:
    times = pd.to_datetime(cells, format="ISO8601")
    return times if times.dt.tz is None else times.dt.tz_convert("UTC").dt.tz_localize(None)


_CONVERSIONS: Mapping[str, Callable[[pd.Series], pd.Series]] = {
    "number": lambda cells: pd.to_numeric(cells).astype(np.float64),
    "integer": _integers,
    "boolean": _booleans,
    "category": _words,
    "text": _words,
    "datetime": _datetimes,
}
"""By kind, what makes a column of it; raises ValueError, TypeError or KeyError where it cannot."""


def parse_types(text: str) -> dict[str, Kind]:
    """Read `zip=category,area=number`.

    Raises:
        RegistrationError: It is written in another way, or says a kind that there is not.
    """
    types: dict[str, Any] = {}
    for entry in filter(None, map(str.strip, text.split(","))):
        name, _, kind = map(str.strip, entry.rpartition("="))
        if not name or kind not in _CONVERSIONS:
            raise RegistrationError(
                f"{quoted(entry)} says no type of a column: expected column=kind, such as zip=category; "
                f"kinds are {listed(_CONVERSIONS)}"
            )
        types[name] = kind
    return types
