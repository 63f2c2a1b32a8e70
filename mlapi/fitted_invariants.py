"""What a fitted estimator says and compiled code, or what opens files, takes on trust: by class.

Each function looks at the attributes of one fitted estimator, and raises NotAllowed where answering with them
would read or write outside of an array, open a file, or never end. An attribute that only makes wrong answers
or an exception is no business of this room. Nothing of scikit-learn is imported.
"""

from collections.abc import Callable, Mapping
from math import comb
from types import NoneType
from typing import Any

import numpy as np

from mlapi.pickle_names import NotAllowed, name_of
from mlapi.sparse_pickles import MATRICES
from mlapi.token_patterns import is_quick
from mlapi.tree_pickles import TREE, check_predictor


class Fitted:
    """The attributes of one fitted estimator; one that it does not have is None."""

    __slots__ = ("__attributes",)

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.__attributes = attributes

    def __getattr__(self, name: str) -> Any:
        return self.__attributes.get(name)


_MOST_TERMS = 10**6
"""Columns that polynomials may make of a row."""

_MOST_DEGREES = 100
"""Of polynomials, and of splines: one value of these costs its square."""

_LONGEST_GRAM = 10
"""Words, or letters, that a vectorizer takes together: each size is another copy of the text, in small pieces."""

_ANALYZERS = ("word", "char", "char_wb")


def _require(condition: Any, problem: str) -> None:
    if not condition:
        raise NotAllowed(problem)


def _shown(value: Any) -> str:
    """For messages: the repr of anything but a word or a few numbers may be longer than any memory."""
    are_few = type(value) is tuple and len(value) < 9 and all(type(each) is int for each in value)
    return f"{value!r:.80}" if are_few or type(value) is str else f"a {type(value).__name__}"


def _is_integers(array: Any, length: int, high: int) -> bool:
    """Whether it is a line of so many integers from 0 to below `high`."""
    return (
        type(array) is np.ndarray
        and array.dtype.kind in "iu"
        and array.shape == (length,)
        and bool(((array >= 0) & (array < high)).all())
    )


def _is_numbers(array: Any, *shape: int) -> bool:
    return type(array) is np.ndarray and array.dtype.kind in "fiu" and array.shape == shape


def _is_code(value: Any) -> bool:
    """Whether it is a function, which somebody has allowed in particular: there is none otherwise."""
    return callable(value) and not isinstance(value, type) and name_of(type(value)) not in INVARIANTS


def _width(fitted: Fitted) -> int:
    """How many features it checks its rows for; scikit-learn checks nothing where that is missing."""
    width = fitted.n_features_in_
    _require(type(width) is int and width >= 0, "it does not say how many features it takes")
    return int(width)


# Trees.


def _tree(fitted: Fitted) -> None:
    grown = fitted.tree_
    if grown is not None:
        is_tree = name_of(type(grown)) == TREE
        _require(
            is_tree and grown.n_features == _width(fitted), "it has a tree of other features than it takes"
        )
        _require(grown.n_outputs == fitted.n_outputs_, "it has a tree of other outputs than it says")


def _forest(fitted: Fitted) -> None:
    trees = fitted.estimators_
    if trees is None:
        return
    members = trees.ravel().tolist() if type(trees) is np.ndarray else trees
    _require(type(members) is list, "it has a forest of other things than trees")
    for member in members:
        grown: Any = getattr(member, "tree_", None)
        _require(
            name_of(type(member)) in _TREES
            and name_of(type(grown)) == TREE
            and grown.n_features == _width(fitted),
            "it has a forest of other things than trees of its features",
        )


def _random_forest(fitted: Fitted) -> None:
    """Its sums have as many columns as it says, and trees that give one number fill them all."""
    _forest(fitted)
    classes = fitted.n_classes_
    for member in () if fitted.estimators_ is None else fitted.estimators_:
        grown = member.tree_
        fits = grown.n_outputs == fitted.n_outputs_ and (
            classes is None or np.array_equal(np.atleast_1d(classes), grown.n_classes)
        )
        _require(fits, "it has a forest of trees with other classes or outputs than its own")


