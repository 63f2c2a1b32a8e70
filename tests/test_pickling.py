"""What may be unpickled, and how its memory is shared."""

import collections
import io
import operator
import os
import pickle
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import SVC

from mlapi import pickling
from mlapi.algorithms import ALGORITHMS, CLASSES
from mlapi.algorithms.svm import CalibratedSVC
from mlapi.errors import BrokenArtifact
from mlapi.manifest import MODEL

X = np.random.default_rng(0).normal(size=(3000, 60))
LABELS = (X[:, 0] > 0).astype(int)


def dumped(estimator: Any) -> bytes:
    buffer = io.BytesIO()
    pickling.dump(estimator, buffer)
    return buffer.getvalue()


class Gadget:
    """Unpickling it calls something."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call = (call, arguments)

    def __reduce__(self) -> Any:
        return self.call


def gadgets(trace: Path) -> dict[str, bytes]:
    """Pickles that create a file, each its own way past a naive check."""
    touch = Gadget(Path.touch, trace)
    nested = np.array([touch], dtype=object)
    plain = pickle.dumps(touch)
    return {
        "plain": plain,
        "old protocol": pickle.dumps(touch, protocol=0),
        "os.system": pickle.dumps(Gadget(os.system, f"touch {trace}")),
        "eval": pickle.dumps(Gadget(eval, f"open({str(trace)!r}, 'w')")),
        "a caller of methods": pickle.dumps(Gadget(operator.methodcaller, "touch")),
        "in an array of objects": dumped(nested),
        "in a pipeline": dumped({"steps": [touch]}),
        "beside an estimator": dumped([LinearRegression().fit(X, LABELS), touch]),
        "a dotted name": b"\x80\x04\x8c\x07pathlib\x8c\x0aPath.touch\x93\x8c\x01x\x85R.",
        "joblib's old wrapper": b"\x80\x04cjoblib.numpy_pickle_compat\nZNDArrayWrapper\n)\x81}b.",
        "an extension": b"\x80\x02\x82\x01)R.",
        "a persistent reference": b"Pos.system\n.",
    }


@pytest.mark.parametrize("name", list(gadgets(Path("x"))))
def test_a_crafted_pickle_runs_nothing(tmp_path: Path, name: str) -> None:
    trace = tmp_path / "trace"
    content = gadgets(trace)[name]

    with pytest.raises(BrokenArtifact):
        pickling.load(content, CLASSES)
    try:
        named = pickling.names_in(content)
    except BrokenArtifact:
        named = ["it is no pickle"]

    assert not trace.exists()
    assert named or name == "in a pipeline"


def test_the_classes_that_a_file_names_are_told_without_importing_them() -> None:
    content = pickle.dumps(collections.Counter("a")).replace(b"collections", b"colleagues_")

    assert pickling.names_in(content) == ["colleagues_.Counter"]
    with pytest.raises(BrokenArtifact, match=r"names colleagues_\.Counter, which is not allowed"):
        pickling.load(content, [])
    with pytest.raises(BrokenArtifact, match="ModuleNotFoundError"):
        pickling.load(content, ["colleagues_.Counter"])


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80", b"\x80\x04", b"\x80\x04N", b"\xff" * 100])
def test_what_is_no_pickle_is_refused(content: bytes) -> None:
    with pytest.raises(BrokenArtifact):
        pickling.load(content, [])
    with pytest.raises(BrokenArtifact):
        pickling.names_in(content)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_each_algorithm_names_what_its_artifacts_need(trained: Path, name: str) -> None:
    content = (trained / name / "1" / MODEL).read_bytes()

    assert set(pickling.names_in(content)) == set(ALGORITHMS[name].classes)


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3)])
def test_files_are_read_as_joblib_writes_them(tmp_path: Path, compress: Any) -> None:
    joblib.dump(KMeans(2, n_init=1, random_state=0).fit(X), tmp_path / "file", compress=compress)

    content = pickling.decompress((tmp_path / "file").read_bytes())

    assert pickling.names_in(content) == ["sklearn.cluster._kmeans.KMeans"]
    pickling.load(content, pickling.names_in(content))


def test_a_damaged_compressed_file_is_refused(tmp_path: Path) -> None:
    joblib.dump(X, tmp_path / "file", compress=3)

    with pytest.raises(BrokenArtifact, match="cannot be decompressed"):
        pickling.decompress((tmp_path / "file").read_bytes()[:-100])


BIG = np.random.default_rng(0).normal(size=(20_000, 10))


@pytest.mark.parametrize(
    "estimator",
    [
        KNeighborsClassifier(algorithm="brute"),
        KNeighborsClassifier(algorithm="kd_tree"),
        KNeighborsRegressor(algorithm="ball_tree"),
        CalibratedSVC(C=0.01),
        SVC(C=0.01),
        GaussianProcessRegressor(),
        RandomForestClassifier(20),
        HistGradientBoostingClassifier(max_iter=20),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.parametrize("mapped", [False, True])
def test_estimators_predict_from_shared_memory_as_from_their_own(
    tmp_path: Path, estimator: Any, mapped: bool
) -> None:
    rows = {"GaussianProcessRegressor": 400, "CalibratedSVC": 2500, "SVC": 2500}
    X = np.tile(BIG[: rows.get(type(estimator).__name__, len(BIG))], 6)
    fitted = estimator.fit(X, (X[:, 0] > 0).astype(float))
    content: Any = dumped(fitted)
    if mapped:
        (tmp_path / "file").write_bytes(content)
        with (tmp_path / "file").open("rb") as file:
            content = mmap(file.fileno(), 0, access=ACCESS_READ)

    loaded = pickling.load(content, pickling.names_in(dumped(fitted)))

    np.testing.assert_array_equal(loaded.predict(X[:50]), fitted.predict(X[:50]))


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_large_array_is_a_view_of_the_bytes_and_a_small_one_a_copy(order: Any) -> None:
    large, small = np.asarray(BIG, order=order), np.asarray(BIG[:100], order=order)
    content = dumped([large, small])

    found = pickling.load(content, [])

    np.testing.assert_array_equal(found[0], large)
    np.testing.assert_array_equal(found[1], small)
    assert found[0].flags[f"{order}_CONTIGUOUS"]
    assert np.shares_memory(found[0], np.frombuffer(content, np.uint8))
    assert not np.shares_memory(found[1], np.frombuffer(content, np.uint8))
    assert not found[0].flags.writeable
