"""The version in the box, models/cifar10/1: it answers pictures, and needs neither PyTorch nor a training."""

import io
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient

from mlapi.artifacts.folder import load_estimator, read_manifest
from mlapi.artifacts.keys import parse_public_key
from mlapi.artifacts.manifest import NETWORK, REPORT, Manifest
from mlapi.registry.opening import trust_of
from mlapi.server.app import create_app
from mlapi.settings import PROJECT_KEY, Settings
from tests.conftest import ROOT
from tests.support.learnt_pictures import cifar_files, seen
from tests.support.server import running
from tests.support.waiting import HANG_S, until

BOX = ROOT / "models" / "cifar10" / "1"
SAMPLES = sorted((ROOT / "samples").glob("*.png"))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A machine that trusts no key but its own and the shipped one, and has nothing but the box."""
    folder = tmp_path_factory.mktemp("machine")
    shutil.copytree(BOX, folder / "models" / "cifar10" / "1")
    return Settings(models_dir=folder / "models", state_dir=folder / "state")


def test_a_server_of_it_ends_when_it_is_told_to(
    settings: Settings, tmp_path: Path, worker_class: str
) -> None:
    """onnxruntime's own end of a process that was forked aborts it, or hangs."""
    environ = {
        "MLAPI_STATE_DIR": str(settings.state_dir),
        "MLAPI_FIT_WORKERS": "1",
        "MLAPI_WORKER_CLASS": worker_class,
    }
    with running(Path(settings.models_dir), tmp_path, **environ) as server:
        until(lambda: server.get("/fit")[0] == 200)
        assert server.get("/health/ready")[0] == 200
        server.signal(signal.SIGTERM)

        assert server.process.wait(HANG_S) == 0

    assert "SIGABRT" not in server.log
    assert "terminate" not in server.log


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[FlaskClient]:
    with create_app(settings).test_client() as client:
        yield client


@pytest.fixture(scope="module")
def manifest(settings: Settings) -> Manifest:
    return read_manifest(BOX, trust_of(settings))


def test_the_box_is_signed_by_the_shipped_key_and_its_card_is_there(client: FlaskClient) -> None:
    version = client.get("/models/cifar10/versions/1").json

    assert (version["status"], version["served_by"]) == ("ready", "onnxruntime")
    assert version["artifact"]["signed_by"] == parse_public_key(PROJECT_KEY).id
    assert client.get("/models/cifar10/versions/1/report").status_code == 200


def test_who_trusts_another_key_alone_does_not_serve_it(settings: Settings) -> None:
    wary = Settings(models_dir=settings.models_dir, state_dir=settings.state_dir, trusted_keys=())

    answer = create_app(wary).test_client().post("/classify", data=SAMPLES[0].read_bytes())

    assert answer.status_code == 503


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_each_sample_is_what_it_is_called(client: FlaskClient, sample: Path) -> None:
    answer = client.post("/classify", data={"image": (io.BytesIO(sample.read_bytes()), sample.name)}).json

    assert answer["class_name"] == sample.stem
    assert answer["probability"] > 0.5


def test_it_is_small_and_shows_no_picture_of_the_data_set(manifest: Manifest) -> None:
    card = (BOX / REPORT).read_text()

    assert (BOX / NETWORK).stat().st_size < 8_000_000
    assert manifest.recipe["pictures_in_card"] is False
    assert "data:image/png" not in card
    assert re.search(r"test/\w+/\d+\.jpg", card), "the mistakes stand there by name"


def test_test_pictures_get_the_estimators_own_answers(
    client: FlaskClient, settings: Settings, manifest: Manifest
) -> None:
    files = cifar_files("test", 20)
    estimator = load_estimator(BOX, manifest, trust_of(settings))
    right = []
    for name, some in files.items():
        form = {"image": [(io.BytesIO(file), "a.jpg") for file in some]}
        answer = client.post("/predict/cifar10?include=probabilities", data=form).json
        expected = estimator.predict_proba(np.stack([seen(file) for file in some]))
        np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)
        assert answer["prediction"] == estimator.classes_[expected.argmax(axis=1)].tolist()
        right += [found == name for found in answer["prediction"]]

    assert np.mean(right) == pytest.approx(manifest.metrics["accuracy"]["value"], abs=0.05)
