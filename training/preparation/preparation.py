"""A recipe and its dataset -> train and test rows, and all that was decided about them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlapi.data.limits import TableLimits
from mlapi.data.signature import Signature, Target
from mlapi.data.tables.cells import CellOptions
from mlapi.data.tables.numbers import parse_numbers
from mlapi.errors import DatasetError, RecipeError, TooLarge
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import CLASSIFICATION, IMAGE_CLASSIFICATION
from mlapi.training.preparation import checks, features
from mlapi.training.preparation.columns import Column, InferredColumns, infer_columns
from mlapi.training.preparation.nearly import READERS, odd_cells, read_most
from mlapi.training.preparation.series import NoCells, factorize, plain
from mlapi.training.preparation.splits import Positions, SplitKeys, hold_out
from mlapi.training.preparation.target import TargetSummary, read_target
from mlapi.training.preparation.views import ColumnView
from mlapi.training.recipes import Overrides, Recipe
from mlapi.training.tables.datasets import Dataset, column
from mlapi.wording import counted


@dataclass(frozen=True, slots=True)
class Subset:
    """Some rows of a table.

    `frame` `(rows, features)` has the features as a server makes them of a request, `y` `(rows,)` the target:
    float64, or labels in their own type. `keys` decides how the rows may be split once more.
    """

    frame: pd.DataFrame
    y: NDArray[Any]
    keys: SplitKeys

    def take(self, positions: Positions) -> "Subset":
        """Return some of the rows, in the order of their positions `(rows,)`."""
        return Subset(self.frame.iloc[positions], self.y[positions], self.keys.take(positions))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A table that is ready to be fitted on.

    `columns` are all columns but the target, `used_columns` those that became features. `left_out` says in
    words which rows are neither train nor test rows. `left_out` and `warnings` are parts of sentences.
    """

    task: str
    target: str
    """The name of the target's column."""
    explanation: str
    """What the target was taken for, in words."""
    signature: Signature
    columns: tuple[Column, ...]
    used_columns: tuple[Column, ...]
    train: Subset
    test: Subset
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]

    def pipeline_input(self, subset: Subset) -> Any:
        """Return the rows `(rows, features)` as a pipeline takes them: as a frame or a matrix."""
        return features.pipeline_input(subset.frame, self.used_columns)


def prepare(recipe: Recipe, dataset: Dataset, limits: TableLimits | None = None) -> Prepared:
    """Decide on the target, on every column, and on the split.

    Args:
        limits: What the table may be; None: anything. Only the number of classes is checked here, since it
            is not known before; whoever reads a table checks the number of rows and columns.

    Raises:
        RecipeError, DatasetError: The recipe does not suit the table; the message names the column and the
            way out.
        TooLarge: The target has more classes than the limits allow.
    """
    _check_mentions(recipe, str(dataset.target.name))
    target = str(dataset.target.name)
    target_summary = read_target(
        dataset.target,
        recipe.task or _only_task(recipe),
        options=_cell_options(recipe, dataset),
        is_numeric=target in recipe.numeric,
        place_of=dataset.place_of,
    )
    _check_algorithm(recipe, target_summary)
    used, keys, left_out = _used_rows(recipe, dataset, target_summary)
    inferred = _infer_columns(recipe, dataset, used)
    split = hold_out(keys, recipe.test_size)
    inferred = inferred.without_empty(split[0])
    y = target_summary.values[used[target_summary.is_usable]]
    train, test = (Subset(inferred.frame, y, keys).take(positions) for positions in split)
    columns = inferred.columns
    if recipe.group:
        columns = (*columns, Column(recipe.group, None, "left out: it says which rows are a group"))
    ignored = [column.name for column in columns if column.kind is None]
    signature = Signature(
        (dataset.image,) if dataset.image else features.features_of(inferred.used_columns, train.frame),
        _target(target, target_summary, train, dataset.class_names),
        (*ignored, target),
    )
    if limits is not None:
        _check_classes(signature.target, limits)
    return Prepared(
        task=target_summary.task,
        target=target,
        explanation=target_summary.explanation,
        signature=signature,
        columns=columns,
        used_columns=inferred.used_columns,
        train=train,
        test=test,
        left_out=left_out,
        warnings=(
            *dataset.warnings,
            *(f"target {target!r} {warning}" for warning in target_summary.warnings),
            *inferred.warnings,
            *_warnings(inferred, target_summary.task, target, train, test),
        ),
    )


def _check_mentions(recipe: Recipe, target: str) -> None:
    """Check that nothing is said of the target and the group, which are no features.

    But the target may be told to be numeric: then its other cells count as missing.
    """
    overrides = recipe.overrides
    features = replace(overrides, numeric=tuple(name for name in overrides.numeric if name != target))
    mentioned = (*features.mentioned, *filter(None, (recipe.group, recipe.time_column)))
    if target in mentioned:
        raise RecipeError(f"{target!r} is the target; it cannot be told to be anything else")
    if recipe.group in overrides.mentioned and recipe.group not in overrides.drop:
        raise RecipeError(f"{recipe.group!r} is the group, which is no feature; it cannot be told to be one")


def _only_task(recipe: Recipe) -> str | None:
    """Return the one task of the recipe's algorithm; None if it has several, or takes no tables."""
    tasks = ALGORITHMS[recipe.algorithm].builders if recipe.algorithm else ()
    only = next(iter(tasks)) if len(tasks) == 1 and not recipe.dataset else None
    return None if only == IMAGE_CLASSIFICATION else only


