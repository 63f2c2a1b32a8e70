"""Support vector machines for classes, with probabilities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, NuSVR
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from mlapi.algorithms.declaration import CLASSIFICATION, Algorithm, Parameter

FOLDS = 5


def _is_calibrated(estimator: "CalibratedSVC") -> bool:
    return getattr(estimator, "calibrator_", None) is not None


class CalibratedSVC(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """An SVC with probabilities beside it: labels and decision values are the plain SVC's own.

    Replaces `SVC(probability=True)`, which scikit-learn 1.9 deprecates. The probabilities come from a
    sigmoid fitted to decision values of held-out folds, so that the likeliest class can differ from the
    label near a boundary. A class with one row leaves nothing to hold out: then there is no
    `predict_proba`.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - scikit-learn's contract: a parameter each
        self,
        C: float = 1.0,
        kernel: str = "rbf",
        degree: int = 3,
        gamma: str | float = "scale",
        coef0: float = 0.0,
        class_weight: str | None = None,
    ) -> None:
        self.C = C
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any) -> "CalibratedSVC":
        X, y = validate_data(self, X, y)
        self.svc_ = SVC(**self.get_params()).fit(X, y)
        self.classes_ = self.svc_.classes_
        rarest = int(np.unique(y, return_counts=True)[1].min())
        self.calibrator_: Any = None
        if rarest > 1:
            self.calibrator_ = CalibratedClassifierCV(
                SVC(**self.get_params()), cv=min(FOLDS, rarest), ensemble=False
            ).fit(X, y)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        check_is_fitted(self)
        return self.svc_.predict(X)  # type: ignore[no-any-return]

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        check_is_fitted(self)
        return self.svc_.decision_function(X)  # type: ignore[no-any-return]

    @available_if(_is_calibrated)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        return self.calibrator_.predict_proba(X)  # type: ignore[no-any-return]


ALGORITHM = Algorithm(
    name="svm",
    builders={CLASSIFICATION: CalibratedSVC},
    parameters={
        "C": Parameter(1.0, "Inverse strength of the penalty.", float, minimum=0, above=True),
        "kernel": Parameter("rbf", "How rows are compared.", choices=("rbf", "linear", "poly", "sigmoid")),
        "degree": Parameter(3, "Degree of the polynomial kernel.", int, minimum=1, maximum=20),
        "gamma": Parameter(
            "scale",
            "Reach of one row in the kernel.",
            float,
            minimum=0,
            above=True,
            choices=("scale", "auto"),
        ),
        "coef0": Parameter(0.0, "Constant of the polynomial and sigmoid kernels.", float),
        "class_weight": Parameter(
            None, "'balanced' weighs classes by their rarity.", choices=(None, "balanced")
        ),
    },
    recognises=(CalibratedSVC, SVC, NuSVC, LinearSVC, SVR, NuSVR, LinearSVR),
    classes=(
        "mlapi.algorithms.svm.CalibratedSVC",
        "sklearn.calibration.CalibratedClassifierCV",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.svm._classes.SVC",
    ),
)
