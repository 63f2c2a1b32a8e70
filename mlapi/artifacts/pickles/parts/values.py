"""Functions and types that estimators hold as values: a pickle gets them as they are, and cannot call them.

Each is harmless with any arguments that an estimator can give it: it makes no more of an array than its size,
opens nothing and calls nothing.
"""

from typing import Any

import numpy as np

from mlapi.artifacts.pickles.parts.names import name_of

NUMPY_FUNCTIONS = frozenset(
    f"numpy.{name}"
    for name in (
        *(
            "absolute",
            "arccos",
            "arccosh",
            "arcsin",
            "arcsinh",
            "arctan",
            "arctanh",
            "cbrt",
            "ceil",
            "conjugate",
        ),
        *(
            "cos",
            "cosh",
            "deg2rad",
            "degrees",
            "exp",
            "exp2",
            "expm1",
            "fabs",
            "floor",
            "isfinite",
            "isinf",
            "isnan",
        ),
        *("log", "log10", "log1p", "log2", "logical_not", "nan_to_num", "negative", "positive", "rad2deg"),
        *("radians", "reciprocal", "rint", "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh", "trunc"),
    )
)
"""numpy's functions of one array that give as many numbers: what a FunctionTransformer may call."""

POOLING = frozenset(f"numpy.{name}" for name in ("amax", "amin", "max", "mean", "median", "min", "sum"))
"""What a cluster of features may be pooled by."""

_TYPES = frozenset(
    {
        *(f"builtins.{name}" for name in ("bool", "float", "int", "object", "str")),
        *(f"numpy.{name}" for name in ("bool", "bool_", "object_")),
        *(
            f"numpy.{kind}{bits}"
            for kind in ("int", "uint", "float")
            for bits in (8, 16, 32, 64)
            if (kind, bits) != ("float", 8)
        ),
    }
)
"""The types of cells, numbers and texts."""

_SCORES = frozenset(
    {
        *(
            f"sklearn.feature_selection._univariate_selection.{name}"
            for name in ("chi2", "f_classif", "f_oneway", "f_regression", "r_regression")
        ),
        *(f"sklearn.feature_selection._mutual_info.mutual_info_{what}" for what in ("classif", "regression")),
        *(
            f"sklearn.metrics._classification.{name}"
            for name in (
                *(
                    "accuracy_score",
                    "balanced_accuracy_score",
                    "brier_score_loss",
                    "cohen_kappa_score",
                    "f1_score",
                ),
                *(
                    "fbeta_score",
                    "jaccard_score",
                    "log_loss",
                    "matthews_corrcoef",
                    "precision_score",
                    "recall_score",
                ),
            )
        ),
        *(
            f"sklearn.metrics._ranking.{name}"
            for name in ("average_precision_score", "roc_auc_score", "top_k_accuracy_score")
        ),
        *(
            f"sklearn.metrics._regression.{name}"
            for name in (
                *("d2_absolute_error_score", "explained_variance_score", "max_error", "mean_absolute_error"),
                *("mean_absolute_percentage_error", "mean_gamma_deviance", "mean_poisson_deviance"),
                *("mean_squared_error", "mean_squared_log_error", "median_absolute_error", "r2_score"),
                *("root_mean_squared_error", "root_mean_squared_log_error"),
            )
        ),
    }
)
"""What training chose features or parameters by: no answer calls it."""

VALUES = frozenset(
    {
        *NUMPY_FUNCTIONS,
        *POOLING,
        *_TYPES,
        *_SCORES,
        "scipy._lib.array_api_compat.numpy._aliases.asarray",
        *(f"sklearn.cluster._kmeans._kmeans_single_{how}" for how in ("elkan", "lloyd")),
        "sklearn.preprocessing._function_transformer._identity",
    }
)
"""All of them, by full name."""


def is_value(value: Any) -> bool:
    """Return whether this is one of them: every pickle may have it, so that it is nobody's own code."""
    return value_name(value) in VALUES


def value_name(value: Any) -> str:
    """Return the name of a function: numpy's universal functions do not say their module."""
    return f"numpy.{value.__name__}" if isinstance(value, np.ufunc) else name_of(value)