def _gradient_boosting(fitted: Fitted) -> None:
    """Each tree of a stage adds to a column of its own, which has to be there."""
    _forest(fitted)
    trees = fitted.estimators_
    if trees is None:
        return
    problem = "it has boosting of other trees than it says"
    _require(type(trees) is np.ndarray and trees.ndim == 2, problem)
    columns = trees.shape[1]
    _require(columns == fitted.n_trees_per_iteration_, problem)
    if columns > 1:
        start: Any = fitted.init_
        is_multinomial = name_of(type(fitted._loss)) == "sklearn._loss.loss.HalfMultinomialLoss"
        starts = start == "zero" if type(start) is str else len(start.classes_) == columns
        prior = getattr(start, "class_prior_", None)
        _require(is_multinomial and starts and (prior is None or len(prior) == columns), problem)


def _histogram_boosting(fitted: Fitted) -> None:
    stages = fitted._predictors
    if stages is None:
        return
    width = _width(fitted)
    encoder = fitted._preprocessor
    _require(encoder is None or _encodes(encoder, width), "it has an encoder of other features than it takes")
    mapper = fitted._bin_mapper
    categorical: Any = getattr(mapper, "is_categorical_", None)
    _require(
        name_of(type(mapper)) == _BIN_MAPPER
        and type(categorical) is np.ndarray
        and categorical.shape == (width,)
        and categorical.dtype.kind in "bu",
        "it does not say which of its features have categories",
    )
    _require(
        type(stages) is list
        and all(type(stage) is list and len(stage) == fitted.n_trees_per_iteration_ for stage in stages),
        "it has other trees than it says",
    )
    for stage in stages:
        for tree in stage:
            _require(name_of(type(tree)) == _PREDICTOR, "it has trees that are none")
            state = vars(tree)
            check_predictor(state.get("nodes"), state.get("raw_left_cat_bitsets"), categorical.astype(bool))


def _encodes(preprocessor: Any, width: int) -> bool:
    """Whether it is what boosting puts before itself, which gives each feature once."""
    steps = getattr(preprocessor, "transformers_", ())[:2]
    if [name_of(type(step[1])) for step in steps] != [_ORDINAL, _FUNCTION]:
        return False
    encoded, plain = (step[2] for step in steps)
    are_flags = all(type(flags) is np.ndarray and flags.dtype.kind == "b" for flags in (encoded, plain))
    return are_flags and encoded.shape == plain.shape == (width,) and bool((encoded ^ plain).all())


# Machines.


def _libsvm_classes(fitted: Fitted) -> None:
    if fitted.support_ is None:
        return
    _libsvm(fitted)
    fits = fitted._n_support.sum() == len(fitted.support_)
    _require(fits, "it has a support vector machine whose counts are of other vectors")


def _libsvm(fitted: Fitted) -> None:
    if fitted.support_ is None:
        return
    _width(fitted)
    problem = "it has a support vector machine whose parts do not fit together"
    counts, is_sparse, kernel = fitted._n_support, fitted._sparse, fitted.kernel
    rows = len(fitted.support_) if type(fitted.support_) is np.ndarray else -1
    seen = fitted.shape_fit_
    _require(type(seen) is tuple and len(seen) == 2 and all(type(side) is int for side in seen), problem)
    _require(_is_integers(fitted.support_, rows, seen[0]), problem)
    _require(type(counts) is np.ndarray and counts.ndim == 1 and len(counts) > 1, problem)
    _require(_is_integers(counts, len(counts), rows + 1), problem)
    _require(type(kernel) is str or _is_code(kernel), problem)
    _require(type(is_sparse) is bool and not (is_sparse and kernel == "precomputed"), problem)
    classes = len(counts)
    pairs = classes * (classes - 1) // 2
    _require(_is_numbers(fitted._intercept_, pairs), problem)
    sizes = {np.shape(fitted._probA), np.shape(fitted._probB)}
    _require(sizes == {(pairs,)} or (sizes == {(0,)} and not fitted._effective_probability), problem)
    vectors, weights = fitted.support_vectors_, fitted._dual_coef_
    if not is_sparse:
        _require(_is_numbers(weights, classes - 1, rows), problem)
        _require(kernel == "precomputed" or _is_code(kernel) or _is_numbers(vectors, rows, seen[1]), problem)
        return
    _require(all(name_of(type(matrix)) in _ROWS for matrix in (vectors, weights)), problem)
    _require(vectors.shape == (rows, seen[1]) and weights.shape == (classes - 1, rows), problem)
    _require(len(weights.data) == (classes - 1) * rows, problem)


