"""Calibration: what probabilities claim, and whether it came true."""

import numpy as np
import pytest

from mlapi.training.evaluation.answers import Answers
from mlapi.training.evaluation.calibration import Calibration, Spread, calibration_of


def claimed(said: np.ndarray, came: np.ndarray) -> Calibration:
    answers = Answers(
        came.astype(int), (said > 0.5).astype(int), ("no", "yes"), np.stack([1 - said, said], 1)
    )
    found = calibration_of(answers)
    assert isinstance(found, Calibration)
    return found


def test_probabilities_that_come_true_have_a_small_error() -> None:
    random = np.random.default_rng(0)
    said = random.random(20_000)

    found = claimed(said, random.random(20_000) < said)

    assert found.error < 0.02
    assert found.rows == (2_000,) * 10
    np.testing.assert_allclose(found.predicted, np.arange(0.05, 1, 0.1), atol=0.02)


def test_probabilities_that_claim_too_much_are_off_by_that() -> None:
    random = np.random.default_rng(0)
    said = 0.6 + 0.4 * random.random(20_000)

    found = claimed(said, random.random(20_000) < said - 0.3)

    assert found.error == pytest.approx(0.3, abs=0.02)


def test_equal_probabilities_share_a_bin() -> None:
    found = claimed(np.array([0.2] * 50 + [0.9] * 50), np.arange(100) >= 50)

    assert found.predicted == pytest.approx((0.2, 0.9))
    assert found.observed == (0.0, 1.0)
    assert found.rows == (50, 50)


def test_of_several_classes_the_likeliest_is_meant() -> None:
    said = np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]])

    found = calibration_of(Answers(np.array([0, 1]), np.array([0, 2]), ("a", "b", "c"), said), bins=2)

    assert found == Calibration((0.6, 0.7), (1.0, 0.0), (1, 1), pytest.approx((0.4 + 0.7) / 2))


def test_of_values_the_spread_of_errors_is_told() -> None:
    truth = np.zeros(1_001)

    found = calibration_of(Answers(truth, np.linspace(-1, 1, 1_001)))

    assert found == Spread(pytest.approx(0.5, abs=0.01), pytest.approx(0.9, abs=0.01), pytest.approx(0))


def test_classes_without_probabilities_have_none() -> None:
    assert calibration_of(Answers(np.array([0]), np.array([0]), ("a", "b"))) is None
