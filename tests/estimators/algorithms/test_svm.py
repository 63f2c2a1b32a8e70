import numpy as np
import pytest
from scipy import sparse
from sklearn import datasets
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

from mlapi.estimators.algorithms import svm
from mlapi.estimators.algorithms.declaration import CLASSIFICATION, REGRESSION
from mlapi.estimators.algorithms.kernels import KernelColumns
from mlapi.estimators.algorithms.svm import CalibratedSVC

X, y = datasets.load_iris(return_X_y=True)

KERNELS = ("rbf", "linear", "poly", "sigmoid")


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


@pytest.mark.parametrize("method", ["predict", "decision_function"])
def test_before_a_fit_it_says_so(method: str) -> None:
    with pytest.raises(NotFittedError):
        getattr(CalibratedSVC(), method)(X)


def test_a_table_with_names_is_answered_without_a_warning() -> None:
    frame = datasets.load_iris(as_frame=True).data
    machine = CalibratedSVC().fit(frame, y)

    assert machine.feature_names_in_.tolist() == frame.columns.tolist()
    assert machine.predict(frame).shape == machine.predict_proba(frame)[:, 0].shape == y.shape


def test_without_probabilities_the_labels_are_the_same() -> None:
    quick = CalibratedSVC(probabilities=False).fit(X, y)

    assert not hasattr(quick, "predict_proba")
    np.testing.assert_array_equal(quick.predict(X), CalibratedSVC().fit(X, y).predict(X))


def test_a_machine_that_was_pickled_before_it_could_approximate_still_answers() -> None:
    machine = CalibratedSVC().fit(X, y)
    for name in ("probabilities", "approximate", "components", "random_state"):
        del machine.__dict__[name]

    assert (machine.predict(X) == y).mean() > 0.9
    assert machine.predict_proba(X).shape == (150, 3)


@pytest.mark.parametrize(
    ("kernel", "form"), [(kernel, np.asarray) for kernel in KERNELS] + [("rbf", sparse.csr_matrix)]
)
def test_an_approximate_machine_answers_nearly_as_the_kernel_does(kernel: str, form: type) -> None:
    digits, number = datasets.load_digits(return_X_y=True)
    table = form(digits[:600] / 16)
    parameters = {"kernel": kernel, "probabilities": False, "C": 10.0}

    exact = cross_val_score(CalibratedSVC(**parameters), table, number[:600], cv=3).mean()
    near = cross_val_score(
        CalibratedSVC(**parameters, approximate=True, random_state=0), table, number[:600], cv=3
    ).mean()

    assert near > exact - 0.04, "a class against all others, where the exact one compares each two"


@pytest.mark.parametrize("gamma", ["scale", "auto", 0.3])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_gamma_means_what_it_means_to_the_kernel(gamma: str | float, form: type) -> None:
    columns = KernelColumns(gamma=gamma, components=1000).fit(form(X))

    assert columns.nystroem_.gamma == pytest.approx(SVC(gamma=gamma).fit(form(X), y)._gamma)
    products = columns.transform(form(X)) @ columns.transform(form(X)).T
    assert products[0, 0] == pytest.approx(1, abs=1e-6), "a row is the same as itself"


@pytest.mark.parametrize(
    ("given", "rows", "changed", "instead"),
    [
        ({}, 20_000, {"components": 300}, "a linear machine on 300 columns approximates it (Nystroem)."),
        ({"kernel": "poly"}, 10**5, {"components": 100}, "a linear machine on 100 columns approximates it "),
        ({"components": 20}, 10**6, {}, "a linear machine on 20 columns approximates it (Nystroem)."),
        ({"kernel": "linear"}, 10_001, {}, "a linear machine without a kernel takes its place."),
    ],
)
def test_a_kernel_of_many_rows_is_approximated_and_said_so(
    given: dict[str, object], rows: int, changed: dict[str, object], instead: str
) -> None:
    parameters, note = svm.at_scale(given, rows)

    assert parameters == {**given, **changed, "approximate": True}
    assert note is not None
    assert f"The {given.get('kernel', 'rbf')} kernel would take too long on {rows:,} rows: {instead}" in note
    assert svm.at_scale(svm.ALGORITHM.complete(given), rows)[1] == note


@pytest.mark.parametrize(("given", "rows"), [({}, 10_000), ({"approximate": True}, 10**6)])
def test_otherwise_nothing_is_changed(given: dict[str, object], rows: int) -> None:
    assert svm.at_scale(given, rows) == (given, None)


def test_a_target_of_large_numbers_can_be_scaled() -> None:
    rows, values = datasets.load_diabetes(return_X_y=True)
    rows, values = rows * 20, values * 1000
    plain = svm.ALGORITHM.build(REGRESSION, {})
    scaled = svm.ALGORITHM.build(REGRESSION, {"scale_target": True})

    assert cross_val_score(plain, rows, values).mean() < 0.1
    assert cross_val_score(scaled, rows, values).mean() > 0.4


def test_one_class_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="class"):
        svm.ALGORITHM.build(CLASSIFICATION, {}).fit(X[:50], y[:50])
