"""Cells of a file as the values that a client would send for them."""

import pytest

from mlapi.data.signature import Feature
from mlapi.data.tables.cells import UNDECIDED
from mlapi.inference.file_cells import values_of


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["12 kg", "", "3.5 kg"], [12, None, 3.5]),
        (["'-5", "7", ""], [-5, 7, None]),
        (["1h 30m", "45 min", ""], [5400, 2700, None]),
        (["5:30", "75:20", ""], [330, 4520, None]),
    ],
)
@pytest.mark.parametrize("takes_odd", [False, True])
def test_numbers_of_a_file_are_read_as_in_training(
    cells: list[str], values: list[float | None], *, takes_odd: bool
) -> None:
    feature = Feature("x", "number", nullable=True)

    assert values_of(feature, cells, UNDECIDED, takes_odd=takes_odd) == values