def _linear(fitted: Fitted) -> None:
    weights = fitted.coef_
    if weights is None:
        return
    shape = np.shape(weights)
    fits = len(shape) in (1, 2) and shape[-1] == _width(fitted)
    outputs = shape[0] if len(shape) == 2 else 1
    fits = fits and np.shape(0.0 if fitted.intercept_ is None else fitted.intercept_) in (
        (),
        (1,),
        (outputs,),
    )
    _require(fits, "it has a linear model whose coefficients do not fit its features")


def _neighbors(fitted: Fitted) -> None:
    rows = fitted._fit_X
    if rows is None:
        return
    _require(
        np.ndim(rows) == 2
        and rows.shape == (fitted.n_samples_fit_, _width(fitted))
        and (fitted._y is None or len(fitted._y) == rows.shape[0]),
        "it has neighbors whose parts do not fit together",
    )


def _nystroem(fitted: Fitted) -> None:
    _require(type(fitted.kernel) is str, "it has a kernel that is code")


# Columns of numbers and words.


def _vectorizer(fitted: Fitted) -> None:
    _require(
        fitted.input == "content",
        f"it has a vectorizer that opens files: its input is {_shown(fitted.input)}; 'content' opens none",
    )
    analyzer, pattern = fitted.analyzer, fitted.token_pattern
    _require(_is_code(analyzer) or analyzer in _ANALYZERS, "it has a vectorizer with an unknown analyzer")
    for step in (fitted.tokenizer, fitted.preprocessor):
        _require(step is None or _is_code(step), "it has a vectorizer whose steps are no functions")
    _require(type(fitted.strip_accents) in (str, NoneType), "it strips accents by code")
    # A pattern that the analyzer does not use is not looked at: scikit-learn keeps its default there.
    uses_pattern = analyzer == "word" and fitted.tokenizer is None
    _require(
        not uses_pattern or (type(pattern) is str and is_quick(pattern)),
        f"it has a vectorizer with the token_pattern {_shown(pattern)}, which can take for ever on some "
        r"texts; a pattern such as (?u)\b\w\w+\b, [a-z]+ or \S+ cannot",
    )
    grams = fitted.ngram_range
    _require(
        type(grams) is tuple and len(grams) == 2 and all(type(size) is int for size in grams)
        and 1 <= grams[0] <= grams[1] <= _LONGEST_GRAM,
        f"it has a vectorizer with the ngram_range {_shown(grams)}; {_LONGEST_GRAM} is the most",
    )  # fmt: skip
    _vocabulary(fitted.vocabulary_)


def _vocabulary(words: Any) -> None:
    if words is None:
        return
    places = np.array(list(words.values()), dtype=object) if type(words) is dict else np.array([None])
    are_integers = all(isinstance(place, int | np.integer) for place in places)
    _require(
        are_integers
        and sorted(places.tolist()) == list(range(len(places)))
        and all(type(word) is str for word in words),
        "it has a vocabulary whose places are not 0, 1, 2, … each once",
    )


