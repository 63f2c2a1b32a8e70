"""Names are added to the settings, and whatever else stands there stays."""

import tomllib
from pathlib import Path

import pytest

from mlapi.artifacts.allowing import as_lines, with_names, write
from mlapi.artifacts.pickles.named_sets import SETS

BEFORE = {
    "nothing": "",
    "a comment": "# How to serve.\n",
    "other settings": 'workers = 7  # of [4]\nhost = "::1"',
    "a list": 'allowed_classes = ["a.A"] # mine ]\nworkers = 7\n',
    "an empty list": "allowed_classes = []\n",
    "a list over lines": 'allowed_classes = [  # these\n  "a.A",  # of ours\n  "a.C" # too\n]\nport = 7\n',
    "a last comma": 'allowed_classes = ["a.A",]\n',
    "a bracket in a text": 'default_model = "]"\nallowed_classes = ["a.A"]\n',
    "lines of Windows": 'workers = 7\r\nallowed_classes = ["a.A"]\r\n',
    "a table": "workers = 7\n[more]\nx = 1\n",
    "it is there": 'allowed_classes = ["b.B"]\n',
}


@pytest.mark.parametrize("kind", BEFORE)
def test_names_are_added_and_the_rest_stays(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "config" / "mlapi.toml"
    file.parent.mkdir()
    file.write_bytes(BEFORE[kind].encode())
    before = tomllib.loads(BEFORE[kind])

    write(file, {"allowed_classes": ("b.B",), "allowed_sets": ("xgboost",)})

    text = file.read_bytes().decode()
    names = dict.fromkeys([*before.get("allowed_classes", []), "b.B"])
    assert tomllib.loads(text) == {**before, "allowed_classes": list(names), "allowed_sets": ["xgboost"]}
    for comment in ("# How to serve.", "# of [4]", "# mine ]", "# these", "# of ours", "# too"):
        assert (comment in text) == (comment in BEFORE[kind])
    assert ("\r\n" in text) == ("\r\n" in BEFORE[kind])


def test_a_file_is_made_where_there_is_none(tmp_path: Path) -> None:
    write(tmp_path / "config" / "mlapi.toml", {"allowed_sets": ("lightgbm",)})

    assert (tmp_path / "config" / "mlapi.toml").read_text() == 'allowed_sets = ["lightgbm"]\n'


def test_a_name_is_allowed_by_its_set_and_what_was_allowed_is_repeated() -> None:
    names = ["xgboost.core.Booster", "own.Steps"]

    assert with_names(names, ["a.A"]) == {
        "allowed_classes": ("a.A", "own.Steps"),
        "allowed_sets": ("xgboost",),
    }
    assert with_names(["own.Steps"], SETS["lightgbm"].names) == {
        "allowed_classes": ("own.Steps",),
        "allowed_sets": ("lightgbm",),
    }
    assert as_lines(with_names(names, [])) == 'allowed_classes = ["own.Steps"]; allowed_sets = ["xgboost"]'
