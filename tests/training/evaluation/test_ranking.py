"""Ranking: areas, curves and influences against scikit-learn's functions and against the definition."""

import numpy as np
import pytest
from sklearn import metrics

from mlapi.training.evaluation.answers import Answers
from mlapi.training.evaluation.ranking import area, by_score, curve, influence


def ties(rows: int = 200) -> Answers:
    """Scores of one digit, so that many rows share one."""
    random = np.random.default_rng(0)
    truth = random.integers(2, size=rows)
    scores = np.round(np.clip(truth * 0.3 + random.random(rows) * 0.7, 0, 1), 1)
    return Answers(truth, (scores > 0.5).astype(int), ("no", "yes"), np.stack([1 - scores, scores], axis=1))


def scores(answers: Answers) -> np.ndarray:
    assert answers.probabilities is not None
    return answers.probabilities[:, 1]


def test_the_area_of_weighted_rows_with_ties_is_scikit_learns() -> None:
    answers = ties()
    weights = np.random.default_rng(1).poisson(1, len(answers)).astype(float)

    found = area(by_score(answers, 1), weights)

    assert found == pytest.approx(
        metrics.roc_auc_score(answers.truth, scores(answers), sample_weight=weights)
    )


def test_the_area_without_rows_on_one_side_is_no_number() -> None:
    answers = ties()

    assert np.isnan(area(by_score(answers, 1), (answers.truth == 1).astype(float)))


def test_the_influence_of_a_row_is_the_change_of_the_area_with_its_weight() -> None:
    answers = ties()
    ranked = by_score(answers, 1)
    equal, step = np.ones(len(answers)), 1e-5

    slopes = [
        (area(ranked, equal + step * (np.arange(len(answers)) == row)) - area(ranked, equal)) / step
        for row in range(len(answers))
    ]

    np.testing.assert_allclose(influence(ranked) / len(answers), slopes, atol=1e-6)


def test_the_curve_has_the_points_of_scikit_learns() -> None:
    answers = ties()

    found = curve(answers, 1)

    wrong, right, _ = metrics.roc_curve(answers.truth, scores(answers), drop_intermediate=False)
    np.testing.assert_allclose(found.false_positives, wrong[1:])
    np.testing.assert_allclose(found.recall, right[1:])
    precision, _, _ = metrics.precision_recall_curve(answers.truth, scores(answers))
    np.testing.assert_allclose(found.precision[::-1], precision[:-1])
