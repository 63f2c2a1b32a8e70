"""The model card: the content of one card -> report.html, one file that needs nothing else.

The page holds under `default-src 'none'; style-src 'unsafe-inline'; img-src data:` and carries that policy
itself, for whoever opens it as a file. Whatever comes from data is escaped by the template's engine.
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from mlapi.training.cards import plots
from mlapi.training.cards.drawing import Plot
from mlapi.training.evaluation.answers import Answers
from mlapi.training.evaluation.calibration import Calibration, Spread
from mlapi.training.evaluation.curves import Importance, LearningCurve
from mlapi.training.evaluation.metrics import OF_PROBABILITIES, is_worse
from mlapi.training.execution.progress import Candidate

MEANINGS = {
    "accuracy": "share of rows whose class is right",
    "balanced_accuracy": "the same, with every class counting alike",
    "precision": "share of right ones among the rows that were given a class",
    "recall": "share of a class's rows that were found",
    "f1": "precision and recall in one figure",
    "roc_auc": "how often a row of a class is ranked before one of another; 0.5 is chance",
    "log_loss": "how far probabilities are from the truth; lower is better",
    "r2": "share of the target's variance that is explained",
    "rmse": "typical error, large ones counting more; lower is better",
    "mae": "mean error, whichever way; lower is better",
}
"""What each metric means, for people who have not met it."""

MOST_CONFUSED = 20
"""Pairs of classes that the card lists as confused, the most frequent ones."""

URL = "http://127.0.0.1:8000"
"""Where `mlapi serve` answers on the machine that it runs on."""


class ColumnSummary(NamedTuple):
    """One column in the card; `treatment` is a sentence: why it is taken for this kind, and what is done."""

    name: str
    kind: str
    treatment: str


class Mistake(NamedTuple):
    """A test picture that was taken for another class; `uri` shows it, None where it may not be shown."""

    name: str
    actual: str
    predicted: str
    probability: float
    uri: str | None


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """What the card of a model of pictures has beside the rest; `limits` are sentences.

    `by_class` has for each class its name, precision, recall and test pictures. `history` has what a network
    noted of each epoch.
    """

    by_class: Sequence[tuple[str, float, float, int]]
    mistakes: Sequence[Mistake]
    limits: Sequence[str]
    history: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, kw_only=True)
class CardContent:
    """Everything that the card says; sentences end with a period.

    `metrics` are those of the manifest (`mlapi.training.evaluation.metrics.figures`), `intervals` says how
    theirs were made. `class_names` are words for the answers' classes, where those are codes.
    """

    name: str
    algorithm: str
    task: str
    target: str
    trained_at: str
    source: str
    sha256: str
    rows: int
    training_rows: int
    test_rows: int
    split: str
    seed: int
    metrics: Mapping[str, Mapping[str, Any]]
    primary: str
    intervals: str
    answers: Answers
    columns: Sequence[ColumnSummary] = ()
    left_out: Sequence[str] = ()
    warnings: Sequence[str] = ()
    notes: Sequence[str] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    search: str | None = None
    candidates: Sequence[Candidate] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    calibration: Calibration | Spread | None = None
    importance: Importance | None = None
    learning_curve: LearningCurve | None = None
    example: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    class_names: Sequence[str] | None = None
    gallery: Gallery | None = None

    @property
    def unit(self) -> str:
        """What is predicted for, in one word."""
        return "picture" if self.gallery else "row"


def report(card: CardContent) -> bytes:
    """Render the page, in UTF-8."""
    page = _template().render(
        card=card,
        verdict=verdict(card),
        meanings={name: words.replace("row", card.unit) for name, words in MEANINGS.items()},
        plots=_plots(card),
        confused=_confused(card),
        call=_call(card),
        spread=card.calibration if isinstance(card.calibration, Spread) else None,
    )
    return page.encode(errors="replace")  # half a character, which a hostile column name may hold


def verdict(card: CardContent) -> str:
    """Say in plain words how good the model is, and how much better than guessing."""
    figure = card.metrics.get(card.primary)
    if figure is None:
        return f"Its {card.primary} on the held-out rows is not defined."
    value, guess = figure["value"], figure.get("baseline")
    words = f"{_phrase(card, value)}."
    if guess is None:
        return words
    words += f" {_guessing(card, guess)}."
    worst = _worst(card.primary, figure.get("interval") or [value, value])
    if is_worse(card.primary, value, guess) or value == guess:
        return f"{words} It is no better than that."
    if is_worse(card.primary, worst, guess):
        return f"{words} By its interval, it may be no better than that."
    return words


def number(value: float | None) -> str:
    """Write a number with four digits, thousands separated; a dash for what is not known or not finite."""
    if value is None or not np.isfinite(value):
        return "–"
    size = abs(value)
    return f"{value:,.0f}" if 1_000 <= size < 1e15 else f"{value:.4f}" if 1e-3 <= size < 1 else f"{value:.4g}"


def sentence(words: str) -> str:
    """Return words that are part of a sentence with a capital letter and a period."""
    return f"{words[:1].upper()}{words[1:]}."


def plain(value: object) -> str:
    """Write a value of a recipe or a parameter as JSON has it, texts without their quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "plain": plain, "document": _document}
    return environment.get_template("report.html")


