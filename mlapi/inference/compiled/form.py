"""What of this room is stored in predictor.joblib, and in which form.

A stored predictor is a pickle of objects of these classes. So their names, their attributes and the modules
that they lie in are a file format. tests/inference/test_form.py has the attributes of each class.
"""

from mlapi.inference.compiled import (
    bayes,
    columns,
    committees,
    functions,
    kernels,
    linear,
    links,
    network,
    one_row,
    perceptron,
    predictor,
    selection,
    steps,
    svm,
    votes,
    words,
    wrappers,
)

FORM = 1
"""The number of the form, which each stored predictor holds. One of another form is passed over, and the
estimator is compiled anew. Raise it when a stored class gets, loses or renames an attribute, or gives one
another meaning."""

_STORED = (
    bayes.GaussianBayes,
    *(columns.Moments, columns.NumberBlock, columns.Numbers, columns.Preparation),
    *(columns.StepsBlock, columns.WordBlock),
    *(committees.HardVote, committees.Labels, committees.MeanValue, committees.SoftVote, committees.Stack),
    *(functions.Above, functions.Bins, functions.Finite, functions.Function, functions.Missing),
    functions.UnitRows,
    *(kernels.Polynomial, kernels.Product, kernels.Radial, kernels.Sigmoid),
    *(linear.Linear, linear.ManyClasses, linear.TwoClasses, linear.Values, linear.shares, linear.softmax),
    *(links.Exponential, links.Likelihoods, links.normalized),
    network.Network,
    one_row.OneRow,
    *(perceptron.Perceptron, perceptron.PerceptronClassifier, perceptron.PerceptronRegressor),
    *(predictor.Additive, predictor.Dense, predictor.Terms, predictor.Unscaled),
    *(selection.Beside, selection.Project, selection.Take),
    *(steps.Clip, steps.Fill, steps.Products, steps.Scale),
    *(svm.Calibrated, svm.Classifier, svm.Decisions, svm.Regressor),
    *(votes.OneVsOne, votes.highest, votes.of_two),
    *(words.Codes, words.Table, words.TrimmedCodes),
    *(wrappers.CalibratedMean, wrappers.Calibrator, wrappers.Rescaled, wrappers.Threshold),
)
"""The classes, and the functions that are attributes of them."""

PICKLED = frozenset(f"{part.__module__}.{part.__qualname__}" for part in _STORED)
"""The classes and functions that a stored predictor may name, by full name. No other package's are among
them: numpy's arrays are allowed by `mlapi.artifacts.pickles.pickling` itself."""
