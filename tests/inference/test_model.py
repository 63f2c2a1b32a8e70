from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlapi.errors import Unanswerable
from mlapi.inference.model import presentable


@pytest.mark.parametrize(
    "values",
    [
        np.array([1.5, -2.0]),
        np.array([1.5], dtype=np.float32),
        np.array([1.5], dtype=np.longdouble),
        np.array([[1, 2], [3, 4]]),
        np.array([True]),
        np.array(["a", "b"]),
        np.array(["a", 1, 2.5, False], dtype=object),
        np.array(["\U0010ffff", "é\n"]),
        np.array(["é" * 10_000], dtype=object),
        np.array(["\ud7ff"], dtype=">U1"),
        np.array([["a", "b"], ["c", "d"]])[:, 1],
        np.array([], dtype=str),
        np.array("a"),
    ],
)
def test_answers_that_json_can_hold_keep_their_values(values: NDArray[Any]) -> None:
    np.testing.assert_array_equal(presentable(values), values)
    assert presentable(values).dtype != np.longdouble


@pytest.mark.parametrize(
    "values",
    [
        np.array([np.nan]),
        np.array([np.inf]),
        np.array([1 + 2j]),
        np.array([1], dtype="timedelta64[s]"),
        np.array(["NaT"], dtype="datetime64[s]"),
        np.array([b"bytes"]),
        np.array([np.nan, "a"], dtype=object),
        np.array([None], dtype=object),
        np.array([2**70], dtype=object),
        np.array([{}], dtype=object),
        np.array(["a", "b\udc80"]),
        np.array(["a", "b\udc80"], dtype=">U2"),
        np.array(["a", "b\udc80"], dtype=object),
        np.array([0xFFFFFFFF], dtype=np.uint32).view("U1"),
        np.array(["a" * 10_001]),
        np.array(["a" * 10_001], dtype=object),
        np.array(["a" * 10_000], dtype=object).repeat(6712),
        np.array(["a" * 1000]).repeat(67109),
    ],
)
def test_answers_that_json_cannot_hold_are_refused(values: NDArray[Any]) -> None:
    with pytest.raises(Unanswerable):
        presentable(values)
