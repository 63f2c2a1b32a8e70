"""Files of every sort: each way to save, cut ones, and files that are something else."""

import pickle
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from compatibility import saving, tables
from compatibility.case import Case, Fitted
from compatibility.cases import boosters, preparation
from compatibility.cases.estimators import shuffled


def cases() -> Iterator[Case]:
    for name, save in _WAYS.items():
        yield Case("ways to save", name, _pipeline, save, is_own=True)
    for name, make in _SKOPS.items():
        yield Case("skops", name, make, saving.with_skops)
    for name, make in _ONNX.items():
        yield Case("ONNX", name, lambda make=make: _of_graph(make()), saving.as_onnx)
    of_script = r"names __main__\.Halved, defined in a script.*module of a package"
    yield Case("skops", "a class of __main__", _of_script, saving.with_skops, refusal=of_script)
    for name, how in _MLFLOW.items():
        yield Case("MLflow", name, _pipeline, saving.with_mlflow(**how))
    for name, (make, save) in _FLAVORS.items():
        yield Case("MLflow", name, make, save)
    for name, (make, save) in _LIBRARIES.items():
        yield Case("libraries' own files", name, make, save)
    yield Case("damaged files", "cut", _pipeline, saving.cut, refusal="damaged|cut|not whole")
    for name, (content, says) in _FOREIGN.items():
        yield Case("other files", name, _pipeline, saving.foreign(name, content), refusal=says)
    yield Case(
        "other files",
        "weights of a PyTorch network",
        _pipeline,
        saving.as_state_dict,
        refusal=r"onnx\.export",
    )


def _pipeline() -> Fitted:
    rows = tables.flowers()
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, _words())
    return Fitted(pipeline, shuffled(rows))


def _words() -> Any:
    return tables.WORDS[tables.species()]


def _matrix(estimator: Any, y: Any = None) -> Fitted:
    own = tables.flowers().to_numpy()
    fitted = estimator.fit(own, tables.species() if y is None else y)
    rows = pd.DataFrame(own, columns=["a", "b", "c", "d"])
    return Fitted(fitted, shuffled(rows), shuffled(own))


def _of_graph(fitted: Fitted) -> Fitted:
    """Return the case with the graph's own answers: it computes in float32, where scikit-learn does not."""
    session = onnxruntime.InferenceSession(saving.graph_of(fitted))
    named = saving.as_graphs_take(fitted.rows)
    if len(session.get_inputs()) > 1:
        feeds = {name: named[[name]].to_numpy() for name in named}
    else:
        feeds = {session.get_inputs()[0].name: named.to_numpy()}
    values = dict(zip(["prediction", "probabilities"], session.run(None, feeds), strict=False))
    if "probabilities" in values and not np.allclose(values["probabilities"].sum(axis=1), 1):
        values["decision"] = values.pop("probabilities")
    if not hasattr(fitted.estimator, "classes_"):
        values = {"prediction": values["prediction"]}
    if values["prediction"].ndim == 2 and values["prediction"].shape[1] == 1:
        values["prediction"] = values["prediction"].ravel()
    return Fitted(saving.Bare(fitted.estimator), fitted.rows, fitted.rows, values)


def _numbered(fitted: Fitted) -> Fitted:
    """Return the case with the numbers of classes as the right labels: a booster's text has no other."""
    own = fitted.rows if fitted.own is None else fitted.own
    labels = np.searchsorted(fitted.estimator.classes_, fitted.estimator.predict(own))
    return replace(fitted, answers={"prediction": labels})


def _of_script() -> Fitted:
    """On a class that only the script has which fits."""
    main = sys.modules["__main__"]
    main.Halved = type("Halved", (StandardScaler,), {"__module__": "__main__"})  # type: ignore[attr-defined]
    rows = tables.flowers()
    return Fitted(make_pipeline(main.Halved(), LogisticRegression()).fit(rows, _words()), rows)


def _logarithms() -> Fitted:
    rows = tables.flowers()
    pipeline = make_pipeline(FunctionTransformer(np.log1p), StandardScaler(), LogisticRegression())
    return Fitted(pipeline.fit(rows, _words()), shuffled(rows))


_WAYS: dict[str, Any] = {
    **{f"joblib, {method}": saving.compressed(method) for method in ("zlib", "gzip", "bz2", "lzma", "xz")},
    **{f"pickle, protocol {number}": saving.pickled(number) for number in range(pickle.HIGHEST_PROTOCOL + 1)},
    "joblib": saving.with_joblib,
    "cloudpickle": saving.with_cloudpickle,
    "pickle in gzip": saving.in_gzip,
}

_SKOPS: dict[str, Callable[[], Fitted]] = {
    "pipeline": _pipeline,
    "forest": lambda: _matrix(RandomForestClassifier(5, random_state=0)),
    "machine": lambda: _matrix(SVC()),
    "boosting": lambda: _matrix(HistGradientBoostingClassifier(max_iter=5)),
    "neighbours": lambda: _matrix(KNeighborsClassifier()),
    "numbers": lambda: _matrix(LinearRegression(), tables.size()),
    "numbers and words": preparation.on_numbers_and_words,
    "XGBoost": boosters.KINDS["XGBoost"]["classifier on a matrix"],
    "LightGBM": boosters.KINDS["LightGBM"]["classifier on a matrix"],
    "a function of numpy's": _logarithms,
}

