"""What one column of a table is, and how its cells are read: inferred from the cells, unless overridden.

`infer_kind` decides for a table that a model is trained on, `kind_of_sample` for a few rows that show what
rows look like. Both look at one column alone.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from mlapi.data.signature import Kind
from mlapi.data.tables.cells import is_marker, markers_among
from mlapi.data.tables.datetimes import ParsedDatetimes, parse_datetimes
from mlapi.data.tables.durations import parse_durations
from mlapi.data.tables.numbers import ParsedNumbers, parse_numbers
from mlapi.errors import DatasetError
from mlapi.training.preparation.dates import datetimes_decision, parsed_datetimes
from mlapi.training.preparation.decisions import ColumnDecision, in_brackets
from mlapi.training.preparation.nearly import (
    READERS,
    ReadTexts,
    nearly_warning,
    odd_cells,
    read_most,
    spelling_warning,
)
from mlapi.training.preparation.placeholders import are_days, dates_as_numbers, placeholder_number
from mlapi.training.preparation.series import NoCells
from mlapi.training.preparation.views import ColumnView
from mlapi.wording import counted, quoted

MOST_LISTED = 1000
"""A column of more categories takes any text: nobody would read a signature that lists them."""

_INDEX = re.compile(r"Unnamed: 0(?:\.\d+)*")
"""The names that pandas gives to a first column without one: another number each time it is read again."""

_FEWEST = 20
"""Rows without which nothing is called an identifier."""

_IDENTIFIER = 0.95
"""The share of distinct texts among the cells from which on a column is taken for an identifier."""

_PHRASE = 2
"""Words in a cell, on average, from which on cells are text if more than half of them are distinct."""

_SENTENCE = 4
"""Words in a cell, on average, from which on cells are text if more than a tenth of them are distinct."""

_SAMPLE = 10_000
"""Distinct texts of a column that are looked at one by one."""

_MOST_BOOLEANS = 6
"""Distinct texts that a column of booleans may have: true and false, each as in "true", "True", "TRUE"."""

_EXACT = 2**53
"""Whole numbers beyond it lose digits as float64."""

LARGEST = 1e150
"""Numbers beyond it have squares that are infinite, or sums of squares: nothing can be scaled by them."""

_LONG_NUMBERS = "left out: numbers of more digits than can be computed with (--categorical keeps them)"


def infer_kind(view: ColumnView, override: str | None = None) -> ColumnDecision:  # noqa: PLR0911 - a line a dtype
    """Decide what a column is taken for.

    Args:
        override: "drop", or one of `OVERRIDES`, where the user has decided.

    Raises:
        DatasetError: The column is not what the user says, or holds dates that no request can send.
    """
    if override == "drop":
        return ColumnDecision("left out, as told")
    try:
        column = view.column
    except NoCells as error:
        return ColumnDecision(f"left out: it holds {error}")
    if column.isna().all():
        return ColumnDecision("left out: blank from top to bottom")
    if override is not None:
        return OVERRIDES[override](view)
    if types.is_datetime64_any_dtype(column.dtype):
        return datetimes_decision(view.name, column.to_numpy(), None, "")
    if types.is_bool_dtype(column.dtype):
        return _booleans(view)
    if types.is_numeric_dtype(column.dtype):
        if _is_index(view):
            return ColumnDecision("left out: pandas' index, by its name (--numeric keeps it)")
        decision = _numbers(column.to_numpy(), is_plain=True)
        dates = [dates_as_numbers(view.name, column.to_numpy(np.float64))] if decision.kind else []
        return replace(decision, warnings=(*decision.warnings, *filter(None, dates)))
    return _from_texts(view)


def kind_of_sample(present: pd.Series, most_categories: int) -> Kind:
    """Decide what a column is, of which a few rows `(rows,)` are known, none of them missing.

    Apart from `infer_kind`, since a sample proves less. Whole numbers are numbers here: a few rows do not
    prove that no half will ever come. Nothing is left out or read from texts: the rows are those that an
    estimator was fitted on already, with cells as they are.
    """
    if types.is_bool_dtype(present):
        return "boolean"
    if types.is_numeric_dtype(present):
        return "number"
    if set(map(type, present)) == {bool}:
        return "boolean"
    if types.is_datetime64_any_dtype(present):
        return "datetime"
    return "category" if present.nunique() <= min(most_categories, len(present) / 2) else "text"


def _numbers(
    values: NDArray[Any],
    how: str = "",
    *,
    is_override: bool = False,
    is_plain: bool = False,
    has_points: bool = False,
) -> ColumnDecision:
    """Take numbers `(rows,)` as they are, unless they only count the rows.

    Only plain whole numbers may count rows: not those that a text was read as, or that are overridden. Who
    writes 31.0, or says that a column is a number, says that it takes fractions.
    """
    is_written_whole = values.dtype.kind in "iu"
    if is_written_whole and max(int(values.max()), -int(values.min())) > _EXACT:
        return ColumnDecision(_LONG_NUMBERS)
    numbers = values.astype(np.float64)
    infinite = np.abs(numbers) > LARGEST
    numbers[infinite] = np.nan
    present = numbers[~np.isnan(numbers)]
    if not present.size:
        return ColumnDecision(f"left out: no number but infinite ones, or beyond {LARGEST:g}")
    low, high = float(present.min()), float(present.max())
    if low == high and len(present) == len(numbers) and not is_override:
        return ColumnDecision(f"left out: {low:g} in every row")
    may_be_whole = is_written_whole or (len(present) < len(numbers) and not has_points)
    is_whole = may_be_whole and bool((present == np.floor(present)).all())
    if is_plain and is_whole and _counts_rows(present, low, high):
        return ColumnDecision("left out: whole numbers that only count the rows (--numeric keeps them)")
    warnings = list[str](filter(None, [placeholder_number(numbers)]))
    if infinite.any():
        count = counted(int(infinite.sum()), "cell")
        warnings.append(f"has {count} infinite or beyond {LARGEST:g}, which are taken for blank")
    kind: Kind = "integer" if is_whole and not is_override else "number"
    noun = "whole numbers" if kind == "integer" else "numbers"
    return ColumnDecision(
        f"{noun}{how}, {low:g} to {high:g}", kind, "number", numbers, warnings=tuple(warnings)
    )


def _is_index(view: ColumnView) -> bool:
    """Whether a column is pandas' index that was written without a name, and named when it was read again."""
    is_whole = types.is_integer_dtype(view.column.dtype)
    return is_whole and _INDEX.fullmatch(view.name) is not None and bool(view.column.is_unique)


