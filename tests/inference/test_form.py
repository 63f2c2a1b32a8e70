"""What lies in files: the names and attributes of our classes that pickles hold.

Where a test here fails, versions that were published before may no longer be read. For a compiled class raise
`FORM`, then change the table; for an estimator's class keep reading the old attributes (`__setstate__`).
"""

import inspect
import io
import pickle
import pkgutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any, Protocol

import joblib
import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import StackingClassifier, VotingClassifier, VotingRegressor
from sklearn.feature_selection import SelectKBest
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, SGDClassifier
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.svm import SVC, SVR

from mlapi.artifacts.pickles.parts.names import OURS, name_of
from mlapi.artifacts.pickles.scanner import names_in
from mlapi.estimators.algorithms import CLASSES
from mlapi.estimators.algorithms.svm import CalibratedSVC
from mlapi.estimators.preprocessing import CalendarParts, Frequent
from mlapi.inference import compiled
from mlapi.inference.compiled.form import FORM, PICKLED
from mlapi.inference.compiled.network import Network
from mlapi.inference.compiling import compile_pipeline
from tests.support.fitted import estimators, numbers, table

PREDICTOR_FORM = 1
"""The form that this table describes."""

PREDICTOR_ATTRIBUTES: Mapping[str, str] = {
    "inference.compiled.bayes.GaussianBayes": "_classes _constants _largest _means _rounding _variances",
    "inference.compiled.columns.Moments": "_columns",
    "inference.compiled.columns.NumberBlock": "source steps places",
    "inference.compiled.columns.Numbers": "_is_all _names _positions positions",
    "inference.compiled.columns.Preparation": "blocks side_by_side width steps",
    "inference.compiled.columns.StepsBlock": "preparation places",
    "inference.compiled.columns.WordBlock": "names tables places",
    "inference.compiled.committees.HardVote": "_labels _members _weights",
    "inference.compiled.committees.Labels": "classes",
    "inference.compiled.committees.MeanValue": "_members _weights",
    "inference.compiled.committees.SoftVote": "_labels _members _weights",
    "inference.compiled.committees.Stack": "_asked _final _labels _members methods",
    "inference.compiled.functions.Above": "threshold",
    "inference.compiled.functions.Bins": "edges starts",
    "inference.compiled.functions.Finite": "",
    "inference.compiled.functions.Function": "name",
    "inference.compiled.functions.Missing": "chosen others",
    "inference.compiled.functions.UnitRows": "norm",
    "inference.compiled.kernels.Polynomial": "constant degree factors reach summing terms",
    "inference.compiled.kernels.Product": "terms",
    "inference.compiled.kernels.Radial": "center constants factors gamma reach rounding summing vectors",
    "inference.compiled.kernels.Sigmoid": "constant factors reach summing terms",
    "inference.compiled.linear.Linear": (
        "_is_single _most _reach _row _start _starts bias constant least methods reading roundings weights"
    ),
    "inference.compiled.linear.ManyClasses": "_alone _classes _normalize methods",
    "inference.compiled.linear.TwoClasses": "_alone _classes methods",
    "inference.compiled.linear.Values": "_is_flat",
    "inference.compiled.links.Exponential": "",
    "inference.compiled.links.Likelihoods": "_highest",
    "inference.compiled.network.Network": "_classes _runtime _shape",
    "inference.compiled.one_row.OneRow": (
        "_is_plain _least _places _reach _reading _roundings _starts _weights _words"
    ),
    "inference.compiled.perceptron.Perceptron": "_activation _layers _sizes",
    "inference.compiled.perceptron.PerceptronClassifier": "_classes _layers",
    "inference.compiled.perceptron.PerceptronRegressor": "_layers",
    "inference.compiled.predictor.Additive": "_model _numbers _terms methods one_row",
    "inference.compiled.predictor.Dense": "_machine _prepared methods",
    "inference.compiled.predictor.Terms": "_columns _rows tables",
    "inference.compiled.predictor.Unscaled": "_inner _is_flat _mean _spread methods",
    "inference.compiled.selection.Beside": "branches columns",
    "inference.compiled.selection.Project": "weights subtract divide",
    "inference.compiled.selection.Take": "chosen columns",
    "inference.compiled.steps.Clip": "low high",
    "inference.compiled.steps.Fill": "values marked",
    "inference.compiled.steps.Products": "factors kept bias",
    "inference.compiled.steps.Scale": "subtract divide multiply add",
    "inference.compiled.svm.Calibrated": "classifier methods offsets slopes",
    "inference.compiled.svm.Classifier": "classes decisions methods vote",
    "inference.compiled.svm.Decisions": "kernel coefficients intercepts sizes rows",
    "inference.compiled.svm.Regressor": "decisions methods",
    "inference.compiled.votes.OneVsOne": "as_second break_ties pairs signs",
    "inference.compiled.words.Codes": "blank other",
    "inference.compiled.words.Table": "column codes rows places",
    "inference.compiled.words.TrimmedCodes": "blank other",
    "inference.compiled.wrappers.CalibratedMean": "_labels _members",
    "inference.compiled.wrappers.Calibrator": "bounds offset slope values",
    "inference.compiled.wrappers.Rescaled": "_function _inner _is_flat",
    "inference.compiled.wrappers.Threshold": "_inner _labels _method _second _threshold methods",
}
"""By class: the attributes of its pickles, in order where only their values are pickled."""

