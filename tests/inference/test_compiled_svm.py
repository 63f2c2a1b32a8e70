"""Compiled support vector machines against libsvm, on whatever hypothesis finds to try."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, NuSVC, NuSVR

from mlapi.estimators.algorithms.svm import CalibratedSVC
from mlapi.inference.compiled.final_estimator import Fallback
from mlapi.inference.compiled.votes import OneVsOne
from mlapi.inference.compiling.svm import COMPILERS

KERNELS = ("linear", "rbf", "poly", "sigmoid")
LABELS = {
    "numbers": np.arange(5),
    "words": np.array(["ash", "beech", "cedar", "elm", "fir"]),
    "flags": np.array([False, True]),
    "fractions": np.array([-0.5, 0.0, 0.25, 2.0, 1e6]),
}

Matrix = NDArray[np.float64]


def compiled(estimator: Any) -> Any:
    machine = COMPILERS[type(estimator)](estimator)
    assert machine is not None
    return machine


def fitted(estimator: Any, X: Matrix, y: NDArray[Any]) -> Any:
    """Unless libsvm refuses; a fit that was cut short is as good as any."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            return estimator.fit(X, y)
        except ValueError:  # an infeasible nu, coefficients that overflow
            assume(False)


def sizes(estimator: Any, rows: Matrix) -> Matrix:
    """What the terms of each row's largest decision add up to, signs aside."""
    machine = getattr(estimator, "svc_", estimator)
    vectors, gamma, constant = machine.support_vectors_, machine._gamma, abs(machine.coef0)
    with np.errstate(all="ignore"):
        products = np.abs(rows) @ np.abs(vectors).T
        kernel = {
            "linear": lambda: products,
            "rbf": lambda: np.exp(-gamma * ((rows[:, None] - vectors) ** 2).sum(axis=2)),
            "poly": lambda: (gamma * products + constant) ** machine.degree,
            "sigmoid": lambda: np.tanh(gamma * products + constant),
        }[machine.kernel]()
        return kernel @ np.abs(machine.dual_coef_).sum(axis=0) + np.abs(machine.intercept_).max()


def assert_same(estimator: Any, rows: Matrix) -> NDArray[np.bool_]:
    """The rows in doubt, which the caller asks scikit-learn for; of all others, everything is the same."""
    machine = compiled(estimator)
    try:
        with np.errstate(all="ignore"):
            answer = machine.answer(rows, machine.methods)
    except Fallback:
        return np.ones(len(rows), bool)
    uncertain = np.zeros(len(rows), bool) if answer.uncertain is None else answer.uncertain
    sure = ~uncertain
    slack = 1e-9 * sizes(estimator, rows) + 1e-12

    assert set(answer.outputs) == machine.methods
    for method, given_ in answer.outputs.items():
        expected = getattr(estimator, method)(rows)
        assert (given_.shape, given_.dtype) == (expected.shape, expected.dtype)
        if method == "predict" and hasattr(estimator, "classes_"):
            assert given_[sure].tolist() == expected[sure].tolist()
            continue
        slope = 1.0
        if method == "predict_proba":
            slope += max(abs(one.a_) for one in estimator.calibrator_.calibrated_classifiers_[0].calibrators)
        with np.errstate(all="ignore"):
            difference = np.abs(given_ - expected).reshape(len(rows), -1).max(axis=1)
        assert (difference <= 5 * slope * slack)[sure].all()
    return uncertain


