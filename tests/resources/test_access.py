"""The routes that write: aliases and versions over HTTP."""

import errno
import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LinearRegression

from mlapi.artifacts.folder import SIGNATURE_FILE, version_numbers
from mlapi.artifacts.manifest import MODEL
from mlapi.errors import BrokenArtifact, Conflict, ModelUnavailable
from mlapi.http import access
from mlapi.registry import registry
from mlapi.registry.aliases import LOCK, Alias, change_aliases, read_aliases
from mlapi.storage import disk
from mlapi.storage.locks import locked
from tests.conftest import STATE, AppFactory, changes_in, publish_fitted
from tests.support.problems import assert_problem

FRAME = pd.DataFrame({"x": [0.0, 1.0]})
PRODUCTION = "/models/line/aliases/production"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three versions; version n answers n for 1."""
    for slope in (1.0, 2.0, 3.0):
        publish_fitted(tmp_path, "line", LinearRegression().fit(FRAME.to_numpy(), [0.0, slope]), FRAME)
    return tmp_path


@pytest.fixture
def client(folder: Path, make_app: AppFactory) -> FlaskClient:
    return make_app(folder, allow_writes=True).test_client()


def predicted(client: FlaskClient, ref: str = "") -> float:
    answer = client.post(f"/predict/line{ref}", json={"x": 1}).get_json()
    assert answer["prediction"] == [pytest.approx(answer["version"])]
    return float(answer["version"])


def audit() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (STATE / "audit.jsonl").read_text().splitlines()]


def test_an_alias_is_set_and_answers_at_once(client: FlaskClient, folder: Path) -> None:
    response = client.put(PRODUCTION, json={"version": 2})

    assert response.status_code == 200
    assert response.get_json() == client.get("/models/line").get_json()
    assert response.get_json()["aliases"] == {"production": 2}
    assert response.headers["ETag"] == client.get("/models/line").headers["ETag"]
    assert predicted(client) == 2
    assert read_aliases(folder / "line") == {"production": Alias(2, (1,))}
    last = audit()[-1]
    assert (last["who"], last["what"], last["from"], last["to"]) == ("http 127.0.0.1", "promote", 1, 2)


def test_a_new_alias_is_made_and_removed(client: FlaskClient) -> None:
    assert client.put("/models/line/aliases/canary", json={"version": 3}).status_code == 200
    assert predicted(client, "/canary") == 3

    response = client.delete("/models/line/aliases/canary")

    assert (response.status_code, response.data) == (204, b"")
    assert_problem(client.post("/predict/line/canary", json={"x": 1}), 404, "version-not-found")
    assert_problem(client.delete("/models/line/aliases/canary"), 404, "version-not-found")


def test_a_rollback_passes_over_what_is_gone_and_what_the_alias_holds_now(folder: Path) -> None:
    changes = changes_in(folder)
    for version in (2, 3, 2):
        changes.promote("line", version)
    changes.delete_version("line", 3)

    assert changes.roll_back("line") == (2, 1)
    with pytest.raises(Conflict, match="has held no other version that serves"):
        changes.roll_back("line")


def test_what_latest_means_is_not_collected_for_newer_ones_that_are_broken(folder: Path) -> None:
    for _ in range(2):
        publish_fitted(folder, "line", LinearRegression().fit([[0]], [0]), FRAME)
    for version in ("4", "5"):
        (folder / "line" / version / SIGNATURE_FILE).unlink()

    assert changes_in(folder).collect(1) == [("line", 2), ("line", 4)]


def test_without_production_the_latest_answers(client: FlaskClient) -> None:
    assert client.delete(PRODUCTION).status_code == 204

    assert predicted(client) == 3


def test_a_version_is_deleted_and_its_number_stays_taken(client: FlaskClient, folder: Path) -> None:
    response = client.delete("/models/line/versions/3")

    assert (response.status_code, response.data) == (204, b"")
    assert client.get("/models/line").get_json()["versions"] == [1, 2]
    assert_problem(client.delete("/models/line/versions/3"), 404, "version-not-found")
    assert publish_fitted(folder, "line", LinearRegression().fit([[0]], [0]), FRAME).version == 4


def test_a_version_whose_files_are_gone_can_be_deleted_for_good(client: FlaskClient, folder: Path) -> None:
    assert predicted(client, "/latest") == 3
    shutil.rmtree(folder / "line" / "3")
    assert predicted(client, "/latest") == 3, "it serves from memory"

    assert client.delete("/models/line/versions/3").status_code == 204

    assert predicted(client, "/latest") == 2


@pytest.mark.parametrize("ref", ["production", "latest", "0", "9", "01"])
def test_only_a_version_that_there_is_can_be_deleted(client: FlaskClient, ref: str) -> None:
    problem = assert_problem(client.delete(f"/models/line/versions/{ref}"), 404, "version-not-found")

    assert "versions: 1, 2, 3" in problem["detail"]


def test_a_version_that_an_alias_holds_is_not_deleted(client: FlaskClient) -> None:
    problem = assert_problem(client.delete("/models/line/versions/1"), 409, "conflict")

    assert "held by production" in problem["detail"]
    assert predicted(client, "/1") == 1


@pytest.mark.parametrize("header", ["", '"', ",", "unquoted", 'W/"x"'])
def test_an_if_match_that_says_nothing_matches_nothing(client: FlaskClient, header: str) -> None:
    for response in (
        client.put(PRODUCTION, json={"version": 3}, headers={"If-Match": header}),
        client.delete(PRODUCTION, headers={"If-Match": header}),
        client.delete("/models/line/versions/3", headers={"If-Match": header}),
    ):
        assert_problem(response, 412, "precondition-failed")

    assert client.get("/models/line").get_json()["aliases"] == {"production": 1}


def test_if_match_takes_the_state_that_was_read(client: FlaskClient) -> None:
    read = client.get("/models/line").headers["ETag"]
    assert client.put(PRODUCTION, json={"version": 2}, headers={"If-Match": read}).status_code == 200

    late = {"If-Match": read}
    for response in (
        client.put(PRODUCTION, json={"version": 3}, headers=late),
        client.delete(PRODUCTION, headers=late),
        client.delete("/models/line/versions/3", headers=late),
    ):
        assert_problem(response, 412, "precondition-failed")

    assert client.get("/models/line").get_json()["aliases"] == {"production": 2}
    assert client.put(PRODUCTION, json={"version": 3}, headers={"If-Match": "*"}).status_code == 200


def test_if_match_sees_what_another_process_changed(client: FlaskClient, folder: Path) -> None:
    read = client.get("/models/line").headers["ETag"]
    change_aliases(folder / "line", lambda _: {"production": Alias(3)})

    response = client.put(PRODUCTION, json={"version": 2}, headers={"If-Match": read})

    assert_problem(response, 412, "precondition-failed")
    assert read_aliases(folder / "line") == {"production": Alias(3)}


@pytest.mark.parametrize(
    ("path", "body", "problem"),
    [
        ("/models/line/aliases/production", {"version": 9}, "unknown-version"),
        ("/models/line/aliases/production", {"version": 0}, "invalid-input"),
        ("/models/line/aliases/production", {"version": "2"}, "invalid-input"),
        ("/models/line/aliases/production", {"version": 2.0}, "invalid-input"),
        ("/models/line/aliases/production", {"version": True}, "invalid-input"),
        ("/models/line/aliases/production", {"version": None}, "invalid-input"),
        ("/models/line/aliases/production", {"version": 10**30}, "invalid-input"),
        ("/models/line/aliases/production", {"version": 2, "more": 1}, "invalid-input"),
        ("/models/line/aliases/production", {}, "invalid-input"),
        ("/models/line/aliases/production", [2], "invalid-input"),
        ("/models/line/aliases/latest", {"version": 2}, "invalid-alias"),
        ("/models/line/aliases/7", {"version": 2}, "invalid-alias"),
        ("/models/line/aliases/..", {"version": 2}, "invalid-alias"),
        ("/models/nothing/aliases/production", {"version": 2}, "model-not-found"),
    ],
)
def test_what_cannot_be_set_is_told(
    client: FlaskClient, folder: Path, path: str, body: Any, problem: str
) -> None:
    status = 404 if problem == "model-not-found" else 422

    assert_problem(client.put(path, json=body), status, problem)
    assert read_aliases(folder / "line") == {"production": Alias(1)}


def test_a_broken_version_cannot_be_set(client: FlaskClient, folder: Path) -> None:
    content = bytearray((folder / "line" / "2" / MODEL).read_bytes())
    content[50] ^= 1
    (folder / "line" / "2" / MODEL).write_bytes(content)

    problem = assert_problem(client.put(PRODUCTION, json={"version": 2}), 409, "conflict")

    assert "altered" in problem["detail"]
    assert predicted(client) == 1


def test_a_body_that_is_no_json_and_one_that_is_too_large(folder: Path, make_app: AppFactory) -> None:
    client = make_app(folder, allow_writes=True, max_body_bytes=100).test_client()

    assert_problem(client.put(PRODUCTION, data=b"{"), 400, "malformed-body")
    assert_problem(client.put(PRODUCTION, data=b" " * 101), 413, "too-large")


WRITES: list[Callable[[FlaskClient, dict[str, str]], Any]] = [
    lambda client, headers: client.put(PRODUCTION, json={"version": 2}, headers=headers),
    lambda client, headers: client.delete(PRODUCTION, headers=headers),
    lambda client, headers: client.delete("/models/line/versions/3", headers=headers),
]


@pytest.mark.parametrize("write", WRITES)
def test_writing_is_forbidden_unless_the_settings_allow_it(
    folder: Path, make_app: AppFactory, write: Callable[..., Any]
) -> None:
    problem = assert_problem(write(make_app(folder).test_client(), {}), 403, "writes-not-allowed")

    assert "allow_writes" in problem["detail"]
    assert read_aliases(folder / "line") == {"production": Alias(1)}
    assert version_numbers(folder / "line") == [1, 2, 3]


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://localhost.evil.example", "", "x", "http://[", "http://[x]"],
)
@pytest.mark.parametrize("write", WRITES)
def test_a_page_of_another_site_may_not_write(
    client: FlaskClient, folder: Path, write: Callable[..., Any], origin: str
) -> None:
    assert_problem(write(client, {"Origin": origin}), 403, "writes-not-allowed")

    assert read_aliases(folder / "line") == {"production": Alias(1)}


def test_a_page_of_this_site_may_write(client: FlaskClient) -> None:
    headers = {"Origin": "http://localhost"}

    assert client.put(PRODUCTION, json={"version": 2}, headers=headers).status_code == 200


def test_a_log_that_cannot_be_written_forbids_the_change(
    folder: Path, tmp_path: Path, make_app: AppFactory
) -> None:
    """No change without its line."""
    state = tmp_path / "state"
    client = make_app(folder, allow_writes=True, require_signature=False, state_dir=state).test_client()
    assert predicted(client) == 1
    (state / "audit.jsonl").mkdir()

    assert_problem(client.put(PRODUCTION, json={"version": 2}), 503, "not-writable")

    assert read_aliases(folder / "line") == {"production": Alias(1)}


def test_a_change_that_the_disk_refuses_has_its_lines(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line comes first, so that no change lacks one."""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "replace", full)

    assert_problem(client.put(PRODUCTION, json={"version": 2}), 503, "not-writable")

    told = [(line["what"], line["from"], line["to"]) for line in audit()[-2:]]
    assert told == [("promote", 1, 2), ("promote failed", 1, 2)]


