"""By class, the attributes that compiled code uses without a check of its own, and those that open files.

Each function gets the attributes of one fitted estimator, and raises NotAllowed if an answer with them would
read or write outside of an array, open a file, or never end. Attributes that can only make wrong answers or
an exception are not checked. Nothing of scikit-learn is imported."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mlapi.artifacts.pickles.fitted import columns as column_invariants
from mlapi.artifacts.pickles.fitted.attributes import (
    FittedAttributes,
    is_code,
    is_count,
    is_finite,
    is_integers,
    is_numbers,
    require,
    width_of,
)
from mlapi.artifacts.pickles.fitted.estimators import anything, linear
from mlapi.artifacts.pickles.fitted.scikit_learn import AUDITED
from mlapi.artifacts.pickles.parts.names import name_of
from mlapi.artifacts.pickles.parts.sparse_matrices import MATRICES
from mlapi.artifacts.pickles.parts.trees import TREE, check_predictor
from mlapi.data.labels import MAX_CHARACTERS, are_valid_labels

# Trees.


def _tree(fitted: FittedAttributes) -> None:
    grown = fitted.tree_
    if grown is not None:
        is_tree = name_of(type(grown)) == TREE
        require(
            is_tree and grown.n_features == width_of(fitted), "it has a tree of other features than it takes"
        )
        require(grown.n_outputs == fitted.n_outputs_, "it has a tree of other outputs than it says")


def _forest(fitted: FittedAttributes) -> None:
    trees = fitted.estimators_
    if trees is None:
        return
    members = trees.ravel().tolist() if type(trees) is np.ndarray else trees
    require(type(members) is list and members, "it has a forest of other things than trees")
    for member in members:
        grown: Any = getattr(member, "tree_", None)
        require(
            name_of(type(member)) in _TREES
            and name_of(type(grown)) == TREE
            and grown.n_features == width_of(fitted),
            "it has a forest of other things than trees of its features",
        )


def _random_forest(fitted: FittedAttributes) -> None:
    """Refuse a forest of trees with other classes or outputs: sums have as many columns as the forest
    says."""
    _forest(fitted)
    classes = fitted.n_classes_
    for member in () if fitted.estimators_ is None else fitted.estimators_:
        grown = member.tree_
        fits = grown.n_outputs == fitted.n_outputs_ and (
            classes is None or np.array_equal(np.atleast_1d(classes), grown.n_classes)
        )
        require(fits, "it has a forest of trees with other classes or outputs than its own")


def _gradient_boosting(fitted: FittedAttributes) -> None:
    """Refuse boosting with other columns than it says: each tree of a stage adds to a column of its own."""
    _forest(fitted)
    trees = fitted.estimators_
    if trees is None:
        return
    problem = "it has boosting of other trees than it says"
    require(type(trees) is np.ndarray and trees.ndim == 2, problem)
    columns = trees.shape[1]
    require(columns == fitted.n_trees_per_iteration_, problem)
    start: Any = fitted.init_
    is_zero = type(start) is str and start == "zero"
    require(
        is_zero or name_of(type(start)) in _DUMMIES,
        "it has boosting that begins with another estimator's answers",
    )
    if columns > 1:
        is_multinomial = name_of(type(fitted._loss)) == "sklearn._loss.loss.HalfMultinomialLoss"
        starts = is_zero or np.shape(start.classes_) == (columns,)
        prior = getattr(start, "class_prior_", None)
        require(is_multinomial and starts and (prior is None or len(prior) == columns), problem)


def _histogram_boosting(fitted: FittedAttributes) -> None:
    """Refuse histogram boosting with other columns than it says, or trees that lead out of themselves."""
    columns = fitted.n_trees_per_iteration_
    fits = type(columns) is int and is_numbers(fitted._baseline_prediction, 1, columns)
    require(columns is None or fits, "it has boosting that begins with other columns than it says")
    stages = fitted._predictors
    if stages is None:
        return
    width = width_of(fitted)
    encoder = fitted._preprocessor
    require(encoder is None or _encodes(encoder, width), "it has an encoder of other features than it takes")
    mapper = fitted._bin_mapper
    categorical: Any = getattr(mapper, "is_categorical_", None)
    require(
        name_of(type(mapper)) == _BIN_MAPPER
        and type(categorical) is np.ndarray
        and categorical.shape == (width,)
        and categorical.dtype.kind in "bu",
        "it does not say which of its features have categories",
    )
    require(
        type(stages) is list and all(type(stage) is list and len(stage) == columns for stage in stages),
        "it has other trees than it says",
    )
    for stage in stages:
        for tree in stage:
            require(name_of(type(tree)) == _PREDICTOR, "it has trees that are none")
            state = vars(tree)
            check_predictor(state.get("nodes"), state.get("raw_left_cat_bitsets"), categorical.astype(bool))


def _encodes(preprocessor: Any, width: int) -> bool:
    """Return whether this is the encoder that boosting puts before itself, which gives each feature once."""
    steps = getattr(preprocessor, "transformers_", ())[:2]
    if [name_of(type(step[1])) for step in steps] != [_ORDINAL, _FUNCTION]:
        return False
    encoded, plain = (step[2] for step in steps)
    are_flags = all(type(flags) is np.ndarray and flags.dtype.kind == "b" for flags in (encoded, plain))
    return are_flags and encoded.shape == plain.shape == (width,) and bool((encoded ^ plain).all())


# Support vector machines and other models.


def _libsvm_classes(fitted: FittedAttributes) -> None:
    if fitted.support_ is None:
        return
    _libsvm(fitted)
    fits = fitted._n_support.sum() == len(fitted.support_)
    require(fits, "it has a support vector machine whose counts are of other vectors")


def _libsvm(fitted: FittedAttributes) -> None:
    if fitted.support_ is None:
        return
    # of the matrix that a function makes scikit-learn checks the width, and it notes no features
    if not is_code(fitted.kernel):
        width_of(fitted)
    problem = "it has a support vector machine whose parts do not fit together"
    counts, is_sparse, kernel = fitted._n_support, fitted._sparse, fitted.kernel
    rows = len(fitted.support_) if type(fitted.support_) is np.ndarray else -1
    shape = fitted.shape_fit_
    require(type(shape) is tuple and len(shape) == 2 and all(type(side) is int for side in shape), problem)
    require(is_integers(fitted.support_, rows, shape[0]), problem)
    require(type(counts) is np.ndarray and counts.ndim == 1 and len(counts) > 1, problem)
    require(is_integers(counts, len(counts), rows + 1), problem)
    require(type(kernel) is str or is_code(kernel), problem)
    _kernel(fitted.degree, fitted._gamma, fitted.coef0)
    require(type(is_sparse) is bool and not (is_sparse and kernel == "precomputed"), problem)
    classes = len(counts)
    pairs = classes * (classes - 1) // 2
    require(is_numbers(fitted._intercept_, pairs), problem)
    sizes = {np.shape(fitted._probA), np.shape(fitted._probB)}
    require(sizes == {(pairs,)} or (sizes == {(0,)} and not fitted._effective_probability), problem)
    vectors, weights = fitted.support_vectors_, fitted._dual_coef_
    if not is_sparse:
        require(is_numbers(weights, classes - 1, rows), problem)
        require(kernel == "precomputed" or is_code(kernel) or is_numbers(vectors, rows, shape[1]), problem)
        return
    require(all(name_of(type(matrix)) in _CSR for matrix in (vectors, weights)), problem)
    require(vectors.shape == (rows, shape[1]) and weights.shape == (classes - 1, rows), problem)
    require(len(weights.data) == (classes - 1) * rows, problem)


def _kernel(degree: Any, *numbers: Any) -> None:
    """Refuse a degree that is no whole number: a power is computed by halving it, which has to end."""
    require(
        is_count(degree, _MOST_DEGREES),
        f"it has a kernel whose degree is no whole number from 0 to {_MOST_DEGREES}",
    )
    require(all(map(is_finite, numbers)), "it has a kernel whose gamma or coef0 is no finite number")


def _nystroem(fitted: FittedAttributes) -> None:
    require(type(fitted.kernel) is str, "it has a kernel that is code")
    numbers = [number for number in (fitted.gamma, fitted.coef0) if number is not None]
    degree = fitted.degree
    is_power = degree is None or (is_finite(degree) and 0 <= degree <= _MOST_DEGREES)
    require(is_power, f"it has a kernel whose degree is no number from 0 to {_MOST_DEGREES}")
    _kernel(0, *numbers)


_MOST_DEGREES = 100
"""The highest degree of a polynomial kernel."""

_WHAT = ("Classifier", "Regressor")
"""How the names of classes for either task end."""

_FORESTS = ("ExtraTrees", "RandomForest")
"""How the names of forests begin."""

_TREES = frozenset(
    f"sklearn.tree._classes.{kind}{what}" for kind in ("DecisionTree", "ExtraTree") for what in _WHAT
)
"""The classes of single trees."""

_DUMMIES = frozenset(f"sklearn.dummy.Dummy{what}" for what in _WHAT)
"""What boosting begins with, if nobody has said otherwise. Its trees add to as many columns as that gives."""

_CSR = frozenset(name for name in MATRICES if "_csr." in name)
"""The classes of sparse matrices that are stored row by row."""

_ORDINAL = "sklearn.preprocessing._encoders.OrdinalEncoder"
"""What histogram boosting puts before its features with categories."""

_FUNCTION = "sklearn.preprocessing._function_transformer.FunctionTransformer"
"""What histogram boosting puts before its other features."""

_BIN_MAPPER = "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper"
"""What knows which features of histogram boosting have categories."""

_BOOSTING = "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoosting"
"""How the names of histogram boosting's classes begin."""

