"""A recipe and its table -> rows to learn from, rows to judge by, and all that was decided about them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlapi.data.limits import TableLimits
from mlapi.data.signature import Signature, Target
from mlapi.data.tables import cells
from mlapi.errors import DatasetError, RecipeError, TooLarge
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import CLASSIFICATION, IMAGE_CLASSIFICATION
from mlapi.training.preparation import checks, features
from mlapi.training.preparation.columns import Column, InferredColumns, infer_columns
from mlapi.training.preparation.kinds import a_stranger
from mlapi.training.preparation.series import NoCells, plain, words_of
from mlapi.training.preparation.splits import Positions, SplitKeys, hold_out
from mlapi.training.preparation.target import TargetSummary, read_target
from mlapi.training.recipes import Overrides, Recipe
from mlapi.training.tables.datasets import Dataset, column
from mlapi.wording import counted, quoted


@dataclass(frozen=True, slots=True)
class Subset:
    """Some rows: their features as a server sees them, and what decides how they may be split again."""

    frame: pd.DataFrame
    y: NDArray[Any]
    rows: SplitKeys

    def take(self, positions: Positions) -> "Subset":
        return Subset(self.frame.iloc[positions], self.y[positions], self.rows.take(positions))


@dataclass(frozen=True, slots=True)
class Prepared:
    """`columns` are all but the target: features, and what was left out. `left_out` are rows, in words."""

    task: str
    target: str
    explanation: str
    """What the target was taken for."""
    signature: Signature
    columns: tuple[Column, ...]
    features: tuple[Column, ...]
    train: Subset
    test: Subset
    left_out: tuple[str, ...]
    warnings: tuple[str, ...]

    def given(self, part: Subset) -> Any:
        """The rows as a pipeline of these features takes them."""
        return features.rows(part.frame, self.features)


def prepare(recipe: Recipe, table: Dataset, limits: TableLimits | None = None) -> Prepared:
    """Decide on the target, on every column, and on the split.

    Args:
        limits: What the table may be; None: anything. Of these only the number of classes is checked here,
            since it is not known before; whoever reads a table checks the number of rows and columns.

    Raises:
        RecipeError, DatasetError: The recipe does not suit the table; the message names the column and the
            way out.
        TooLarge: The target has more classes than the limits allow.
    """
    _check_mentions(recipe, str(table.target.name))
    target_summary = read_target(
        table.target, recipe.task or _only_task(recipe), decimal=table.decimal, thousands=recipe.thousands
    )
    _check_algorithm(recipe, target_summary)
    kept, rows, left_out = _rows(recipe, table, target_summary)
    inferred = _understand(recipe, table, kept)
    parts = hold_out(rows, recipe.test_size)
    inferred = inferred.where_known(parts[0])
    y = target_summary.values[kept[target_summary.known]]
    train, test = (Subset(inferred.frame, y, rows).take(positions) for positions in parts)
    target = str(table.target.name)
    columns = inferred.columns
    if recipe.group:
        columns = (*columns, Column(recipe.group, None, "left out: it says which rows are a group"))
    ignored = [column.name for column in columns if column.kind is None]
    signature = Signature(
        (table.image,) if table.image else features.describe(inferred.features, train.frame),
        _target(target, target_summary, train, table.class_names),
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
        features=inferred.features,
        train=train,
        test=test,
        left_out=left_out,
        warnings=(*inferred.warnings, *_warnings(inferred, target_summary.task, target, train, test)),
    )


def _check_mentions(recipe: Recipe, target: str) -> None:
    told = recipe.overrides
    mentioned = (*told.mentioned, *filter(None, (recipe.group, recipe.time_column)))
    if target in mentioned:
        raise RecipeError(f"{target!r} is the target; it cannot be told to be anything else")
    if recipe.group in told.mentioned and recipe.group not in told.drop:
        raise RecipeError(f"{recipe.group!r} is the group, which is no feature; it cannot be told to be one")


def _only_task(recipe: Recipe) -> str | None:
    """The task that the algorithm decides, if it does but one, and that with tables."""
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


def _rows(
    recipe: Recipe, table: Dataset, target_summary: TargetSummary
) -> tuple[NDArray[np.bool_], SplitKeys, tuple[str, ...]]:
    """Which rows are used, what they may be split by, and what was left out."""
    kept, left_out, times, groups = target_summary.known, target_summary.left_out, None, None
    if recipe.time_column:
        order = _order(recipe.time_column, column(table.features, recipe.time_column, table.source))
        undated = kept & (order < 0)
        kept = kept & ~undated
        if undated.any():
            count = counted(int(undated.sum()), "row")
            left_out = (*left_out, f"{count} whose {recipe.time_column} is blank")
        times = order[kept]
    if recipe.group:
        groups = _groups(recipe.group, column(table.features, recipe.group, table.source))[kept]
    classes = None if target_summary.codes is None else target_summary.codes[kept[target_summary.known]]
    return kept, SplitKeys(int(kept.sum()), recipe.seed, classes, groups, times), left_out


def _understand(recipe: Recipe, table: Dataset, kept: NDArray[np.bool_]) -> InferredColumns:
    frame = table.features if kept.all() else table.features[kept]
    told = recipe.overrides
    if recipe.dataset:  # scikit-learn's own tables are numbers throughout, and wanted as they are
        told = Overrides(numeric=tuple(map(str, frame.columns)))
    if recipe.group:
        frame = frame.drop(columns=recipe.group)
        told = replace(told, drop=tuple(name for name in told.drop if name != recipe.group))
    return infer_columns(frame, told, decimal=table.decimal, thousands=recipe.thousands)


def _groups(name: str, given: pd.Series) -> NDArray[np.intp]:
    """Each row's group as a number, -1 where blank."""
    try:
        return words_of(plain(given))[0]
    except NoCells as error:
        raise DatasetError(f"group {name!r} holds {error}, which cannot be compared") from error


