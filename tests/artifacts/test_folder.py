import json
import os
import shutil
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from mlapi.artifacts.folder import (
    DELETED,
    SIGNATURE_FILE,
    check_files,
    load_estimator,
    read_manifest,
    sign,
    taken_numbers,
    version_numbers,
)
from mlapi.artifacts.keys import SigningKey
from mlapi.artifacts.manifest import GOLDEN, MANIFEST, MODEL
from mlapi.artifacts.pickles import pickling
from mlapi.artifacts.trust import Trust
from mlapi.errors import BrokenArtifact
from tests.conftest import KEY, publish_fitted, resign, trusting

FRAME = pd.DataFrame({"x": [0.0, 1.0, 2.0]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of version 1 of a model."""
    estimator = LinearRegression().fit(FRAME.to_numpy(), [1.0, 3.0, 5.0])
    publish_fitted(tmp_path, "line", estimator, FRAME)
    return tmp_path / "line" / "1"


def test_what_is_published_is_read_back_with_who_signed_it(folder: Path) -> None:
    manifest = read_manifest(folder, trusting())

    assert manifest.signed_by == KEY.public.id
    assert load_estimator(folder, manifest, trusting()).predict([[3.0]]) == pytest.approx([7.0])


def test_the_digests_cover_every_file_but_the_manifest_and_its_signature(folder: Path) -> None:
    files = {path.name for path in folder.iterdir()}

    assert read_manifest(folder, trusting()).files.keys() == files - {MANIFEST, SIGNATURE_FILE}


def test_a_deleted_version_is_not_listed_and_its_number_stays_taken(folder: Path) -> None:
    (folder.parent / f"1{DELETED}").touch()
    (folder.parent / f"7{DELETED}").touch()

    assert version_numbers(folder.parent) == []
    assert taken_numbers(folder.parent) == {1, 7}


class TestSignatures:
    def test_an_unsigned_version_is_broken(self, folder: Path) -> None:
        (folder / SIGNATURE_FILE).unlink()

        with pytest.raises(BrokenArtifact, match="is not signed"):
            read_manifest(folder, trusting())

    def test_a_foreign_signature_is_broken_and_names_its_key(self, folder: Path) -> None:
        foreign = SigningKey.generate()
        (folder / SIGNATURE_FILE).write_bytes(sign((folder / MANIFEST).read_bytes(), foreign))

        with pytest.raises(BrokenArtifact, match=f"{foreign.public.id}.*not trusted here"):
            read_manifest(folder, trusting())

    def test_a_foreign_signature_under_a_trusted_id_is_broken(self, folder: Path) -> None:
        signature = sign((folder / MANIFEST).read_bytes(), SigningKey.generate()).decode()
        key = orjson.loads(signature)["key"]
        (folder / SIGNATURE_FILE).write_text(signature.replace(key, KEY.public.id))

        with pytest.raises(BrokenArtifact, match="signature does not hold"):
            read_manifest(folder, trusting())

    def test_what_is_signed_for_another_purpose_is_no_manifest(self, folder: Path) -> None:
        content = (folder / MANIFEST).read_bytes()
        signature = {"key": KEY.public.id, "signature": KEY.sign(content).hex()}
        (folder / SIGNATURE_FILE).write_bytes(orjson.dumps(signature) + b"\n")

        with pytest.raises(BrokenArtifact, match="signature does not hold"):
            read_manifest(folder, trusting())

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{}",
            b"[]",
            b'{"key": 1}',
            b'{"key": "a", "signature": "xyz"}',
            b'{"key": "a", "signature": 5}',
        ],
    )
    def test_what_is_no_signature_is_broken(self, folder: Path, content: bytes) -> None:
        (folder / SIGNATURE_FILE).write_bytes(content)

        with pytest.raises(BrokenArtifact, match=r"manifest\.sig is no signature"):
            read_manifest(folder, trusting())

    def test_where_none_is_required_unsigned_and_foreign_versions_are_read(self, folder: Path) -> None:
        nobody = Trust(required=False)
        assert read_manifest(folder, nobody).signed_by is None

        (folder / SIGNATURE_FILE).unlink()
        assert read_manifest(folder, nobody).signed_by is None

    def test_a_trusted_signature_that_does_not_hold_is_broken_in_any_case(self, folder: Path) -> None:
        (folder / MANIFEST).write_bytes((folder / MANIFEST).read_bytes() + b" ")

        with pytest.raises(BrokenArtifact, match="signature does not hold"):
            read_manifest(folder, Trust(trusting().keys, required=False))

    def test_another_version_or_model_under_a_good_signature_is_broken(self, folder: Path) -> None:
        for copy in (folder.parent / "3", folder.parent.parent / "other" / "1"):
            shutil.copytree(folder, copy)

            with pytest.raises(BrokenArtifact, match="belongs to version 1 of 'line'"):
                read_manifest(copy, trusting())


def test_altered_bytes_are_never_unpickled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = read_manifest(folder, trusting())
    content = bytearray((folder / MODEL).read_bytes())
    content[100] ^= 1
    (folder / MODEL).write_bytes(content)
    monkeypatch.setattr(pickling, "load", lambda *_: pytest.fail("unpickled"))

    for act in (check_files, lambda *args: load_estimator(*args, trusting())):
        with pytest.raises(BrokenArtifact, match=r"model\.joblib was altered"):
            act(folder, manifest)


@pytest.mark.parametrize("name", [MODEL, GOLDEN])
def test_a_missing_file_and_one_of_another_size_are_named(folder: Path, name: str) -> None:
    with (folder / name).open("ab") as file:
        file.write(b"x")
    with pytest.raises(BrokenArtifact, match=f"{name} was altered: .* bytes instead of"):
        read_manifest(folder, trusting())

    (folder / name).unlink()
    with pytest.raises(BrokenArtifact, match=f"{name} is missing"):
        read_manifest(folder, trusting())
    assert read_manifest(folder, trusting(), partial=True)


def test_a_link_and_what_is_no_file_are_refused(folder: Path) -> None:
    (folder / GOLDEN).rename(folder.parent / "away")
    (folder / GOLDEN).symlink_to(folder.parent / "away")
    with pytest.raises(BrokenArtifact, match="is a link or no file"):
        read_manifest(folder, trusting())

    (folder / MANIFEST).unlink()
    os.mkfifo(folder / MANIFEST)
    with pytest.raises(BrokenArtifact, match="not a plain file"):
        read_manifest(folder, trusting())


def change(folder: Path, **entries: Any) -> None:
    """Other fields in a manifest that is signed as it should be."""
    document = json.loads((folder / MANIFEST).read_bytes())
    resign(folder, json.dumps({**document, **entries}).encode())


def features(*entries: dict[str, Any]) -> dict[str, Any]:
    target = {"name": "y", "kind": "number"}
    return {"signature": {"features": list(entries), "target": target, "ignored": []}}


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"format": 2}, "format 2"),
        ({"name": "other"}, "belongs to"),
        ({"version": 7}, "belongs to version 7"),
        ({"files": {}}, "lists no model.joblib"),
        ({"files": {"../../x": {"bytes": 1, "sha256": ""}}}, "misstates"),
        ({"signature": 3}, "misstates"),
        ({"signature": {"features": [{"nome": "x"}], "target": {}, "ignored": []}}, "misstates"),
        ({"files": {"model.joblib": {"bytes": "9", "sha256": ""}}}, "misstates"),
        ({"files": {"model.joblib": {"bytes": None, "sha256": ""}}}, "misstates"),
        ({"files": {"a\0b": {"bytes": 1, "sha256": ""}}}, "misstates"),
        ({"files": {"model.joblib": {"bytes": 9, "sha256": "../keys/local.key"}}}, "misstates"),
        ({"algorithm": ["svm"]}, "misstates algorithm"),
        ({"version": True}, "misstates version"),
        ({"metrics": {"r2": 10**400}}, "is not JSON"),
        ({"parameters": {"note": "\ud800"}}, "is not JSON"),
        (features({"name": 5, "kind": "number"}), "misstates"),
        (features({"name": "x", "kind": "number", "minimum": "low"}), "misstates"),
        (features({"name": "x", "kind": "category", "categories": 5}), "misstates"),
        (features({"name": "x", "kind": "category", "categories": [[1]]}), "misstates"),
        (features({"name": "x", "kind": "datetime", "format": 5}), "misstates"),
        (features({"name": "x", "kind": "number"}, {"name": "x", "kind": "number"}), "misstates"),
        (features({"name": "x", "kind": "colour"}), "no kind 'colour'"),
        (features(), "misstates"),
        ({"metrics": None}, "misstates metrics"),
        ({"tolerance": "0"}, "misstates tolerance"),
    ],
)
def test_a_manifest_that_does_not_hold_is_refused(folder: Path, entries: Any, reason: str) -> None:
    change(folder, **entries)

    with pytest.raises(BrokenArtifact, match=reason):
        read_manifest(folder, trusting())


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_manifest_that_is_not_json_is_refused(folder: Path, content: bytes) -> None:
    resign(folder, content)

    with pytest.raises(BrokenArtifact, match=MANIFEST):
        read_manifest(folder, trusting())


def test_fields_of_a_newer_writer_are_passed_over(folder: Path) -> None:
    manifest = read_manifest(folder, trusting())
    change(folder, colour="red")

    assert read_manifest(folder, trusting()) == manifest
