"""What a fitted estimator says of rows: the one place where estimators are called to answer.

An estimator may spread its work over processes of joblib's (`n_jobs`). Those are no use to a server: they are
started in gunicorn's master, where the golden rows are answered first, and a worker that is forked afterwards
waits for them forever. A server has workers and threads of its own, so each call stays within its thread.
Training's own fits are not called here, and may spread.

Of many rows that an estimator makes wide it is asked some at a time: they take no more memory than a few.
"""

import unicodedata
from collections.abc import Iterator
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from mlapi.errors import Unanswerable
from mlapi.widths import size_of

MOST_GRAMS = 2**22
"""Pieces that a vectorizer cuts of one text, about 70 bytes each, before it looks for those that it knows."""

_MOST_SIGNS = 18
"""Letters that one becomes where accents are stripped: U+FDFA is the longest (Unicode 16, NFKD)."""


def call(estimator: Any, method: str, rows: Any) -> NDArray[Any]:
    """What the named method gives for rows, computed in this thread; joblib keeps that by thread.

    Raises:
        Unanswerable: A text is too long for a vectorizer of n-grams.
        Exception: What the estimator raises.
    """
    size = size_of(estimator)
    if size.grams:
        _check_texts(rows, size.grams)
    ask = getattr(estimator, method)
    with joblib.parallel_config(backend="sequential"), np.errstate(all="ignore"):
        if len(rows) <= size.rows_at_once:
            return np.asarray(ask(rows))
        return np.concatenate([np.asarray(ask(some)) for some in _pieces(rows, size.rows_at_once)])


def _pieces(rows: Any, length: int) -> Iterator[Any]:
    by_place = getattr(rows, "iloc", rows)  # of a table
    return (by_place[start : start + length] for start in range(0, len(rows), length))


def _check_texts(rows: Any, grams: float) -> None:
    most = int(MOST_GRAMS / grams)
    for row, cells in enumerate(_cells(rows)):
        for cell in cells:
            if isinstance(cell, str) and len(cell) * _MOST_SIGNS > most and _letters(cell) > most:
                raise Unanswerable(
                    f"row {row} has a text of {len(cell):,} letters; this model cuts each into many pieces, "
                    f"and takes {most:,} letters at most: send a part of it"
                )


def _cells(rows: Any) -> Iterator[Any]:
    """The texts of each row, and its other words."""
    if getattr(rows, "ndim", 1) == 1 or not hasattr(rows, "iloc"):
        return ([row] if isinstance(row, str) else row for row in rows)
    columns = [rows.iloc[:, place] for place in range(rows.shape[1])]
    return zip(*(column for column in columns if column.dtype.kind not in "biufM"), strict=True)


def _letters(text: str) -> int:
    return len(text) if text.isascii() else len(unicodedata.normalize("NFKD", text))
