"""scikit-learn's own estimators are loaded unasked, and refused where a state is not as `fit` makes it."""

import pickle
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.interpolate import BSpline
from sklearn import (
    calibration,
    cluster,
    covariance,
    decomposition,
    dummy,
    ensemble,
    feature_selection,
    gaussian_process,
    impute,
    isotonic,
    kernel_approximation,
    linear_model,
    manifold,
    model_selection,
    multioutput,
    neighbors,
    preprocessing,
    semi_supervised,
)
from sklearn.base import clone, is_regressor
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.gaussian_process.kernels import RBF
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch
from sklearn.utils._tags import get_tags
from sklearn.utils._test_common.instance_generator import _construct_instances
from sklearn.utils.discovery import all_estimators

from mlapi.artifacts.pickles import pickling
from mlapi.artifacts.pickles.fitted import widths
from mlapi.artifacts.pickles.fitted.attributes import is_code
from mlapi.artifacts.pickles.fitted.scikit_learn import AUDITED
from mlapi.artifacts.pickles.parts.names import NotAllowed
from mlapi.artifacts.pickles.parts.values import NUMPY_FUNCTIONS, VALUES, is_value, value_name
from mlapi.artifacts.pickles.scanner import names_in
from mlapi.errors import BrokenArtifact
from tests.artifacts.pickles.test_states import MOST, asked, perturbed

X = np.abs(np.random.default_rng(0).normal(size=(40, 4)))
Y = (X[:, 0] > X[:, 0].mean()).astype(int)
TEXTS = ["good film", "bad film", "good plot", "fine day"] * 10

_OTHER_ROWS = frozenset({"DictVectorizer", "FeatureHasher", "KernelCenterer", "PatchExtractor"})
"""Estimators of dictionaries, kernels and pictures, which no row of a request is."""

_OF_LABELS = frozenset({"LabelBinarizer", "LabelEncoder", "MultiLabelBinarizer"})


def dumped(estimator: Any) -> bytes:
    file = BytesIO()
    pickling.dump(estimator, file)
    return file.getvalue()


def copied(estimator: Any) -> Any:
    return pickling.load(dumped(estimator), ())


@pytest.mark.parametrize("name", sorted(AUDITED))
def test_an_audited_class_is_one_that_there_is(name: str) -> None:
    module, _, kind = name.rpartition(".")
    if kind.startswith("PassiveAggressive") and not hasattr(linear_model, kind):
        pytest.skip("scikit-learn 1.10 removes it")

    assert isinstance(getattr(import_module(module), kind), type)


def test_an_estimator_whose_class_scikit_learn_has_removed_is_refused_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = dumped(linear_model.Ridge())
    monkeypatch.delattr("sklearn.linear_model._ridge.Ridge")

    with pytest.raises(
        BrokenArtifact, match=r"Ridge, which cannot .* install the scikit-learn that saved it"
    ):
        pickling.load(content, ())


@pytest.mark.parametrize("name", sorted(VALUES))
def test_a_value_is_known_by_its_name(name: str) -> None:
    module, _, last = name.rpartition(".")
    value = getattr(import_module(module), last)

    assert is_value(value) or isinstance(value, type)
    assert name not in NUMPY_FUNCTIONS or value_name(value) in NUMPY_FUNCTIONS


def _rows_of(made: Any) -> Any:
    if get_tags(made).input_tags.string:
        return TEXTS
    if "precomputed" in (getattr(made, "metric", ""), getattr(made, "kernel", "")):
        return np.abs(X[:, :1] - X[:, 0])
    return X[:, 0] if isinstance(made, isotonic.IsotonicRegression) else X


def _target_of(made: Any) -> Any:
    name, tags = type(made).__name__, get_tags(made)
    if name in ("CCA", "PLSCanonical", "PLSRegression") or "MultiTask" in name:
        return np.c_[X[:, 0] + X[:, 1], X[:, 2]]
    if tags.target_tags.multi_output and not tags.target_tags.single_output:
        return np.c_[Y, 1 - Y]
    return (
        X[:, 0] + 1.0 if is_regressor(made) and name != "StackingRegressor" else Y
    )  # that asks a classifier


