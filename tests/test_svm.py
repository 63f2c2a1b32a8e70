import numpy as np
import pytest
from sklearn import datasets
from sklearn.base import clone
from sklearn.svm import SVC

from mlapi.algorithms.svm import CalibratedSVC

X, y = datasets.load_iris(return_X_y=True)


@pytest.mark.parametrize("parameters", [{}, {"C": 3.0, "kernel": "linear"}, {"kernel": "poly", "degree": 2}])
def test_labels_and_decision_values_are_the_plain_machines(parameters: dict[str, object]) -> None:
    ours, plain = CalibratedSVC(**parameters).fit(X, y), SVC(**parameters).fit(X, y)

    np.testing.assert_array_equal(ours.predict(X), plain.predict(X))
    np.testing.assert_array_equal(ours.decision_function(X), plain.decision_function(X))


def test_probabilities_are_calibrated() -> None:
    probabilities = CalibratedSVC().fit(X, y).predict_proba(X)

    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == y).mean() > 0.95


def test_a_class_of_one_row_leaves_no_probabilities() -> None:
    machine = CalibratedSVC().fit(X[:51], y[:51])

    assert not hasattr(machine, "predict_proba")
    assert machine.predict(X[:1]) == [0]


def test_it_obeys_scikit_learns_contract() -> None:
    machine = clone(CalibratedSVC(C=2.0, gamma=0.1))

    assert machine.get_params()["C"] == 2.0
    assert machine.fit(X, y).n_features_in_ == 4
    assert machine.score(X, y) > 0.9
