"""A training on pictures, told to `training.report` as the model card's account."""

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from mlapi.artifacts.manifest import Draft, Manifest, environment
from mlapi.data.images.decoding import Pixels, png
from mlapi.errors import DatasetError, RecipeError
from mlapi.inference.model import Model
from mlapi.training.cards import plots
from mlapi.training.cards.report import Account, Gallery, Mistake, report
from mlapi.training.evaluation.answers import Answers
from mlapi.training.evaluation.calibration import calibration_of
from mlapi.training.images.dataset import ImageDataset, load
from mlapi.training.images.fitting import ImageFit, evaluate, prepare
from mlapi.training.images.folders import VALIDATION
from mlapi.training.recipes import Recipe, make_recipe
from mlapi.wording import counted

MOST_MISTAKES = 24


def card(recipe: Recipe, draft: Draft, fitted: ImageFit) -> bytes:
    """The content of report.html; the draft of a version that is published already is its manifest."""
    published = draft if isinstance(draft, Manifest) else None
    now = datetime.now(UTC).isoformat()
    prepared, data = fitted.prepared, draft.data
    gallery = Gallery(
        by_class=by_class(fitted.answers),
        mistakes=mistakes(fitted.answers, prepared.test, shows=recipe.pictures_in_card),
        limits=tuple(_limits(draft, fitted)),
        history=fitted.history,
    )
    return report(
        Account(
            name=draft.name,
            algorithm=draft.algorithm,
            task=draft.task,
            target=draft.signature.target.name,
            trained_at=_moment(published.created_at if published else now),
            source=data["source"],
            sha256=data["sha256"],
            rows=data["rows"],
            training_rows=data["training_rows"],
            test_rows=data["test_rows"],
            split=_sentence(_divided(fitted)),
            seed=recipe.seed,
            metrics=draft.metrics,
            primary=fitted.metric,
            intervals=data["intervals"],
            answers=fitted.answers,
            warnings=list(map(_sentence, data["warnings"])),
            notes=list(map(_sentence, (*data["notes"], _time(fitted, data["machine"])))),
            parameters=draft.parameters,
            recipe={**draft.recipe, "images": data["source"]},
            calibration=calibration_of(fitted.answers),
            environment=published.environment if published else environment(),
            gallery=gallery,
        )
    )


def by_class(answers: Answers) -> list[tuple[str, float, float, int]]:
    """Name, precision, recall and pictures of each class."""
    counts = plots.confusion(answers)
    right, true, said = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    precision, recall = (right / np.where(whole, whole, np.nan) for whole in (said, true))
    figures = zip(answers.classes, precision.tolist(), recall.tolist(), true.tolist(), strict=True)
    return [(str(name), *rest) for name, *rest in figures]


def mistakes(answers: Answers, test: ImageDataset, *, shows: bool) -> list[Mistake]:
    """The wrong answers that were surest; none of an estimator that tells no probabilities."""
    if answers.probabilities is None:
        return []
    wrong = np.flatnonzero(answers.predicted != answers.truth)
    sure = answers.probabilities[wrong, answers.predicted[wrong]]
    order = np.argsort(-sure, kind="stable")[:MOST_MISTAKES]
    return [
        Mistake(
            test.names[row],
            str(answers.classes[answers.truth[row]]),
            str(answers.classes[answers.predicted[row]]),
            float(probability),
            _uri(test.X[row]) if shows else None,
        )
        for row, probability in zip(wrong[order].tolist(), sure[order].tolist(), strict=True)
    ]


def card_again(model: Model, source: str) -> bytes:
    """The card of a published version with its mistakes as pictures, which may have been left out of it.

    Raises:
        RecipeError, DatasetError: The version did not learn from pictures, or these are not they.
        ModelUnavailable: Its estimator cannot be loaded.
        OSError: They cannot be read.
    """
    manifest = model.manifest
    if "images" not in manifest.recipe:
        raise RecipeError(
            f"{model.name} version {model.version} did not learn from pictures: its card is whole"
        )
    recipe = make_recipe(model.name, {**manifest.recipe, "images": source, "pictures_in_card": True})
    pictures = load(source, recipe.size)
    if pictures.digest != manifest.data["sha256"]:
        raise DatasetError(
            f"{pictures.source} holds other pictures than {manifest.data['source']} did, from which "
            f"{model.name} version {model.version} learnt"
        )
    prepared = prepare(recipe, pictures, manifest.task)
    return card(
        recipe, manifest, evaluate(recipe, pictures, prepared, model.estimator, manifest.data["seconds"])
    )


def _moment(stamp: str) -> str:
    return datetime.fromisoformat(stamp).strftime("%Y-%m-%d %H:%M UTC")


def _uri(picture: Pixels) -> str:
    return f"data:image/png;base64,{b64encode(png(picture)).decode()}"


def _limits(draft: Draft, fitted: ImageFit) -> Iterator[str]:
    image = draft.signature.features[0]
    names = fitted.pictures.classes
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
        f"It learnt from {draft.data['source']} alone. How good it is on pictures that were taken, drawn or "
        f"compressed in another way is not known; the figures above are for pictures like those."
    )
    if draft.data["validation_rows"]:
        yield "Probabilities are its own word: the calibration plot shows how far they can be believed."


def _divided(fitted: ImageFit) -> str:
    chosen = fitted.prepared.validation
    if chosen is None:
        return fitted.prepared.split
    which = "in a folder for it" if (chosen.parts == VALIDATION).all() else "of the others, by chance"
    return f"{fitted.prepared.split}; {len(chosen.y):,} {which}, chose the best epoch"


def _time(fitted: ImageFit, machine: str) -> str:
    said = f"{counted(len(fitted.history), 'epoch')} in " if fitted.history else "fitted in "
    return f"{said}{fitted.seconds:,.0f} seconds on {machine}"


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
