"""The model card's plots: what was measured -> pictures, each with its figures in words.

Knows nothing of the page, and of matplotlib only its axes; `mlapi.training.cards.drawing` knows the rest.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlapi.training.cards.drawing import NARROW, WIDE, Plot, label, plot
from mlapi.training.evaluation.answers import Answers
from mlapi.training.evaluation.calibration import Calibration, Spread
from mlapi.training.evaluation.curves import Importance, LearningCurve
from mlapi.training.evaluation.metrics import LOWER_IS_BETTER
from mlapi.training.evaluation.ranking import Curve, curve, ranked_classes

# Okabe and Ito, "Color Universal Design" (2008): the color-blind tell them apart; in print, styles do.
BLUE, ORANGE, GRAY = "#0072b2", "#d55e00", "#767676"
# Color and style of a line, by its place.
LINES = ((BLUE, "-"), (ORANGE, "--"), ("#009e73", "-."), ("#cc79a7", ":"), ("#000000", (0, (5, 1, 1, 1))))

MOST_DRAWN = 1e300
"""A value; for larger ones matplotlib fails to place the ticks."""

MOST_POINTS = 1_500
"""Rows that are drawn as points; of more, some by chance."""

MOST_RANKED = 20_000
"""Rows that curves are computed of; of more, some by chance."""

MOST_VERTICES = 200
"""Points of a curve; of more, some that are evenly spaced along it."""

FEW_CLASSES = 4
"""Classes up to which a confusion matrix is narrow."""

MOST_COUNTED_CLASSES = 15
"""Classes up to which each cell of a confusion matrix has its count."""

MOST_NAMED_CLASSES = 30
"""Names beside a confusion matrix; of more classes every second or third is named."""

MOST_BARS = 20
"""Columns whose importance is drawn, the most important ones."""

MOST_LETTERS = 36
"""Letters of all names below a confusion matrix; more of them stand upright."""

HISTORY = (
    ("Loss", ("loss", "validation_loss"), "loss"),
    ("Accuracy", ("accuracy", "validation_accuracy"), "accuracy"),
    ("Learning rate", ("learning_rate",), "learning rate"),
)
"""Plots of a network's training: the title, the keys of the history that are drawn, and the axis."""

UPRIGHT: dict[str, Any] = {"rotation": 90, "ha": "right", "va": "center", "rotation_mode": "anchor"}
"""How matplotlib writes labels upright."""


def of_values(answers: Answers, spread: Spread, target: str) -> Iterator[Plot]:
    """Draw predicted against actual values, and residuals; nothing if a value is too large for axes."""
    if not max(np.abs(answers.truth).max(), np.abs(answers.predicted).max()) < MOST_DRAWN:
        return
    some, title = _some(answers, MOST_POINTS)
    off = (
        f"Half of the predictions are at most {spread.half:.3g} off, nine tenths at most {spread.most:.3g}; "
        f"the mean error is {spread.bias:.3g}."
    )

    def against_actual(axes: Any) -> str:
        _points(axes, some.truth, some.predicted)
        low, high = min(some.truth.min(), some.predicted.min()), max(some.truth.max(), some.predicted.max())
        axes.plot([low, high], [low, high], color=ORANGE, linestyle="--", label="predicted = actual")
        axes.set(xlabel=f"actual {label(target)}", ylabel="predicted")
        axes.locator_params(nbins=5)
        axes.legend()
        return off

    def residuals(axes: Any) -> str:
        _points(axes, some.predicted, some.predicted - some.truth)
        axes.axhline(0, color=GRAY)
        for edge, name in ((-spread.most, None), (spread.most, "nine tenths lie between")):
            axes.axhline(edge, color=ORANGE, linestyle="--", label=name)
        axes.set(xlabel=f"predicted {label(target)}", ylabel="predicted - actual")
        axes.locator_params(nbins=5)
        axes.legend()
        return off

    yield plot(f"Predicted against actual{title}", against_actual)
    yield plot(f"Residuals{title}", residuals)


def of_classes(answers: Answers, names: Sequence[str], target: str) -> Iterator[Plot]:
    """Draw the confusion matrix and, where there are probabilities, ROC and precision-recall curves."""
    yield _confusion(confusion(answers), names)
    some, title = _some(answers, MOST_RANKED)
    ranked = list(_curves(some))
    if not ranked:
        return
    against = f" of {_second(names, target)}" if len(names) == 2 else ", each class against the others"
    yield plot(f"ROC curve{against}{title}", lambda axes: _roc(axes, ranked, names))
    yield plot(f"Precision and recall{against}{title}", lambda axes: _precision(axes, ranked, names))