def _phrase(card: CardContent, value: float) -> str:
    rows = f"{card.test_rows:,} held-out {card.unit}s"
    if card.primary == "accuracy":
        return f"It gives the right class to {value:.1%} of {rows}"
    if card.primary == "r2" and value >= 0:
        off = card.metrics.get("mae")
        mean = f", and is {number(off['value'])} off on average" if off else ""
        return f"It explains {value:.1%} of the variance of {card.target} in {rows} (R² {value:.4f}){mean}"
    return f"Its {card.primary} on {rows} is {number(value)}"


def _guessing(card: CardContent, guess: float) -> str:
    how = "the most frequent class" if card.answers.classes else "the mean"
    if card.primary == "accuracy":
        return f"Always answering {how}, without looking at a {card.unit}, would be right for {guess:.1%}"
    off = card.metrics.get("mae", {}).get("baseline")
    if card.primary == "r2" and off is not None:
        return f"Always answering {how}, without looking at a row, would be {number(off)} off"
    if card.primary in OF_PROBABILITIES:
        how = "the classes with their shares of the training rows"
    return f"Always answering {how}, without looking at a row, would get {number(guess)}"


def _worst(metric: str, interval: Sequence[float]) -> float:
    low, high = interval
    return low if is_worse(metric, low, high) else high


def _plots(card: CardContent) -> list[Plot]:
    drawn: list[Plot] = list(plots.of_history(card.gallery.history)) if card.gallery else []
    if card.answers.classes:
        drawn += plots.of_classes(card.answers, _class_names(card), card.target)
    if isinstance(card.calibration, Spread):
        drawn += plots.of_values(card.answers, card.calibration, card.target)
    if isinstance(card.calibration, Calibration):
        drawn.append(plots.of_calibration(card.calibration, _class_names(card), card.target))
    if card.importance and card.importance.columns:
        drawn.append(plots.of_importance(card.importance))
    if card.learning_curve:
        drawn.append(plots.of_learning(card.learning_curve))
    return drawn


def _class_names(card: CardContent) -> list[str]:
    """Name the classes by words where there are some, else by themselves."""
    names = list(card.class_names or ())
    return [str(name) for name in (*names, *card.answers.classes[len(names) :])]


def _confused(card: CardContent) -> list[tuple[str, str, int]]:
    """List the most frequent mistakes: actual class, predicted class, rows."""
    if not card.answers.classes:
        return []
    names, counts = _class_names(card), plots.confusion(card.answers)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:MOST_CONFUSED]
    pairs = zip(*np.unravel_index(order, counts.shape), strict=True)
    return [
        (names[actual], names[predicted], int(counts[actual, predicted]))
        for actual, predicted in pairs
        if counts[actual, predicted]
    ]


def _call(card: CardContent) -> str:
    if not card.example:  # of pictures
        return f"curl {shlex.quote(f'{URL}/predict/{card.name}')} -F image=@picture.png"
    body = json.dumps({"features": dict(card.example)}, ensure_ascii=False, default=str)
    return f"curl {shlex.quote(f'{URL}/predict/{card.name}')} -d {shlex.quote(body)}"


def _document(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)
