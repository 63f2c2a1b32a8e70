"""A manifest's member `data` as a value: what is written is read again, and what is not understood stays."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlapi.artifacts.provenance import ColumnRecord, Promotion, Provenance, from_json

PUBLISHED = sorted(Path(__file__).with_name("published").glob("*/1/manifest.json"))

TRAINED = Provenance(
    source="customers.csv",
    sha256="0" * 64,
    rows=8,
    training_rows=6,
    test_rows=2,
    test_size=0.25,
    split="at random",
    columns=(ColumnRecord("id", None, "left out: an identifier", ""),),
    notes=("one note",),
)

OF_PICTURES = Provenance(
    source="shapes", sha256="1" * 64, rows=8, validation_rows=0, seconds=1.5, machine="2 cores"
)


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.parts[-3])
def test_what_was_published_before_is_written_again_as_it_is(file: Path) -> None:
    data = json.loads(file.read_bytes())["data"]

    assert from_json(data).to_json() == data
    assert list(from_json(data).to_json()) == list(data)
    assert not from_json(data).more


def test_a_training_writes_also_what_is_empty() -> None:
    document = TRAINED.to_json()

    assert document["search"] is None
    assert document["left_out"] == document["warnings"] == []
    assert document["columns"] == [
        {"name": "id", "kind": None, "story": "left out: an identifier", "done": ""}
    ]
    assert {"seconds", "machine", "validation_rows", "promotion", "job"}.isdisjoint(document)


def test_one_on_pictures_writes_more() -> None:
    document = OF_PICTURES.to_json()

    assert (document["validation_rows"], document["seconds"], document["machine"]) == (0, 1.5, "2 cores")
    assert document["epochs"] is document["apart"] is document["rounding"] is None


def test_what_is_registered_has_little_to_say() -> None:
    document = {"source": "registered", "sample_rows": 3}

    assert Provenance(source="registered", sample_rows=3).to_json() == document
    assert Provenance().to_json() == {}


@pytest.mark.parametrize(
    "provenance", [TRAINED, OF_PICTURES, Provenance()], ids=["table", "pictures", "none"]
)
def test_a_job_and_a_promotion_come_last_and_survive(provenance: Provenance) -> None:
    promotion = Promotion(promotes=True, reason="it is better", over=None)
    document = provenance.to_json() | {"job": "0f", "sent_by": "10.0.0.1"}
    document["promotion"] = {"promotes": True, "reason": "it is better", "over": None}

    read = from_json(document)

    assert (read.job, read.sent_by, read.promotion) == ("0f", "10.0.0.1", promotion)
    assert list(read.to_json().items()) == list(document.items())


@pytest.mark.parametrize(
    "member",
    [
        {"weather": "fair"},
        {"rows": "many"},
        {"rows": True},
        {"notes": "one"},
        {"notes": [1]},
        {"columns": [{"name": "id", "kind": None, "story": "", "done": "", "new": 1}]},
        {"columns": [1]},
        {"promotion": {"promotes": True}},
        {"job": None},
        {"more": {}},
    ],
    ids=str,
)
def test_what_another_mlapi_writes_stays_as_it_is(member: dict[str, Any]) -> None:
    read = from_json({**TRAINED.to_json(), **member})

    assert read.more == member
    assert read.to_json() == {**TRAINED.to_json(), **member}
