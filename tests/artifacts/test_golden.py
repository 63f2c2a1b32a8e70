from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mlapi.artifacts import golden as module
from mlapi.artifacts.folder import read_manifest
from mlapi.artifacts.golden import LOOSEST, TOLERANCE, Golden, check, distance, from_bytes
from mlapi.artifacts.manifest import GOLDEN, MANIFEST, PINNED, Draft, make_manifest
from mlapi.data.signature import Feature, Signature, Target
from mlapi.errors import BrokenArtifact
from mlapi.inference.loading import load_model
from mlapi.inference.model import Model, model_of
from mlapi.registry.aliases import Alias, change_aliases
from mlapi.training.preparation.features import features_of_sample
from mlapi.training.versions.golden import FEWEST, choose_golden_rows, make_golden
from tests.conftest import AppFactory, classes_of, publish_fitted, resign, trusting

FRAME = pd.DataFrame({"x": [*np.linspace(0.0, 1.0, 98), 50.0, -50.0], "y": [None, *range(99)]})


def signature_of(frame: pd.DataFrame) -> Signature:
    return Signature(features_of_sample(frame), Target("t", "number"))


@pytest.mark.parametrize("name", ["linear_regression", "logistic_regression", "svm"])
def test_every_trained_version_carries_rows_with_all_that_it_can_answer(trained: Path, name: str) -> None:
    found = from_bytes((trained / name / "1" / GOLDEN).read_bytes())

    assert len(found.rows) >= FEWEST
    assert all(len(answers) == len(found.rows) for answers in found.outputs.values())
    expected = {"prediction"} if name == "linear_regression" else {"prediction", "probabilities", "decision"}
    assert set(found.outputs) == expected


def test_edges_blanks_and_every_category_are_among_the_rows() -> None:
    frame = FRAME.assign(c=["rare", *["usual"] * 99])

    chosen = frame.iloc[choose_golden_rows(frame, signature_of(frame))]

    assert {50.0, -50.0} <= set(chosen["x"])
    assert chosen["y"].isna().any()
    assert {0.0, 98.0} <= set(chosen["y"])
    assert set(chosen["c"]) == {"rare", "usual"}
    assert len(chosen) == FEWEST


def test_a_small_table_gives_all_its_rows() -> None:
    frame = FRAME[["x"]].head(5)

    assert choose_golden_rows(frame, signature_of(frame)).tolist() == [0, 1, 2, 3, 4]


def test_rows_of_words_blanks_and_flags_are_kept_as_a_client_sends_them(
    tmp_path: Path, make_app: AppFactory
) -> None:
    frame = pd.DataFrame({"c": ["a", "b", None, "a"] * 5, "n": [1.0, 2.0, 3.0, 4.0] * 5})
    encoder = make_column_transformer((OneHotEncoder(), ["c"]), remainder="passthrough")
    model = make_pipeline(encoder, LinearRegression()).fit(frame, range(20))
    publish_fitted(tmp_path, "words", model, frame)

    kept = from_bytes((tmp_path / "words" / "1" / GOLDEN).read_bytes())

    assert kept.rows[:3] == [["a", 1.0], ["b", 2.0], [None, 3.0]]
    answer = make_app(tmp_path).test_client().post("/predict/words", json={"X": kept.rows}).get_json()
    assert answer["prediction"] == pytest.approx(kept.outputs["prediction"], rel=1e-9)


def test_distance_is_relative_and_infinite_for_another_label_or_shape() -> None:
    assert distance(np.array([1.0, 200.0]), [1.0, 200.0]) == (0.0, 0)
    assert distance(np.array([1.0, 202.0]), [1.0, 200.0]) == (pytest.approx(0.01), 1)
    assert distance(np.array([0.0, 1000.0]), [1e-12, 1000.0])[0] < 1e-9, "no digits beside large numbers"
    assert distance(np.array([0.0]), [0.0]) == (0.0, 0)
    assert distance(np.array([1e-300]), [0.0])[0] == np.inf
    assert distance(np.array(["a", "b"]), ["a", "c"]) == (np.inf, 1)
    assert distance(np.array([1, "a"], dtype=object), [1, "a"]) == (0.0, 0)
    assert distance(np.array([[1.0, 2.0]]), [[1.0]]) == (np.inf, 0)
    assert distance(np.array([1.0, 2.0]), ["a", "b"]) == (np.inf, 0)
    assert distance(np.array([[1.0], [2.0]]), [[1.0], [2.0, 3.0]]) == (np.inf, 0)
    assert distance(np.array([[1.0], [np.nan]]), [[1.0], [2.0]])[0] != 0


def model_and_golden() -> tuple[Model, Golden, Signature]:
    frame = FRAME[["x"]]
    fitted = LogisticRegression().fit(frame.to_numpy(), FRAME["x"] > 0.5)
    signature = Signature((Feature("x"),), Target("t", "category"))
    rows = frame.iloc[choose_golden_rows(frame, signature)]
    draft = Draft(name="m", algorithm="a", task="t", signature=signature, parameters={}, metrics={}, data={})
    model = model_of(make_manifest(draft, 1, {}, TOLERANCE), fitted)
    return model, make_golden(fitted, rows.to_numpy(), rows, signature), signature


