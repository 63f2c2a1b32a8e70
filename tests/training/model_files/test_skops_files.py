"""Files of skops': the same answers as before, and nothing that a pickle could not do either."""

import io
import json
import random
import warnings
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from mlapi.artifacts.pickles import archives, pickling, skops_files
from mlapi.errors import BrokenArtifact, ClassesNotAllowed, MlapiError, RegistrationError
from mlapi.training.model_files.reading import read_estimator
from tests.support.fitted import estimators

NO_ROWS = pd.DataFrame()

X = np.arange(24.0).reshape(12, 2)
Y = X[:, 0] > 11


def read(file: Path, content: bytes, *allowed: str) -> Any:
    file.write_bytes(content)
    return read_estimator(file, allowed, NO_ROWS).estimator


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "own.skops"


def saved(estimator: Any) -> bytes:
    """What skops writes; importing it takes five seconds, as it imports all of scikit-learn."""
    skops_io = pytest.importorskip("skops.io", reason="skops is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content: bytes = skops_io.dumps(estimator)
    return content


FURTHER: dict[str, Callable[[], Any]] = {
    "numpy's function": lambda: make_pipeline(FunctionTransformer(np.log1p), StandardScaler()).fit(X),
    "a random state": lambda: make_pipeline(
        SVC(random_state=np.random.RandomState(3)).fit(X, Y),
    ),
    "neighbors": lambda: KNeighborsClassifier(algorithm="ball_tree").fit(X, Y),
    "a search": lambda: GridSearchCV(LogisticRegression(), {"C": [1, 2]}, cv=2).fit(X, Y[::-1]),
    "weights by class": lambda: LogisticRegression(class_weight={False: 1, True: 2.5}).fit(X, Y),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [*estimators(), *FURTHER])
def test_an_estimator_answers_as_before(file: Path, name: str) -> None:
    fitted, rows = estimators()[name] if name in estimators() else (FURTHER[name](), X)
    method = "predict" if hasattr(fitted, "predict") else "transform"

    loaded = read(file, saved(fitted))

    answers, own = (np.asarray(getattr(each, method)(rows)) for each in (loaded, fitted))
    assert answers.dtype == own.dtype
    np.testing.assert_array_equal(answers, own)


@pytest.mark.exhaustive
def test_the_version_of_scikit_learn_that_saved_it_is_read(file: Path) -> None:
    fitted = LogisticRegression().fit(X, Y)
    written = altered(saved(fitted), b'"\\"1.', b'"\\"0.')
    file.write_bytes(written)

    assert read_estimator(file, (), NO_ROWS).fitted_with[0].startswith("0.")


def altered(content: bytes, old: bytes, new: bytes) -> bytes:
    """The file with other bytes in its description."""
    return described(
        content, lambda schema: json.loads(json.dumps(schema, indent=2).encode().replace(old, new))
    )


def described(content: bytes, change: Callable[[Any], Any]) -> bytes:
    """The file with another description."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(buffer, "w") as after:
        for name in before.namelist():
            part = before.read(name)
            after.writestr(name, json.dumps(change(json.loads(part))) if name == "schema.json" else part)
    return buffer.getvalue()


class Halved(StandardScaler):  # type: ignore[misc]
    """A class of somebody's own."""


@pytest.mark.exhaustive
def test_a_class_of_a_script_is_refused_and_one_of_a_module_named(file: Path) -> None:
    content = saved(Halved().fit(X))
    own = f"{__name__}.Halved"

    with pytest.raises(ClassesNotAllowed, match=r"own\.skops names classes that are not allowed") as caught:
        read(file, content)
    with pytest.raises(RegistrationError, match=r"names __main__\.Halved, defined in a script or notebook"):
        read(file, altered(content, f'"{__name__}"'.encode(), b'"__main__"'), "__main__.Halved")

    assert list(caught.value.names) == [own]
    assert type(read(file, content, own)) is Halved


def node(loader: str, name: str, **more: Any) -> dict[str, Any]:
    module, _, kind = name.rpartition(".")
    return {"__module__": module, "__class__": kind, "__loader__": loader, **more}


def text(value: Any) -> dict[str, Any]:
    return node("JsonNode", "builtins.str", content=json.dumps(value))


def items(*nodes: Any, loader: str = "TupleNode", kind: str = "builtins.tuple") -> dict[str, Any]:
    return node(loader, kind, content=list(nodes))


def archive(schema: Any, protocol: Any = 2, **parts: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("schema.json", json.dumps({**schema, "protocol": protocol}))
        for name, content in parts.items():
            file.writestr(name, content)
    return buffer.getvalue()


def array(content: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, content)
    return buffer.getvalue()


COMMAND = text("touch /tmp/never")

HOSTILE: dict[str, tuple[bytes, str]] = {
    "a method": (
        archive(node("MethodNode", "os._Environ", content={"func": "system", "obj": COMMAND})),
        "a part that no server loads (MethodNode",
    ),
    "an operator": (
        archive(node("OperatorFuncNode", "operator.call", attrs=items(COMMAND))),
        "a part that no server loads (OperatorFuncNode",
    ),
    "a loader of nobody's": (archive(node("CachedNode", "a.b")), "a part that no server loads (CachedNode"),
    "a function that runs commands": (
        archive(node("FunctionNode", "os.system")),
        "names os.system, which can run any code",
    ),
    "a class that is called": (
        archive(node("ConstructorFromReduceNode", "subprocess.Popen", content=items(COMMAND))),
        "names subprocess.Popen, which can run any code",
    ),
    "a list of another class": (
        archive(items(COMMAND, loader="ListNode", kind="sklearn.pipeline.Pipeline")),
        "its description is not as skops writes it",
    ),
    "another name than is shown": (
        archive(
            node("FunctionNode", "numpy.log1p", content={"module_path": "os", "function": "system"}),
            protocol=0,
        ),
        "skops before 0.9 has saved it",
    ),
    "a function as the key of a dictionary": (
        archive(
            node(
                "DictNode",
                "builtins.dict",
                content={"ls": text(1)},
                key_types=items(node("TypeNode", "os.system"), loader="ListNode", kind="builtins.list"),
            )
        ),
        "its description is not as skops writes it",
    ),
    "a name with a line end": (
        archive(node("TypeNode", "builtins.int\ncos\nsystem")),
        "its description is not as skops writes it",
    ),
    "an estimator's class called": (
        archive(node("ConstructorFromReduceNode", "sklearn.svm._classes.SVC", content=items())),
        "it calls sklearn.svm._classes.SVC itself",
    ),
    "objects as an array": (
        archive(node("NdArrayNode", "numpy.ndarray", type="numpy", file="a"), a=array(np.zeros(3))[:-8]),
        "its description is not as skops writes it",
    ),
    "a part that is not there": (
        archive(node("NdArrayNode", "numpy.ndarray", type="numpy", file="a")),
        "it lacks a part that it names",
    ),
    "a protocol to come": (archive(text(1), protocol=3), "a newer skops has saved it"),
    "a protocol that is none": (archive(text(1), protocol="2"), "its description is not as skops writes it"),
    "no description": (archive({"a": 1}), "its description is not as skops writes it"),
    "a part within itself": (
        archive(
            {
                **items({**text(1), "__id__": 7}, loader="ListNode", kind="builtins.list"),
                "__id__": 7,
            }
        ),
        "it has a part that holds itself",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_nobody_fitted_is_refused_in_a_sentence(file: Path, name: str) -> None:
    content, said = HOSTILE[name]
    everything = ("os.system", "subprocess.Popen", "operator.call")

    for allowed in ((), everything if "any code" not in said else ()):
        with pytest.raises(MlapiError) as caught:
            read(file, content, *allowed)
        assert said in str(caught.value)
        assert str(caught.value).startswith("own.skops")
        assert "\n" not in str(caught.value)


def described_line() -> bytes:
    """A line that was fitted by scikit-learn 1.2.2, as skops describes it."""
    attributes = {
        **{name: text(value) for name, value in LinearRegression().get_params().items()},
        "coef_": node("NdArrayNode", "numpy.ndarray", type="numpy", file="coef"),
        "intercept_": node("NdArrayNode", "numpy.float64", type="numpy", file="intercept"),
        "n_features_in_": text(2),
        "_sklearn_version": text("1.2.2"),
    }
    kinds = [node("TypeNode", "builtins.str") for _ in attributes]
    state = node(
        "DictNode",
        "builtins.dict",
        content=attributes,
        key_types=items(*kinds, loader="ListNode", kind="builtins.list"),
    )
    line = node("ObjectNode", "sklearn.linear_model._base.LinearRegression", content=state)
    return archive(line, coef=array(np.array([2.0, 3.0])), intercept=array(np.float64(1)))


def test_a_described_estimator_is_made_and_says_its_version(file: Path) -> None:
    file.write_bytes(described_line())

    found = read_estimator(file, (), NO_ROWS)

    assert found.estimator.predict([[1, 1], [0, 2]]).tolist() == [6, 7]
    assert type(found.estimator.intercept_) is np.float64
    assert found.fitted_with == ("1.2.2",)


def test_a_description_with_any_byte_changed_or_cut_ends_in_a_sentence(file: Path) -> None:
    content, choice = described_line(), random.Random(0)

    for _ in range(60):
        place = choice.randrange(len(content))
        changed = content[:place] + bytes([choice.randrange(256)]) + content[place + 1 :]
        assert "\n" not in outcome(file, changed)
        assert "\n" not in outcome(file, content[:place])


def test_deep_and_large_descriptions_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep: Any = text(1)
    for _ in range(130):
        deep = items(deep, loader="ListNode", kind="builtins.list")
    with pytest.raises(BrokenArtifact, match="parts within parts, too many of them"):
        read(file, archive(deep))
    with pytest.raises(BrokenArtifact, match="not as skops writes it"):
        read(file, zipped(b"[" * 100_000))

    again = items(*[node("BytesNode", "builtins.bytes", file="a") for _ in range(1024)])
    monkeypatch.setattr(skops_files, "most_expanded", partial(pickling.most_expanded, least=2**20))
    with pytest.raises(BrokenArtifact, match="its parts become more than 1,048,576 bytes"):
        read(file, archive(again, a=bytes(2**11)))
    monkeypatch.undo()
    with pytest.raises(BrokenArtifact, match="its parts become more than 67,108,864 bytes"):
        read(file, zipped(b" " * (2**26 + 1)))
    monkeypatch.setattr(archives, "MOST_PARTS", 1)
    with pytest.raises(BrokenArtifact, match="more than 1 parts"):
        read(file, archive(text(1), a=b""))


def zipped(schema: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive_file:
        archive_file.writestr("schema.json", schema)
    return buffer.getvalue()


@pytest.mark.exhaustive
def test_states_that_lead_out_of_an_array_are_refused_as_in_a_pickle(file: Path) -> None:
    """skops' own reader takes both: their classes look at nothing."""
    fitted = KNeighborsClassifier(algorithm="kd_tree").fit(X, Y)
    content = saved(fitted)
    places = next(
        name
        for name, part in parts_of(content).items()
        if name.endswith(".npy") and b"'<i8'" in part and b"(12,)" in part and 11 in np.load(io.BytesIO(part))
    )

    with pytest.raises(BrokenArtifact, match="a tree of neighbors that leads out of itself"):
        read(file, with_part(content, places, array(np.arange(12) * 1000)))


def parts_of(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as before:
        return {name: before.read(name) for name in before.namelist()}


def with_part(content: bytes, name: str, part: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as after:
        for each, own in parts_of(content).items():
            after.writestr(each, part if each == name else own)
    return buffer.getvalue()


@pytest.mark.exhaustive
def test_a_file_with_any_byte_changed_loads_or_is_refused_in_a_sentence(file: Path) -> None:
    content, choice = saved(make_pipeline(StandardScaler(), SVC()).fit(X, Y)), random.Random(0)

    for _ in range(60):
        place = choice.randrange(len(content))
        changed = content[:place] + bytes([choice.randrange(256)]) + content[place + 1 :]
        for each in (changed, content[:place]):
            assert "\n" not in outcome(file, each)


def outcome(file: Path, content: bytes) -> str:
    try:
        read(file, content)
    except MlapiError as error:
        return str(error)
    return "loaded"


@pytest.mark.exhaustive
def test_a_function_of_ones_own_with_arguments_is_allowed_by_its_name(file: Path) -> None:
    fitted = FunctionTransformer(partial(np.clip, min=0)).fit(X)

    with pytest.raises(ClassesNotAllowed) as caught:
        read(file, saved(fitted))

    assert set(caught.value.names) == {"functools.partial", "numpy.clip"}
    answers = read(file, saved(fitted), "functools.partial", "numpy.clip").transform(-X)
    np.testing.assert_array_equal(answers, fitted.transform(-X))