def _counts_rows(present: NDArray[np.float64], low: float, high: float) -> bool:
    """Whether all numbers differ, in a range of less than twice as many: by chance some would repeat."""
    if len(present) < _FEWEST or high - low >= 2 * len(present):
        return False
    return bool(pd.Series(present).is_unique)


def _are_booleans(uniques: NDArray[Any]) -> bool:
    """Whether distinct texts `(values,)` are true and false, some perhaps marking a missing value."""
    words = {text.lower() for value in uniques if not is_marker(text := str(value))}
    return bool(words) and words <= {"true", "false"}


def _are_too_long(numbers: ParsedNumbers, uniques: NDArray[Any]) -> bool:
    """Whether texts `(values,)` are whole numbers, of which one has more digits than a float64 keeps."""
    if not (np.abs(numbers.values) > _EXACT).any():
        return False
    return all(str(value).strip().lstrip("+-").isdecimal() for value in uniques if not is_marker(str(value)))


def _booleans(view: ColumnView) -> ColumnDecision:
    texts = list(map(str, view.uniques))
    missing = list(map(is_marker, texts))
    booleans = np.array([text.lower() == "true" for text in texts], dtype=object)
    booleans[missing] = np.nan
    values = view.spread(booleans, np.nan)
    has_missing = bool(pd.isna(values).any())
    if len(texts) - sum(missing) == 1 and not has_missing:
        return ColumnDecision(f"left out: {texts[0]} in every row")
    how = in_brackets("", markers_among(texts, missing))
    return ColumnDecision(
        f"true or false{how}", "boolean", "flag", values if has_missing else values.astype(bool)
    )


def _from_texts(view: ColumnView) -> ColumnDecision:  # noqa: PLR0911 - a line a kind
    """Take texts for booleans, numbers or dates, if every one can be read so; else categories or text."""
    if not view.present_count:
        return ColumnDecision("left out: blank from top to bottom")
    uniques = view.uniques
    if len(uniques) <= _MOST_BOOLEANS and _are_booleans(uniques):
        return _booleans(view)
    numbers = parse_numbers(uniques.tolist(), view.options)
    if numbers is not None and _are_too_long(numbers, uniques):
        return ColumnDecision(_LONG_NUMBERS)
    if numbers is not None:
        how = "" if numbers.style.is_plain else str(numbers.style)
        how = in_brackets(how, numbers.markers)
        decision = _numbers(view.spread(numbers.values, np.nan), how, has_points=numbers.has_points)
        return replace(decision, number_style=numbers.style.example)
    datetimes = parse_datetimes(uniques.tolist(), view.options)
    if datetimes is not None:
        return parsed_datetimes(view, datetimes, datetimes.values)
    durations = parse_durations(uniques.tolist())
    if durations is not None:
        how = in_brackets(f"durations: {durations.example}", durations.markers)
        return _numbers(view.spread(durations.values, np.nan), how)
    decision = _categories_or_text(view)
    warning = nearly_warning(view)
    return replace(decision, warnings=(*decision.warnings, *filter(None, [warning])))


