"""Support vector machines: classes with probabilities, and values."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, NuSVR
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from mlapi.estimators.algorithms.declaration import (
    CLASSIFICATION,
    REGRESSION,
    Algorithm,
    Parameter,
    Parameters,
)
from mlapi.estimators.algorithms.kernels import approximate_kernel

FOLDS = 5
"""The folds whose test rows the probabilities are calibrated on."""

FEW_FOLDS = 2
"""The same for many rows: the sigmoid has two coefficients, and half of the rows are plenty for them."""

LINEAR = {"dual": False, "max_iter": 10_000}
"""Parameters of linear estimators: they solve the primal problem, whose size does not grow with the rows. The
dual one warns that it did not converge."""

TOLERANCE = 0.01
"""The tolerance of linear classifiers: scikit-learn's own 0.0001 takes up to five times as long, for the same
accuracy."""


def _is_calibrated(estimator: "CalibratedSVC") -> bool:
    return getattr(estimator, "calibrator_", None) is not None


class CalibratedSVC(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """An SVC with probabilities beside it: labels and decision values are the plain SVC's own.

    Replaces `SVC(probability=True)`, which scikit-learn 1.9 deprecates. The probabilities come from a
    sigmoid that is fitted to decision values of the test rows of folds, so that the likeliest class can
    differ from the label near a boundary. A class with one row leaves nothing for a test: then there is no
    `predict_proba`. With `approximate`, a linear classifier on `components` columns takes the SVC's place.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - scikit-learn's contract: a parameter each
        self,
        C: float = 1.0,
        kernel: str = "rbf",
        degree: int = 3,
        gamma: str | float = "scale",
        coef0: float = 0.0,
        class_weight: str | None = None,
        probabilities: bool = True,
        approximate: bool = False,
        components: int = 300,
        random_state: int | None = None,
    ) -> None:
        self.C = C
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.class_weight = class_weight
        self.probabilities = probabilities
        self.approximate = approximate
        self.components = components
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> "CalibratedSVC":
        """Fit to X, `(rows, features)`, dense or sparse, and labels y, `(rows,)`."""
        X, y = validate_data(self, X, y, accept_sparse="csr", accept_large_sparse=False)
        folds = min(FEW_FOLDS if self.approximate else FOLDS, _rarest(y))
        self.calibrator_: Any = None
        if self.probabilities and folds > 1:
            self.calibrator_ = CalibratedClassifierCV(self._classifier(), cv=folds, ensemble=False).fit(X, y)
            self.svc_ = self.calibrator_.calibrated_classifiers_[0].estimator  # fitted to all rows
        else:
            self.svc_ = self._classifier().fit(X, y)
        self.classes_ = self.svc_.classes_
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the label of each row, `(rows,)`."""
        X = self._checked(X)
        return self.svc_.predict(X)  # type: ignore[no-any-return]

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the scores as SVC has them: `(rows,)` of two classes, else `(rows, classes)`."""
        X = self._checked(X)
        return self.svc_.decision_function(X)  # type: ignore[no-any-return]

    @available_if(_is_calibrated)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the calibrated probabilities, `(rows, classes)`."""
        return self.calibrator_.predict_proba(self._checked(X))  # type: ignore[no-any-return]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _classifier(self) -> Any:
        kernel = {name: getattr(self, name) for name in ("kernel", "degree", "gamma", "coef0")}
        if not self.approximate:
            return SVC(C=self.C, class_weight=self.class_weight, **kernel)
        linear = LinearSVC(
            C=self.C,
            class_weight=self.class_weight,
            tol=TOLERANCE,
            random_state=self.random_state,
            **LINEAR,
        )
        return approximate_kernel(
            linear, **kernel, components=self.components, random_state=self.random_state
        )

    def _checked(self, X: Any) -> Any:
        """Return the rows without names: the estimator within was fitted without them, and would warn."""
        check_is_fitted(self)
        return validate_data(self, X, accept_sparse="csr", accept_large_sparse=False, reset=False)


def _rarest(y: NDArray[Any]) -> int:
    return int(np.unique(y, return_counts=True)[1].min())


def _values(  # noqa: PLR0913 - a parameter each
    *,
    C: float,
    epsilon: float,
    scale_target: bool,
    approximate: bool,
    components: int,
    random_state: int,
    **kernel: Any,
) -> Any:
    regressor = SVR(C=C, epsilon=epsilon, **kernel)
    if approximate:
        loss = "squared_epsilon_insensitive"  # the one that the primal problem knows
        linear = LinearSVR(C=C, epsilon=epsilon, loss=loss, random_state=random_state, **LINEAR)
        regressor = approximate_kernel(linear, **kernel, components=components, random_state=random_state)
    if not scale_target:
        return regressor
    return TransformedTargetRegressor(regressor, transformer=StandardScaler(), check_inverse=False)


EXACT_ROWS = 10_000
"""The most rows that are fitted with a kernel. Measured on one core with 20 scaled columns, calibration
included: the linear kernel takes 45 s on 10,000 rows and five minutes on 20,000; rbf, poly and sigmoid take
15 to 25 s, and one to two minutes."""

CELLS = 10_000_000
"""The most numbers in the columns that approximate a kernel: 300 of 33,000 rows, 50 of 200,000 or more.

