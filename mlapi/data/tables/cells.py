"""Texts in cells that mark a missing value, and what the readers of numbers and of dates share.

A reader (`mlapi.data.tables.numbers`, `mlapi.data.tables.datetimes`) takes the distinct texts of one column
and decides for the whole column: if a single text does not fit, and does not mark a missing value, the answer
is None, and the column holds categories or text. Knows nothing of files, names of columns, or models.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MARKERS = frozenset(
    (
        *(
            "",
            "?",
            "-",
            "--",
            "—",
            ".",
            "n/a",
            "na",
            "n.a.",
            "#n/a",
            "#na",
            "<na>",
            "null",
            "none",
            "nil",
            "nan",
        ),
        *("-nan", "nat", "missing", "\\n", "#value!", "#div/0!", "#ref!", "#null!", "1.#qnan", "1.#ind"),
    )
)
"""Texts that mark a missing value in columns of numbers, dates and times, in lower case.

They are what spreadsheets, databases (\\N is MySQL's) and R write, and what pandas reads as missing by
default (`pandas._libs.parsers.STR_NA_VALUES`).
"""


def is_marker(text: str) -> bool:
    """Return whether a text marks a missing value among numbers, dates and times: "", "NA", " n/a ", "?"."""
    return text.strip().lower() in MARKERS


def markers_among(texts: Sequence[str], missing: Sequence[bool]) -> tuple[str, ...]:
    """Return the texts that are missing, by a flag for each."""
    return tuple(text for text, is_missing in zip(texts, missing, strict=True) if is_missing)


def all_match(pattern: re.Pattern[str], texts: Iterable[str]) -> bool:
    """Return whether a pattern matches all texts, each from begin to end."""
    return all(map(pattern.fullmatch, texts))


def spread(values: NDArray[Any], missing: Sequence[bool], filler: Any) -> NDArray[Any]:
    """Put values `(present,)`, in order, where they are not missing, and the filler elsewhere.

    Returns `(texts,)`.
    """
    everywhere = np.full(len(missing), filler, dtype=values.dtype)
    everywhere[~np.array(missing)] = values
    return everywhere