def test_an_alias_file_with_garbage_is_not_overwritten(client: FlaskClient, folder: Path) -> None:
    (folder / "line" / "aliases.json").write_text("garbage")

    assert_problem(client.put(PRODUCTION, json={"version": 2}), 409, "conflict")

    assert (folder / "line" / "aliases.json").read_text() == "garbage"


HELD_UP: Mapping[str, Callable[[FlaskClient], Any]] = {
    "set": lambda client: client.put(PRODUCTION, json={"version": 2}),
    "remove": lambda client: client.delete(PRODUCTION),
    "delete": lambda client: client.delete("/models/line/versions/3"),
}


@pytest.mark.parametrize("change", HELD_UP)
def test_a_change_that_somebody_holds_up_is_told_to_come_again(
    client: FlaskClient, folder: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    with locked(folder / "line" / LOCK), monkeypatch.context() as impatient:
        impatient.setattr(access, "LONG_S", 0.05)
        response = HELD_UP[change](client)
        problem = assert_problem(response, 503, "not-writable")

    assert "somebody else holds .aliases.lock" in problem["detail"]
    assert "Retry-After" in response.headers
    assert HELD_UP[change](client).status_code in (200, 204)


def test_a_change_waits_no_longer_for_a_look_that_takes_long(folder: Path) -> None:
    """A look loads what is new, from a disk that may hang."""
    changes = replace(changes_in(folder), patience_s=0.05)

    with (
        changes.registry._alone(patience_s=1),
        pytest.raises(TimeoutError, match=r"a look at the models takes longer than 0\.05 s"),
    ):
        changes.promote("line", 2)

    changes.promote("line", 2)
    assert read_aliases(folder / "line") == {"production": Alias(2, (1,))}


def test_few_changes_wait_long_and_the_others_for_a_moment() -> None:
    with ExitStack() as stack:
        waits = [
            stack.enter_context(access.shared_access(access.MODELS_AND_LOG))
            for _ in range(access.PATIENT + 2)
        ]

    assert waits == [access.LONG_S] * access.PATIENT + [access.MOMENT_S] * 2
    with access.shared_access(access.MODELS_AND_LOG) as patience_s:
        assert patience_s == access.LONG_S


NO_DESCRIPTOR = OSError(errno.EMFILE, "Too many open files")


def without_descriptors(*_: object) -> None:
    raise BrokenArtifact("model.joblib cannot be read: Too many open files") from NO_DESCRIPTOR


def test_a_fault_that_passes_is_no_conflict(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert predicted(client) == 1

    with monkeypatch.context() as patch:
        patch.setattr(registry, "check_files", without_descriptors)
        response = client.put(PRODUCTION, json={"version": 2})

    problem = assert_problem(response, 503, "model-unavailable")
    assert "version 2 of model 'line' cannot be read now: model.joblib cannot" in problem["detail"]
    assert "Retry-After" in response.headers
    assert client.put(PRODUCTION, json={"version": 2}).status_code == 200


def test_a_rollback_goes_no_further_for_a_fault_that_passes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = changes_in(folder)
    for version in (2, 3):
        changes.promote("line", version)

    with monkeypatch.context() as patch:
        patch.setattr(registry, "check_files", without_descriptors)
        with pytest.raises(ModelUnavailable, match="cannot be read now"):
            changes.roll_back("line")

    assert changes.roll_back("line") == (3, 2)