def _one_hot(fitted: Fitted) -> None:
    columns = fitted.categories_
    if columns is None:
        return
    problem = "it has an encoder whose places lie outside of its columns"
    width = _width(fitted)
    _require(type(columns) is list and len(columns) == width and all(map(_is_in_order, columns)), problem)
    grouped = fitted._infrequent_enabled
    _require(type(grouped) is bool, problem)
    nothing = [None] * width
    rare = (fitted._infrequent_indices or nothing) if grouped else nothing
    places = (fitted._default_to_infrequent_mappings or nothing) if grouped else nothing
    dropped = fitted._drop_idx_after_grouping
    dropped = nothing if dropped is None else np.asarray(dropped, dtype=object).tolist()
    counts = fitted._n_features_outs
    parts = (rare, places, dropped, counts)
    _require(all(type(part) is list and len(part) == width for part in parts), problem)
    for column, few, mapping, drop, count in zip(columns, *parts, strict=True):
        _require(_outputs_of(len(column), few, mapping, drop) == count, problem)


def _outputs_of(categories: int, few: Any, mapping: Any, drop: Any) -> int | None:
    """How many columns one feature becomes; None where its places would lie outside of them."""
    outputs = categories
    if (few is None) != (mapping is None):
        return None
    if mapping is not None:
        if not (type(few) is np.ndarray and len(few) and _is_integers(few, len(few), categories)):
            return None
        outputs = categories - len(few) + 1
        if not _is_integers(mapping, categories, outputs):
            return None
    if drop is None:
        return outputs
    return outputs - 1 if isinstance(drop, int | np.integer) and 0 <= drop < outputs else None


def _is_in_order(column: Any) -> bool:
    """Whether a search by halves ends within it, as scikit-learn does it for numbers; words are looked up."""
    if type(column) is not np.ndarray or column.ndim != 1:
        return False
    if column.dtype.kind in "OUS":
        return True
    if column.dtype.kind == "f" and len(column) and np.isnan(column[-1]):
        column = column[:-1]
    return column.dtype.kind in "biuf" and bool((column[1:] > column[:-1]).all())


def _polynomials(fitted: Fitted) -> None:
    if fitted.n_output_features_ is None:
        return
    features, least, most = fitted.n_features_in_, fitted._min_degree, fitted._max_degree
    problem = "it has polynomials of other columns than it says"
    _require(all(type(number) is int and number >= 0 for number in (features, least, most)), problem)
    _require(features <= _MOST_TERMS and most <= _MOST_DEGREES, problem)
    flags = fitted.interaction_only, fitted.include_bias
    _require(all(type(flag) is bool for flag in flags), problem)
    terms = _terms(features, least, most, *flags), _terms(features, 0, most, *flags)
    _require(
        terms == (fitted.n_output_features_, fitted._n_out_full) and terms[1] <= _MOST_TERMS,
        problem,
    )


def _terms(features: int, least: int, most: int, interactions: bool, bias: bool) -> int:
    """As `PolynomialFeatures._num_combinations` counts them (scikit-learn 1.9)."""
    if interactions:
        terms = sum(comb(features, degree) for degree in range(max(1, least), min(most, features) + 1))
    else:
        terms = comb(features + most, most) - (comb(features + least - 1, least - 1) if least > 0 else 1)
    return terms + bias


def _splines(fitted: Fitted) -> None:
    splines = fitted.bsplines_
    if splines is None:
        return
    problem = "it has splines that are none, or of too high a degree"
    _require(
        type(splines) is list and len(splines) == _width(fitted) and fitted.sparse_output is False,
        problem,
    )
    degree = fitted.degree
    _require(type(degree) is int and 0 <= degree <= _MOST_DEGREES, problem)
    _require(all(spline.k == degree and spline.c.ndim == 2 for spline in splines), problem)
    columns = sum(spline.c.shape[1] - (not fitted.include_bias) for spline in splines)
    _require(fitted.n_features_out_ == columns, "it has splines of other columns than it says")


def _anything(_: Fitted) -> None:
    return


