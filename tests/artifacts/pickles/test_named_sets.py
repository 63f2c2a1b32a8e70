"""What the named sets allow, with stand-ins for the libraries where these are not installed."""

import pickle
import sys
from types import ModuleType
from typing import Any

import pytest

from mlapi.artifacts.pickles import pickling
from mlapi.artifacts.pickles.named_sets import MADE_EMPTY, SETS, classes_of, set_of
from mlapi.errors import BrokenArtifact


@pytest.fixture
def booster(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The class xgboost.core.Booster: the real one's constructor opens the file that an argument names."""
    return stand_in(monkeypatch, "xgboost", "Booster")


def stand_in(monkeypatch: pytest.MonkeyPatch, library: str, name: str) -> Any:
    """A class of a library's module `core`."""
    kind = type(name, (), {"__module__": f"{library}.core", "__init__": lambda self, file: file.open()})
    for module in (library, f"{library}.core"):
        monkeypatch.setitem(sys.modules, module, ModuleType(module))
    monkeypatch.setattr(sys.modules[f"{library}.core"], name, kind, raising=False)
    return kind


def made(kind: Any, *states: Any) -> bytes:
    """A pickle of an empty object that gets these states."""
    name = pickle.GLOBAL + f"{kind.__module__}\n{kind.__qualname__}\n".encode()
    given = b"".join(pickle.dumps(state, 3)[2:-1].replace(b"q\x00", b"") + pickle.BUILD for state in states)
    return pickle.PROTO + b"\x03" + name + pickle.EMPTY_TUPLE + pickle.NEWOBJ + given + pickle.STOP


def test_a_booster_is_made_empty_and_gets_its_model_once(booster: Any) -> None:
    allowed = classes_of(["xgboost"])
    model = {"handle": bytearray(b"model")}

    assert pickling.load(made(booster, model), allowed).handle == b"model"
    with pytest.raises(BrokenArtifact, match=r"not allowed; set allowed_sets = .* and restart the server"):
        pickling.load(made(booster, model), ())
    for states in ([{}], [{"handle": None}], [{"handle": b"bytes"}], [{"handle": bytearray()}]):
        with pytest.raises(BrokenArtifact, match="a booster without its model"):
            pickling.load(made(booster, *states), allowed)
    with pytest.raises(BrokenArtifact, match="its state twice"):
        pickling.load(made(booster, model, model), allowed)


def test_an_estimator_of_catboost_may_be_unfitted_as_in_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = stand_in(monkeypatch, "catboost", "CatBoostClassifier")
    allowed = classes_of(["catboost"])

    assert pickling.load(made(kind, {"depth": 2}), allowed).depth == 2
    for states, problem in (
        ([{"__model": b""}], "a booster without its model"),
        ([{"__model": "text"}], "a booster without its model"),
        ([{"depth": 2}, {"__model": b"model"}], "its state twice"),
    ):
        with pytest.raises(BrokenArtifact, match=problem):
            pickling.load(made(kind, *states), allowed)


def test_a_class_of_a_set_is_not_called(booster: Any) -> None:
    name = pickle.GLOBAL + b"xgboost.core\nBooster\n"
    call = b"\x80\x03" + name + pickle.dumps(("/etc/passwd",), 3)[2:-1] + pickle.REDUCE + b"."

    with pytest.raises(BrokenArtifact, match=r"it calls xgboost\.core\.Booster itself"):
        pickling.load(call, classes_of(["xgboost"]))


def test_no_set_is_allowed_unasked() -> None:
    assert not pickling.AUDITED & classes_of(SETS)
    assert {set_of(name) for name in classes_of(SETS)} == set(SETS)
    assert set_of("os.system") is None
    assert not {name for name in MADE_EMPTY if name.startswith(("pandas.", "pyarrow."))}
