"""Nothing that an estimator of an allowed class says leads compiled code out of an array, or never ends."""

import os
import pickle
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import copy, deepcopy
from io import BytesIO
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler
from scipy import sparse
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import BallTree, KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    LabelEncoder,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeRegressor
from sklearn.tree._tree import Tree

from mlapi.artifacts.pickles import pickling
from mlapi.artifacts.pickles.calls import CALLS
from mlapi.artifacts.pickles.fitted.invariants import INVARIANTS
from mlapi.artifacts.pickles.parts.sparse_matrices import MATRIX
from mlapi.artifacts.pickles.pickling import BASE
from mlapi.artifacts.pickles.scanner import names_in
from mlapi.artifacts.pickles.unpickling import ONLY_ARGUMENTS, WRAPPER
from mlapi.errors import BrokenArtifact
from mlapi.estimators.algorithms import CLASSES
from mlapi.estimators.algorithms.svm import CalibratedSVC
from mlapi.estimators.preprocessing import CalendarParts, Splines
from tests.support.fitted import estimators
from tests.support.server import ROOT

_INTEGERS = {b"J"[0]: 4, b"K"[0]: 1, b"M"[0]: 2}
"""Opcodes of whole numbers, and how many bytes follow."""


def dumped(estimator: Any) -> bytes:
    file = BytesIO()
    pickling.dump(estimator, file)
    return file.getvalue()


def test_every_class_that_is_loaded_unasked_is_judged() -> None:
    judged = {*INVARIANTS, *CALLS, *ONLY_ARGUMENTS, MATRIX, WRAPPER, "builtins.object", "numpy.float64"}

    assert not (CLASSES | BASE) - judged


def test_every_class_that_is_loaded_unasked_is_among_those_that_are_perturbed() -> None:
    content = b"".join(dumped(estimator) for estimator, _ in estimators().values())
    fitted = {name for name in INVARIANTS if name in CLASSES | BASE} - {
        "mlapi.estimators.algorithms.cnn.ConvolutionalNetwork"
    }

    assert not {name for name in fitted if name.rpartition(".")[2].encode() not in content}


@pytest.mark.parametrize("name", list(estimators()))
def test_an_honest_estimator_answers_as_before(name: str) -> None:
    estimator, rows = estimators()[name]

    loaded = pickling.load(dumped(estimator), CLASSES)

    np.testing.assert_array_equal(loaded.predict(rows), estimator.predict(rows))


class _Places(NumpyUnpickler):  # type: ignore[misc]
    """Reads what joblib wrote, and notes where the whole numbers of each array lie: (place, bytes)."""

    def __init__(self, content: bytes) -> None:
        self.file = BytesIO(content)
        super().__init__("", self.file, ensure_native_byte_order=True)
        self.arrays: list[list[tuple[int, int]]] = []

    def load_build(self) -> None:
        wrapper = self.stack[-2]
        start = self.file.tell()
        super().load_build()
        if isinstance(wrapper, NumpyArrayWrapper) and not wrapper.dtype.hasobject:
            self._note_array(wrapper, start)

    def _note_array(self, wrapper: Any, start: int) -> None:
        count, dtype = int(np.prod(wrapper.shape)), wrapper.dtype
        start = self.file.tell() - count * dtype.itemsize
        fields = [(dtype[field], dtype.fields[field][1]) for field in dtype.names or ()] or [(dtype, 0)]
        for kind, offset in fields:
            if kind.kind in "iu" and count:
                rows = (start + row * dtype.itemsize + offset for row in _some(count))
                self.arrays.append([(place, kind.itemsize) for place in rows])

    dispatch = {**NumpyUnpickler.dispatch, pickle.BUILD[0]: load_build}


