"""The cells of a CSV file -> the values that a client would send for them.

They are read as the cells of the training's file were: in the same style where a number can be read in two,
and odd cells are blank where the recipe said so. Knows nothing of files or answers.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from math import isfinite, nan
from typing import Any

import numpy as np

from mlapi.artifacts.manifest import Manifest
from mlapi.data.signature import NUMERIC, Feature
from mlapi.data.tables.cells import CellOptions, is_marker
from mlapi.data.tables.datetimes import is_blank_date, read_datetime
from mlapi.data.tables.dialects import CsvOptions
from mlapi.data.tables.durations import parse_durations
from mlapi.data.tables.numbers import most_frequent_style, options_as_in, parse_numbers
from mlapi.wording import counted, quoted


class FileCells:
    """Reads the cells of one file for one version, by column, and counts odd ones that it takes for blank."""

    def __init__(self, manifest: Manifest, options: CsvOptions) -> None:
        """
        Args:
            options: How the file is written, as the user says; what they leave open is as the recipe says of
                the training's file.
        """
        recipe = manifest.recipe
        says_signs = options.decimal is not None or options.thousands is not None
        self._styles = {} if says_signs else manifest.provenance.number_styles
        self._may_be_odd = frozenset((*recipe.get("numeric", ()), *recipe.get("datetime", ())))
        own = {field.name: getattr(options, field.name) for field in fields(options)}
        self.options = CsvOptions(
            **{name: recipe.get(name) if value is None else value for name, value in own.items()}
        )
        self._odd: dict[str, tuple[int, str, int]] = {}

    def values(
        self, feature: Feature | None, cells: Sequence[str], lines: Sequence[int], decimal: str
    ) -> list[Any]:
        """Return the JSON values that a client would send for the cells of one column; null for a blank cell.

        Args:
            feature: None for a column that is none of the model's.
            lines: The line of the file that each cell is on.
            decimal: The decimal sign of other numbers in the file.
        """
        if feature is None:
            return [cell or None for cell in cells]
        if feature.name not in self._may_be_odd or not feature.nullable:
            return values_of(feature, cells, self._cell_options(feature.name, decimal))
        values = values_of(feature, cells, self._cell_options(feature.name, decimal), takes_odd=True)
        odd = [row for row, value in enumerate(values) if value is None and not is_blank_date(cells[row])]
        if odd:
            count, cell, line = self._odd.get(feature.name, (0, cells[odd[0]], lines[odd[0]]))
            self._odd[feature.name] = count + len(odd), cell, line
        return values

    def notes(self) -> Iterator[str]:
        """Say which cells were taken for blank, in parts of sentences."""
        for name, (count, cell, line) in self._odd.items():
            first = f"{quoted(cell)}, line {line:,}"
            yield f"column {name!r} has {counted(count, 'cell')} ({first}) that the recipe takes for blank"

    def _cell_options(self, name: str, decimal: str) -> CellOptions:
        own = CellOptions(self.options.decimal, self.options.thousands, decimal_of_file=decimal)
        as_in_training = options_as_in(self._styles[name]) if name in self._styles else own
        # The file's own comma is stronger: no comma is found where a number of the file has a decimal point.
        return own if decimal == "," != as_in_training.decimal else as_in_training


def values_of(
    feature: Feature, cells: Sequence[str], options: CellOptions, *, takes_odd: bool = False
) -> list[Any]:
    """Return the JSON values of the cells of one feature's column.

    Args:
        takes_odd: Whether a cell that is no number, or no date, is null.
    """
    distinct = sorted(set(cells) - {""})
    values: dict[str, Any] = dict(zip(distinct, distinct, strict=True))
    if feature.kind == "text":
        values |= {cell: None for cell in distinct if feature.nullable and not cell.strip()}
        return list(map(values.get, cells))
    if feature.kind in NUMERIC:
        known = _most_numbers(cells, options) if takes_odd else _numbers(distinct, options)
    else:
        known = dict(_constants(feature))
    known |= {cell: known[cell.strip()] for cell in distinct if cell not in known and cell.strip() in known}
    values |= known
    if feature.nullable:
        is_missing = is_blank_date if feature.kind == "datetime" else is_marker
        values |= {cell: None for cell in distinct if cell not in known and is_missing(cell)}
    if takes_odd:
        values |= {cell: None for cell in distinct if cell not in known and _is_odd(feature, cell)}
    return list(map(values.get, cells))


def _is_odd(feature: Feature, cell: str) -> bool:
    return feature.kind in NUMERIC or read_datetime(cell, feature.format) is None


def _most_numbers(cells: Sequence[str], options: CellOptions) -> dict[str, float]:
    """Return the cells that are finite numbers in the style of most, or durations if all are."""
    counts = Counter(cells)
    distinct = sorted(counts.keys() - {""})
    if parse_durations(distinct) is not None:
        return _numbers(distinct, options)
    fits = most_frequent_style(distinct, np.array([counts[cell] for cell in distinct], dtype=np.intp))
    return _numbers([cell for cell, fit in zip(distinct, fits, strict=True) if fit], options)


def _numbers(cells: Sequence[str], options: CellOptions) -> dict[str, float]:
    """Return the cells that are finite numbers: of one style, or durations, else those that Python reads."""
    parsed = parse_numbers(cells, options) or parse_durations(cells)
    values = map(_number, cells) if parsed is None else parsed.values.tolist()
    return {cell: value for cell, value in zip(cells, values, strict=True) if isfinite(value)}


def _number(cell: str) -> float:
    try:
        return nan if "_" in cell else float(cell)
    except ValueError:
        return nan


def _constants(feature: Feature) -> Mapping[str, Any]:
    """Return the cells that a boolean or a category feature knows, and the values that they stand for."""
    if feature.kind == "boolean":
        return {cell: cell.lower() == "true" for cell in ("true", "True", "TRUE", "false", "False", "FALSE")}
    return {str(category): category for category in feature.categories or ()}
