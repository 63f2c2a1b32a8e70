"""Make a version of a recipe for images: train, then write all that is published, its files with it."""

import json
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.artifacts.manifest import REFERENCE, REPORT, Draft, library_versions
from mlapi.artifacts.provenance import Provenance
from mlapi.data.images.decoding import Images
from mlapi.data.profile import QUANTILES
from mlapi.data.signature import Feature, Signature, Target
from mlapi.errors import RecipeError, Unanswerable
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import CLASSIFICATION, IMAGE_CLASSIFICATION
from mlapi.training.execution.progress import Progress
from mlapi.training.images.card import card
from mlapi.training.images.dataset import feature_of, flat, rescaled
from mlapi.training.images.fitting import INTERVALS, ImageFit, fit
from mlapi.training.images.golden import make_golden
from mlapi.training.recipes import FOR_PICTURES, Recipe, to_json
from mlapi.training.tables.files import without_credentials
from mlapi.training.versions.promotion import EvaluationRows
from mlapi.training.versions.result import TrainingResult
from mlapi.wording import counted

TARGET = "class"
"""The name of the target in the signature."""


def version_of_images(
    recipe: Recipe, progress: Progress, lock_checkpoint: Callable[[], Path]
) -> TrainingResult:
    """Read the images, fit an estimator, evaluate it, and write the version's files.

    Args:
        lock_checkpoint: As for `mlapi.training.images.fitting.fit`.

    Raises:
        RecipeError, DatasetError: The recipe does not suit its images.
        OSError: They cannot be read.
    """
    fitted = fit(recipe, progress, lock_checkpoint)
    progress.step_began("publishing")
    draft = _draft(recipe, fitted)
    image = draft.signature.features[0]
    try:
        golden = make_golden(
            fitted.estimator, image, recipe.seed, is_network=draft.task == IMAGE_CLASSIFICATION
        )
    except Unanswerable as error:
        raise RecipeError(f"the fitted estimator fails on drawn pictures: {error}") from error
    files = {
        REFERENCE: reference(image, fitted.prepared.train.X),
        REPORT: card(recipe, draft, fitted, trained_at=datetime.now(UTC), environment=library_versions()),
    }
    test = fitted.prepared.test
    evaluation_rows = EvaluationRows(
        partial(_matrix, test.X),
        test.y,
        CLASSIFICATION,
        fitted.metric,
        fitted.figures[fitted.metric]["value"],
    )
    return TrainingResult(draft, fitted.estimator, golden, files, evaluation_rows)


def reference(image: Feature, X: Images) -> bytes:
    """Return the content of reference.json: how bright the training images are, channel by channel.

    Args:
        image: The feature of the signature.
        X: The training images.
    """
    channels = [_brightness(X[..., channel]) for channel in range(X.shape[-1])]
    content = {"rows": len(X), "features": {image.name: {"missing": 0, "channels": channels}}}
    return json.dumps(content, indent=2).encode()


def _brightness(values: NDArray[np.uint8]) -> dict[str, Any]:
    """Return statistics of one channel `(images, height, width)`, with the keys of `mlapi.data.profile`.

    The statistics are computed from a histogram: as float64 the pixels would take eight times their memory.
    """
    counts = np.bincount(values.reshape(-1), minlength=256)
    levels, total = np.arange(256), counts.sum()
    mean = float(counts @ levels / total)
    places = np.searchsorted(counts.cumsum(), [share * total for share in QUANTILES])
    return {
        "mean": mean,
        "std": float(np.sqrt(counts @ (levels - mean) ** 2 / total)),
        "minimum": int(values.min()),
        "maximum": int(values.max()),
        "quantiles": {str(share): int(place) for share, place in zip(QUANTILES, places, strict=True)},
    }


def _matrix(X: Images, signature: Signature) -> NDArray[Any]:
    """Return images as a model of this signature takes them, `(images, columns)`, in its size and its range.

    Raises:
        ValueError: It takes no images.
    """
    image = signature.image
    if image is None:
        raise ValueError("it takes no pictures")
    rows = flat(rescaled(X, image))
    low, high = image.bounds
    return rows if (low, high) == (0, 255) else rows * ((high - low) / 255) + low


def _machine() -> str:
    """Name what the version was trained on: the graphics card or the cores, and PyTorch if it was used."""
    torch = sys.modules.get("torch")  # imported by a training with it alone
    cores = f"{counted(os.cpu_count() or 1, 'core')} ({platform.machine()})"
    if torch is None:
        return cores
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else cores
    return f"{device}, with PyTorch {torch.__version__}"


def _signature(fitted: ImageFit) -> Signature:
    """Return the signature, with the mean and std of each channel if the estimator has them: a network."""
    fields = ((name, getattr(fitted.estimator, f"{name}_", None)) for name in ("mean", "std"))
    statistics: Any = {name: tuple(map(float, values)) for name, values in fields if values is not None}
    image = replace(feature_of(fitted.prepared.train.X), **statistics)
    return Signature((image,), Target(TARGET, "category", fitted.dataset.classes), (TARGET,))


def _draft(recipe: Recipe, fitted: ImageFit) -> Draft:
    algorithm = ALGORITHMS[recipe.algorithm or FOR_PICTURES]
    task = fitted.prepared.task
    return Draft(
        name=recipe.name,
        algorithm=algorithm.name,
        task=task,
        signature=_signature(fitted),
        parameters=algorithm.complete_for(task, recipe.parameters),
        metrics=fitted.figures,
        data=_provenance(recipe, fitted).to_json(),
        recipe=to_json(recipe) | {"images": without_credentials(recipe.source)},
    )


def _provenance(recipe: Recipe, fitted: ImageFit) -> Provenance:
    """Return where the version comes from: its images, how they were divided, and how it was fitted."""
    dataset, prepared = fitted.dataset, fitted.prepared
    return Provenance(
        source=dataset.source,
        sha256=dataset.digest,
        rows=len(dataset.y),
        training_rows=len(prepared.train.y),
        validation_rows=0 if prepared.validation is None else len(prepared.validation.y),
        test_rows=len(prepared.test.y),
        test_size=recipe.test_size,
        seed=recipe.seed,
        split=prepared.split,
        warnings=prepared.warnings,
        notes=dataset.notes,
        intervals=INTERVALS,
        seconds=round(fitted.seconds, 1),
        epochs=len(fitted.history) or None,
        apart=getattr(fitted.estimator, "apart_", None),
        rounding=getattr(fitted.estimator, "rounding_", None),
        machine=_machine(),
    )
