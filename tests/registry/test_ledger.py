"""Another version than before under a number: served, and told until somebody accepts it."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mlapi.artifacts.folder import DELETED as TOMBSTONE
from mlapi.registry.changes import Changes
from mlapi.registry.ledger import DELETED, FOLDER, Ledger
from mlapi.registry.opening import open_changes, open_registry
from mlapi.registry.registry import Registry
from mlapi.server.app import create_app
from mlapi.storage.locks import locked
from tests.conftest import Run
from tests.support.crash import settings_of
from tests.support.lines import publish, slope

LINE = ("line", 1)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Version 1 answers 2 for 1; beside the models lies an older one of its number, which answers 1."""
    publish(changes_in(tmp_path), 1)
    (tmp_path / "models" / "line" / "1").rename(tmp_path / "older")
    shutil.rmtree(tmp_path / "models" / "line")
    publish(changes_in(tmp_path), 2)
    return tmp_path


@pytest.fixture
def folder(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command runs."""
    monkeypatch.setenv("MLAPI_MODELS_DIR", str(world / "models"))
    monkeypatch.setenv("MLAPI_STATE_DIR", str(world / "state"))
    return world


def changes_in(world: Path) -> Changes:
    (world / "models").mkdir(exist_ok=True)
    return open_changes(settings_of(world), "tests")


def looking(world: Path) -> Registry:
    registry = open_registry(settings_of(world))
    registry.refresh()
    return registry


def put_the_older_one(world: Path) -> None:
    shutil.rmtree(world / "models" / "line" / "1")
    shutil.copytree(world / "older", world / "models" / "line" / "1")


def told(registry: Registry) -> list[str]:
    registry.refresh()
    return [why for _, _, why in registry._snapshot.broken]


def test_an_older_version_in_a_newer_ones_place_serves_and_is_told(
    world: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry = looking(world)
    assert (told(registry), slope(registry)) == ([], 2)

    put_the_older_one(world)

    (why,) = told(registry)
    assert why.startswith("it was another version before (")
    assert "stands there now, and serves; if that is right: mlapi verify line --accept" in why
    assert slope(registry) == 1
    assert [vars(record)["reason"] for record in caplog.records if record.levelno == logging.WARNING] == [why]


def test_it_is_told_after_a_restart_too_and_to_whoever_asks(world: Path) -> None:
    looking(world)
    put_the_older_one(world)

    client = create_app(settings_of(world)).test_client()

    (entry,) = client.get("/health/ready").get_json()["broken"]
    assert (entry["model"], entry["version"]) == LINE
    assert entry["reason"].startswith("it was another version before")
    described = client.get("/models/line/versions/1").get_json()
    assert (described["status"], described["notes"]) == ("ready", [entry["reason"]])
    assert client.post("/predict/line", json={"x": 1}).status_code == 200


def test_what_comes_back_is_told_no_more(world: Path) -> None:
    registry = looking(world)
    shutil.copytree(world / "models" / "line" / "1", world / "newer")
    put_the_older_one(world)
    assert told(registry)

    shutil.rmtree(world / "models" / "line" / "1")
    (world / "newer").rename(world / "models" / "line" / "1")

    assert told(registry) == []


def test_somebody_who_knows_accepts_it(world: Path, run: Run) -> None:
    registry = looking(world)
    put_the_older_one(world)
    assert told(registry)
    assert "it was another version before" in run("verify", status=1).output.replace("\n", " ")

    run("verify", "line", "--accept")

    assert told(registry) == []
    run("verify")
    accepted = json.loads((world / "state" / "audit.jsonl").read_text().splitlines()[-1])
    assert (accepted["what"], accepted["model"], accepted["version"]) == ("accept", "line", 1)
    assert len(accepted["from"]) == len(accepted["to"]) == 64


def test_without_a_name_nothing_is_accepted(world: Path, run: Run) -> None:
    assert "--accept takes the name of a model" in run("verify", "--accept", status=2).output


def test_what_is_published_here_where_a_folder_was_removed_by_hand_is_right(world: Path) -> None:
    registry = looking(world)
    shutil.rmtree(world / "models" / "line")

    publish(changes_in(world), 5)

    assert (told(registry), slope(registry)) == ([], 5)


def test_the_log_of_changes_has_the_digest_of_what_was_published(world: Path) -> None:
    *_, published, _ = map(json.loads, (world / "state" / "audit.jsonl").read_text().splitlines())
    registry = looking(world)

    assert published["what"] == "publish"
    assert published["manifest"] == registry.version("line", 1).manifest.digest  # type: ignore[union-attr]


def test_a_deleted_version_whose_tombstone_is_gone_is_told(world: Path) -> None:
    registry = looking(world)
    publish(changes_in(world), 3)
    publish(changes_in(world), 4)
    shutil.copytree(world / "models" / "line" / "2", world / "two")
    changes_in(world).delete_version("line", 2)
    assert told(registry) == []

    (world / "models" / "line" / f"2{TOMBSTONE}").unlink()
    shutil.copytree(world / "two", world / "models" / "line" / "2")
    told(registry)
    registry.check(60)

    (why,) = told(registry)
    assert why.startswith("it was deleted before; ")


def test_a_version_that_nobody_asks_for_is_told_as_well(world: Path) -> None:
    for slope_ in (3, 4):
        publish(changes_in(world), slope_)
    registry = looking(world)
    registry.check(60)
    home = world / "models" / "line"
    (home / "2").rename(world / "two")
    (home / "3").rename(world / "three")
    publish(changes_in(world), 9)
    (world / "three").rename(home / "3")
    Ledger(world / "state", str(world / "models")).accept(("line", 2), "0" * 64)
    told(registry)
    registry.check(60)

    (why,) = told(registry)
    assert why.startswith("it was another version before (000000000000); ")


# The file


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path, "models")


def file_of(tmp_path: Path) -> Path:
    (found,) = (tmp_path / FOLDER).glob("*.json")
    return found


def test_what_was_seen_first_stays_and_a_deletion_is_for_good(tmp_path: Path, ledger: Ledger) -> None:
    ledger.note({LINE: "a"})
    ledger.note({LINE: "b", ("line", 2): "c"})
    assert Ledger(tmp_path, "models").first_digests() == {LINE: "a", ("line", 2): "c"}

    ledger.note({LINE: DELETED})
    ledger.note({LINE: "a"})

    assert Ledger(tmp_path, "models").first_digests() == {LINE: DELETED, ("line", 2): "c"}
    assert Ledger(tmp_path, "another place").first_digests() == {}


def test_of_two_processes_the_first_one_is_right(tmp_path: Path, ledger: Ledger) -> None:
    other = Ledger(tmp_path, "models")
    assert other.first_digests() == {}

    ledger.note({LINE: "a"})
    other.note({LINE: "b"})

    assert ledger.first_digests() == other.first_digests() == {LINE: "a"}


def test_what_cannot_be_written_now_is_known_to_this_process_and_written_later(
    tmp_path: Path, ledger: Ledger
) -> None:
    (tmp_path / FOLDER).mkdir()
    with locked(tmp_path / FOLDER / ".lock"):
        ledger.note({LINE: "a"})
        ledger.note({LINE: "b"})
        assert ledger.first_digests() == {LINE: "a"}
        assert Ledger(tmp_path, "models").first_digests() == {}

    ledger.note({})

    assert Ledger(tmp_path, "models").first_digests() == {LINE: "a"}


GARBAGE: dict[str, Callable[[Path], object]] = {
    "words": lambda path: path.write_text("garbage"),
    "a list": lambda path: path.write_text("[]"),
    "another format": lambda path: path.write_text('{"format": 2, "versions": {}}'),
    "other versions": lambda path: path.write_text('{"format": 1, "versions": [1]}'),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_a_garbled_file_is_left_alone_and_told_once(
    tmp_path: Path, ledger: Ledger, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    ledger.note({LINE: "a"})
    GARBAGE[kind](file_of(tmp_path))
    before = file_of(tmp_path).read_bytes()

    for _ in range(3):
        ledger.note({("line", 2): "b"})
    with pytest.raises(OSError, match="is no file of versions seen of format 1: remove it"):
        ledger.accept(LINE, "c")

    assert ledger.first_digests() == {LINE: "a", ("line", 2): "b"}
    assert file_of(tmp_path).read_bytes() == before
    assert [record.getMessage() for record in caplog.records] == ["versions seen are not remembered"]
