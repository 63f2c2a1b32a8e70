"""Calls of fitted estimators: the one place where they are asked to answer rows.

An estimator may spread its work over processes of joblib's (`n_jobs`). Those are no use to a server: they are
started in gunicorn's master, where the golden rows are answered first, and a worker that is forked afterwards
waits for them forever. A server has workers and threads of its own, so each call stays within its thread.
Training's own fits are not called here, and may spread.

Where an estimator makes many numbers of one row, it is asked for some rows at a time: so many rows take no
more memory than a few.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from inspect import signature
from itertools import pairwise
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from mlapi.artifacts.pickles.fitted.widths import RowSize, join_answers, size_of
from mlapi.errors import Unanswerable

MOST_GRAMS = 2**22
"""The most n-grams that a vectorizer cuts at once. Those of one text take about 70 bytes each, those of all
texts that are in its vocabulary 12."""

PREDICT_STD = "predict_std"
"""In place of a method: the standard deviations that `predict` gives with `return_std`."""

_LONGEST_EXPANSION = 18
"""The most characters that one becomes where accents are stripped: U+FDFA (Unicode 16, NFKD)."""


def call(estimator: Any, method: str, rows: Any) -> NDArray[Any]:
    """Return what the named method gives for rows, computed in this thread.

    That is `(rows,)` or `(rows, columns)`. Probabilities of several targets are `(rows, targets, classes)`,
    and those of a target with fewer classes than others end in zeros.

    joblib's configuration is the thread's own, so other threads are not affected.

    Args:
        method: A method of the estimator, or `PREDICT_STD`.
        rows: As `mlapi.inference.model.estimator_input` makes them.

    Raises:
        Unanswerable: A text is too long for a vectorizer of n-grams.
        Exception: What the estimator raises.
    """
    ask = partial(_output, estimator, method) if method != "predict" else _prediction_of(estimator)
    chunks = _chunks(rows, size_of(estimator))
    with joblib.parallel_config(backend="sequential"), np.errstate(all="ignore"):
        if len(chunks) <= 1:
            return np.asarray(ask(rows))
        by_position = getattr(rows, "iloc", rows)  # of a table
        return join_answers({method: np.asarray(ask(by_position[chunk]))} for chunk in chunks)[method]


@contextmanager
def in_this_thread() -> Iterator[None]:
    """Keep joblib from spreading the block over processes or threads, whatever `n_jobs` says."""
    with joblib.parallel_config(backend="sequential"):
        yield


def final_of(estimator: Any) -> Any:
    """Return the final estimator: the last step of a pipeline, the best of a search."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    steps = getattr(estimator, "steps", None)
    return final_of(steps[-1][1]) if steps else estimator


def returns_std(estimator: Any) -> bool:
    """Return whether an estimator's `predict` gives standard deviations as well."""
    try:
        return "return_std" in signature(final_of(estimator).predict).parameters
    except (AttributeError, TypeError, ValueError):  # no such method, or one that Python cannot look into
        return False


def gives_one_class(estimator: Any) -> bool:
    """Return whether `predict_proba` gives one number for each of several targets, as chains and stacks do: a
    chain that of the second class, a stack that of the first."""
    final = final_of(estimator)
    return isinstance(getattr(final, "classes_", None), list) and any(
        hasattr(final, attribute) for attribute in ("order_", _STACK)
    )


def label_count(estimator: Any) -> int:
    """Return how many labels there are if a row has any number of them, and `predict_proba` gives of each
    that it is there, as one-vs-rest and networks do; 0 of other estimators."""
    final = final_of(estimator)
    binarizer = getattr(final, "label_binarizer_", getattr(final, "_label_binarizer", None))
    kind = getattr(binarizer, "y_type_", None)
    return len(final.classes_) if isinstance(kind, str) and kind.startswith("multilabel") else 0


_STACK = "stack_method_"
"""The attribute that tells a stack."""


def _prediction_of(estimator: Any) -> Callable[[Any], Any]:
    """Return the method that predicts; a pipeline that ends in a transformer predicts what that makes."""
    predict: Callable[[Any], Any] | None = getattr(estimator, "predict", None)
    return predict or partial(_output, estimator, "transform")


def _output(estimator: Any, method: str, rows: Any) -> NDArray[Any]:
    """Return what an estimator gives beside its prediction, as one array; see `call`."""
    if method == PREDICT_STD:  # a search hands it on to nobody
        _, deviations = getattr(estimator, "best_estimator_", estimator).predict(rows, return_std=True)
        return np.asarray(deviations)
    answer = getattr(estimator, method)(rows)
    if method != "predict_proba":
        return np.asarray(answer.toarray() if hasattr(answer, "toarray") else answer)
    if isinstance(answer, list):  # of several targets, an array for each
        most = max(part.shape[1] for part in answer)
        return np.stack([np.pad(part, ((0, 0), (0, most - part.shape[1]))) for part in answer], axis=1)
    if np.ndim(answer) == 2 and (gives_one_class(estimator) or label_count(estimator)):
        is_of_first = hasattr(final_of(estimator), _STACK)
        return np.stack([answer, 1 - answer] if is_of_first else [1 - answer, answer], axis=2)
    return np.asarray(answer)


def _chunks(rows: Any, size: RowSize) -> list[slice]:
    """Return which rows are asked at once.

    Raises:
        Unanswerable: The text of one row is too long.
    """
    most = size.rows_at_once
    count = rows.shape[0] if hasattr(rows, "shape") else len(rows)  # a sparse matrix has no length
    if not size.grams:
        return [slice(start, start + most) for start in range(0, count, most)]
    most_letters = int(MOST_GRAMS / size.grams)
    starts, letters = [0], 0
    for row, cells in enumerate(_texts(rows)):
        own = _letters(row, cells, most_letters)
        letters += own
        if letters > most_letters or row - starts[-1] >= most:
            letters = own
            starts.append(row)
    return [slice(start, end) for start, end in pairwise([*starts, count])]


def _letters(row: int, cells: Iterable[Any], most: int) -> int:
    """Count the characters in the texts and categories of one row.

    Raises:
        Unanswerable: One of these has more than `most`.
    """
    count = 0
    for cell in cells:
        if isinstance(cell, str):
            count += len(cell)
            if len(cell) * _LONGEST_EXPANSION > most and _expanded_length(cell) > most:
                raise Unanswerable(
                    f"row {row} has a text of {len(cell):,} letters; this model cuts each into many pieces, "
                    f"and takes {most:,} letters at most: send a part of it"
                )
    return count


def _texts(rows: Any) -> Iterator[Any]:
    """Return an iterator over the rows: of each the cells that may be texts or categories."""
    if getattr(rows, "ndim", 1) == 1 or not hasattr(rows, "iloc"):
        return ([row] if isinstance(row, str) else row for row in rows)
    columns = [rows.iloc[:, place] for place in range(rows.shape[1])]
    return zip(*(column for column in columns if column.dtype.kind not in "biufM"), strict=True)


def _expanded_length(text: str) -> int:
    """Return how many characters a text has once its accents are taken apart from its letters."""
    return len(text) if text.isascii() else len(unicodedata.normalize("NFKD", text))
