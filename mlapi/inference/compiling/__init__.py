"""Fitted estimators of scikit-learn -> what answers in their place (`mlapi.inference.compiled`).

Reads what the estimators hold, by the rules of scikit-learn 1.8 and 1.9; what it does not understand exactly
it leaves to scikit-learn. Knows nothing of versions, files or HTTP.
"""

from mlapi.inference.compiling.pipelines import compile_pipeline

__all__ = ["compile_pipeline"]
