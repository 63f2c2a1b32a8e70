"""Texts that mark a missing value."""

import numpy as np
import pytest

from mlapi.data.tables.cells import MARKERS
from mlapi.data.tables.datetimes import parse_datetimes
from mlapi.data.tables.numbers import parse_numbers


@pytest.mark.parametrize("marker", sorted(MARKERS))
def test_a_marker_is_a_blank_among_numbers_and_times(marker: str) -> None:
    count, moments = parse_numbers(["5", marker.upper()]), parse_datetimes(["2024-01-31", marker])

    assert count is not None
    assert moments is not None
    assert np.isnan(count.values).tolist() == np.isnat(moments.values).tolist() == [False, True]
    assert (count.markers, moments.markers) == ((marker.upper(),), (marker,))