With it 43,000 rows of five classes take half a minute on one core, calibration included, and a million of two
classes 23 s; a polynomial kernel takes several times as long."""


def at_scale(parameters: Parameters, rows: int) -> tuple[Parameters, str | None]:
    """Approximate a kernel that would take too long on so many rows, and say so in a sentence."""
    if rows <= EXACT_ROWS or parameters.get("approximate"):
        return parameters, None
    changed = {**parameters, "approximate": True}
    kernel = parameters.get("kernel", "rbf")
    which = f"The {kernel} kernel would take too long on {rows:,} rows"
    if kernel == "linear":
        return changed, f"{which}: a linear machine without a kernel takes its place."
    wanted = parameters.get("components", ALGORITHM.parameters["components"].default)
    changed["components"] = min(wanted, max(50, CELLS // rows))
    return (
        changed,
        f"{which}: a linear machine on {changed['components']} columns approximates it (Nystroem).",
    )


ALGORITHM = Algorithm(
    name="svm",
    builders={CLASSIFICATION: CalibratedSVC, REGRESSION: _values},
    bare={CLASSIFICATION: SVC, REGRESSION: SVR},
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
            None,
            "'balanced' weighs classes by their rarity.",
            choices=(None, "balanced"),
            tasks=(CLASSIFICATION,),
        ),
        "probabilities": Parameter(
            True,
            "Whether there are probabilities, for five more fits.",
            bool,
            tasks=(CLASSIFICATION,),
            ours=True,
        ),
        "epsilon": Parameter(
            0.1, "Errors up to this size cost nothing.", float, minimum=0, tasks=(REGRESSION,)
        ),
        "scale_target": Parameter(
            False, "Whether C and epsilon count in the target's spread.", bool, tasks=(REGRESSION,), ours=True
        ),
        "approximate": Parameter(
            False, "Whether a linear machine approximates the kernel, for many rows.", bool, ours=True
        ),
        "components": Parameter(
            300, "How many columns approximate the kernel.", int, minimum=1, maximum=10_000, ours=True
        ),
    },
    recognises=(CalibratedSVC, SVC, NuSVC, LinearSVC, SVR, NuSVR, LinearSVR),
    classes=(
        "mlapi.estimators.algorithms.kernels.KernelColumns",
        "mlapi.estimators.algorithms.svm.CalibratedSVC",
        "scipy.sparse._csr.csr_matrix",
        "sklearn.calibration.CalibratedClassifierCV",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.compose._target.TransformedTargetRegressor",
        "sklearn.kernel_approximation.Nystroem",
        "sklearn.svm._classes.LinearSVC",
        "sklearn.svm._classes.LinearSVR",
        "sklearn.svm._classes.SVC",
        "sklearn.svm._classes.SVR",
    ),
    # Hsu, Chang and Lin, "A practical guide to support vector classification": C from 2^-5 to 2^15, gamma
    # from 2^-15 to 2^3; so does auto-sklearn, which scales the target too, and searches epsilon from 0.001 to
    # 1. A linear machine gains little from a C beyond 2^5, and takes ever longer.
    search=(
        {
            "kernel": ["rbf"],
            "C": loguniform(2**-5, 2**15),
            "gamma": loguniform(2**-15, 2**3),
            "epsilon": loguniform(1e-3, 1),
            "scale_target": [True],
        },
        {
            "kernel": ["linear"],
            "C": loguniform(2**-5, 2**5),
            "epsilon": loguniform(1e-3, 1),
            "scale_target": [True],
        },
    ),
    # SVR's C = 1 and epsilon = 0.1 are for a target that is about 1: of prices it would answer the median.
    start={"scale_target": True},
    quick={"probabilities": False},
    at_scale=at_scale,
    bare_rows=EXACT_ROWS,
    seeded=True,
)