def _some(count: int) -> list[int]:
    """The first, the last, and some between: an array is checked as a whole."""
    return sorted({0, 1, count // 2, count - 2, count - 1} & set(range(count)))


def _scalars(content: bytes) -> Iterator[tuple[int, int]]:
    """Whole numbers outside of arrays, where the bytes look like one; some are something else."""
    for place, byte in enumerate(content):
        if byte in _INTEGERS and content[place - 1 : place] in b"q\x94s.ue(h)":
            yield place + 1, _INTEGERS[byte]


VALUES = (0, 1, 7, 1000, 2**31 - 1, -1, -2, 2**62)


def perturbed(content: bytes, most: int) -> Iterator[bytes]:
    """The same file with one whole number changed: `most` times in each array, and `SCALARS` times as often
    outside of arrays. A fixed seed draws which, and to what."""
    reader = _Places(content)
    reader.load()
    choice = random.Random(0)
    for places, times in [
        *((array, most) for array in reader.arrays),
        (list(_scalars(content)), most * SCALARS),
    ]:
        changes = [(place, size, value) for place, size in places for value in VALUES]
        for place, size, value in choice.sample(changes, min(times, len(changes))):
            number = (value % 2 ** (8 * size)).to_bytes(size, "little")
            if content[place : place + size] != number:
                yield content[:place] + number + content[place + size :]


def asked(folder: Path, result: Path, fill: int) -> dict[str, str]:
    """The answers of a process whose fresh memory holds other bytes for each `fill`."""
    environ = {**os.environ, "MALLOC_PERTURB_": str(fill), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.support.perturbed", str(folder), str(result)]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    answers = dict(line.rsplit(" ", 1) for line in result.read_text().splitlines())
    left = sorted(str(file.relative_to(folder)) for file in folder.rglob("*.joblib"))[len(answers) :]
    assert done.returncode == 0, f"{left[0]} ended the process: {done.returncode} {done.stderr[-500:]}"
    return answers


MOST, SCALARS = int(os.environ.get("MLAPI_TEST_PERTURBED", "3")), 20
"""Changes of each array; 40 are all of what is tried."""


@pytest.mark.exhaustive
def test_a_whole_number_that_is_changed_is_refused_or_harmless(tmp_path: Path) -> None:
    """Harmless: no crash, no hang, and the same answers whatever lies in memory that was not written."""
    folder = tmp_path / "changed"
    refused = 0
    for name, (estimator, rows) in estimators().items():
        (folder / name).mkdir(parents=True)
        (folder / name / "rows.pickle").write_bytes(pickle.dumps(rows))
        for number, content in enumerate(perturbed(dumped(estimator), MOST)):
            try:
                pickling.load(content, CLASSES)
            except BrokenArtifact:
                refused += 1
                continue
            (folder / name / f"{number:06}.joblib").write_bytes(content)

    answers = asked(folder, tmp_path / "one", 1)

    assert refused > len(estimators())
    assert answers == asked(folder, tmp_path / "other", 170)


F = pd.DataFrame({"text": ["good film", "bad film", "good plot", "bad plot"] * 5, "n": range(20)})
TARGET = np.arange(20) % 2 * 1.0


def of_texts(**vectorizer: Any) -> Any:
    return make_pipeline(ColumnTransformer([("t", TfidfVectorizer(**vectorizer), "text")]), Ridge()).fit(
        F, TARGET
    )


def with_vocabulary(places: Any) -> Any:
    model = of_texts()
    vectorizer = model[0].named_transformers_["t"]
    vectorizer.vocabulary_ = {word: places(place) for word, place in vectorizer.vocabulary_.items()}
    return model


def with_attributes(estimator: Any, **attributes: Any) -> Any:
    vars(estimator).update(attributes)
    return estimator


def boosted(**nodes: Any) -> Any:
    """Histogram boosting whose first tree has another root."""
    model = HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=2).fit(F[["n"]].to_numpy(), TARGET)
    for field, value in nodes.items():
        model._predictors[0][0].nodes[field][0] = value
    return model


def svc(**attributes: Any) -> Any:
    return with_attributes(SVC().fit(F[["n"]].to_numpy(), TARGET), **attributes)


def svc_of_words(**attributes: Any) -> Any:
    words = sparse.csr_matrix(F[["n"]].to_numpy() * 1.0)
    return with_attributes(SVC(C=1e-3).fit(words, TARGET), **attributes)


def without(estimator: Any, name: str) -> Any:
    delattr(estimator, name)
    return estimator


def forest(**attributes: Any) -> Any:
    return with_attributes(RandomForestClassifier(2).fit(F[["n"]].to_numpy(), TARGET), **attributes)


def in_pipelines(depth: int) -> Any:
    made: Any = StandardScaler().fit(F[["n"]].to_numpy())
    for _ in range(depth):
        made = Pipeline([("a", made)])
    return made


def one_hot(**attributes: Any) -> Any:
    encoder = OneHotEncoder().fit(F[["n"]].to_numpy() % 3)
    return make_pipeline(with_attributes(encoder, **attributes), "passthrough")


def moments(parts: Any) -> Any:
    return with_attributes(CalendarParts().fit(pd.DataFrame({"d": pd.to_datetime(["2024"])})), parts_=parts)


def of_columns(times: int, width: int = 1) -> Any:
    """What gives each column so many times."""
    divided = ColumnTransformer([("a", "passthrough", slice(0, 1))]).fit(np.zeros((2, width)))
    scaler = StandardScaler().fit(np.zeros((2, width)))
    divided.transformers_ = [(f"{time}", scaler, slice(0, None)) for time in range(times)]
    return divided


def of_a_kernel(**attributes: Any) -> Any:
    return with_attributes(Nystroem("poly", degree=2, n_components=2).fit(np.eye(3)), **attributes)


def grown(**attributes: Any) -> Any:
    return with_attributes(DecisionTreeRegressor().fit(F[["n"]].to_numpy(), TARGET), **attributes)


def nested(depth: int) -> Any:
    """A pipeline that asks one scaler 2 ** depth times."""
    made: Any = StandardScaler().fit(F[["n"]].to_numpy())
    for _ in range(depth):
        made = Pipeline([("a", made), ("b", made)])
    return made


def doubled(depth: int) -> Any:
    """2 ** depth numbers, as numpy would have them."""
    made: Any = [1.0]
    for _ in range(depth):
        made = [made, made]
    return made


def pointer() -> Any:
    """An estimator that numpy takes for an array, at an address of the file's choice."""
    memory = {"data": (64, False), "shape": (1,), "typestr": "<i8", "version": 3}
    return with_attributes(StandardScaler(), __array_interface__=memory)


def of_one_tree(members: int) -> Any:
    model = RandomForestRegressor(1).fit(F[["n"]].to_numpy(), TARGET)
    return with_attributes(model, estimators_=[copy(model.estimators_[0]) for _ in range(members)])


def transformed(depth: int) -> Any:
    made: Any = Ridge().fit(F[["n"]].to_numpy(), TARGET)
    for _ in range(depth):
        made = with_attributes(TransformedTargetRegressor(), regressor_=made)
    return made


def calibrated(depth: int) -> Any:
    made: Any = SVC()
    for _ in range(depth):
        made = with_attributes(CalibratedSVC(), svc_=made)
    return made


def pairs() -> Any:
    """Tuples that are all different and have one hash: those of -1 and of -2 are the same."""
    made = np.empty(1024, dtype=object)
    made[:] = [None] * 1024
    for place, pair in enumerate(product((-1, -2), repeat=10)):
        made[place] = pair
    return made


def within_itself() -> Any:
    model = Pipeline([("a", StandardScaler())])
    model.steps.append(("b", model))
    return model


ASTRAY: dict[str, Callable[[], Any]] = {
    "a vocabulary beyond the matrix": lambda: with_vocabulary(lambda place: place + 1),
    "a vocabulary below it": lambda: with_vocabulary(lambda place: place - 1),
    "a vocabulary of one place": lambda: with_vocabulary(lambda _: 0),
    "a vocabulary of numbers with a fraction": lambda: with_vocabulary(float),
    "a vectorizer that opens files": lambda: with_attributes(TfidfVectorizer(), input="filename"),
    "a vectorizer that reads files": lambda: with_attributes(TfidfVectorizer(), input="file"),
    "a pattern without an end": lambda: with_attributes(TfidfVectorizer(), token_pattern=r"(?:a|a|aa)+$|\w+"),
    "many words at once": lambda: with_attributes(TfidfVectorizer(), ngram_range=(1, 10**6)),
    "a tokenizer that is a class": lambda: with_attributes(TfidfVectorizer(), tokenizer=np.float64),
    "an analyzer that is an estimator": lambda: with_attributes(TfidfVectorizer(), analyzer=StandardScaler()),
    "a tree of boosting that leads out of itself": lambda: boosted(left=10**6),
    "a tree of boosting that never ends": lambda: boosted(right=0),
    "a tree of boosting that asks for no feature": lambda: boosted(feature_idx=5),
    "a tree of boosting that asks for categories": lambda: boosted(is_categorical=1),
    "a tree of more features than are checked": lambda: grown(n_features_in_=0),
    "a tree of features that nobody checks": lambda: with_attributes(grown(), n_features_in_="1"),
    "a tree that is none": lambda: grown(tree_=StandardScaler()),
    "a forest of other trees": lambda: with_attributes(
        RandomForestRegressor(2).fit(F[["n", "n"]].to_numpy(), TARGET), estimators_=[grown()]
    ),
    "support vectors of other counts": lambda: svc(_n_support=np.array([9, 900], dtype=np.int32)),
    "support vectors of negative counts": lambda: svc(_n_support=np.array([-1, 21], dtype=np.int32)),
    "support vectors that are fewer": lambda: svc(support_vectors_=np.zeros((1, 1))),
    "too few weights": lambda: svc(_dual_coef_=np.zeros((1, 1))),
    "too few intercepts": lambda: svc(_intercept_=np.zeros(0)),
    "too few sigmoids": lambda: svc(_probA=np.zeros(1)),
    "support vectors of other counts, and no classes": lambda: without(
        svc_of_words(_n_support=np.array([20, 20], dtype=np.int32)), "classes_"
    ),
    "probabilities without sigmoids": lambda: svc_of_words(_effective_probability=True),
    "a forest of more classes than its trees": lambda: forest(n_classes_=10**9),
    "a forest of more outputs than its trees": lambda: forest(n_outputs_=10**9),
    "boosting of more columns than its trees": lambda: with_attributes(
        boosted(), n_trees_per_iteration_=10**9
    ),
    "boosting of more trees than columns": lambda: with_attributes(
        one := GradientBoostingRegressor(n_estimators=1).fit(F[["n"]].to_numpy(), TARGET),
        estimators_=np.array([[one.estimators_[0, 0], deepcopy(one.estimators_[0, 0])]]),
    ),
    "boosting without trees of more columns than it begins with": lambda: with_attributes(
        boosted(), _predictors=[], n_trees_per_iteration_=10**7
    ),
    "boosting that was never fitted, of any columns": lambda: with_attributes(
        HistGradientBoostingRegressor(), n_trees_per_iteration_=10**7
    ),
    "a forest without trees": lambda: forest(estimators_=[], n_classes_=10**9),
    "a kernel of a negative degree": lambda: svc(kernel="poly", degree=-1),
    "a kernel of half a degree": lambda: svc(kernel="poly", degree=2.5),
    "a kernel of no degree": lambda: svc(kernel="poly", degree=float("nan")),
    "a kernel of a flag as its degree": lambda: svc(kernel="poly", degree=True),
    "a kernel of too high a degree": lambda: svc(kernel="poly", degree=101),
    "a kernel of an infinite gamma": lambda: svc(_gamma=float("inf")),
    "a kernel without a gamma": lambda: svc(_gamma=None),
    "a kernel whose constant is a word": lambda: svc(coef0="1"),
    "columns of a kernel without a degree": lambda: of_a_kernel(degree=float("nan")),
    "columns of a kernel of too high a degree": lambda: of_a_kernel(degree=10**6),
    "columns of a kernel without a constant": lambda: of_a_kernel(coef0=float("nan")),
    "an imputer that fills in long words": lambda: with_attributes(
        SimpleImputer().fit(F[["n"]]), _fill_dtype=np.dtype("U1000000")
    ),
    "an imputer that reads long words": lambda: with_attributes(
        SimpleImputer().fit(F[["n"]]), _fit_dtype=np.dtype("V4000000")
    ),
    "an encoder that writes long words": lambda: one_hot(dtype="U1000000"),
    "an encoder that writes many numbers a cell": lambda: one_hot(dtype="(1000000,)f8"),
    "an encoder whose dtype is none": lambda: one_hot(dtype=b"f8"),
    "numbers of categories that are long words": lambda: with_attributes(
        OrdinalEncoder(), dtype=np.dtype("S4000000")
    ),
    "a vectorizer that writes long words": lambda: with_attributes(
        TfidfVectorizer(), dtype=np.dtype("U1000000")
    ),
    "a label that UTF-8 does not have": lambda: with_attributes(
        forest(), classes_=np.array(["a", "b\ud800"])
    ),
    "a label among others of several targets": lambda: with_attributes(
        forest(), classes_=[np.array([0.0]), np.array(["b\ud800"], dtype=object)]
    ),
    "a label of no character": lambda: with_attributes(
        LabelEncoder(), classes_=np.array([0xFFFFFFFF], dtype=np.uint32).view("U1")
    ),
    "a label that is long": lambda: with_attributes(
        LabelEncoder(), classes_=np.array(["a" * 10_001], dtype=object)
    ),
    "moments that become one part again and again": lambda: moments([["age_days"] * 9]),
    "moments that become no part of the calendar": lambda: moments([["age_days", "second"]]),
    "moments of more columns than are taken": lambda: moments([["age_days"], ["age_days"]]),
    "columns that are divided, and not counted": lambda: without(of_columns(1), "n_features_in_"),
    "columns that are given a thousand times, and again": lambda: make_pipeline(
        of_columns(1001), of_columns(1000, 1001)
    ),
    "splines of more columns than they make": lambda: with_attributes(
        Splines().fit(F[["n"]].to_numpy()), n_features_out_=10**9
    ),
    "pipelines within pipelines": lambda: in_pipelines(7),
    "labels that take no memory": lambda: with_attributes(StandardScaler(), classes_=np.empty((10**12, 0))),
    "a tree without a root": lambda: grown(tree_=Tree(1, np.array([1]), 1)),
    "vectors that are not sparse": lambda: svc(_sparse=True),
    "places of other rows": lambda: svc(kernel="precomputed", shape_fit_=(2, 1)),
    "categories out of order": lambda: one_hot(categories_=[np.array([2.0, 0.0, 1.0])]),
    "fewer columns than categories": lambda: one_hot(_n_features_outs=[1]),
    "a category that is dropped and is none": lambda: one_hot(
        _drop_idx_after_grouping=np.array([7], dtype=object), _n_features_outs=[2]
    ),
    "columns that polynomials never write": lambda: with_attributes(
        PolynomialFeatures(2).fit(np.zeros((2, 2))), _n_out_full=600, n_output_features_=600
    ),
    "polynomials without an end": lambda: with_attributes(
        PolynomialFeatures(2).fit(np.zeros((2, 2))), _max_degree=10**9
    ),
    "coefficients of other features": lambda: with_attributes(
        Ridge().fit(F[["n"]], TARGET), coef_=np.zeros(9)
    ),
    "a kernel that is code": lambda: with_attributes(
        Nystroem(n_components=2).fit(np.eye(3)), kernel=np.float64
    ),
    "a method that is none": lambda: with_attributes(StandardScaler(), transform=np.float64),
    "parts that are shared": lambda: nested(6),
    "parts that are shared beside many others": lambda: [nested(6), [[[]] for _ in range(10_000)]],
    "a part that holds itself": within_itself,
    "memory that an estimator points to": lambda: with_attributes(
        Ridge(), coef_=np.zeros(1), intercept_=pointer()
    ),
    "memory that a check would read": lambda: forest(n_classes_=pointer()),
    "numbers in lists of the same lists": lambda: with_attributes(
        Ridge(), coef_=doubled(40), n_features_in_=1
    ),
    "numbers in many lists that are one": lambda: with_attributes(Ridge(), coef_=[[1.0] * 10_000] * 10_000),
    "one tree for a whole forest": lambda: of_one_tree(40),
    "targets that are transformed again and again": lambda: transformed(7),
    "machines that are calibrated again and again": lambda: calibrated(7),
    "categories that are tuples": lambda: one_hot(categories_=[pairs()], _n_features_outs=[1024]),
    "features whose names are tuples": lambda: with_attributes(Ridge(), feature_names_in_=pairs()),
    "features whose names are a list": lambda: with_attributes(Ridge(), feature_names_in_=[(1, 2)]),
    "a number of too many digits": lambda: with_attributes(StandardScaler(), copy=10**5000),
    "lists of lists of lists": lambda: with_attributes(StandardScaler(), copy=deep(200)),
    "a range without an end": lambda: with_attributes(StandardScaler(), copy=range(10**18)),
    "neighbors of fewer rows": lambda: with_attributes(
        KNeighborsRegressor(algorithm="brute").fit(F[["n"]], TARGET), n_samples_fit_=10**6
    ),
}


def deep(depth: int) -> Any:
    made: list[Any] = []
    for _ in range(depth):
        made = [made]
    return made


def test_a_few_pipelines_within_each_other_are_usual() -> None:
    assert pickling.load(dumped(in_pipelines(6)), CLASSES)


def test_parameters_that_a_search_found_are_numbers_of_numpy() -> None:
    model = svc(kernel="poly", degree=np.int64(2), coef0=np.float64(1), _gamma=np.float64(0.5))
    content = dumped(model)

    loaded = pickling.load(content, {*CLASSES, *names_in(content)})

    assert loaded.predict([[3.0]]) == model.predict([[3.0]])


@pytest.mark.parametrize("dtype", [np.float64, np.dtype(np.float32), "float32", "int", object])
def test_an_encoder_may_write_any_numbers(dtype: Any) -> None:
    content = dumped(one_hot(dtype=dtype))

    assert pickling.load(content, {*CLASSES, *names_in(content)})


@pytest.mark.parametrize("what", ASTRAY)
def test_what_its_class_does_not_make_is_refused(what: str) -> None:
    content = dumped(ASTRAY[what]())

    with pytest.raises(BrokenArtifact, match=r"^it (?!cannot be unpickled)"):
        pickling.load(content, {*CLASSES, *names_in(content)})


def linear_kernel(one: Any, other: Any) -> Any:
    return np.asarray(one) @ np.asarray(other).T


def test_a_machine_with_a_kernel_of_ones_own_notes_no_features() -> None:
    model = SVC(kernel=linear_kernel).fit(np.eye(4), [0, 1, 0, 1])
    own = f"{__name__}.linear_kernel"

    loaded = pickling.load(dumped(model), {*CLASSES, own})

    assert loaded.predict(np.eye(4)).tolist() == model.predict(np.eye(4)).tolist()
    with pytest.raises(BrokenArtifact, match="which is not allowed"):
        pickling.load(dumped(model), CLASSES)


@pytest.mark.parametrize("protocol", range(6))
def test_methods_of_texts_may_be_steps_of_a_vectorizer(protocol: int) -> None:
    steps = {"tokenizer": str.split, "preprocessor": str.lower, "token_pattern": None}
    model = TfidfVectorizer(**steps).fit(["A b", "b c"])

    loaded = pickling.load(pickle.dumps(model, protocol), CLASSES)

    assert loaded.tokenizer is str.split
    assert loaded.transform(["B c"]).toarray().tolist() == model.transform(["B c"]).toarray().tolist()


@pytest.mark.parametrize(
    "arguments",
    [
        (str, "format"),
        (str, "format_map"),
        (str, "__class__"),
        (str, "join"),
        (str, "split", None),
        (str,),
        ("text", "split"),
        (np.float64, "tofile"),
        (bytes, "split"),
        (str, ["split"]),
    ],
)
def test_getattr_takes_nothing_but_a_few_methods_of_texts(arguments: tuple[Any, ...]) -> None:
    class Attribute:
        def __reduce__(self) -> Any:
            return getattr, arguments

    with pytest.raises(BrokenArtifact, match=r"builtins\.getattr, which can run any code|it names builtins"):
        pickling.load(pickle.dumps([Attribute()]), CLASSES)


def test_a_method_of_texts_is_not_called_by_the_pickle() -> None:
    class Called:
        def __reduce__(self) -> Any:
            return str.split, ("a b",)

    with pytest.raises(BrokenArtifact, match="which it does not name"):
        pickling.load(pickle.dumps([Called()]), CLASSES)


@pytest.mark.parametrize("names", [np.array(["a", "b"]), ["a", "b"], ("a", "b"), None])
def test_names_of_features_that_boosters_give_to_wrappers_are_usual(names: Any) -> None:
    model = Ridge().fit(np.eye(2), [0.0, 1.0])
    model.feature_names_in_ = names

    assert pickling.load(dumped(model), CLASSES).coef_.shape == (2,)


@pytest.mark.parametrize("names", [[1, 2], np.array([b"a", b"b"]), np.array([["a", "b"]]), {"a": "b"}, "ab"])
def test_names_of_features_are_words(names: Any) -> None:
    model = Ridge().fit(np.eye(2), [0.0, 1.0])
    model.feature_names_in_ = names

    with pytest.raises(BrokenArtifact, match="names of features that are no words"):
        pickling.load(dumped(model), CLASSES)


def test_a_search_whose_parameters_are_tuples_is_usual() -> None:
    texts, target = ["aa bb", "bb cc", "cc dd", "dd ee"] * 3, [0, 1, 0, 1] * 3
    steps = make_pipeline(TfidfVectorizer(), SVC())
    model = GridSearchCV(steps, {"tfidfvectorizer__ngram_range": [(1, 1), (1, 2)]}, cv=2).fit(texts, target)
    content = dumped(model)

    assert pickling.load(content, names_in(content)).predict(["aa"]) == model.predict(["aa"])


def test_splines_of_lists_are_refused_before_scipy_makes_arrays_of_them() -> None:
    model = Splines().fit(F[["n"]].to_numpy())
    model.bsplines_ = [SimpleNamespace(t=doubled(3), c=doubled(40), k=3, extrapolate=True)]

    with pytest.raises(BrokenArtifact, match="a spline's knots and coefficients are arrays"):
        pickling.load(dumped(model), CLASSES)


@pytest.mark.parametrize("algorithm", ["kd_tree", "ball_tree"])
@pytest.mark.parametrize("part", ["places", "nodes", "levels", None])
def test_a_tree_of_neighbors_that_leads_out_of_itself_is_refused(algorithm: str, part: str | None) -> None:
    model = KNeighborsRegressor(algorithm=algorithm, leaf_size=3).fit(F[["n"]].to_numpy(), TARGET)
    state = list(model._tree.__getstate__())
    arrays = {"places": 1, "nodes": 2}
    if part in arrays:
        array = state[arrays[part]] = np.array(state[arrays[part]])
        array[0 if part == "places" else "idx_end"] = 10**6
    if part == "levels":
        state[5] += 1
    model._tree.__setstate__(tuple(state))
    content = dumped(model)

    if part is None:
        np.testing.assert_array_equal(
            pickling.load(content, names_in(content)).predict([[3.0]]), model.predict([[3.0]])
        )
        return
    with pytest.raises(BrokenArtifact, match="neighbors"):
        pickling.load(content, names_in(content))


def test_the_metric_of_a_tree_of_neighbors_gets_no_other_state_later() -> None:
    model = BallTree(F[["n", "n"]].to_numpy(), metric="seuclidean", V=np.ones(2))
    file = BytesIO()
    pickler = pickle._Pickler(file, 4)  # type: ignore[attr-defined]
    pickler.dump(model)
    content = file.getvalue()
    metric, place = next(
        (obj, place) for place, obj in pickler.memo.values() if "Distance" in type(obj).__name__
    )
    power, vector, *others = metric.__getstate__()
    again = (
        pickle.BINGET + bytes([place]) + pickle.dumps((power, vector[:1], *others), 3)[2:-1] + pickle.BUILD
    )
    content = content[:-1] + again + pickle.POP + pickle.STOP

    with pytest.raises(BrokenArtifact, match="its state twice, or too late"):
        pickling.load(content, names_in(content))


def test_parts_that_somebody_allows_are_looked_at_within() -> None:
    """The class is trusted; what it holds is not, where that is known better."""
    model = VotingRegressor([("a", Ridge())]).fit(F[["n"]], TARGET)
    model.estimators_.append(boosted(left=10**6))
    content = dumped(model)

    with pytest.raises(BrokenArtifact, match="it has a tree that leads out of itself"):
        pickling.load(content, names_in(content))