def _fitted(kind: type) -> Iterator[tuple[Any, Any]]:
    """Each of scikit-learn's own examples of a class, fitted; behind a transformer a classifier."""
    for made in _construct_instances(kind):
        estimator, rows = clone(made), _rows_of(made)
        if isinstance(made, decomposition.SparseCoder):
            estimator.set_params(dictionary=np.eye(4))
        if not hasattr(estimator, "predict") and hasattr(estimator, "transform"):
            estimator = make_pipeline(estimator, linear_model.LogisticRegression())
        if hasattr(estimator, "predict") or hasattr(estimator, "fit_predict"):
            yield estimator.fit(rows, _target_of(made)), rows


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "kind"), all_estimators())
def test_all_estimators_that_answer_are_loaded_unasked(name: str, kind: type) -> None:
    if name in _OTHER_ROWS | _OF_LABELS | {"PLSSVD", "FrozenEstimator", "MissingIndicator"}:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for estimator, rows in _fitted(kind):
            if not hasattr(estimator, "predict"):
                continue
            expected = estimator.predict(rows)
            found = copied(estimator).predict(rows)
            if getattr(estimator, "strategy", "") not in ("stratified", "uniform"):
                np.testing.assert_array_equal(found, expected)


@cache
def usual() -> dict[str, Any]:
    """What people register: one of each kind of state."""
    search = model_selection.GridSearchCV(linear_model.Ridge(), [{"alpha": [1.0, 2]}, {"tol": [0.1]}], cv=2)
    return {
        "search": search.fit(X, X[:, 0]),
        "boosting": ensemble.GradientBoostingClassifier(n_estimators=2, random_state=0).fit(X, Y),
        "tree of neighbors": neighbors.KNeighborsClassifier(3, algorithm="kd_tree").fit(X, Y),
        "ball tree": neighbors.KNeighborsRegressor(3, algorithm="ball_tree", metric="manhattan").fit(X, Y),
        "process": gaussian_process.GaussianProcessRegressor(RBF(), optimizer=None).fit(X, Y),
        "stochastic": linear_model.SGDClassifier(random_state=np.random.RandomState(0)).fit(X, Y),
        "poisson": linear_model.PoissonRegressor().fit(X, Y),
        "isotonic": calibration.CalibratedClassifierCV(
            linear_model.LogisticRegression(), method="isotonic", cv=2
        ).fit(X, Y),
        "votes": ensemble.VotingClassifier([("a", dummy.DummyClassifier())]).fit(X, Y),
        "stack": ensemble.StackingClassifier([("a", dummy.DummyClassifier())], cv=2).fit(X, Y),
        "logarithm": make_pipeline(
            preprocessing.FunctionTransformer(np.log1p, np.expm1, check_inverse=False),
            preprocessing.SplineTransformer(n_knots=3),
            feature_selection.SelectKBest(feature_selection.f_classif, k=2),
            preprocessing.OneHotEncoder(dtype=np.float32, handle_unknown="ignore"),
            linear_model.LogisticRegression(),
        ).fit(X, Y),
        "birch": cluster.Birch(n_clusters=2, branching_factor=3, threshold=0.1).fit(X),
        "lasso": linear_model.LassoLars(0.01).fit(X, X[:, 0]),
    }


@pytest.mark.parametrize("name", list(usual()))
def test_what_people_register_needs_no_list(name: str) -> None:
    estimator = usual()[name]

    found = pickling.load(dumped(estimator), ())

    np.testing.assert_array_equal(found.predict(X), estimator.predict(X))


def changed(fitted: Any, **attributes: Any) -> Any:
    """A copy of an estimator with other attributes, those of `None` taken away."""
    made = copied(fitted)
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


