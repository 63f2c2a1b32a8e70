"""A fitted estimator -> a function on plain arrays that gives scikit-learn's own answers, quickly.

What it does not understand exactly it leaves to scikit-learn. Knows estimators and batches; knows nothing
of versions, files or HTTP.
"""

from mlapi.compiled.predictor import Predictor, compiled

__all__ = ["Predictor", "compiled"]
