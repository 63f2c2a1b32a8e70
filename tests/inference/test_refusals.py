"""Which rows are refused: asked within bounds, whatever the estimator does."""

import time

import numpy as np
import pytest

from mlapi.data.signature import Batch
from mlapi.inference import refusals
from mlapi.inference.refusals import refusal

MATRIX = np.arange(64.0).reshape(-1, 1)


def refused_rows(bad: set[int], batch: Batch = MATRIX) -> tuple[list[int], str]:
    """The rows that are told where an estimator refuses every batch with one of the bad numbers."""

    def ask(part: Batch) -> None:
        numbers = part if isinstance(part, np.ndarray) else part["a"]
        if bad.intersection(numbers.ravel().tolist()):
            raise KeyError

    error = refusal(ask, batch, len(MATRIX), ValueError())
    return [int(finding.place[0]) for finding in error.findings], str(error)


@pytest.mark.parametrize("bad", [{0}, {63}, {31, 32}, {5, 6, 40}, set(range(10))])
@pytest.mark.parametrize("batch", [MATRIX, {"a": MATRIX[:, 0]}], ids=["matrix", "columns"])
def test_all_refused_rows_are_found_in_order(bad: set[int], batch: Batch) -> None:
    rows, detail = refused_rows(bad, batch)

    assert rows == sorted(bad)
    assert f"refused {len(bad)} of these 64 rows (KeyError)" in detail


def test_a_row_that_is_refused_alone_and_taken_twice_is_told_so() -> None:
    def ask(part: Batch) -> None:
        if len(part) == 1:
            raise ValueError

    error = refusal(ask, MATRIX[:1], 1, ValueError())

    assert "refuses a row alone (ValueError): send two or more" in str(error)


def test_rows_that_are_refused_only_together_are_told_so() -> None:
    assert refused_rows(set()) == ([], "the estimator refused these rows (ValueError)")


def test_an_estimator_is_asked_no_longer_than_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "LONGEST_S", 0.02)
    asked = []

    def ask(part: Batch) -> None:
        asked.append(part)
        time.sleep(0.01)
        raise ValueError

    refusal(ask, MATRIX, len(MATRIX), ValueError())

    assert 1 <= len(asked) <= 3


def test_an_estimator_is_asked_no_more_than_some_times() -> None:
    asked = []

    def ask(part: Batch) -> None:
        asked.append(part)
        if len(part) % 2 == 0:  # of which no row is refused alone
            raise ValueError

    refusal(ask, np.zeros((2**12, 1)), 2**12, ValueError())

    assert len(asked) == refusals.MOST_ASKED