SMALL: dict[str, Callable[[], Any]] = {
    "means": lambda: cluster.KMeans(2, n_init=1, random_state=0).fit(X),
    "halves": lambda: cluster.BisectingKMeans(2, random_state=0).fit(X),
    "birch": lambda: usual()["birch"],
    "shift": lambda: cluster.MeanShift(bandwidth=2.0).fit(X),
    "agglomeration": lambda: cluster.FeatureAgglomeration(2).fit(X),
    "envelope": lambda: covariance.EllipticEnvelope(random_state=0).fit(X),
    "factors": lambda: decomposition.NMF(2, init="nndsvd", max_iter=3, tol=1.0).fit(X),
    "topics": lambda: decomposition.LatentDirichletAllocation(2, max_iter=1).fit(X),
    "dictionary": lambda: decomposition.MiniBatchDictionaryLearning(2, max_iter=1).fit(X),
    "kernel": lambda: decomposition.KernelPCA(2, kernel="rbf").fit(X),
    "labels": lambda: semi_supervised.LabelSpreading().fit(X, Y),
    "classes": lambda: dummy.DummyClassifier().fit(X, Y),
    "number": lambda: dummy.DummyRegressor().fit(X, X[:, 0]),
    "isolation": lambda: ensemble.IsolationForest(n_estimators=2, max_features=0.5, random_state=0).fit(X),
    "embedding": lambda: ensemble.RandomTreesEmbedding(2, random_state=0).fit(X),
    "stack": lambda: usual()["stack"],
    "chain": lambda: multioutput.ClassifierChain(dummy.DummyClassifier()).fit(X, np.c_[Y, Y]),
    "selector": lambda: feature_selection.SelectFromModel(linear_model.Ridge()).fit(X, Y),
    "blanks": lambda: impute.KNNImputer().fit(X),
    "sketch": lambda: kernel_approximation.PolynomialCountSketch(n_components=5, random_state=0).fit(X),
    "chi2": lambda: kernel_approximation.AdditiveChi2Sampler().fit(X),
    "manifold": lambda: manifold.LocallyLinearEmbedding(random_state=0).fit(X),
    "brute": lambda: neighbors.KNeighborsClassifier(3, algorithm="brute").fit(X, Y),
    "tree": lambda: usual()["tree of neighbors"],
    "own distance": lambda: neighbors.KNeighborsClassifier(
        3, algorithm="brute", metric="mahalanobis", metric_params={"VI": np.eye(4)}
    ).fit(X, Y),
    "centroids": lambda: neighbors.NearestCentroid().fit(X, Y),
    "bins": lambda: preprocessing.KBinsDiscretizer(2, quantile_method="averaged_inverted_cdf").fit(X),
    "function": lambda: preprocessing.FunctionTransformer(np.log1p).fit(X),
    "spline": lambda: BSpline(np.r_[[0.0] * 4, [1.0] * 4], np.ones(4), 3),
    "steps": lambda: isotonic.IsotonicRegression().fit(X[:, 0], X[:, 1]),
    "linear": lambda: linear_model.BayesianRidge().fit(X, Y),
    "votes": lambda: ensemble.AdaBoostClassifier(n_estimators=2).fit(X, Y),
    "boosting": lambda: usual()["boosting"],
    "hashes": lambda: HashingVectorizer().fit(TEXTS),
}

