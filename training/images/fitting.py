"""A recipe for pictures -> a fitted estimator, and the account of how good it is. Publishes nothing."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlapi.errors import DatasetError, RecipeError
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import CLASSIFICATION, IMAGE_CLASSIFICATION, Algorithm
from mlapi.training.evaluation.answers import Answers, answers_of, guesses
from mlapi.training.evaluation.intervals import BY_BOOTSTRAP, intervals_by_bootstrap
from mlapi.training.evaluation.metrics import figures, measure
from mlapi.training.execution.engine import one_core
from mlapi.training.execution.progress import DataDescription, Progress
from mlapi.training.images import golden
from mlapi.training.images.dataset import ImageDataset, feature_of, flat, load
from mlapi.training.images.folders import TEST, VALIDATION
from mlapi.training.preparation import checks
from mlapi.training.preparation.splits import Positions, SplitKeys, hold_out
from mlapi.training.recipes import FOR_PICTURES, Recipe, deciding_metric
from mlapi.wording import counted, reason

_LEAST, _MOST, _ENOUGH, _FEWEST = 0.02, 0.1, 200, 100
"""The share of the training pictures that chooses the epoch: the least where that is enough pictures, else
up to the most; none where there are too few to spare any."""


@dataclass(frozen=True, slots=True)
class PreparedImages:
    """`validation` chooses the epoch, so that `test` decides nothing; None where pictures are few."""

    task: str
    train: ImageDataset
    validation: ImageDataset | None
    test: ImageDataset
    split: str
    """How they were divided, in words."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageFit:
    dataset: ImageDataset
    prepared: PreparedImages
    estimator: Any
    seconds: float
    """That fitting took; with what it took before it was resumed."""
    metric: str
    """The one that decides."""
    answers: Answers
    figures: dict[str, dict[str, Any]]

    @property
    def history(self) -> Sequence[Mapping[str, Any]]:
        """What a network noted of each epoch."""
        return getattr(self.estimator, "history_", ())


def fit(recipe: Recipe, progress: Progress, checkpoint: Callable[[], Path]) -> ImageFit:
    """Read, divide, fit and judge.

    Args:
        checkpoint: Where the training may leave how far it is; only asked by algorithms that do.

    Raises:
        RecipeError, DatasetError: The recipe does not suit its pictures; the message begins with its name.
        OSError: They cannot be read.
    """
    try:
        return _fit(recipe, progress, checkpoint)
    except (RecipeError, DatasetError) as error:
        raise type(error)(f"[{recipe.name}] {error}") from error


def _fit(recipe: Recipe, progress: Progress, checkpoint: Callable[[], Path]) -> ImageFit:
    algorithm = ALGORITHMS[recipe.algorithm or FOR_PICTURES]
    task = _task(recipe, algorithm)
    deciding_metric(recipe, CLASSIFICATION)  # a wrong one is told at once
    place = checkpoint() if task == IMAGE_CLASSIFICATION else None
    progress.step_began("reading")
    dataset = load(recipe.source, recipe.size)
    prepared = prepare(recipe, dataset, task)
    lines = tuple(f"{line}." for line in _account(dataset, prepared))
    progress.data_described(recipe.name, DataDescription(lines))
    progress.step_began("fitting")
    started = time.perf_counter()
    try:
        estimator = _estimator(recipe, algorithm, prepared, progress, place)
    except (ValueError, FloatingPointError) as error:  # parameters that do not go together, or diverge
        raise RecipeError(f"cannot be fitted: {reason(error)}") from error
    noted = [entry.get("seconds", 0.0) for entry in getattr(estimator, "history_", ())]
    seconds = max([time.perf_counter() - started, *noted[-1:]])
    progress.step_began("evaluating")
    return evaluate(recipe, dataset, prepared, estimator, seconds)


def evaluate(
    recipe: Recipe, dataset: ImageDataset, prepared: PreparedImages, estimator: Any, seconds: float
) -> ImageFit:
    """Ask an estimator that took so many seconds to fit about the held-out pictures."""
    test = prepared.test
    with one_core():
        answers = answers_of(CLASSIFICATION, estimator, flat(test.X), test.y)
    metric, found = deciding_metric(recipe, CLASSIFICATION), _figures(answers, prepared, recipe.seed)
    return ImageFit(dataset, prepared, estimator, seconds, metric, answers, found)