_PREDICTOR = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
"""The class of the trees of histogram boosting."""

_UNCHECKED = (
    "mlapi.estimators.algorithms.cnn.ConvolutionalNetwork",  # which looks at its own network
    "mlapi.estimators.algorithms.kernels.KernelColumns",
    "mlapi.estimators.algorithms.svm.CalibratedSVC",
    *(f"mlapi.estimators.preprocessing.{name}" for name in ("Flags", "Frequent", "Texts")),
    *(f"sklearn._loss.link.{name}" for name in ("IdentityLink", "Interval", "LogitLink", "MultinomialLogit")),
    *(
        f"sklearn._loss.loss.{name}"
        for name in ("HalfBinomialLoss", "HalfMultinomialLoss", "HalfSquaredError")
    ),
    "sklearn.calibration.CalibratedClassifierCV",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.compose._target.TransformedTargetRegressor",
    _BIN_MAPPER,
    _PREDICTOR,  # its estimator looks at it
    "sklearn.feature_extraction.text.TfidfTransformer",
    "sklearn.impute._base.MissingIndicator",
    "sklearn.pipeline.Pipeline",
    "sklearn.preprocessing._data.StandardScaler",
    "sklearn.preprocessing._label.LabelEncoder",
)
"""Classes whose attributes are used by Python and numpy alone, which check before they read."""

