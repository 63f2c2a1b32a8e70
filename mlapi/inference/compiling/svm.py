"""Fitted support vector machines -> `mlapi.inference.compiled.svm`."""

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.svm import SVC, SVR, LinearSVC, NuSVC, NuSVR

from mlapi.data.signature import Matrix
from mlapi.estimators.algorithms.svm import CalibratedSVC
from mlapi.inference.compiled.final_estimator import FinalEstimator
from mlapi.inference.compiled.kernels import Kernel, Polynomial, Product, Radial, Sigmoid
from mlapi.inference.compiled.svm import Calibrated, Classifier, Decisions, Regressor
from mlapi.inference.compiled.votes import OneVsOne, Vote, highest, of_two
from mlapi.inference.compiling.compilers import Compilers

CACHED = 2**15
"""The most kernel values that are computed at once: 256 kB stay in the cache. Measured with 113 support
vectors of 30 columns: 1,000 rows take 0.24 ms in parts of 128 or 256 rows, 0.43 ms in one part."""

COEFFICIENTS = 2**22
"""The most coefficients of all pairs of classes, 32 MB. With more (60 classes, 2,400 support vectors) most
factors of the product would be zeros, and libsvm's loop takes no longer."""


def classifier(estimator: Any) -> Classifier | None:
    """Compile an SVC or NuSVC; None if its kernel is not known, or scikit-learn refuses to predict by it."""
    classes = estimator.classes_
    pairs = estimator.decision_function_shape == "ovo"
    if estimator.break_ties and pairs:
        return None
    decisions = _decisions(estimator, _pairwise(estimator))
    if decisions is None:
        return None
    vote: Vote = of_two
    if len(classes) > 2:
        vote = OneVsOne(len(classes), pairs, estimator.break_ties)
    return Classifier(decisions, vote, classes)


def linear_classifier(estimator: LinearSVC) -> Classifier | None:
    """Compile a LinearSVC; None if its coefficients are sparse."""
    coefficients = estimator.coef_
    if sparse.issparse(coefficients):
        return None
    decisions = Decisions(
        kernel=Product(coefficients.shape[1]),
        coefficients=np.ascontiguousarray(coefficients.T),
        intercepts=np.asarray(estimator.intercept_),
        sizes=np.linalg.norm(coefficients, axis=1),
        rows=_rows_at_once(*coefficients.shape),
    )
    vote = of_two if len(coefficients) == 1 else highest
    return Classifier(decisions, vote, estimator.classes_)


def calibrated(estimator: CalibratedSVC) -> FinalEstimator | None:
    """Compile a CalibratedSVC: the classifier within, and the sigmoids that make its probabilities.

    None if the classifier within is not known, as one on columns that approximate a kernel.
    """
    within, calibrator = estimator.svc_, getattr(estimator, "calibrator_", None)
    compile_within = _WITHIN.get(type(within))
    uncalibrated = compile_within(within) if compile_within else None
    if uncalibrated is None or calibrator is None:
        return uncalibrated
    if calibrator.method != "sigmoid" or len(calibrator.calibrated_classifiers_) != 1:
        return None
    sigmoids = calibrator.calibrated_classifiers_[0].calibrators
    slopes, offsets = np.array([(sigmoid.a_, sigmoid.b_) for sigmoid in sigmoids]).T
    return Calibrated(uncalibrated, slopes, offsets)


def regressor(estimator: Any) -> Regressor | None:
    """Compile an SVR or NuSVR; None if its kernel is not known."""
    decisions = _decisions(estimator, estimator.dual_coef_)
    return Regressor(decisions) if decisions else None


_WITHIN: Mapping[type, Callable[[Any], Classifier | None]] = {
    SVC: classifier,
    LinearSVC: linear_classifier,
}
"""By class, what compiles the classifier within a CalibratedSVC."""


COMPILERS: Compilers = {
    SVC: classifier,
    NuSVC: classifier,
    CalibratedSVC: calibrated,
    SVR: regressor,
    NuSVR: regressor,
}
"""By class of support vector machine, what compiles it."""


def _decisions(estimator: Any, coefficients: Any) -> Decisions | None:
    """Return the decisions of an estimator with a kernel of libsvm's; None if they are not known exactly.

    Args:
        coefficients: (decisions, support vectors); None if there are too many.
    """
    vectors = estimator.support_vectors_
    if sparse.issparse(vectors) or estimator.n_support_.sum() != len(vectors) or coefficients is None:
        return None
    if estimator.kernel == "linear":
        lengths = np.linalg.norm(vectors, axis=1)
        kernel: Kernel = Product(sum(vectors.shape))
        folded, sizes = coefficients.dot(vectors), np.abs(coefficients).dot(lengths)
    elif isinstance(estimator.kernel, str) and estimator.kernel in _KERNELS:
        kernel = _KERNELS[estimator.kernel](estimator, vectors)
        folded, sizes = coefficients, np.abs(coefficients).sum(axis=1)
    else:
        return None
    rows = _rows_at_once(*folded.shape)
    return Decisions(kernel, np.ascontiguousarray(folded.T), estimator.intercept_, sizes, rows)


# `_gamma` is what the fit made of "scale" and "auto" (scikit-learn 1.9, `sklearn.svm._base.BaseLibSVM.fit`).
_KERNELS: Mapping[str, Callable[[Any, Matrix], Kernel]] = {
    "rbf": lambda fitted, vectors: Radial(vectors, fitted._gamma),
    "poly": lambda fitted, vectors: Polynomial(vectors, fitted._gamma, fitted.coef0, fitted.degree),
    "sigmoid": lambda fitted, vectors: Sigmoid(vectors, fitted._gamma, fitted.coef0),
}
"""By scikit-learn's name, what makes a kernel of a fitted estimator and its support vectors."""


def _pairwise(estimator: Any) -> Matrix | None:
    """Return a coefficient for each pair of classes and support vector, (pairs, support vectors).

    None if these are more than `COEFFICIENTS`.

    libsvm keeps a support vector's coefficient against another class in one row fewer than there are classes,
    its own class left out (libsvm's README, "sv_coef").
    """
    coefficients, classes = estimator.dual_coef_, len(estimator.classes_)
    pairs = list(combinations(range(classes), 2))
    if classes == 2 or sparse.issparse(coefficients):
        return coefficients  # type: ignore[no-any-return]
    if len(pairs) * coefficients.shape[1] > COEFFICIENTS:
        return None
    ends = np.cumsum(estimator.n_support_)
    of_class = [slice(end - count, end) for end, count in zip(ends, estimator.n_support_, strict=True)]
    of_pairs = np.zeros((len(pairs), coefficients.shape[1]))
    for row, (first, second) in zip(of_pairs, pairs, strict=True):
        row[of_class[first]] = coefficients[second - 1, of_class[first]]
        row[of_class[second]] = coefficients[first, of_class[second]]
    return of_pairs


def _rows_at_once(*columns: int) -> int:
    return max(16, CACHED // max(1, *columns))