def _order(name: str, given: pd.Series) -> NDArray[np.int64]:
    """Each row's place among the different times (or numbers: any that grow will do), -1 where blank."""
    try:
        found = plain(given)
    except NoCells as error:
        raise DatasetError(f"time column {name!r} holds {error}, which is no time") from error
    if found.dtype.kind not in "iufM":
        codes, words = words_of(found)
        texts = [str(word) for word in words]
        times = cells.parse_datetimes(texts)
        if times is None:
            odd = quoted(a_stranger(texts, cells.parse_datetimes))
            raise DatasetError(
                f"time column {name!r} holds {odd}, which is no date or time as the others are"
            )
        found = pd.Series(np.append(times.values, np.datetime64("NaT", "us"))[codes])
    order, different = pd.factorize(found, sort=True)
    if not len(different):
        raise DatasetError(f"time column {name!r} is blank from top to bottom")
    return np.asarray(order, dtype=np.int64)


def _target(
    name: str, target_summary: TargetSummary, train: Subset, class_names: tuple[str, ...] | None
) -> Target:
    """Its classes are those that can be answered: a split by time or group may leave one without a row."""
    if train.rows.classes is None:
        return Target(name, "number")
    classes = tuple(target_summary.classes[code] for code in np.unique(train.rows.classes))
    return Target(name, "category", classes, class_names)


def _check_classes(target: Target, limits: TableLimits) -> None:
    classes = target.classes or ()
    if len(classes) > limits.classes:
        raise TooLarge(f"{len(classes):,} classes; a job takes {limits.classes:,} at most")


def _warnings(
    inferred: InferredColumns, task: str, target: str, train: Subset, test: Subset
) -> Iterator[str]:
    given: dict[str, Any] = {"task": task, "target": target}
    in_time = dict(checks.times(inferred.features, train.frame, train.y, **given))
    if train.rows.times is None:
        yield from in_time.values()
    rest = [column for column in inferred.features if column.name not in in_time]
    yield from checks.leaks(rest, train.frame, train.y, **given, seed=train.rows.seed)
    if task == CLASSIFICATION:
        yield from checks.imbalance(np.concatenate([train.y, test.y]))
    yield from checks.ungrouped(train.rows.groups, test.rows.groups)
    yield from checks.duplicates(train.frame, test.frame)
    yield from checks.sizes(len(inferred.features), len(train.y), len(test.y))
