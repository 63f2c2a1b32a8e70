"""Fitted naive Bayes -> `mlapi.inference.compiled.bayes`, or a linear model where its scores are one."""

from typing import Any

import numpy as np
from sklearn.naive_bayes import ComplementNB, GaussianNB, MultinomialNB

from mlapi.inference.compiled.bayes import GaussianBayes
from mlapi.inference.compiled.linear import Linear
from mlapi.inference.compiled.links import Likelihoods
from mlapi.inference.compiling.compilers import Compilers


def _gaussian(model: GaussianNB) -> GaussianBayes | None:
    """Compile Gaussian naive Bayes; None if a class has no likelihood at all, or there is one class."""
    constants = np.log(model.class_prior_) - 0.5 * np.log(2.0 * np.pi * model.var_).sum(axis=1)
    if not np.isfinite(constants).all() or len(constants) < 2:
        return None
    return GaussianBayes(model.theta_, model.var_, constants, model.classes_)


def _multinomial(model: MultinomialNB) -> Linear | None:
    return _linear(model, model.class_log_prior_)


def _complement(model: ComplementNB) -> Linear | None:
    return _linear(model, np.zeros(len(model.classes_)))


def _linear(model: Any, bias: Any) -> Linear | None:
    """Return the model of logarithms of likelihoods; None if one is not finite, or there is one class."""
    weights = model.feature_log_prob_
    are_usable = weights.dtype == np.float64 and np.isfinite(weights).all() and np.isfinite(bias).all()
    return Linear(weights, bias, Likelihoods(model.classes_)) if are_usable and len(weights) > 1 else None


COMPILERS: Compilers = {ComplementNB: _complement, GaussianNB: _gaussian, MultinomialNB: _multinomial}
"""By class of naive Bayes, what compiles it."""
