"""A recipe end to end: what is published of somebody's own data, and what is not."""

from pathlib import Path

import fsspec
import numpy as np
from sklearn.datasets import load_digits

from mlapi.data.images.decoding import png
from mlapi.server.app import create_app
from mlapi.training.recipes import Recipe, make_recipe
from mlapi.training.tables.datasets import IMAGES
from mlapi.training.workflows.train import train
from tests.conftest import changes_in, settings_for
from tests.support.customers import customers


def test_what_is_published_tells_no_credentials_and_the_card_no_place(tmp_path: Path) -> None:
    content = customers(120).to_csv(index=False).encode()
    fsspec.filesystem("memory").pipe("/user:secret@shelf/customers.csv", content)
    recipe = Recipe("churn", "decision_tree", data="memory://user:secret@shelf/customers.csv", target="churn")

    manifest = train(recipe, changes_in(tmp_path)).manifest

    folder = tmp_path / "churn" / "1"
    assert manifest.recipe["data"] == "memory://shelf/customers.csv"
    assert not [file for file in folder.iterdir() if b"secret" in file.read_bytes()]
    card = (folder / "report.html").read_text()
    assert "customers.csv" in card
    assert "memory://" not in card


def test_scikit_learns_digits_are_pictures_whatever_the_algorithm(tmp_path: Path) -> None:
    recipe = make_recipe("digits", {"dataset": "digits", "algorithm": "svm"})
    trained = train(recipe, changes_in(tmp_path)).manifest
    rows, _ = load_digits(return_X_y=True)
    pixels = (rows[3].reshape(8, 8, 1) * 255 / 16).astype(np.uint8).repeat(10, axis=0).repeat(10, axis=1)

    with create_app(settings_for(tmp_path)).test_client() as client:
        drawn = client.post("/predict/digits", data=png(pixels), content_type="image/png")
        sent = client.post("/predict/digits", json={"instances": rows[3:5].tolist()})
        version = client.get("/models/digits/versions/1").json

    assert trained.signature.image == IMAGES["digits"]
    assert drawn.json["prediction"] == [3]
    assert sent.json["prediction"] == [3, 4]
    assert version["served_by"] == "compiled", "a picture is a row of numbers to what answers"