def of_calibration(calibration: Calibration, names: Sequence[str], target: str) -> Plot:
    """Draw mean probabilities against the share of rows in which they came true (reliability diagram)."""
    of = _second(names, target) if len(names) == 2 else "the likeliest class"

    def draw(axes: Any) -> str:
        axes.plot([0, 1], [0, 1], color=GRAY, linestyle="--", label="perfectly calibrated")
        axes.plot(
            calibration.predicted,
            calibration.observed,
            color=BLUE,
            marker="o",
            markersize=4,
            label="held out",
        )
        axes.set(
            xlabel=f"probability of {of}",
            ylabel="share that came true",
            xlim=(-0.02, 1.02),
            ylim=(-0.02, 1.02),
        )
        axes.legend(loc="upper left")
        return (
            f"in {len(calibration.rows)} bins, what was said and what came true differ by "
            f"{calibration.error:.1%} on average (expected calibration error)."
        )

    return plot("Calibration", draw)


def of_importance(importance: Importance) -> Plot:
    """Draw the most important columns as bars."""
    shown = importance.columns[:MOST_BARS]
    change = "rise" if importance.metric in LOWER_IS_BETTER else "fall"

    def draw(axes: Any) -> str:
        places = np.arange(len(shown))
        names, means, deviations = zip(*shown, strict=True)
        axes.barh(places, means, xerr=deviations, color=BLUE, ecolor=GRAY, height=0.7)
        axes.set_yticks(places, [label(name) for name in names])
        axes.invert_yaxis()
        axes.axvline(0, color=GRAY, linewidth=0.8)
        axes.set(xlabel=f"{change} of {importance.metric} when shuffled")
        return "; ".join(f"{label(name)}: {mean:.3g}" for name, mean, _ in shown[:5]) + "."

    of = "" if len(shown) == len(importance.columns) else f" (the first {len(shown)})"
    return plot(f"Permutation importance{of}", draw, size=(NARROW[0], max(2.2, 0.9 + 0.21 * len(shown))))


def of_history(history: Sequence[Mapping[str, Any]]) -> Iterator[Plot]:
    """Draw what was noted after each epoch of a network's training; an epoch may lack a figure."""
    for title, keys, unit in HISTORY:
        lines = [(key, _by_epoch(history, key)) for key in keys if any(key in entry for entry in history)]
        if lines and len(history) > 1:
            yield plot(f"{title} by epoch", partial(_history, lines=lines, unit=unit))


def of_learning(points: LearningCurve) -> Plot:
    """Draw the metric by number of training rows."""

    def draw(axes: Any) -> str:
        axes.plot(
            points.sizes,
            points.training,
            color=ORANGE,
            linestyle="--",
            marker="s",
            markersize=4,
        )
        axes.plot(points.sizes, points.test, color=BLUE, marker="o", markersize=4)
        axes.legend(["rows learned from", "held-out rows"])
        axes.set(xlabel="training rows", ylabel=points.metric)
        first, last = points.test[0], points.test[-1]
        return (
            f"on held-out rows, {points.metric} is {first:.3g} after {points.sizes[0]:,} rows and "
            f"{last:.3g} after {points.sizes[-1]:,}."
        )

    return plot("Learning curve", draw)


def confusion(answers: Answers) -> NDArray[np.intp]:
    """Count for each class (down) the rows that were taken for each class (across): `(classes, classes)`.

    The result is that of `sklearn.metrics.confusion_matrix`.
    """
    size = len(answers.classes)
    return np.bincount(answers.truth * size + answers.predicted, minlength=size**2).reshape(size, size)


def _by_epoch(history: Sequence[Mapping[str, Any]], key: str) -> list[tuple[int, float]]:
    values = ((epoch, entry.get(key)) for epoch, entry in enumerate(history, 1))
    return [(epoch, float(value)) for epoch, value in values if value is not None]


def _history(axes: Any, lines: Sequence[tuple[str, list[tuple[int, float]]]], unit: str) -> str:
    sentences = []
    for (key, values), (color, style) in zip(lines, LINES, strict=False):
        of = "pictures that choose the epoch" if key.startswith("validation") else "pictures learnt from"
        axes.plot(*zip(*values, strict=True), color=color, linestyle=style, label=of)
        sentences.append(f"{key.replace('_', ' ')}: first {values[0][1]:.3g}, last {values[-1][1]:.3g}")
    axes.set(xlabel="epoch", ylabel=unit)
    if len(lines) > 1:
        axes.legend()
    return f"{'; '.join(sentences)}."


def _second(names: Sequence[str], target: str) -> str:
    return f"{label(target)} = {label(names[1])}"


