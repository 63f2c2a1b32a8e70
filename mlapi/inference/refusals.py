"""Which rows of a batch have no answer: those that an estimator refuses, or whose answer JSON cannot hold.

An estimator refuses a batch as a whole. So it is asked again for halves, and halves of these, within bounds:
a refusal costs little more time than an answer. Knows nothing of requests: places are numbers of rows.
"""

import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlapi.data.signature import Batch
from mlapi.errors import Unanswerable
from mlapi.wording import SHOWN, Finding, counted

Ask: TypeAlias = Callable[[Batch], object]
"""Asks an estimator to answer a batch; raises whatever it raises."""

MOST_ASKED = 100
"""How many times an estimator is asked again at most: one bad row of 10,000 takes 28."""

LONGEST_S = 1.0
"""After so many seconds it is not asked again."""


def refusal(ask: Ask, batch: Batch, count: int, error: Exception) -> Unanswerable:
    """Return what to tell of a batch of `count` rows that an estimator has refused with `error`: which rows
    it refuses when it is asked for them alone, the first 20 at most."""
    name = type(error).__name__
    if count == 1:
        if _takes(ask, _rows(batch, [0, 0])):
            return Unanswerable(
                f"the estimator refuses a row alone ({name}): send two or more, such as this one twice"
            )
        return Unanswerable(f"the estimator refused this row ({name})", [_refused(0, name)], 1)
    refused, is_complete = _refused_rows(ask, batch, count, name)
    if not refused:
        return Unanswerable(f"the estimator refused these rows ({name})")
    number = f"{len(refused):,}" if is_complete else f"at least {len(refused):,}"
    detail = f"the estimator refused {number} of these {count:,} rows ({refused[0][1]})"
    return Unanswerable(detail, [_refused(row, of_row) for row, of_row in refused], len(refused))


def unpresentable(what: str, good: NDArray[np.bool_]) -> Unanswerable:
    """Return what to tell of answers that JSON cannot hold.

    Args:
        what: What is wrong: "the answer is not finite".
        good: Which values of the answer are right, `(rows,)` or `(rows, columns)`.
    """
    rows = np.flatnonzero(~good.reshape(len(good), -1).all(axis=1)) if good.ndim else np.array([0])
    count = good.shape[0] if good.ndim else 1
    which = "this row" if count == 1 else f"{len(rows):,} of these {counted(count, 'row')}"
    findings = [Finding((row,), f"{what} for this row") for row in rows[:SHOWN].tolist()]
    return Unanswerable(f"{what} for {which}", findings, len(rows))


def _refused(row: int, name: str) -> Finding:
    return Finding((row,), f"the estimator refused this row ({name})")


def _takes(ask: Ask, batch: Batch) -> bool:
    try:
        ask(batch)
    except Exception:  # somebody else's estimator
        return False
    return True


def _refused_rows(ask: Ask, batch: Batch, count: int, name: str) -> tuple[Sequence[tuple[int, str]], bool]:
    """Return the rows that are refused, in order, each with its error's class; and whether these are all.

    Args:
        name: The class of the error for the batch as a whole.
    """
    until = time.monotonic() + LONGEST_S
    refused: list[tuple[int, str]] = []
    parts = [(0, count, name)]  # each of which is refused; the first rows come last
    asked = 0
    while parts:
        start, end, name = parts.pop()
        if end - start == 1:
            refused.append((start, name))
            if len(refused) == SHOWN:
                return refused, not parts
            continue
        middle = (start + end) // 2
        for first, last in ((middle, end), (start, middle)):
            if asked == MOST_ASKED or time.monotonic() > until:
                return refused, False
            asked += 1
            try:
                ask(_rows(batch, slice(first, last)))
            except Exception as error:  # somebody else's estimator
                parts.append((first, last, type(error).__name__))
    return refused, True


def _rows(batch: Batch, part: slice | list[int]) -> Batch:
    if isinstance(batch, np.ndarray):
        return batch[part]
    return {name: column[part] for name, column in batch.items()}
