"""What a reader of the metrics has to know before believing them.

Each check yields warnings, in words that are parts of sentences, or none.
"""

import shlex
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import r2_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mlapi.estimators.algorithms.declaration import CLASSIFICATION
from mlapi.training.preparation.columns import Column
from mlapi.wording import counted, listed, quoted

LEAK = 0.97
"""The score of a column alone (1 is perfect) from which on it may be the target in other words."""

ALIKE = 0.8
"""How alike the targets of neighbors in time may be (1 is the same) before a random split is too easy."""

RARE = 0.1
"""A class is rare if it has a smaller share than this of the rows of the largest class."""

FEW = 50
"""Rows below which figures are rough: test rows, and rows that a check compares."""

_LEAK_ROWS = 4_000
"""Rows at most that `leaks` fits and tests on: its cost does not grow with the table."""

_LEAK_CELLS = 400_000
"""Rows times columns at most that `leaks` looks at; of a wide table it takes fewer rows."""

_LEAVES = 256
"""Leaves of the tree that `leaks` fits to one column."""


def leaks(  # noqa: PLR0913 - what a column is held against
    columns: Sequence[Column],
    frame: pd.DataFrame,
    y: NDArray[Any],
    *,
    task: str,
    target: str,
    seed: int,
) -> Iterator[str]:
    """Warn of columns that alone almost predict the target.

    For each column a small tree is fitted to one half of the rows, and tested on the other half. Columns of
    text are passed over. The cost is bounded: at most 4,000 rows, fewer of a wide table.

    Args:
        frame: The training rows `(rows, features)`.
        y: Their target `(rows,)`.
    """
    most = min(_LEAK_ROWS, max(200, _LEAK_CELLS // max(1, len(columns))))
    chosen = np.random.default_rng(seed).permutation(len(y))[:most]
    half = len(chosen) // 2
    for column in columns:
        if column.treatment == "terms" or half < FEW:
            continue
        values = _as_numbers(frame[column.name].iloc[chosen]).reshape(-1, 1)
        score = _alone(values, y[chosen], half, task, seed)
        if score >= LEAK:
            yield (
                f"{quoted(column.name)} alone almost predicts {quoted(target)} ({score:.2f} of 1): it may be "
                f"the answer in other words. If it is not known before the answer is, train with "
                f"--drop {shlex.quote(column.name)}"
            )


def time_dependence(
    columns: Sequence[Column], frame: pd.DataFrame, y: NDArray[Any], *, task: str, target: str
) -> Iterator[tuple[str, str]]:
    """Yield each datetime column by whose order neighbors have alike targets, with a warning.

    A test row that is drawn at random is then easy to guess from the rows before and after it.

    Args:
        frame: The training rows `(rows, features)`.
        y: Their target `(rows,)`.
    """
    codes = y.astype(np.float64) if task != CLASSIFICATION else np.unique(y, return_inverse=True)[1]
    for column in columns:
        if column.treatment != "calendar" or len(y) < FEW:
            continue
        datetimes = frame[column.name].to_numpy()
        order = np.argsort(datetimes, kind="stable")[: len(datetimes) - int(np.isnat(datetimes).sum())]
        alike = _likeness(codes[order], task)
        if alike >= ALIKE:
            option = shlex.quote(column.name)
            yield (
                column.name,
                f"rows that are near in {quoted(column.name)} are alike in {quoted(target)} ({alike:.2f} of "
                f"1), and rows among them are held out: if later ones are to be predicted from earlier ones, "
                f"judge by --time-column {option}; if it is not known before the answer is, --drop {option}",
            )


def imbalance(y: NDArray[Any]) -> Iterator[str]:
    """Warn of classes that are rare beside the largest, in all targets `(rows,)`."""
    classes, counts = np.unique(y, return_counts=True)
    rare = counts < RARE * counts.max()
    if rare.any():
        few = [
            f"{quoted(str(value))} {count:,}"
            for value, count in zip(classes[rare].tolist(), counts[rare].tolist(), strict=True)
        ]
        yield (
            f"classes are out of balance ({len(y):,} rows, of these: {listed(few)}): accuracy says little "
            f"about the rare ones, recall and balanced accuracy more"
        )


def ungrouped(*groups: NDArray[np.intp] | None) -> Iterator[str]:
    """Warn of rows without a group: -1 in one of the arrays `(rows,)`; None where there are no groups."""
    count = sum(int((part < 0).sum()) for part in groups if part is not None)
    if count:
        yield f"{counted(count, 'row')} without a group: they are taken for one group"


def duplicates(train: pd.DataFrame, test: pd.DataFrame) -> Iterator[str]:
    """Warn of test rows `(rows, features)` that equal a training row in all features."""
    count = int(_digests(test).isin(_digests(train)).sum())
    if count:
        yield (
            f"{count:,} of {len(test):,} held-out rows have the same features as a row that was learnt "
            f"from: the metrics favor what is learnt by heart"
        )


def duplicate_images(train: NDArray[np.uint8], test: NDArray[np.uint8]) -> Iterator[str]:
    """Warn of test images that equal a training image pixel by pixel.

    Both are `(images, height, width, channels)`. An image is known by a digest of 16 bytes.
    """
    known = set(map(_digest, train))
    count = sum(_digest(image) in known for image in test)
    if count:
        yield (
            f"{count:,} of {len(test):,} held-out pictures are also learnt from: the metrics favor what "
            f"is learnt by heart"
        )


def stored_images(algorithm: str) -> Iterator[str]:
    """Warn of an algorithm whose fitted estimator holds training images, also where the card shows none."""
    if algorithm == "svm":
        yield (
            "a support vector machine keeps pictures that it learnt from, pixel by pixel, and so does the "
            "version: whoever gets it has them"
        )


def sizes(features: int, train: int, test: int) -> Iterator[str]:
    """Warn of too few test rows to trust a figure, and of fewer training rows than features."""
    if test < FEW:
        yield f"only {test} rows to judge by: the metrics are rough"
    if features > train:
        yield f"{features:,} columns and only {train:,} rows to learn from: much of it will be chance"


def _likeness(y: NDArray[Any], task: str) -> float:
    """Measure how alike the targets of neighboring rows are: 0 is chance, 1 is the same.

    For numbers the measure is the autocorrelation at lag 1. For classes it is how often neighbors have the
    same class, corrected for chance as Cohen's kappa is: (observed - expected) / (1 - expected).
    """
    if len(y) < FEW or (y == y[0]).all():
        return 0.0
    if task != CLASSIFICATION:
        middle = y - y.mean()
        return float((middle[:-1] * middle[1:]).sum() / (middle**2).sum())
    shares = np.bincount(y) / len(y)
    chance = float((shares**2).sum())
    return (float((y[:-1] == y[1:]).mean()) - chance) / (1 - chance)


def _alone(values: NDArray[np.float64], y: NDArray[Any], half: int, task: str, seed: int) -> float:
    """Measure how much of the target one column explains: 0 is guessing, 1 is all of it.

    For numbers the measure is R². For classes it is the balanced accuracy, corrected for chance as by
    `sklearn.metrics.balanced_accuracy_score(adjusted=True)`.
    """
    is_classes = task == CLASSIFICATION
    tree = (DecisionTreeClassifier if is_classes else DecisionTreeRegressor)(
        max_leaf_nodes=_LEAVES, random_state=seed
    )
    predicted = tree.fit(values[:half], y[:half]).predict(values[half:])
    truth = y[half:]
    if not is_classes:
        return float(r2_score(truth, predicted))
    known = np.intersect1d(y[:half], truth)  # a rare class may lie in one half only: it says nothing
    if len(known) < 2:
        return 0.0
    recalls = [float((predicted[truth == label] == label).mean()) for label in known]
    return (float(np.mean(recalls)) - 1 / len(known)) / (1 - 1 / len(known))


def _as_numbers(column: pd.Series) -> NDArray[np.float64]:
    """Turn cells into numbers, NaN where missing: texts become the order of their first appearance."""
    if column.dtype.kind in "fb":
        return np.asarray(column, dtype=np.float64)
    if column.dtype.kind == "M":
        datetimes = column.to_numpy()
        return np.where(np.isnat(datetimes), np.nan, datetimes.astype(np.int64).astype(np.float64))
    codes, _ = pd.factorize(column, sort=False)
    return np.where(codes < 0, np.nan, codes.astype(np.float64))


def _digests(frame: pd.DataFrame) -> pd.Series:
    return pd.util.hash_pandas_object(frame, index=False)


def _digest(image: NDArray[np.uint8]) -> bytes:
    return blake2b(image.tobytes(), digest_size=16).digest()