@st.composite
def data(draw: st.DrawFn, classes: int) -> tuple[Matrix, NDArray[np.intp], Matrix, Matrix]:
    """Rows (plain, mirrored, doubled), the places of their classes, rows to ask for nearby and far away."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, columns = draw(st.integers(4 * classes, 60)), draw(st.integers(1, 6))
    y = np.arange(rows) % classes
    if draw(st.booleans()):  # one class is rare
        y[y == classes - 1] = 0
        y[:2] = classes - 1
    X = (
        random.normal(size=(rows, columns))
        + draw(st.sampled_from([0, 1, 5])) * random.normal(size=(5, 6))[y, :columns]
    )
    if draw(st.booleans()):  # on a grid: many rows are equal, and of several classes
        X = X.round()
    if draw(st.booleans()):
        X[:, 0] = draw(st.sampled_from([0.0, 1.0, 1e6]))
    if draw(st.booleans()):
        X, y = np.vstack([X, -X]), np.concatenate([y, (y + 1) % classes])
    X = X * 10.0 ** draw(st.integers(-6, 6)) + draw(st.sampled_from([0.0, 0.0, 1.0, 1e4]))
    between = (X[:10] + X[-10:][: len(X[:10])]) / 2
    far = X[:3] * np.array([[10.0], [1e3], [1e6]])
    return X, y, np.vstack([X, between, np.zeros((1, columns))]), far


kernels = st.fixed_dictionaries(
    {
        "kernel": st.sampled_from(KERNELS),
        "gamma": st.sampled_from(["scale", "auto", 1e-4, 0.5, 30.0]),
        "degree": st.sampled_from([0, 1, 2, 3, 4, 7]),
        "coef0": st.sampled_from([0.0, 1.0, -0.5]),
    }
)
costs = st.sampled_from([1e-6, 0.1, 1.0, 1e3, 1e6])


def often(examples: int) -> Any:
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


@often(250)
@given(st.data(), kernels, costs, st.booleans())
def test_labels_and_decisions_are_libsvms(
    drawn: st.DataObject, kernel: dict[str, Any], C: float, nu: bool
) -> None:
    labels = drawn.draw(st.sampled_from(list(LABELS)))
    classes = drawn.draw(st.integers(2, len(LABELS[labels])))
    X, y, near, far = drawn.draw(data(classes))
    shape, ties = drawn.draw(st.sampled_from([("ovr", False), ("ovr", True), ("ovo", False)]))
    wanted = {**kernel, "decision_function_shape": shape, "break_ties": ties, "max_iter": 2_000}
    machine = NuSVC(nu=0.3, **wanted) if nu else SVC(C=C, **wanted)
    estimator = fitted(machine, X, LABELS[labels][y])

    assert_same(estimator, near)
    assert_same(estimator, np.vstack([near, far]))
    for row in (*near[::9], *far):
        assert_same(estimator, row[None])


@often(150)
@given(st.data(), kernels, costs, st.booleans())
def test_values_are_libsvms(drawn: st.DataObject, kernel: dict[str, Any], C: float, nu: bool) -> None:
    X, y, near, far = drawn.draw(data(3))
    machine = NuSVR if nu else SVR
    estimator = fitted(
        machine(C=C, max_iter=2_000, **kernel), X, y * drawn.draw(st.sampled_from([0, 1, 1e5]))
    )

    for rows in (near, far, near[:1], far[:1]):
        assert_same(estimator, rows)


@often(40)
@given(st.data(), kernels, st.integers(2, 4))
def test_probabilities_are_the_calibrated_machines(
    drawn: st.DataObject, kernel: dict[str, Any], classes: int
) -> None:
    X, y, near, far = drawn.draw(data(classes))
    scaler = StandardScaler().fit(X)  # with far rows or steep kernels a fit may not end
    mild = {**kernel, "gamma": "scale", "degree": min(kernel["degree"], 3)}
    estimator = fitted(CalibratedSVC(**mild), scaler.transform(X), LABELS["words"][y])

    for rows in (near, far, near[:1], far[:1]):
        assert_same(estimator, scaler.transform(rows))


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
def test_a_linear_machine_of_many_rows_is_compiled_too(load: Any) -> None:
    X, y = load(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    estimator = CalibratedSVC(kernel="linear", approximate=True, random_state=0).fit(X, y)

    answer = compiled(estimator).answer(X, ("predict", "decision_function", "predict_proba"))

    assert answer.uncertain is None
    assert (answer.outputs["predict"] == estimator.predict(X)).all()
    for method in ("decision_function", "predict_proba"):
        np.testing.assert_allclose(
            answer.outputs[method], getattr(estimator, method)(X), rtol=1e-9, atol=1e-12
        )


@pytest.mark.exhaustive
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("load", [load_breast_cancer, load_wine, load_digits])
def test_no_row_of_ordinary_data_is_doubtful(load: Any, kernel: str) -> None:
    X, y = load(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    estimator = SVC(kernel=kernel, break_ties=True).fit(X, y)

    uncertain = assert_same(estimator, X)

    assert not uncertain.any()


@pytest.mark.parametrize("kernel", KERNELS)
def test_values_of_ordinary_data_are_answered(kernel: str) -> None:
    X, y = load_diabetes(return_X_y=True)
    X = StandardScaler().fit_transform(X)

    for estimator in (SVR(kernel=kernel, C=10), NuSVR(kernel=kernel)):
        assert not assert_same(estimator.fit(X, y), X).any()


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
def test_probabilities_of_ordinary_data_are_answered(load: Any) -> None:
    X, y = load(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    estimator = CalibratedSVC().fit(X, y)

    assert compiled(estimator).methods == {"predict", "decision_function", "predict_proba"}
    assert not assert_same(estimator, X).any()


def test_votes_are_not_certain_where_a_decision_is_nothing() -> None:
    X = np.array([[-1.0, 0.0], [1.0, 0.0], [-2.0, 0.0], [2.0, 0.0]])
    estimator = SVC(kernel="linear").fit(X, [0, 1, 0, 1])

    answer = compiled(estimator).answer(np.array([[0.0, 3.0], [1.0, 3.0]]), ("predict",))

    assert answer.uncertain is not None
    assert answer.uncertain.tolist() == [True, False]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", [1e20, 1e160, 1e308])
def test_rows_of_any_finite_size_are_answered_or_doubtful(kernel: str, size: float) -> None:
    X, y = load_wine(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    rows = np.vstack([X[:5], X[:5] / np.abs(X[:5]).max() * size, -np.full((1, 13), size)])
    for estimator in (SVC(kernel=kernel).fit(X, y), SVR(kernel=kernel).fit(X, y)):
        for row in rows:
            assert_same(estimator, row[None])
        assert_same(estimator, rows)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_left_to_scikit_learn(kernel: str, missing: float) -> None:
    X, y = load_wine(return_X_y=True)
    machine = compiled(SVC(kernel=kernel).fit(X, y))
    rows = X[:300].copy()
    rows[-1, 3] = missing

    with np.errstate(all="ignore"), pytest.raises(Fallback):
        machine.answer(rows, ("predict",))


@pytest.mark.parametrize("gamma", [0.0, 1e-3, 1e3])
def test_far_rows_and_a_wide_kernel_keep_their_digits(gamma: float) -> None:
    """Where the products of rows would cancel, their differences are taken."""
    X, y = load_diabetes(return_X_y=True)
    X = X * 1e3 + np.array([1e6, *[0.0] * 9])
    estimator = SVR(gamma=gamma, C=100).fit(X, y)

    assert not assert_same(estimator, np.vstack([X, X + 1e4])).any()


@pytest.mark.parametrize(
    "estimator",
    [
        SVC(kernel="precomputed"),
        SVC(kernel=lambda left, right: left @ right.T),
        SVC(break_ties=True, decision_function_shape="ovo"),
        CalibratedSVC(approximate=True),
    ],
    ids=["given", "own", "contradictory", "approximated"],
)
def test_what_is_not_known_stays_with_scikit_learn(estimator: Any) -> None:
    X = np.random.default_rng(0).normal(size=(40, 40))

    assert COMPILERS[type(estimator)](estimator.fit(X, np.arange(40) % 2)) is None


def test_a_machine_that_was_fitted_to_a_sparse_matrix_stays_with_scikit_learn() -> None:
    X = sparse.csr_matrix(np.eye(6))

    assert COMPILERS[SVC](SVC().fit(X, [0, 1, 2, 0, 1, 2])) is None


def test_a_machine_without_probabilities_gives_none() -> None:
    X, y = load_wine(return_X_y=True)
    rare = np.append(y[y < 2], 2)  # one row of a class: nothing to hold out

    machine = compiled(CalibratedSVC().fit(X[: len(rare)], rare))

    assert machine.methods == {"predict", "decision_function"}


def test_only_what_is_asked_for_is_given() -> None:
    X, y = load_wine(return_X_y=True)
    machine = compiled(SVC().fit(X, y))

    assert set(machine.answer(X, ["decision_function"]).outputs) == {"decision_function"}


def test_a_circle_of_equal_confidences_is_doubtful_only_where_confidences_break_ties() -> None:
    decisions = np.array([[1.0, -1.0, 1.0], [1.0, 2.0, 3.0]])  # each beats one other; the first beats both
    errors = np.full(3, 1e-12)

    first_wins, _, sure = OneVsOne(3, pairs=False, break_ties=False)(decisions, errors)
    _, _, uncertain = OneVsOne(3, pairs=False, break_ties=True)(decisions, errors)

    assert (first_wins.tolist(), sure.tolist()) == ([0, 0], [False, False])
    assert uncertain.tolist() == [True, False]