def test_an_answer_within_the_tolerance_passes_and_one_beyond_says_how_far() -> None:
    model, kept, signature = model_and_golden()
    check(model, signature, kept, 1e-9)

    model.estimator.coef_ *= 1 + 1e-11
    check(model, signature, kept, 1e-9)

    model.estimator.coef_ *= 1 + 1e-6
    words = r"the probabilities of row \d+ is off by \d\.\de-0\d of its size, and may be 1e-09"
    with pytest.raises(BrokenArtifact, match=words):
        check(model, signature, kept, 1e-9)


def test_another_label_is_told_as_another() -> None:
    model, kept, signature = model_and_golden()
    outputs = {"prediction": [not label for label in kept.outputs["prediction"]]}

    with pytest.raises(BrokenArtifact, match="the prediction of row 0 is another one"):
        check(model, signature, Golden(kept.rows, outputs), 1e-9)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b'{"rows": [], "outputs": {}}', b'{"rows": [[1]], "outputs": {"prediction": []}}'],
)
def test_what_holds_no_golden_rows_is_broken(content: bytes) -> None:
    with pytest.raises(BrokenArtifact, match="golden rows cannot be read"):
        from_bytes(content)


def test_rows_that_the_signature_refuses_are_broken() -> None:
    model, kept, signature = model_and_golden()

    with pytest.raises(BrokenArtifact, match="golden rows cannot be answered"):
        check(model, signature, Golden([["x"]], kept.outputs), 1e-9)


class TestOtherLibraries:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A version that an older scikit-learn trained."""
        model = LinearRegression().fit(FRAME[["x"]].to_numpy(), FRAME["x"])
        publish_fitted(tmp_path, "line", model, FRAME[["x"]])
        folder = tmp_path / "line" / "1"
        document = orjson.loads((folder / MANIFEST).read_bytes())
        document["environment"]["scikit-learn"] = "1.0"
        resign(folder, orjson.dumps(document))
        return folder

    def test_serve_where_the_golden_rows_hold_and_say_so(self, folder: Path, make_app: AppFactory) -> None:
        client = make_app(folder.parent.parent).test_client()

        version = client.get("/models/line/versions/1").get_json()

        assert version["status"] == "ready"
        (note,) = version["notes"]
        assert note.startswith("Served with scikit-learn ")
        assert note.endswith(" instead of 1.0; all 32 golden rows give the answers of the training.")

    def test_are_told_of_a_version_that_is_not_loaded_yet(self, folder: Path, make_app: AppFactory) -> None:
        for _ in range(2):
            model = LinearRegression().fit(FRAME[["x"]].to_numpy(), FRAME["x"])
            publish_fitted(folder.parent.parent, "line", model, FRAME[["x"]])
        change_aliases(folder.parent, lambda _: {"production": Alias(3)})
        client = make_app(folder.parent.parent).test_client()

        (note,) = client.get("/models/line/versions/1").get_json()["notes"]
        assert note.startswith("Here is scikit-learn ")
        assert note.endswith(" instead of 1.0; its golden rows decide when it is loaded.")

        assert client.post("/predict/line/1", json={"x": 1}).status_code == 200
        (note,) = client.get("/models/line/versions/1").get_json()["notes"]
        assert note.startswith("Served with scikit-learn ")

    def test_are_named_where_the_golden_rows_do_not_hold(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trust = trusting(classes_of(LinearRegression()))
        monkeypatch.setattr(module, "distance", lambda *_: (0.5, 3))

        with pytest.raises(BrokenArtifact, match=r"off by 5.0e-01.*\(with scikit-learn .* instead of 1\.0\)"):
            load_model(folder, read_manifest(folder, trust), trust)

    def test_the_packages_are_those_that_can_change_an_answer(self) -> None:
        assert set(PINNED) >= {"scikit-learn", "numpy", "scipy", "joblib"}


def test_an_estimator_with_few_digits_is_given_more_room(tmp_path: Path) -> None:
    """Its sums cancel: another order of them, as other processors take, changes what is left."""
    X = np.random.default_rng(0).normal(size=(200, 2))
    frame = pd.DataFrame(X, columns=["a", "b"])
    y = 2 * X[:, 0] + X[:, 1] ** 2

    process = GaussianProcessRegressor(RBF(3.0), alpha=1e-10, optimizer=None, normalize_y=True)
    rough = publish_fitted(tmp_path, "rough", process.fit(X, y), frame)
    exact = publish_fitted(tmp_path, "exact", LinearRegression().fit(X, y), frame)

    assert TOLERANCE < rough.tolerance <= LOOSEST
    assert exact.tolerance == TOLERANCE
