"""What a fitted estimator says of rows: the one place where estimators are called to answer.

An estimator may spread its work over processes of joblib's (`n_jobs`). Those are no use to a server: they are
started in gunicorn's master, where the golden rows are answered first, and a worker that is forked afterwards
waits for them forever. A server has workers and threads of its own, so each call stays within its thread.
Training's own fits are not called here, and may spread.

Of many rows that an estimator makes wide it is asked some at a time: they take no more memory than a few.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from mlapi.artifacts.pickles.fitted.widths import RowSize, joined, size_of
from mlapi.errors import Unanswerable

MOST_GRAMS = 2**22
"""Pieces that a vectorizer cuts of texts at once: of one, about 70 bytes each; of those that it knows, 12."""

_MOST_SIGNS = 18
"""Letters that one becomes where accents are stripped: U+FDFA is the longest (Unicode 16, NFKD)."""


def call(estimator: Any, method: str, rows: Any) -> NDArray[Any]:
    """What the named method gives for rows, computed in this thread; joblib keeps that by thread.

    Raises:
        Unanswerable: A text is too long for a vectorizer of n-grams.
        Exception: What the estimator raises.
    """
    size = size_of(estimator)
    ask = getattr(estimator, method)
    pieces = _pieces(rows, size)
    with joblib.parallel_config(backend="sequential"), np.errstate(all="ignore"):
        if len(pieces) <= 1:
            return np.asarray(ask(rows))
        by_place = getattr(rows, "iloc", rows)  # of a table
        return joined({method: np.asarray(ask(by_place[piece]))} for piece in pieces)[method]


def _pieces(rows: Any, size: RowSize) -> list[slice]:
    """Which rows are asked at once."""
    most = size.rows_at_once
    if not size.grams:
        return [slice(start, start + most) for start in range(0, len(rows), most)]
    most_letters = int(MOST_GRAMS / size.grams)
    starts, letters = [0], 0
    for row, cells in enumerate(_cells(rows)):
        own = _letters(row, cells, most_letters)
        letters += own
        if letters > most_letters or row - starts[-1] >= most:
            letters = own
            starts.append(row)
    return [slice(start, end) for start, end in pairwise([*starts, len(rows)])]


def _letters(row: int, cells: Iterable[Any], most: int) -> int:
    """In the texts of one row, and its other words."""
    found = 0
    for cell in cells:
        if isinstance(cell, str):
            found += len(cell)
            if len(cell) * _MOST_SIGNS > most and _longest(cell) > most:
                raise Unanswerable(
                    f"row {row} has a text of {len(cell):,} letters; this model cuts each into many pieces, "
                    f"and takes {most:,} letters at most: send a part of it"
                )
    return found


def _cells(rows: Any) -> Iterator[Any]:
    """The texts of each row, and its other words."""
    if getattr(rows, "ndim", 1) == 1 or not hasattr(rows, "iloc"):
        return ([row] if isinstance(row, str) else row for row in rows)
    columns = [rows.iloc[:, place] for place in range(rows.shape[1])]
    return zip(*(column for column in columns if column.dtype.kind not in "biufM"), strict=True)


def _longest(text: str) -> int:
    """How many letters it has, with and without its accents."""
    return len(text) if text.isascii() else len(unicodedata.normalize("NFKD", text))