_CHECKED: Mapping[str, Callable[[FittedAttributes], None]] = {
    "mlapi.estimators.preprocessing.CalendarParts": column_invariants.calendar,
    "mlapi.estimators.preprocessing.Splines": column_invariants.splines,
    **dict.fromkeys(_TREES, _tree),
    **{f"sklearn.ensemble._forest.{name}{what}": _random_forest for name in _FORESTS for what in _WHAT},
    **{f"sklearn.ensemble._gb.GradientBoosting{what}": _gradient_boosting for what in _WHAT},
    **{f"{_BOOSTING}{what}": _histogram_boosting for what in _WHAT},
    "sklearn.compose._column_transformer.ColumnTransformer": column_invariants.column_transformer,
    "sklearn.feature_extraction.text.CountVectorizer": column_invariants.vectorizer,
    "sklearn.feature_extraction.text.TfidfVectorizer": column_invariants.vectorizer,
    "sklearn.impute._base.SimpleImputer": column_invariants.imputer,
    "sklearn.kernel_approximation.Nystroem": _nystroem,
    "sklearn.linear_model._base.LinearRegression": linear,
    "sklearn.linear_model._coordinate_descent.ElasticNet": linear,
    "sklearn.linear_model._coordinate_descent.Lasso": linear,
    "sklearn.linear_model._logistic.LogisticRegression": linear,
    "sklearn.linear_model._ridge.Ridge": linear,
    "sklearn.preprocessing._encoders.OneHotEncoder": column_invariants.one_hot,
    _ORDINAL: column_invariants.ordinal,
    "sklearn.preprocessing._polynomial.PolynomialFeatures": column_invariants.polynomials,
    "sklearn.svm._classes.LinearSVC": linear,
    "sklearn.svm._classes.LinearSVR": linear,
    **{f"sklearn.svm._classes.{name}": _libsvm for name in ("NuSVR", "OneClassSVM", "SVR")},
    **{f"sklearn.svm._classes.{name}": _libsvm_classes for name in ("NuSVC", "SVC")},
}
"""By class, the check of the attributes that compiled code uses."""