def prepare(recipe: Recipe, dataset: ImageDataset, task: str) -> PreparedImages:
    """Hold out the test folder, or a share of all; and of the rest what chooses the epoch."""
    codes = np.searchsorted(dataset.classes, dataset.y)
    if (dataset.parts == TEST).any():
        split = "the pictures of the test folder are held out"
        train = np.flatnonzero(dataset.parts != TEST)
        test = np.flatnonzero(dataset.parts == TEST)
    else:
        rows = SplitKeys(len(codes), recipe.seed, codes)
        split = rows.explanation
        train, test = hold_out(rows, recipe.test_size)
    choosing = np.array([], np.intp)
    if task == IMAGE_CLASSIFICATION:
        train, choosing = _choosing(dataset, codes, np.sort(train), recipe.seed)
    test_set = dataset.take(np.sort(test))
    train_set = dataset.take(np.sort(train))
    return PreparedImages(
        task=task,
        train=train_set,
        validation=dataset.take(choosing) if len(choosing) else None,
        test=test_set,
        split=split,
        warnings=(
            *checks.imbalance(dataset.y),
            *checks.duplicate_images(train_set.X, test_set.X),
            *checks.stored_images(recipe.algorithm or FOR_PICTURES),
        ),
    )


def _task(recipe: Recipe, algorithm: Algorithm) -> str:
    for task in (IMAGE_CLASSIFICATION, CLASSIFICATION):
        if task in algorithm.builders:
            return task
    raise RecipeError(f"{algorithm.name} tells no classes apart, which pictures in folders ask for")


def _choosing(
    dataset: ImageDataset, codes: Positions, train: Positions, seed: int
) -> tuple[Positions, Positions]:
    """Positions to learn from, and to choose the epoch by: those of a folder for it, or some by chance."""
    told = dataset.parts[train] == VALIDATION
    if told.any():
        return train[~told], train[told]
    if len(train) < _FEWEST:
        return train, train[:0]
    share = max(_LEAST, min(_ENOUGH / len(train), _MOST))
    try:
        learnt, choosing = hold_out(SplitKeys(len(train), seed, codes[train]), share)
    except RecipeError:  # more classes than pictures to choose by
        return train, train[:0]
    return train[np.sort(learnt)], train[np.sort(choosing)]


def _estimator(
    recipe: Recipe,
    algorithm: Algorithm,
    prepared: PreparedImages,
    progress: Progress,
    checkpoint: Path | None,
) -> Any:
    """Fitted on the pictures as they are, or by an algorithm for tables on their pixels."""
    estimator = algorithm.build(prepared.task, recipe.parameters, seed=recipe.seed)
    train, validation = prepared.train, prepared.validation
    if prepared.task == IMAGE_CLASSIFICATION:
        estimator.set_params(budget=recipe.budget)
        return estimator.fit(
            train.X,
            train.y,
            validation=None if validation is None else (validation.X, validation.y),
            probes=golden.golden_images(feature_of(train.X), recipe.seed),
            watch=progress.network_advanced,
            checkpoint=checkpoint,
        )
    with one_core():
        return make_pipeline(StandardScaler(), estimator).fit(flat(train.X), train.y)


def _figures(answers: Answers, prepared: PreparedImages, seed: int) -> dict[str, dict[str, Any]]:
    intervals = intervals_by_bootstrap(answers, seed)
    return figures(
        measure(answers),
        intervals={name: (entry.low, entry.high) for name, entry in intervals.items()},
        baseline=measure(guesses(answers, prepared.train.y)),
        cross_validated={},
    )


INTERVALS = BY_BOOTSTRAP.replace("rows", "pictures")


def _account(dataset: ImageDataset, prepared: PreparedImages) -> Iterator[str]:
    """What was found, in sentences."""
    height, width, channels = prepared.train.X.shape[1:]
    color = {1: "grey", 3: "in color", 4: "in color, with transparency"}[channels]
    yield (
        f"{dataset.source}: {counted(len(dataset.y), 'picture')} of {len(dataset.classes)} classes, "
        f"{width} × {height}, {color}"
    )
    chosen = f"{len(prepared.validation.y):,} choose the epoch, " if prepared.validation else ""
    yield f"{len(prepared.train.y):,} to learn from, {chosen}{len(prepared.test.y):,} to judge by"
    yield from (f"{note[:1].upper()}{note[1:]}" for note in dataset.notes)
    yield from (f"Warning: {warning}" for warning in prepared.warnings)
