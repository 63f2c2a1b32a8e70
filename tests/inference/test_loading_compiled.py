"""A version whose path is compiled: which one serves, and what it does without."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlapi.artifacts.folder import read_manifest
from mlapi.data.rows.reader import Reader
from mlapi.inference.compiled.linear import Linear
from mlapi.inference.loading import load_model
from mlapi.inference.model import Model
from tests.conftest import AppFactory, classes_of, publish_fitted, trusting

FRAME = pd.DataFrame({"city": ["Oslo", "Rome", "Bonn"] * 10, "size": np.arange(30.0)})


def published(folder: Path) -> Model:
    """A version of a model of words and numbers, loaded as a server does."""
    blocks = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city"]), (StandardScaler(), ["size"])
    )
    model = make_pipeline(blocks, LogisticRegression()).fit(FRAME, np.arange(30) > 14)
    publish_fitted(folder, "towns", model, FRAME)
    trust = trusting(classes_of(model))
    place = folder / "towns" / "1"
    return load_model(place, read_manifest(place, trust), trust)


def test_a_compiled_path_that_is_off_loses_to_scikit_learn_and_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right = published(tmp_path / "right")

    def bent(self: Linear, *given: object, **named: object) -> None:
        real(self, *given, **named)  # type: ignore[arg-type]
        self._start += 1e-3

    real = Linear.__init__
    monkeypatch.setattr(Linear, "__init__", bent)
    off = published(tmp_path / "off")

    assert (right.served_by, off.served_by) == ("compiled", "scikit-learn")
    assert "compiled path not used" in caplog.text
    batch = Reader(right.signature).read_rows([["Rome", 14.4]]).batch
    assert off.predict(batch, ["decision"]).outputs["decision"] == pytest.approx(
        right.predict(batch, ["decision"]).outputs["decision"], rel=1e-9
    )


def test_words_and_numbers_are_answered_without_a_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = published(tmp_path)
    batch = Reader(model.signature).read_rows([["Rome", 3], ["Paris", 30]]).batch
    monkeypatch.setattr(pd, "DataFrame", lambda *_, **__: pytest.fail("a frame"))

    found = model.predict(batch, ["probabilities"])

    assert found.values.tolist() == [False, True]
    assert found.outputs["probabilities"].shape == (2, 2)


def test_a_server_says_which_path_serves(tmp_path: Path, make_app: AppFactory) -> None:
    sizes = FRAME[["size"]]
    publish_fitted(tmp_path, "line", LinearRegression().fit(sizes, sizes["size"]), sizes)
    publish_fitted(tmp_path, "near", KNeighborsRegressor(2).fit(sizes, sizes["size"]), sizes)
    client = make_app(tmp_path).test_client()

    served = [client.get(f"/models/{name}/versions/1").get_json()["served_by"] for name in ("line", "near")]

    assert served == ["compiled", "scikit-learn"]