_ONNX: dict[str, Callable[[], Fitted]] = {
    "logistic": lambda: _matrix(LogisticRegression(max_iter=500)),
    "words as labels": lambda: _matrix(LogisticRegression(max_iter=500), _words()),
    "pipeline": lambda: _matrix(make_pipeline(StandardScaler(), LogisticRegression())),
    "forest": lambda: _matrix(RandomForestClassifier(5, random_state=0)),
    "boosting": lambda: _matrix(GradientBoostingRegressor(n_estimators=5), tables.size()),
    "linear": lambda: _matrix(LinearRegression(), tables.size()),
    "machine": lambda: _matrix(SVC()),
    "neighbours": lambda: _matrix(KNeighborsClassifier()),
    "neurons": lambda: _matrix(MLPClassifier((5,), max_iter=20, random_state=0), _words()),
    "Bayes": lambda: _matrix(GaussianNB(), tables.species() + 10),
    "clusters": lambda: _matrix(KMeans(3, random_state=0)),
    "several numbers": lambda: _matrix(LinearRegression(), tables.flowers().to_numpy()[:, :2] * 2),
    "numbers and words": preparation.on_whole_numbers_and_words,
}

_MLFLOW: dict[str, dict[str, Any]] = {
    "as it saves now": {"pip_requirements": []},
    "with cloudpickle": {"serialization_format": "cloudpickle", "pip_requirements": []},
    "with pickle": {"serialization_format": "pickle", "pip_requirements": []},
}

_FLAVORS: dict[str, tuple[Callable[[], Fitted], Any]] = {
    "XGBoost": (boosters.KINDS["XGBoost"]["classifier on a matrix"], saving.by_flavor("xgboost")),
    "XGBoost, native": (
        boosters.KINDS["XGBoost"]["regressor"],
        saving.by_flavor("xgboost", is_native=True),
    ),
    "LightGBM": (boosters.KINDS["LightGBM"]["labels as words"], saving.by_flavor("lightgbm")),
    "LightGBM, native": (
        boosters.KINDS["LightGBM"]["regressor"],
        saving.by_flavor("lightgbm", is_native=True),
    ),
    "CatBoost": (boosters.KINDS["CatBoost"]["labels as words"], saving.by_flavor("catboost")),
    "ONNX": (lambda: _of_graph(_ONNX["logistic"]()), saving.with_mlflow_as_onnx),
    "an example for a sample": (lambda: replace(_pipeline(), sample="none"), saving.with_example),
}

_LIBRARIES: dict[str, tuple[Callable[[], Fitted], Any]] = {
    "XGBoost, JSON": (
        boosters.KINDS["XGBoost"]["classifier on a matrix"],
        saving.by_its_own("m.json"),
    ),
    "XGBoost, UBJSON": (
        boosters.KINDS["XGBoost"]["classifier on a matrix"],
        saving.by_its_own("m.ubj"),
    ),
    "XGBoost, numbers": (boosters.KINDS["XGBoost"]["regressor"], saving.by_its_own("m.json")),
    "LightGBM, text": (
        lambda: _numbered(boosters.KINDS["LightGBM"]["two classes"]()),
        saving.as_lightgbm_text,
    ),
    "LightGBM, words as labels": (
        lambda: _numbered(boosters.KINDS["LightGBM"]["labels as words"]()),
        saving.as_lightgbm_text,
    ),
    "LightGBM, categories": (boosters.KINDS["LightGBM"]["category columns"], saving.as_lightgbm_text),
    "LightGBM, categories from CSV": (
        boosters.KINDS["LightGBM"]["category columns, from CSV"],
        saving.as_lightgbm_text,
    ),
    "LightGBM, matrix": (boosters.KINDS["LightGBM"]["classifier on a matrix"], saving.as_lightgbm_text),
    "LightGBM, numbers": (boosters.KINDS["LightGBM"]["regressor"], saving.as_lightgbm_text),
    "CatBoost, cbm": (
        boosters.KINDS["CatBoost"]["classifier on a matrix"],
        saving.by_its_own("m.cbm"),
    ),
    "CatBoost, words": (boosters.KINDS["CatBoost"]["words"], saving.by_its_own("m.cbm")),
    "CatBoost, labels as words": (
        boosters.KINDS["CatBoost"]["labels as words"],
        saving.by_its_own("m.cbm"),
    ),
    "CatBoost, JSON": (boosters.KINDS["CatBoost"]["regressor"], saving.by_its_own("m.json")),
}

_HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(64)

_TAKEN = "joblib|ONNX"
"""A sentence that says what is taken says how to make it."""

_FOREIGN: dict[str, tuple[bytes, str]] = {
    "table.csv": (b"a,b,c,d\n1,2,3,4\n", _TAKEN),
    "picture.png": (b"\x89PNG\r\n\x1a\n" + bytes(64), _TAKEN),
    "empty.pkl": (b"", "empty"),
    "keras.h5": (_HDF5, "HDF5|Keras|ONNX"),
    "numbers.npy": (b"\x93NUMPY\x01\x00v\x00" + bytes(120), _TAKEN),
    "settings.json": (b'{"a": 1}', _TAKEN),
    "page.html": (b"<!DOCTYPE html><html><body>404</body></html>", _TAKEN),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n", "LFS"),
    "archive.zip": (b"PK\x05\x06" + bytes(18), _TAKEN),
    "code.py": (b"print('hello')\n", _TAKEN),
    "list.pkl": (pickle.dumps([1, 2, 3]), "list"),
    "table.pkl": (pickle.dumps({"model": LinearRegression()}), "dict"),
    "kind.pkl": (pickle.dumps(LinearRegression), "fit"),
    "unfitted.pkl": (pickle.dumps(LinearRegression()), "fit"),
    "array.pkl": (pickle.dumps(np.eye(2)), "array"),
}
