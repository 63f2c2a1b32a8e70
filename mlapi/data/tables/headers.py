"""The first row of a table: the names of its columns, and whether it is such a row at all."""

from collections import Counter
from collections.abc import Sequence
from math import isfinite

import numpy as np

from mlapi.data.tables.numbers import parse_numbers
from mlapi.errors import DatasetError
from mlapi.wording import listed

INDEX = "which has no name, but a whole number of its own in each row: pandas' index"
"""What is said of a first column that pandas writes beside those of a table."""


def column_names(name: str, header: Sequence[str]) -> list[str]:
    """Return the names of the columns: without spaces around them, and "unnamed_3" for an empty one.

    Raises:
        DatasetError: One name stands twice.
    """
    names = [cell.strip() or f"unnamed_{position}" for position, cell in enumerate(header, start=1)]
    repeated = next((column for column, count in Counter(names).items() if count > 1), None)
    if repeated is not None:
        raise DatasetError(f"{name}: two columns are called {repeated!r}; rename one")
    return names


def cells_needed(cells: Sequence[str]) -> int:
    """Return how many cells there are up to the last one that is not blank.

    So many a row has to have whose header this is.
    """
    return max((position for position, cell in enumerate(cells, start=1) if cell.strip()), default=0)


def is_word(cell: str) -> bool:
    """Whether a cell holds what cannot be read as a number, or as true or false, by any reader."""
    word = cell.strip()
    if not word or word.lower() in {"true", "false"}:
        return False
    try:
        float(word.replace(",", "."))
    except ValueError:
        return _number_in(word) is None
    return False


def _number_in(name: str) -> float | None:
    """Return the number that a name is; None for another name, such as 24h, which begins with one."""
    parsed = parse_numbers([name])
    return None if parsed is None or parsed.style.unit else float(parsed.values[0])


def refuse_numbers(name: str, header: Sequence[str], line: int) -> None:
    """Refuse a header that is a row: mostly numbers, unless these are evenly spaced or in order.

    Years, pixels and wavelengths are names: evenly spaced, or many in order, which rows of data hardly are.

    Raises:
        DatasetError: It is one; the message has its line.
    """
    numbers = [number for name in header if (number := _number_in(name)) is not None and isfinite(number)]
    steps = np.diff(numbers)
    is_even = len(steps) > 0 and bool(np.isclose(steps, steps[0]).all()) and (len(steps) > 1 or steps[0] == 1)
    is_long = len(steps) > 4 and bool((steps > 0).all() or (steps < 0).all())
    is_data = len(numbers) == len(header) or (
        2 * len(numbers) > len(header) and (np.mod(numbers, 1) != 0).any()
    )
    if is_data and not is_even and not is_long:
        where = "the first line" if line == 1 else f"line {line}, where the names are expected,"
        raise DatasetError(f"{name}: {where} is a row ({listed(header)}); put the columns' names before it")