_WHAT = ("Classifier", "Regressor")
_FORESTS = ("ExtraTrees", "RandomForest")
_TREES = frozenset(
    f"sklearn.tree._classes.{kind}{what}" for kind in ("DecisionTree", "ExtraTree") for what in _WHAT
)
_ROWS = frozenset(name for name in MATRICES if "_csr." in name)
_ORDINAL = "sklearn.preprocessing._encoders.OrdinalEncoder"
_FUNCTION = "sklearn.preprocessing._function_transformer.FunctionTransformer"
_BIN_MAPPER = "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper"
_BOOSTING = "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoosting"
_PREDICTOR = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"

_OF_NO_CONCERN = (
    "mlapi.algorithms.cnn.ConvolutionalNetwork",  # which looks at its own network
    "mlapi.algorithms.kernels.KernelColumns",
    "mlapi.algorithms.svm.CalibratedSVC",
    *(f"mlapi.preprocessing.{name}" for name in ("CalendarParts", "Flags", "Frequent", "Texts")),
    *(f"sklearn._loss.link.{name}" for name in ("IdentityLink", "Interval", "LogitLink", "MultinomialLogit")),
    *(
        f"sklearn._loss.loss.{name}"
        for name in ("HalfBinomialLoss", "HalfMultinomialLoss", "HalfSquaredError")
    ),
    "sklearn.calibration.CalibratedClassifierCV",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.compose._column_transformer.ColumnTransformer",
    "sklearn.compose._target.TransformedTargetRegressor",
    _BIN_MAPPER,
    _PREDICTOR,  # its estimator looks at it
    "sklearn.feature_extraction.text.TfidfTransformer",
    "sklearn.impute._base.MissingIndicator",
    "sklearn.impute._base.SimpleImputer",
    "sklearn.pipeline.Pipeline",
    "sklearn.preprocessing._data.StandardScaler",
    "sklearn.preprocessing._label.LabelEncoder",
)
"""Python and numpy alone use their attributes, and look before they read."""

_OF_CONCERN: Mapping[str, Callable[[Fitted], None]] = {
    "mlapi.preprocessing.Splines": _splines,
    **dict.fromkeys(_TREES, _tree),
    **{f"sklearn.ensemble._forest.{name}{what}": _random_forest for name in _FORESTS for what in _WHAT},
    **{f"sklearn.ensemble._gb.GradientBoosting{what}": _gradient_boosting for what in _WHAT},
    **{f"{_BOOSTING}{what}": _histogram_boosting for what in _WHAT},
    "sklearn.feature_extraction.text.CountVectorizer": _vectorizer,
    "sklearn.feature_extraction.text.TfidfVectorizer": _vectorizer,
    "sklearn.kernel_approximation.Nystroem": _nystroem,
    "sklearn.linear_model._base.LinearRegression": _linear,
    "sklearn.linear_model._coordinate_descent.ElasticNet": _linear,
    "sklearn.linear_model._coordinate_descent.Lasso": _linear,
    "sklearn.linear_model._logistic.LogisticRegression": _linear,
    "sklearn.linear_model._ridge.Ridge": _linear,
    "sklearn.neighbors._classification.KNeighborsClassifier": _neighbors,
    "sklearn.neighbors._regression.KNeighborsRegressor": _neighbors,
    "sklearn.preprocessing._encoders.OneHotEncoder": _one_hot,
    "sklearn.preprocessing._polynomial.PolynomialFeatures": _polynomials,
    "sklearn.svm._classes.LinearSVC": _linear,
    "sklearn.svm._classes.LinearSVR": _linear,
    **{f"sklearn.svm._classes.{name}": _libsvm for name in ("NuSVR", "OneClassSVM", "SVR")},
    **{f"sklearn.svm._classes.{name}": _libsvm_classes for name in ("NuSVC", "SVC")},
}

INVARIANTS: Mapping[str, Callable[[Fitted], None]] = {
    **dict.fromkeys(_OF_NO_CONCERN, _anything),
    **_OF_CONCERN,
}
"""Every class that may be loaded unasked and has attributes, and some that people often allow."""
