"""A recipe end to end: what is published of somebody's own data, and what is not."""

from pathlib import Path

import fsspec

from tests.conftest import changes_in
from tests.customers import customers
from training.recipes import Recipe
from training.workflow import train


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
