"""The model card of a version that was trained on images: its content, by what training knows."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import datetime

import numpy as np

from mlapi.artifacts.manifest import Description
from mlapi.data.images.decoding import Pixels, png
from mlapi.errors import DatasetError, RecipeError
from mlapi.inference.model import Model
from mlapi.training.cards import plots
from mlapi.training.cards.report import CardContent, Gallery, Mistake, report, sentence
from mlapi.training.evaluation.answers import Answers
from mlapi.training.evaluation.calibration import calibration_of
from mlapi.training.images.dataset import ImageDataset, load
from mlapi.training.images.fitting import ImageFit, evaluate, prepare
from mlapi.training.images.folders import VALIDATION
from mlapi.training.recipes import Recipe, make_recipe
from mlapi.wording import counted

MOST_MISTAKES = 24
"""How many wrong answers a card shows."""


def card(
    recipe: Recipe,
    description: Description,
    fitted: ImageFit,
    *,
    trained_at: datetime,
    environment: Mapping[str, str],
) -> bytes:
    """Return the content of report.html.

    Args:
        recipe: Its `pictures_in_card` says whether the card shows images that were answered wrongly.
        description: The draft, or the manifest of a version that is published.
        fitted: The estimator, and its answers for the test images.
        trained_at: When the version was trained, in UTC.
        environment: The versions of Python and of packages that it was trained with.
    """
    prepared, provenance = fitted.prepared, description.provenance
    gallery = Gallery(
        by_class=by_class(fitted.answers),
        mistakes=mistakes(fitted.answers, prepared.test, shows=recipe.pictures_in_card),
        limits=tuple(_limits(description, fitted)),
        history=fitted.history,
    )
    return report(
        CardContent(
            name=description.name,
            algorithm=description.algorithm,
            task=description.task,
            target=description.signature.target.name,
            trained_at=trained_at.strftime("%Y-%m-%d %H:%M UTC"),
            source=provenance.source,
            sha256=provenance.sha256,
            rows=provenance.rows,
            training_rows=provenance.training_rows,
            test_rows=provenance.test_rows,
            split=sentence(_split(fitted)),
            seed=recipe.seed,
            metrics=description.metrics,
            primary=fitted.metric,
            intervals=provenance.intervals,
            answers=fitted.answers,
            warnings=list(map(sentence, provenance.warnings)),
            notes=list(map(sentence, (*provenance.notes, _time(fitted, provenance.machine or "")))),
            parameters=description.parameters,
            recipe={**description.recipe, "images": provenance.source},
            calibration=calibration_of(fitted.answers),
            environment=environment,
            gallery=gallery,
        )
    )


def by_class(answers: Answers) -> list[tuple[str, float, float, int]]:
    """Return the name, precision, recall and number of test images of each class.

    The precision of a class that was never predicted, and the recall of one without test images, are NaN.
    """
    counts = plots.confusion(answers)
    right, of_class, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    precision, recall = (right / np.where(total, total, np.nan) for total in (predicted, of_class))
    figures = zip(answers.classes, precision.tolist(), recall.tolist(), of_class.tolist(), strict=True)
    return [(str(name), *rest) for name, *rest in figures]


def mistakes(answers: Answers, test: ImageDataset, *, shows: bool) -> list[Mistake]:
    """Return the wrong answers with the highest probabilities, at most `MOST_MISTAKES`, the highest first.

    Args:
        answers: The answers for the test images; without probabilities there is nothing to choose by, and
            the list is empty.
        test: The test images, in the order of the answers.
        shows: Whether the images themselves are part of the result.
    """
    if answers.probabilities is None:
        return []
    wrong = np.flatnonzero(answers.predicted != answers.truth)
    probabilities = answers.probabilities[wrong, answers.predicted[wrong]]
    order = np.argsort(-probabilities, kind="stable")[:MOST_MISTAKES]
    return [
        Mistake(
            test.names[row],
            str(answers.classes[answers.truth[row]]),
            str(answers.classes[answers.predicted[row]]),
            float(probability),
            _data_url(test.X[row]) if shows else None,
        )
        for row, probability in zip(wrong[order].tolist(), probabilities[order].tolist(), strict=True)
    ]


def card_of_published(model: Model, source: str) -> bytes:
    """Return the card of a published version with the images that it answers wrongly.

    The published card may be without them. The images are read, divided and answered again.

    Args:
        model: The version.
        source: Where its images lie now: a folder or an archive.

    Raises:
        RecipeError, DatasetError: The version was not trained on images, or these are other ones.
        ModelUnavailable: Its estimator cannot be loaded.
        OSError: The images cannot be read.
    """
    manifest, provenance = model.manifest, model.manifest.provenance
    if "images" not in manifest.recipe:
        raise RecipeError(
            f"{model.name} version {model.version} did not learn from pictures: its card is whole"
        )
    recipe = make_recipe(model.name, {**manifest.recipe, "images": source, "pictures_in_card": True})
    dataset = load(source, recipe.size)
    if dataset.digest != provenance.sha256:
        raise DatasetError(
            f"{dataset.source} holds other pictures than {provenance.source} did, from which "
            f"{model.name} version {model.version} learnt"
        )
    prepared = prepare(recipe, dataset, manifest.task)
    return card(
        recipe,
        manifest,
        evaluate(recipe, dataset, prepared, model.estimator, provenance.seconds or 0.0),
        trained_at=datetime.fromisoformat(manifest.created_at),
        environment=manifest.environment,
    )


def _data_url(image: Pixels) -> str:
    """Return an image as a data: URL, which a page without other files can show."""
    return f"data:image/png;base64,{b64encode(png(image)).decode()}"


def _limits(description: Description, fitted: ImageFit) -> Iterator[str]:
    """Yield sentences on what the model cannot do."""
    image, provenance = description.signature.features[0], description.provenance
    names = fitted.dataset.classes
    some = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    yield f"It knows {len(names)} classes and nothing else: {some}."
    yield (
        "A picture of none of them is given one of them all the same, and often with a high probability: it "
        "has no way to say that it does not know."
    )
    yield (
        f"It sees {image.width} × {image.height} pixels: a larger picture is scaled down and its middle cut "
        f"out, so that what is small or at the edge is lost."
    )
    if image.channels == 1:
        yield "It sees no colors: a picture in color is made grey."
    yield (
        f"It learnt from {provenance.source} alone. How good it is on pictures that were taken, drawn or "
        f"compressed in another way is not known; the figures above are for pictures like those."
    )
    if provenance.validation_rows:
        yield "Probabilities are its own word: the calibration plot shows how far they can be believed."


def _split(fitted: ImageFit) -> str:
    """Say how the images were divided into train, validation and test."""
    validation = fitted.prepared.validation
    if validation is None:
        return fitted.prepared.split
    which = "in a folder for it" if (validation.parts == VALIDATION).all() else "of the others, by chance"
    return f"{fitted.prepared.split}; {len(validation.y):,} {which}, chose the best epoch"


def _time(fitted: ImageFit, machine: str) -> str:
    """Say how long fitting took, and on which machine."""
    prefix = f"{counted(len(fitted.history), 'epoch')} in " if fitted.history else "fitted in "
    return f"{prefix}{fitted.seconds:,.0f} seconds on {machine}"
