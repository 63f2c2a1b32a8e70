"""Versions that mlapi 0.1.0 published before its modules moved, as they lie in people's models folders.

Together their pickles name classes of each of our modules that a model of a table has. Their key is in no
commit; models/cifar10/1 is the same for a network.
"""

from pathlib import Path

import pytest

from mlapi.artifacts.folder import read_file, read_manifest
from mlapi.artifacts.keys import parse_public_key
from mlapi.artifacts.manifest import PREDICTOR
from mlapi.artifacts.pickles.pickling import load_predictor
from mlapi.artifacts.trust import Trust
from mlapi.inference.compiled.form import PICKLED
from mlapi.inference.loading import load_model

PUBLISHED = Path(__file__).with_name("published")
KEY = parse_public_key("ed25519:zi67sUdtHKLfyMvXjzV1ASKi7RiZ3nWJ1IO/7ewrRGo=")
TRUST = Trust({KEY.id: KEY})


@pytest.mark.parametrize("home", sorted(PUBLISHED.iterdir()), ids=lambda home: home.name)
def test_a_version_published_before_the_move_gives_its_golden_answers(home: Path) -> None:
    manifest = read_manifest(home / "1", TRUST)

    model = load_model(home / "1", manifest, TRUST)  # which compares the answers

    assert model.fitted() is not None
    if PREDICTOR in manifest.files:  # else the estimator would be compiled anew, and nobody would see it
        assert load_predictor(read_file(home / "1", manifest, PREDICTOR), PICKLED)["form"] == 1
