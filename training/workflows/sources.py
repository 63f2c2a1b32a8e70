"""Where a recipe's rows come from: scikit-learn's own tables, a file, or a frame that the caller has."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import TypeAlias

import pandas as pd

from mlapi.errors import RecipeError
from mlapi.training.preparation.columns import check_names
from mlapi.training.recipes import Recipe
from mlapi.training.tables import datasets, files
from mlapi.training.tables.datasets import Dataset, column


@dataclass(frozen=True, slots=True)
class SourcedTable:
    """A table `(rows, columns)` that is read already, and what to say of where it came from."""

    source: str
    read: files.RawTable


TableSource: TypeAlias = pd.DataFrame | SourcedTable | None
"""A table `(rows, columns)`, target included, that a recipe does not name; None: the recipe names one."""


def load(recipe: Recipe, table: TableSource = None) -> Dataset:
    """Load the recipe's table, or take the one of the caller, and set its target apart.

    Raises:
        RecipeError: The recipe names no table, and the caller brings none.
        DatasetError: The table cannot be read, or has no such target.
        OSError: It cannot be reached.
    """
    if isinstance(table, SourcedTable):
        return _with_target(recipe, table.source, table.read)
    if table is not None:
        return _with_target(recipe, "a DataFrame", files.RawTable(table))
    if recipe.dataset:
        return datasets.load(recipe.dataset)
    if recipe.data is None:
        raise RecipeError("names neither `data` nor a `dataset`")
    name = PurePath(files.without_credentials(recipe.data)).name  # clients see it: no path of this machine
    return _with_target(recipe, name, files.read(recipe.data, recipe.csv_options))


def _with_target(recipe: Recipe, source: str, read: files.RawTable) -> Dataset:
    frame = read.frame.set_axis(list(map(str, read.frame.columns)), axis=1).assign(**read.texts)
    check_names(list(frame.columns))
    if recipe.target is None:
        raise RecipeError("target is missing: the column to predict")
    target = column(frame, recipe.target, source)
    return Dataset(
        source,
        frame.drop(columns=recipe.target).reset_index(drop=True),
        target.reset_index(drop=True),
        notes=read.notes,
        warnings=read.warnings,
        lines=read.lines,
        decimal=read.decimal,
    )
