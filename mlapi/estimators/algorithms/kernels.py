"""Kernels for more rows than can be compared with each other: columns whose dot products are nearly the
kernel."""

from typing import Any

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import make_pipeline
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data


def approximate_kernel(linear: Any, kernel: str, **columns: Any) -> Any:
    """Return a linear estimator that answers nearly as one with this kernel would.

    Args:
        linear: The linear estimator.
        columns: The parameters of `KernelColumns`.
    """
    return linear if kernel == "linear" else make_pipeline(KernelColumns(kernel, **columns), linear)


class KernelColumns(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Columns for which the dot product of two rows is nearly the kernel's value: scikit-learn's Nystroem,
    with SVC's names for gamma.

    There are as many as `components` says, but no more than training rows.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - scikit-learn's contract: a parameter each
        self,
        kernel: str = "rbf",
        degree: int = 3,
        gamma: str | float = "scale",
        coef0: float = 0.0,
        components: int = 300,
        random_state: int | None = None,
    ) -> None:
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.components = components
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "KernelColumns":
        """Choose training rows to compare others with. X is `(rows, features)`, dense or sparse."""
        X = validate_data(self, X, accept_sparse="csr")
        self.nystroem_ = Nystroem(
            self.kernel,
            gamma=self._gamma(X),
            coef0=self.coef0,
            degree=self.degree,
            n_components=min(self.components, X.shape[0]),
            random_state=self.random_state,
        ).fit(X)
        return self

    def transform(self, X: Any) -> Any:
        """Return the columns, `(rows, components)`."""
        check_is_fitted(self)
        return self.nystroem_.transform(validate_data(self, X, accept_sparse="csr", reset=False))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _gamma(self, X: Any) -> Any:
        """Return the number that SVC makes of "scale" and "auto" (scikit-learn 1.9,
        `sklearn.svm._base.BaseLibSVM.fit`)."""
        if not isinstance(self.gamma, str):
            return self.gamma
        if self.gamma == "auto":
            return 1 / X.shape[1]
        variance = X.multiply(X).mean() - X.mean() ** 2 if hasattr(X, "multiply") else X.var()
        return 1 / (X.shape[1] * float(variance)) if variance else 1.0