HOSTILE = [
    ("means", {"cluster_centers_": np.ones((2, 3))}, "centers do not fit"),
    ("means", {"cluster_centers_": np.ones((0, 4))}, "centers do not fit"),
    ("means", {"_n_threads": 10**6}, "starts other threads"),
    ("halves", {"_n_threads": 0}, "starts other threads"),
    ("birch", {"_subcluster_norms": np.ones(1)}, "centers do not fit together"),
    ("shift", {"cluster_centers_": np.ones((2, 3))}, "centers do not fit"),
    ("agglomeration", {"labels_": np.array([0, 1, 0, 10**9])}, "in clusters that there are not"),
    ("agglomeration", {"pooling_func": np.exp}, "something else than a mean"),
    ("envelope", {"precision_": np.ones((1, 1))}, "a covariance that does not fit"),
    ("envelope", {"location_": np.ones(3)}, "a covariance that does not fit"),
    ("factors", {"max_iter": 10**12}, "more than 10,000 rounds"),
    ("factors", {"_n_components": 10**9}, "components that do not fit"),
    ("topics", {"max_doc_update_iter": 10**12}, "more than 10,000 rounds"),
    ("topics", {"exp_dirichlet_component_": np.ones((2, 3))}, "components that do not fit"),
    ("dictionary", {"transform_max_iter": 10**12}, "more than 10,000 rounds"),
    ("dictionary", {"components_": np.ones((2, 3))}, "components that do not fit"),
    ("kernel", {"kernel": np.exp}, "neither name nor code"),
    ("kernel", {"kernel_params": {"n_jobs": 99}}, "more arguments"),
    ("labels", {"kernel": "precomputed"}, "another kernel"),
    ("classes", {"n_classes_": 10**9}, "another number of classes"),
    ("classes", {"n_outputs_": 10**9}, "other outputs or classes"),
    ("number", {"n_outputs_": 10**9}, "other outputs or classes"),
    ("isolation", {"_max_features": 4}, "other things than trees of its features"),
    ("isolation", {"estimators_features_": [np.array([0, 9])] * 2}, "other things than trees"),
    ("embedding", {"estimators_": [1]}, "other things than trees"),
    ("stack", {"stack_method_": ["fit"]}, "asks its parts for no answer"),
    ("chain", {"chain_method_": ["set_params"]}, "asks its parts for no answer"),
    ("selector", {"importance_getter": "__class__.__init__.__globals__"}, "no attribute of an estimator's"),
    ("blanks", {"metric": "mahalanobis"}, "imputes by another distance"),
    ("sketch", {"n_components": 10**9}, "outside of its columns"),
    ("sketch", {"indexHash_": np.full((2, 4), 9)}, "outside of its columns"),
    ("chi2", {"sample_steps": 10**9}, "too many columns of a feature"),
    ("manifold", {"n_components": 10**9}, "other columns than it says"),
    ("brute", {"_y": np.full(40, 9)}, "neighbors whose parts do not fit"),
    ("brute", {"_fit_X": np.ones((40, 3))}, "neighbors whose parts do not fit"),
    ("brute", {"effective_metric_": "pyfunc"}, "another distance than"),
    ("brute", {"effective_metric_params_": {"w": np.ones(3)}}, "numbers do not fit its features"),
    ("brute", {"effective_metric_params_": {"out": np.ones(3)}}, "a distance with other numbers"),
    ("tree", {"_fit_X": np.ones((39, 4)), "n_samples_fit_": 39}, "neighbors whose parts do not fit"),
    ("tree", {"_tree": 5}, "neighbors whose parts do not fit"),
    ("own distance", {"effective_metric_params_": {"VI": np.eye(3)}}, "numbers do not fit its features"),
    ("own distance", {"effective_metric_params_": {}}, "a distance without its numbers"),
    ("centroids", {"metric": "mahalanobis"}, "another distance than nearest centroids"),
    ("bins", {"dtype": "U999999"}, "another dtype than numbers"),
    ("function", {"func": feature_selection.f_classif}, "another function than numpy's"),
    ("function", {"func": np.mean}, "another function than numpy's"),
    ("function", {"kw_args": {"where": np.ones((10, 1, 1, 4), bool)}}, "another function than numpy's"),
    ("spline", {"k": 5}, "splines that lead out of themselves"),
    ("spline", {"_c": np.ones(2)}, "splines that lead out of themselves"),
    ("linear", {"coef_": np.ones(3)}, "coefficients do not fit"),
    ("votes", {"n_classes_": 10**9}, "another number of classes"),
    ("hashes", {"input": "filename"}, "a vectorizer that opens files"),
    ("hashes", {"n_features": 0}, "hashes to other columns"),
    ("hashes", {"n_features": 2**33}, "hashes to other columns"),
    ("boosting", {"init_": linear_model.LogisticRegression()}, "begins with another estimator's answers"),
    ("envelope", {"covariance_": np.ones((1, 1))}, "a covariance that does not fit"),
    ("function", {"kw_args": Bunch(nan=[[0.0]])}, "another function than numpy's"),
]


