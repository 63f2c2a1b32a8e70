"""Texts in cells that mark a missing value, and what the readers of numbers and of dates share.

A reader (`mlapi.data.tables.numbers`, `mlapi.data.tables.datetimes`) takes the distinct texts of one column
and decides for the whole column: if a single text does not fit, and does not mark a missing value, the answer
is None, and the column holds categories or text. Knows nothing of files, names of columns, or models.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
        *("–", "---", "----", "..", "...", "…", "\u200b", "n. a.", "n.d.", "n/d", "s/d", "k.a.", "k. a."),
        *("unknown", "unk", "tbd", "not available", "not applicable", "no data", "nodata"),
        *("-nan", "nat", "missing", "\\n", "1.#qnan", "1.#ind"),
        *("#value!", "#div/0!", "#ref!", "#null!", "#num!", "#name?", "#spill!", "#calc!", "#field!"),
        *("#getting_data", "#busy!", "#connect!", "#blocked!", "#unknown!", "#external!", "#python!"),
        *("#wert!", "#bezug!", "#zahl!", "#nv", "#valeur!", "#nombre!", "#nom?", "#nul!"),
        *("#¡valor!", "#¡ref!", "#¡div/0!", "#¡num!", "#¿nombre?", "#¡nulo!", "#valor!", "#núm!", "#nome?"),
    )
)
"""Texts that mark a missing value in columns of numbers, dates and times, in lower case.

They are what databases (\\N is MySQL's) and R write, what pandas reads as missing by default
(`pandas._libs.parsers.STR_NA_VALUES`), the dashes and words that people write for none, and the error words
of Excel (ERROR.TYPE in its reference), in English, German, French, Spanish and Portuguese.
"""

LONGEST = 500
"""Letters of a number, date or duration at most: a longer text is none, and is not searched for one, which
would take seconds for a million letters."""


@dataclass(frozen=True, slots=True)
class CellOptions:
    """Which reading to prefer where texts can be read in several ways. None: the texts decide."""

    decimal: str | None = None
    """The decimal sign, "." or ",", as the user says."""
    thousands: str | None = None
    """What separates thousands, as the user says."""
    decimal_of_file: str | None = None
    """The decimal sign of other numbers in the file; what the user and the column's texts say is stronger."""
    day_first: bool | None = None
    """Whether 3/12/2024 is a day in December, as the user says."""
    day_first_of_file: bool | None = None
    """Whether it is one in other columns of the file; what this column tells is stronger."""


UNDECIDED = CellOptions()
"""The texts decide everything."""


def is_marker(text: str) -> bool:
    """Return whether a text marks a missing value among numbers, dates and times: "", "NA", " n/a ", "?"."""
    return text.strip().lower() in MARKERS


def are_markers(texts: Iterable[str]) -> list[bool]:
    """Return `is_marker` of each text: a column may have a million, so no Python code runs for one."""
    return list(map(MARKERS.__contains__, map(str.lower, map(str.strip, texts))))


class _Signs(dict[int, str | None]):
    """What stands for a character of a number or date: none for those that nobody sees, 0 to 9 for the digits
    of any script."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        if unicodedata.category(character) == "Cf":
            sign = None
        else:
            digit = unicodedata.decimal(character, None)
            sign = character if digit is None else str(digit)
        self[code] = sign
        return sign


_SIGNS = _Signs({ord("–"): "-", **dict(zip(map(ord, "－＋．，％：／٫٬"), "-+.,%:/.,", strict=True))})


def plainly(text: str) -> str:
    """Return a text as a number or date is read in it: without blanks around it, and without what nobody sees
    (a mark of direction, a soft hyphen); digits of any script as 0 to 9, a dash as a minus."""
    return text.strip() if text.isascii() else text.translate(_SIGNS).strip()


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