ESTIMATOR_ATTRIBUTES: Mapping[str, str] = {
    "estimators.algorithms.kernels.KernelColumns": (
        "coef0 components degree gamma kernel random_state n_features_in_ nystroem_"
    ),
    "estimators.algorithms.svm.CalibratedSVC": (
        "C approximate calibrator_ class_weight classes_ coef0 components degree gamma kernel "
        "n_features_in_ probabilities random_state svc_"
    ),
    "estimators.preprocessing.CalendarParts": (
        "all_durations feature_names_in_ n_features_in_ newest_us_ parts_"  # the first is not in old ones
    ),
    "estimators.preprocessing.Flags": "feature_names_in_ n_features_in_",
    "estimators.preprocessing.Frequent": "most feature_names_in_ n_features_in_ words_",
    "estimators.preprocessing.Texts": "",
}

NEVER_STORED = {
    "mlapi.inference.compiled.final_estimator.Answer",
    "mlapi.inference.compiled.predictor.Predictor",
}

FUNCTIONS = {
    f"mlapi.inference.compiled.{name}"
    for name in (*("linear.shares", "linear.softmax", "links.normalized", "votes.highest", "votes.of_two"),)
}


@cache
def predictors() -> list[Any]:
    """Compiled pipelines with an object of each class that can be stored."""
    rows, frame = numbers(), table()
    three = np.array(["p", "q", "r"])[np.arange(len(rows)) % 3]
    two = three == "p"
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["a", "b"]),
        (make_pipeline(SimpleImputer(), MinMaxScaler(clip=True), PolynomialFeatures(2)), ["a", "b"]),
        (OneHotEncoder(), ["word"]),
        (CalendarParts(), ["day"]),
    )
    further = make_column_transformer(
        (make_pipeline(SimpleImputer(), make_union(Binarizer(), FunctionTransformer(np.cbrt))), ["a", "b"]),
        (
            make_pipeline(
                SimpleImputer(), KBinsDiscretizer(3, encode="onehot-dense", quantile_method="linear"), PCA(2)
            ),
            ["a", "b"],
        ),
        (make_pipeline(MissingIndicator(), SelectKBest(k="all")), ["a"]),
        (make_pipeline(SimpleImputer(), Normalizer()), ["a", "b"]),
        (make_pipeline(OneHotEncoder(sparse_output=False), Normalizer()), ["word"]),
        (make_pipeline(Frequent(2), OneHotEncoder(sparse_output=False)), ["word"]),
    )
    regressor = TransformedTargetRegressor(SVR(), transformer=StandardScaler(), check_inverse=False)
    members = [("a", LogisticRegression())]
    fitted = [
        LinearRegression().fit(rows, rows[:, 0]),
        LogisticRegression().fit(rows, two),
        LogisticRegression().fit(rows, three),
        OneVsRestClassifier(LogisticRegression()).fit(rows, three),
        SGDClassifier(loss="log_loss").fit(rows, three),
        PoissonRegressor().fit(rows, rows[:, 1]),
        CalibratedSVC().fit(rows, two),
        CalibratedSVC(kernel="linear").fit(rows, three),
        CalibratedSVC(probabilities=False).fit(rows, three),
        *(SVC(kernel=kernel).fit(rows, two) for kernel in ("poly", "sigmoid")),
        regressor.fit(rows, rows[:, 0]),
        GaussianNB().fit(rows, three),
        MultinomialNB().fit(np.abs(rows), three),
        MLPClassifier(hidden_layer_sizes=(3,), max_iter=1000, tol=0.1).fit(rows, three),
        MLPRegressor(hidden_layer_sizes=(3,), max_iter=1000, tol=9.0).fit(rows, rows[:, 0]),
        VotingClassifier(members, voting="hard").fit(rows, three),
        VotingClassifier(members, voting="soft").fit(rows, three),
        VotingRegressor([("a", LinearRegression())]).fit(rows, rows[:, 0]),
        StackingClassifier(members, LogisticRegression(), cv=2).fit(rows, three),
        CalibratedClassifierCV(LogisticRegression(), method="isotonic", cv=2).fit(rows, two),
        FixedThresholdClassifier(LogisticRegression(), threshold=0.4).fit(rows, two),
        TransformedTargetRegressor(
            LinearRegression(), func=np.cbrt, inverse_func=np.exp, check_inverse=False
        ).fit(rows, rows[:, 0]),
    ]
    of_frame = [
        make_pipeline(columns, LogisticRegression(max_iter=1000)).fit(frame, three),
        make_pipeline(make_column_transformer((OneHotEncoder(), ["word"])), CalibratedSVC()).fit(frame, two),
        make_pipeline(further, CalibratedSVC()).fit(frame, two),
    ]
    made = [compile_pipeline(estimator, ("a", "b")) for estimator in fitted]
    made += [compile_pipeline(estimator, tuple(frame.columns)) for estimator in of_frame]
    assert None not in made
    return [*made, Network(np.array(["a", "b"]), (8, 8, 1))]