@pytest.mark.parametrize(("name", "attributes", "problem"), HOSTILE)
def test_a_state_that_fit_never_makes_is_refused(name: str, attributes: dict[str, Any], problem: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        honest = SMALL[name]()

    assert copied(honest) is not None
    with pytest.raises(BrokenArtifact, match=problem):
        pickling.load(dumped(changed(honest, **attributes)), ())


def test_steps_are_looked_at_before_a_function_is_made_of_them() -> None:
    """scikit-learn makes it as soon as it gets the state: lists of lists would be copied without end."""
    lists: Any = []
    for _ in range(60):
        lists = [lists, lists]
    honest = SMALL["steps"]()

    for attributes in ({"X_thresholds_": lists}, {"y_thresholds_": np.ones(1)}):
        spoilt = changed(honest, **attributes)
        with pytest.raises(BrokenArtifact, match="steps that are no numbers"):
            pickling.load(dumped(spoilt), ())


def test_a_node_of_birch_holds_nothing_else() -> None:
    spoilt = changed(usual()["birch"])
    spoilt.root_.transform = np.exp

    with pytest.raises(BrokenArtifact, match="a _CFNode with other attributes"):
        pickling.load(dumped(spoilt), ())


def test_rows_that_become_wide_are_answered_some_at_a_time() -> None:
    wide = SMALL["means"]()
    wide.cluster_centers_ = np.ones((100_000, 4))
    sketch = kernel_approximation.PolynomialCountSketch(n_components=1000, degree=3).fit(X)

    assert widths.size_of(wide).width == 100_000
    assert widths.size_of(sketch).width == 3000
    too_wide = kernel_approximation.PolynomialCountSketch(n_components=400_000, degree=3).fit(X)
    with pytest.raises(NotAllowed, match="it makes 1,200,000 numbers of one row"):
        widths.check(too_wide)


@pytest.mark.parametrize(
    "name", ["functools.partial", "pandas.DataFrame", "sklearn.gaussian_process.kernels.PairwiseKernel"]
)
def test_what_is_left_out_is_to_be_allowed(name: str) -> None:
    assert name not in pickling.AUDITED


def test_a_value_is_no_code_and_is_not_called() -> None:
    assert not any(map(is_code, (np.log1p, np.mean, feature_selection.f_classif)))
    assert not is_code(RBF())
    assert is_code(len)
    assert is_code(partial(len))

    class Called:
        def __reduce__(self) -> Any:
            return np.exp, (1.0,)

    content = dumped([Called()])
    assert "numpy.exp" in names_in(content)
    with pytest.raises(BrokenArtifact, match="which it does not name"):
        pickling.load(content, ())


@pytest.mark.exhaustive
def test_a_whole_number_that_is_changed_in_them_is_refused_or_harmless(tmp_path: Path) -> None:
    """As for the classes that training knows: no crash, and the same answers whatever lies in memory."""
    folder, refused = tmp_path / "changed", 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = {**usual(), **{name: make() for name, make in SMALL.items()}}
    for name, estimator in fitted.items():
        if not hasattr(estimator, "predict"):
            continue
        (folder / name).mkdir(parents=True)
        (folder / name / "rows.pickle").write_bytes(pickle.dumps(X[:, 0] if name == "steps" else X))
        for number, content in enumerate(perturbed(dumped(estimator), MOST)):
            try:
                pickling.load(content, ())
            except BrokenArtifact:
                refused += 1
                continue
            (folder / name / f"{number:06}.joblib").write_bytes(content)

    answers = asked(folder, tmp_path / "one", 1)

    assert refused > len(fitted)
    assert answers == asked(folder, tmp_path / "other", 170)