def _with_labels(check_class: Callable[[FittedAttributes], None]) -> Callable[[FittedAttributes], None]:
    """Return a check of the labels, if there are any, and then of the rest: any class may answer with
    them."""

    def check(fitted: FittedAttributes) -> None:
        of_targets = fitted.classes_ if type(fitted.classes_) is list else [fitted.classes_]
        require(
            all(type(labels) is not np.ndarray or are_valid_labels(labels) for labels in of_targets),
            f"it has labels that are no words of up to {MAX_CHARACTERS:,} letters that UTF-8 has",
        )
        counts = fitted.n_classes_ if type(fitted.n_classes_) is list else [fitted.n_classes_]
        if fitted.classes_ is not None and fitted.n_classes_ is not None:
            fits = [np.size(labels) for labels in of_targets] == np.ravel(counts).tolist()
            require(fits, "it has another number of classes than it says")
        check_class(fitted)

    return check


INVARIANTS: Mapping[str, Callable[[FittedAttributes], None]] = {
    name: _with_labels(check_class)
    for name, check_class in {**dict.fromkeys(_UNCHECKED, anything), **_CHECKED, **AUDITED}.items()
}
"""By class the check of its attributes: of each class that may be loaded although nobody has allowed it in
particular, and of some that people often allow."""

_IMBALANCED = (
    *("bagging.BalancedBaggingClassifier", "easy_ensemble.EasyEnsembleClassifier"),
    "weight_boosting.RUSBoostClassifier",
)


def _around_booster(fitted: FittedAttributes) -> None:
    """Refuse anything else than a booster of LightGBM's, or categories that a request could not name."""
    lists, width = fitted.categories_, fitted.n_features_in_
    is_whole = (
        name_of(type(fitted.booster_)) == "lightgbm.basic.Booster"
        and type(width) is int
        and type(lists) is list
        and len(lists) == width
        and all(type(categories) is tuple for categories in lists)
    )
    require(is_whole, "it has another booster than LightGBM's, or other columns than that")
    require(
        all(type(category) in (str, int, float, bool) for categories in lists for category in categories),
        "it has categories that are no words or numbers",
    )


SET_INVARIANTS: Mapping[str, Callable[[FittedAttributes], None]] = {
    "imblearn.ensemble._forest.BalancedRandomForestClassifier": _with_labels(_random_forest),
    **{f"imblearn.ensemble._{name}": _with_labels(anything) for name in _IMBALANCED},
    **{
        f"mlapi.estimators.external.lightgbm_booster.LightGBM{name}": _with_labels(_around_booster)
        for name in ("Classifier", "Regressor")
    },
}
"""The same of classes that are loaded where somebody has asked for the set that they are in."""