def _confusion(counts: NDArray[np.intp], names: Sequence[str]) -> Plot:
    size = len(names)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def draw(axes: Any) -> str:
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
        step = -(-size // MOST_NAMED_CLASSES)
        places = range(0, size, step)
        labels = [label(names[place]) for place in places]
        axes.set_yticks(places, labels)
        turned = UPRIGHT if sum(map(len, labels)) > MOST_LETTERS else {}
        axes.set_xticks(places, labels, **turned)
        axes.set(xlabel="predicted", ylabel="actual")
        if size <= MOST_COUNTED_CLASSES:
            for (row, column), share in np.ndenumerate(shares):
                color = "white" if share > 0.5 else "black"
                axes.text(
                    column, row, f"{counts[row, column]:,}", color=color, ha="center", va="center", size=8
                )
        return f"{np.trace(counts):,} of {counts.sum():,} rows are on the diagonal, where both agree."

    return plot(
        "Confusion matrix, colored by share of the actual class",
        draw,
        size=NARROW if size <= FEW_CLASSES else WIDE,
    )


def _curves(answers: Answers) -> Iterator[tuple[int, Curve, float]]:
    """Compute class, curve and area under the ROC curve, the least area first.

    A class without a row, or with all rows, has none.
    """
    if answers.probabilities is None:
        return iter(())
    rows = np.bincount(answers.truth, minlength=len(answers.classes))
    known = [
        (code, curve(answers, code)) for code in ranked_classes(answers) if 0 < rows[code] < len(answers)
    ]
    with_areas = [(code, drawn, float(np.trapezoid(*_from_zero(drawn)[::-1]))) for code, drawn in known]
    return iter(sorted(with_areas, key=lambda entry: entry[2]))


def _from_zero(points: Curve) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.append(0.0, points.false_positives), np.append(0.0, points.recall)


def _roc(axes: Any, ranked: Sequence[tuple[int, Curve, float]], names: Sequence[str]) -> str:
    axes.plot([0, 1], [0, 1], color=GRAY, linewidth=0.8)
    lines = [(code, *_from_zero(points), area) for code, points, area in ranked]
    axes.set(xlabel="share of the others taken for it", ylabel="share of the class found")
    return _named_lines(axes, lines, names, "area", "lower right")


def _precision(axes: Any, ranked: Sequence[tuple[int, Curve, float]], names: Sequence[str]) -> str:
    lines = [
        (
            code,
            np.append(0.0, points.recall),
            np.append(points.precision[0], points.precision),
            float(np.diff(points.recall, prepend=0.0) @ points.precision),
        )
        for code, points, _ in ranked
    ]
    axes.set(
        xlabel="share of the class found (recall)",
        ylabel="share of right ones (precision)",
        ylim=(-0.02, 1.04),
    )
    return _named_lines(
        axes, sorted(lines, key=lambda line: line[3]), names, "average precision", "lower left"
    )


def _named_lines(
    axes: Any, lines: Sequence[tuple[Any, ...]], names: Sequence[str], figure: str, corner: str
) -> str:
    """Draw the first lines in color and with their names, the others in gray behind them."""
    for _, x, y, _ in lines[len(LINES) :]:
        axes.plot(*_thinned(x, y), color=GRAY, linewidth=0.6, alpha=0.6, rasterized=True)
    values = []
    for (code, x, y, value), (color, style) in zip(lines, LINES, strict=False):
        values.append(f"{value:.3f} for {label(names[code])}")
        axes.plot(*_thinned(x, y), color=color, linestyle=style, label=values[-1])
    axes.legend(title=figure if len(lines) <= len(LINES) else f"{figure}, the lowest", loc=corner)
    return f"{figure} by class, the lowest first: {'; '.join(values)}."


def _thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[Any, Any]:
    if len(x) <= MOST_VERTICES:
        return x, y
    lengths = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    evenly = np.linspace(0, lengths[-1], MOST_VERTICES)
    chosen = np.unique(np.searchsorted(lengths, evenly).clip(max=len(x) - 1))
    return x[chosen], y[chosen]


def _some(answers: Answers, most: int) -> tuple[Answers, str]:
    """Choose answers at random if there are too many; and what the title then says."""
    if len(answers) <= most:
        return answers, ""
    chosen = np.random.default_rng(0).choice(len(answers), most, replace=False)
    return answers.take(np.sort(chosen)), f" ({most:,} of {len(answers):,} rows)"


def _points(axes: Any, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """Draw points, many of them as one image: as shapes each would take a hundred bytes."""
    axes.scatter(x, y, s=9, color=BLUE, alpha=0.5, linewidths=0, rasterized=len(x) > 100)