def states(part: Any, walked: dict[int, Any]) -> Iterator[tuple[str, list[str]]]:
    """Of each object of ours within: its class, and the names of what is pickled of it, in order if it
    counts."""
    if id(part) in walked or isinstance(part, str | bytes | int | float | np.dtype | type | None):
        return
    walked[id(part)] = part
    if type(part).__module__ in OURS:
        state = part.__reduce_ex__(pickle.DEFAULT_PROTOCOL)[2]
        if isinstance(state, list):  # of a frozen dataclass with slots: its values in the order of its fields
            yield name_of(type(part)), list(type(part).__dataclass_fields__)
        else:
            attributes = state[1] if isinstance(state, tuple) else state
            yield name_of(type(part)), sorted(attributes or ())
        yield from states(state, walked)
    elif not isinstance(part, list | tuple | dict | np.ndarray):
        yield from states(vars(part) if hasattr(part, "__dict__") else None, walked)
    if isinstance(part, np.ndarray):
        part = part.tolist() if part.dtype.hasobject else ()
    for within in part.values() if isinstance(part, dict) else part if isinstance(part, list | tuple) else ():
        yield from states(within, walked)


def attributes_of(parts: list[Any]) -> dict[str, str]:
    """By class, the names of all that some object of it has."""
    names: dict[str, dict[str, None]] = defaultdict(dict)
    for name, attributes in states(parts, {}):
        names[name] |= dict.fromkeys(attributes)
    return {name.removeprefix("mlapi."): " ".join(attributes) for name, attributes in sorted(names.items())}


def test_a_stored_predictor_has_the_attributes_of_its_form() -> None:
    assert (FORM, attributes_of(predictors())) == (PREDICTOR_FORM, PREDICTOR_ATTRIBUTES)


def test_a_stored_estimator_has_the_attributes_that_it_always_had() -> None:
    attributes = attributes_of([estimator for estimator, _ in estimators().values()])

    del attributes["estimators.preprocessing.Splines"]  # scikit-learn's own, which change with its versions
    assert attributes == ESTIMATOR_ATTRIBUTES


def test_each_class_of_the_compiled_room_is_listed_or_known_never_to_be_stored() -> None:
    modules = [
        import_module(module.name)
        for module in pkgutil.iter_modules(compiled.__path__, "mlapi.inference.compiled.")
    ]
    parts = {
        name_of(kind)
        for module in modules
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and kind.__module__ == module.__name__ and not name.startswith("_")
        if not issubclass(kind, Exception) and Protocol not in kind.__bases__
    }

    assert parts | FUNCTIONS == PICKLED | NEVER_STORED
    assert {name.removeprefix("mlapi.") for name in PICKLED - FUNCTIONS} == PREDICTOR_ATTRIBUTES.keys()


def test_each_class_of_ours_that_may_be_loaded_lies_in_a_module_of_the_format() -> None:
    ours = {name for name in PICKLED | CLASSES if name.startswith("mlapi.")}

    assert {name.rpartition(".")[0] for name in ours} == OURS
    for name in ours:
        module, _, part = name.rpartition(".")
        assert name_of(getattr(import_module(module), part)) == name


@pytest.mark.parametrize("stored", ["predictors", "estimators"])
def test_each_class_of_ours_that_a_fresh_pickle_names_lies_in_a_module_of_the_format(stored: str) -> None:
    parts = predictors() if stored == "predictors" else [each for each, _ in estimators().values()]
    file = io.BytesIO()
    joblib.dump(parts, file)
    named = {name for name in names_in(file.getvalue()) if name.startswith("mlapi.")}

    assert named
    assert {name.rpartition(".")[0] for name in named} <= OURS
    assert named <= (PICKLED if stored == "predictors" else CLASSES)