def _check_algorithm(recipe: Recipe, target_summary: TargetSummary) -> None:
    if recipe.algorithm is None:
        return
    algorithm = ALGORITHMS[recipe.algorithm]
    if target_summary.task not in algorithm.builders:
        raise RecipeError(
            f"{recipe.algorithm} does {' and '.join(algorithm.builders)}, but the target of {recipe.source} "
            f"asks for {target_summary.task} ({target_summary.explanation})"
        )
    problems = list(algorithm.problems(recipe.parameters, target_summary.task))
    if problems:
        raise RecipeError("; ".join(problems))


def _used_rows(
    recipe: Recipe, dataset: Dataset, target_summary: TargetSummary
) -> tuple[NDArray[np.bool_], SplitKeys, tuple[str, ...]]:
    """Return a mask of the rows that are used, what decides their split, and in words what is left out."""
    used, left_out, times, groups = target_summary.is_usable, target_summary.left_out, None, None
    if recipe.time_column:
        times_column = column(dataset.frame, recipe.time_column, dataset.source)
        order = _order(recipe.time_column, times_column, _cell_options(recipe, dataset))
        undated = used & (order < 0)
        used = used & ~undated
        if undated.any():
            count = counted(int(undated.sum()), "row")
            left_out = (*left_out, f"{count} whose {recipe.time_column} is blank")
        times = order[used]
    if recipe.group:
        groups = _groups(recipe.group, column(dataset.frame, recipe.group, dataset.source))[used]
    classes = None if target_summary.codes is None else target_summary.codes[used[target_summary.is_usable]]
    return used, SplitKeys(int(used.sum()), recipe.seed, classes, groups, times), left_out


def _infer_columns(recipe: Recipe, dataset: Dataset, used: NDArray[np.bool_]) -> InferredColumns:
    frame, rows = (dataset.frame if used.all() else dataset.frame[used]), np.flatnonzero(used)
    overrides = replace(
        recipe.overrides, numeric=tuple(name for name in recipe.numeric if name != dataset.target.name)
    )
    if recipe.dataset:  # scikit-learn's own tables are numbers throughout, and wanted as they are
        overrides = Overrides(numeric=tuple(map(str, frame.columns)))
    if recipe.group:
        frame = frame.drop(columns=recipe.group)
        overrides = replace(overrides, drop=tuple(name for name in overrides.drop if name != recipe.group))
    options = _cell_options(recipe, dataset)
    return infer_columns(frame, overrides, options, lambda row: dataset.place_of(int(rows[row])))


def _cell_options(recipe: Recipe, dataset: Dataset) -> CellOptions:
    return CellOptions(recipe.decimal, recipe.thousands, dataset.decimal, recipe.day_first)


def _groups(name: str, column: pd.Series) -> NDArray[np.intp]:
    """Return each row's group as a number, -1 where missing."""
    try:
        return factorize(plain(column)).codes
    except NoCells as error:
        raise DatasetError(f"group {name!r} holds {error}, which cannot be compared") from error


def _order(name: str, column: pd.Series, options: CellOptions) -> NDArray[np.int64]:
    """Return each row's place among the distinct times, -1 where missing; the times may be numbers."""
    try:
        times = plain(column)
    except NoCells as error:
        raise DatasetError(f"time column {name!r} holds {error}, which is no time") from error
    if times.dtype.kind not in "iufM":
        times = _times_of_texts(ColumnView(name, times, options))
    order, distinct = pd.factorize(times, sort=True)
    if not len(distinct):
        raise DatasetError(f"time column {name!r} is blank from top to bottom")
    return np.asarray(order, dtype=np.int64)


def _times_of_texts(view: ColumnView) -> pd.Series:
    """Read texts as numbers, if they are that throughout, else as dates or times: `(rows,)`."""
    numbers = parse_numbers(list(map(str, view.uniques)), view.options)
    if numbers is not None:
        return pd.Series(view.spread(numbers.values, np.nan))
    read = read_most(view, READERS["datetime"])
    if read is None or read.is_odd.any():
        odd = odd_cells(view, np.ones(len(view.uniques), dtype=bool) if read is None else read.is_odd)
        raise DatasetError(
            f"time column {view.name!r} holds {odd} that are no dates or times as the others are"
        )
    return pd.Series(view.spread(read.values, np.datetime64("NaT", "us")))


def _target(
    name: str, target_summary: TargetSummary, train: Subset, class_names: tuple[str, ...] | None
) -> Target:
    """Describe the target. Its classes are those of the train rows: a split may leave a class without any."""
    if train.keys.classes is None:
        return Target(name, "number")
    classes = tuple(target_summary.classes[code] for code in np.unique(train.keys.classes))
    return Target(name, "category", classes, class_names)


def _check_classes(target: Target, limits: TableLimits) -> None:
    classes = target.classes or ()
    if len(classes) > limits.classes:
        raise TooLarge(f"{len(classes):,} classes; a job takes {limits.classes:,} at most")


def _warnings(
    inferred: InferredColumns, task: str, target: str, train: Subset, test: Subset
) -> Iterator[str]:
    in_time = dict(
        checks.time_dependence(inferred.used_columns, train.frame, train.y, task=task, target=target)
    )
    if train.keys.times is None:
        yield from in_time.values()
    rest = [column for column in inferred.used_columns if column.name not in in_time]
    yield from checks.leaks(rest, train.frame, train.y, task=task, target=target, seed=train.keys.seed)
    if task == CLASSIFICATION:
        yield from checks.imbalance(np.concatenate([train.y, test.y]))
    yield from checks.ungrouped(train.keys.groups, test.keys.groups)
    yield from checks.duplicates(train.frame, test.frame)
    yield from checks.sizes(len(inferred.used_columns), len(train.y), len(test.y))
