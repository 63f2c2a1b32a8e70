"""Fit an estimator on a recipe's images, and evaluate it on test images. Publishes nothing."""

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

_SMALLEST_SHARE = 0.02
"""The smallest share of the training images that is held out for validation, which chooses the epoch."""

_LARGEST_SHARE = 0.1
"""The largest share of the training images that is held out for validation."""

_ENOUGH = 200
"""How many validation images are enough: between the two shares, so many are held out."""

_FEWEST = 100
"""With fewer training images than this none is held out for validation."""


@dataclass(frozen=True, slots=True)
class PreparedImages:
    """The images of a data set, divided."""

    task: str
    """`IMAGE_CLASSIFICATION` for a network, `CLASSIFICATION` for an algorithm for tables."""
    train: ImageDataset
    validation: ImageDataset | None
    """Chooses the epoch of a network, so that `test` decides nothing. None where training images are few, and
    for algorithms for tables."""
    test: ImageDataset
    split: str
    """How test images were told apart, in words."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageFit:
    """A fitted estimator, and how good it is."""

    dataset: ImageDataset
    """All images, as they were read."""
    prepared: PreparedImages
    estimator: Any
    """Takes flat images, `(images, columns)`."""
    seconds: float
    """How long fitting took, with what it took before a break."""
    metric: str
    """The metric that decides about promotion."""
    answers: Answers
    """For the test images."""
    figures: dict[str, dict[str, Any]]
    """The metrics on the test images, with intervals and baselines, as the manifest has them."""

    @property
    def history(self) -> Sequence[Mapping[str, Any]]:
        """What a network noted of each epoch; empty for other estimators."""
        return getattr(self.estimator, "history_", ())


def fit(recipe: Recipe, progress: Progress, lock_checkpoint: Callable[[], Path]) -> ImageFit:
    """Read the images of a recipe, divide them, fit an estimator and evaluate it.

    Args:
        lock_checkpoint: Returns the file to which the training may write its state, and from which it goes on
            if the file exists. Called for networks only.

    Raises:
        RecipeError, DatasetError: The recipe does not suit its images; the message begins with its name.
        OSError: They cannot be read.
    """
    try:
        return _fit(recipe, progress, lock_checkpoint)
    except (RecipeError, DatasetError) as error:
        raise type(error)(f"[{recipe.name}] {error}") from error


def _fit(recipe: Recipe, progress: Progress, lock_checkpoint: Callable[[], Path]) -> ImageFit:
    algorithm = ALGORITHMS[recipe.algorithm or FOR_PICTURES]
    task = _task(recipe, algorithm)
    deciding_metric(recipe, CLASSIFICATION)  # raises now if there is no such metric, not after hours
    checkpoint = lock_checkpoint() if task == IMAGE_CLASSIFICATION else None
    progress.step_began("reading")
    dataset = load(recipe.source, recipe.size)
    prepared = prepare(recipe, dataset, task)
    lines = tuple(f"{line}." for line in _account(dataset, prepared))
    progress.data_described(recipe.name, DataDescription(lines))
    progress.step_began("fitting")
    started = time.perf_counter()
    try:
        estimator = _estimator(recipe, algorithm, prepared, progress, checkpoint)
    except (ValueError, FloatingPointError) as error:  # parameters that do not go together, or diverge
        raise RecipeError(f"cannot be fitted: {reason(error)}") from error
    epoch_ends = [entry.get("seconds", 0.0) for entry in getattr(estimator, "history_", ())]
    seconds = max([time.perf_counter() - started, *epoch_ends[-1:]])
    progress.step_began("evaluating")
    return evaluate(recipe, dataset, prepared, estimator, seconds)


def evaluate(
    recipe: Recipe, dataset: ImageDataset, prepared: PreparedImages, estimator: Any, seconds: float
) -> ImageFit:
    """Evaluate a fitted estimator on the test images.

    Args:
        seconds: How long fitting took, for the result.
    """
    test = prepared.test
    with one_core():
        answers = answers_of(CLASSIFICATION, estimator, flat(test.X), test.y)
    metrics = _figures(answers, prepared, recipe.seed)
    return ImageFit(
        dataset, prepared, estimator, seconds, deciding_metric(recipe, CLASSIFICATION), answers, metrics
    )


def prepare(recipe: Recipe, dataset: ImageDataset, task: str) -> PreparedImages:
    """Divide a data set: hold out the images of the test folder, or a share; of the rest some for validation.

    Validation images are held out for a network only. One seed of the recipe gives the same division.
    """
    codes = np.searchsorted(dataset.classes, dataset.y)
    if (dataset.parts == TEST).any():
        split = "the pictures of the test folder are held out"
        train = np.flatnonzero(dataset.parts != TEST)
        test = np.flatnonzero(dataset.parts == TEST)
    else:
        keys = SplitKeys(len(codes), recipe.seed, codes)
        split = keys.explanation
        train, test = hold_out(keys, recipe.test_size)
    validation = np.array([], np.intp)
    if task == IMAGE_CLASSIFICATION:
        train, validation = _validation(dataset, codes, np.sort(train), recipe.seed)
    test_set = dataset.take(np.sort(test))
    train_set = dataset.take(np.sort(train))
    return PreparedImages(
        task=task,
        train=train_set,
        validation=dataset.take(validation) if len(validation) else None,
        test=test_set,
        split=split,
        warnings=(
            *checks.imbalance(dataset.y),
            *checks.duplicate_images(train_set.X, test_set.X),
            *checks.stored_images(recipe.algorithm or FOR_PICTURES),
        ),
    )


def _task(recipe: Recipe, algorithm: Algorithm) -> str:
    """Return the task of an algorithm that tells classes apart: on images, else on tables."""
    for task in (IMAGE_CLASSIFICATION, CLASSIFICATION):
        if task in algorithm.builders:
            return task
    raise RecipeError(f"{algorithm.name} tells no classes apart, which pictures in folders ask for")


def _validation(
    dataset: ImageDataset, codes: Positions, train: Positions, seed: int
) -> tuple[Positions, Positions]:
    """Divide training images into those to fit on and those for validation, as positions, sorted.

    The latter are those of a folder for validation, or some by chance; none where images are few.

    Args:
        codes: `(images,)`, the position of the class of each image of the data set.
        train: The positions of the training images.
    """
    is_validation = dataset.parts[train] == VALIDATION
    if is_validation.any():
        return train[~is_validation], train[is_validation]
    if len(train) < _FEWEST:
        return train, train[:0]
    share = max(_SMALLEST_SHARE, min(_ENOUGH / len(train), _LARGEST_SHARE))
    try:
        fitted_on, validation = hold_out(SplitKeys(len(train), seed, codes[train]), share)
    except RecipeError:  # more classes than validation images
        return train, train[:0]
    return train[np.sort(fitted_on)], train[np.sort(validation)]


def _estimator(
    recipe: Recipe,
    algorithm: Algorithm,
    prepared: PreparedImages,
    progress: Progress,
    checkpoint: Path | None,
) -> Any:
    """Fit a network on the images as they are, or an algorithm for tables on their standardized pixels."""
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
"""What the intervals of the metrics mean, in words."""


def _account(dataset: ImageDataset, prepared: PreparedImages) -> Iterator[str]:
    """Yield sentences, without their periods, on what was read and how it was divided."""
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