def _categories_or_text(view: ColumnView) -> ColumnDecision:
    """Take sentences for text, cells that repeat for categories, and leave out what differs in every row."""
    distinct, present = len(view.uniques), view.present_count
    if distinct == 1 and present == len(view.codes):
        return ColumnDecision(f"left out: {quoted(str(view.uniques[0]))} in every row")
    length = float(np.mean([len(text.split()) for text in view.uniques[:_SAMPLE]]))
    if (distinct > present / 2 and length >= _PHRASE) or (distinct > present / 10 and length >= _SENTENCE):
        return _text(view)
    if present >= _FEWEST and distinct >= _IDENTIFIER * present:
        return ColumnDecision(
            "left out: nearly every row has a word of its own (--categorical or --text keeps it)"
        )
    return _categories(view)


def _text(view: ColumnView) -> ColumnDecision:
    if not any(map(re.compile(r"\w").search, map(str, view.uniques))):
        return ColumnDecision("left out: texts without a letter or a digit")
    return ColumnDecision("text, by the words in it", "text", "terms", view.texts)


def _categories(view: ColumnView) -> ColumnDecision:
    count = len(view.uniques)
    cell_types = set(map(type, view.uniques))
    if cell_types <= {int, float} and all(float(value).is_integer() for value in view.uniques):
        values = view.spread(view.uniques.astype(np.float64), np.nan)
        kind: Kind = "category" if count <= MOST_LISTED else "integer"
        return ColumnDecision(f"{count:,} categories, whole numbers", kind, "one_hot", values)
    if not cell_types <= {str}:
        raise DatasetError(
            f"column {view.name!r} is told to be categorical, but holds {_first(view)}; leave that out"
        )
    blanks = " (blanks around words are left out)" if view.stripped_count else ""
    spellings = tuple(filter(None, [spelling_warning("categories", view.uniques)]))
    if count <= MOST_LISTED:
        return ColumnDecision(
            f"{count:,} categories{blanks}", "category", "one_hot", view.texts, warnings=spellings
        )
    explanation = f"{count:,} categories{blanks}: too many to list, the frequent ones count"
    return ColumnDecision(explanation, "text", "frequent", view.texts, warnings=spellings)


def _as_numeric(view: ColumnView) -> ColumnDecision:
    if types.is_numeric_dtype(view.column.dtype):
        return _numbers(view.column.to_numpy(), ", as told", is_override=True)
    read, warnings = _read_as_told(view, "numeric")
    decision = _numbers(view.spread(read.values, np.nan), ", as told", is_override=True)
    style = read.parsed.style.example if isinstance(read.parsed, ParsedNumbers) else None
    return replace(decision, warnings=(*decision.warnings, *warnings), number_style=style)


def _as_datetime(view: ColumnView) -> ColumnDecision:
    if types.is_datetime64_any_dtype(view.column.dtype):
        return datetimes_decision(view.name, view.column.to_numpy(), None, ", as told")
    if types.is_integer_dtype(view.column.dtype) and are_days(view.column.to_numpy()):
        days = pd.to_datetime(view.column.astype(str), format="%Y%m%d", errors="coerce")
        return datetimes_decision(view.name, days.to_numpy(), None, ", as told")
    read, warnings = _read_as_told(view, "datetime")
    decision = parsed_datetimes(view, cast("ParsedDatetimes", read.parsed), read.values)
    return replace(decision, warnings=(*decision.warnings, *warnings))


def _read_as_told(view: ColumnView, option: str) -> tuple[ReadTexts, tuple[str, ...]]:
    """Read a column as the user says, odd cells as missing, and warnings that name these.

    Raises:
        DatasetError: Most cells are something else.
    """
    reader = READERS[option]
    read = read_most(view, reader)
    if read is None or view.counts[read.is_odd].sum() > view.present_count / 2:
        is_odd = np.ones(len(view.uniques), dtype=bool) if read is None else read.is_odd
        raise DatasetError(
            f"column {view.name!r} is told to be {option}, but {odd_cells(view, is_odd)} are no "
            f"{reader.noun}; leave --{option} {view.name} out, or mend them"
        )
    if not read.is_odd.any():
        return read, ()
    return read, (f"has {odd_cells(view, read.is_odd)} that are no {reader.noun}, which are taken for blank",)


def _as_categorical(view: ColumnView) -> ColumnDecision:
    """Take cells for categories; long whole numbers become texts, which keep their digits."""
    if types.is_bool_dtype(view.column.dtype):
        return _booleans(view)
    if types.is_integer_dtype(view.raw.dtype) and view.raw.abs().max() > _EXACT:
        return _categories(replace(view, raw=view.raw.astype("string").astype(object)))
    return _categories(view)


def _as_text(view: ColumnView) -> ColumnDecision:
    if not set(map(type, view.uniques)) <= {str}:
        raise DatasetError(
            f"column {view.name!r} is told to be text, but holds {_first(view)}; leave that out"
        )
    return _text(view)


OVERRIDES: Mapping[str, Callable[[ColumnView], ColumnDecision]] = {
    "numeric": _as_numeric,
    "categorical": _as_categorical,
    "datetime": _as_datetime,
    "text": _as_text,
}
"""By what the user says that a column is (a field of `mlapi.training.recipes.Overrides`): the decision."""


def _first(view: ColumnView) -> str:
    return quoted(str(view.uniques[0]))
